"""Reads tokens from left to right."""

from __future__ import annotations

from collections.abc import Sequence

from wherobots_local.sql.dialect.errors import RefusedStatementError, not_supported, syntax_error
from wherobots_local.sql.dialect.tokens import SqlToken, TokenKind

_OPEN, _CLOSED = ("(", "[", "{"), (")", "]", "}")


class TokenReader:
    """A position in a list of tokens.

    :param tokens: the tokens.
    """

    def __init__(self, tokens: Sequence[SqlToken]) -> None:
        self._tokens = list(tokens)
        self._position = 0

    @property
    def is_at_end(self) -> bool:
        """Whether nothing is left."""
        return self._position >= len(self._tokens)

    @property
    def is_last(self) -> bool:
        """Whether one token is left."""
        return self._position == len(self._tokens) - 1

    def next_is(self, *words: str, after: int = 0) -> bool:
        """Say whether the next token, or one further on, is one of these words.

        :param words: the words, in capitals.
        :param after: how many tokens are skipped; default 0.
        """
        token = self._at(self._position + after)
        return token is not None and token.is_word(*words)

    def next_is_sign(self, *signs: str, after: int = 0) -> bool:
        """Say whether the next token is one of these signs."""
        token = self._at(self._position + after)
        return token is not None and token.is_sign(*signs)

    def accept(self, *words: str) -> bool:
        """Take these words if they are next, in this order."""
        if all(self.next_is(word, after=number) for number, word in enumerate(words)):
            self._position += len(words)
            return True
        return False

    def accept_sign(self, sign: str) -> bool:
        """Take this sign if it is next."""
        if self.next_is_sign(sign):
            self._position += 1
            return True
        return False

    def expect(self, *words: str) -> None:
        """Take these words.

        :raises RefusedStatementError: if something else is next.
        """
        if not self.accept(*words):
            raise self.unexpected(f"expected {' '.join(words)}")

    def expect_sign(self, sign: str) -> None:
        """Take this sign.

        :raises RefusedStatementError: if something else is next.
        """
        if not self.accept_sign(sign):
            raise self.unexpected(f"expected {sign!r}")

    def expect_end(self) -> None:
        """Check that nothing is left.

        :raises RefusedStatementError: if something is.
        """
        if not self.is_at_end:
            raise self.unexpected("extra input")

    def peek(self) -> SqlToken:
        """Return the next token without taking it. There must be one."""
        return self._tokens[self._position]

    def take(self) -> SqlToken:
        """Take the next token.

        :raises RefusedStatementError: if there is none.
        """
        token = self._at(self._position)
        if token is None:
            raise self.unexpected("the statement ends too early")
        self._position += 1
        return token

    def string(self) -> str:
        """Take a string literal."""
        token = self._at(self._position)
        if token is None or token.kind is not TokenKind.STRING:
            raise self.unexpected("expected a string literal")
        return self.take().text

    def name(self) -> str:
        """Take a name of one part, in lower case."""
        token = self._at(self._position)
        if token is None or not token.is_name:
            raise self.unexpected("expected a name")
        if not token.text:
            raise syntax_error("``", "a name is empty")
        return self.take().text.lower()

    def names(self) -> tuple[str, ...]:
        """Take the name, of up to three parts, of a table, view or schema."""
        parts = self._qualified()
        if len(parts) > 3:
            raise syntax_error(".".join(parts), "a name has at most three parts")
        return tuple(map(checked_object_name, parts))

    def column(self) -> str:
        """Take the name of a column, without the table that may stand before it."""
        return self._qualified()[-1]

    def _qualified(self) -> list[str]:
        parts = [self.name()]
        while self.accept_sign("."):
            parts.append(self.name())
        return parts

    def until(self, *words: str, sign: str = "") -> list[SqlToken]:
        """Take tokens up to one of these words, or a sign, outside of parentheses and of CASE, or to the end.

        :param words: the words, in capitals, which are not taken.
        :param sign: a sign that ends it too; default none.
        """
        start = self._position
        depth = cases = 0
        while self._position < len(self._tokens):
            token = self._tokens[self._position]
            if token.kind is TokenKind.SIGN:
                if depth == cases == 0 and token.text == sign:
                    break
                depth += (token.text in _OPEN) - (token.text in _CLOSED)
                if depth < 0:
                    raise self.unexpected("no parenthesis is open")
            elif token.kind is TokenKind.WORD:
                if depth == cases == 0 and words and token.is_word(*words):
                    break
                cases += token.is_word("CASE") - (cases > 0 and token.is_word("END"))
            self._position += 1
        if depth:
            raise self.unexpected("a parenthesis is not closed")
        return self._tokens[start : self._position]

    def rest(self) -> list[SqlToken]:
        """Take all that is left."""
        return self.until()

    def parenthesized(self) -> list[SqlToken]:
        """Take what stands between parentheses.

        :raises RefusedStatementError: if no parenthesis is next, or it is not closed.
        """
        self.expect_sign("(")
        inner = self.until(sign=")")
        self.expect_sign(")")
        return inner

    def unexpected(self, why: str) -> RefusedStatementError:
        """Return the error for the next token."""
        token = self._at(self._position)
        return syntax_error("end of input" if token is None else token.text, why)

    def _at(self, position: int) -> SqlToken | None:
        return self._tokens[position] if position < len(self._tokens) else None


def checked_object_name(name: str) -> str:
    """Check a part of the name of a table, view or schema: for SedonaDB one with a slash is a file of this machine.

    :raises RefusedStatementError: if it is empty or has a slash in it.
    """
    if not name:
        raise syntax_error("``", "a name is empty")
    if "/" in name:
        raise not_supported(f"the name {name!r}, with a slash", "files are read as parquet.`s3://bucket/key`")
    return name


def parts_of(tokens: Sequence[SqlToken], sign: str = ",") -> list[list[SqlToken]]:
    """Split tokens at a sign outside of parentheses.

    :param tokens: the tokens; without any there are no parts.
    :param sign: the sign; default a comma.
    """
    reader = TokenReader(tokens)
    parts = [] if reader.is_at_end else [reader.until(sign=sign)]
    while not reader.is_at_end:
        reader.expect_sign(sign)
        parts.append(reader.until(sign=sign))
    return parts
