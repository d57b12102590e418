"""The tokens of a statement: literals, names, comments and signs, read as Spark reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from wherobots_local.sql.dialect.errors import RefusedStatementError, syntax_error
from wherobots_local.sql.dialect.literals import literal_value


class TokenKind(StrEnum):
    """What a token is."""

    WORD = "word"
    NAME = "name in backticks"
    STRING = "string"
    BINARY = "binary literal"
    NUMBER = "number"
    SIGN = "sign"


@dataclass(frozen=True, slots=True)
class SqlToken:
    """A token.

    :param kind: what it is.
    :param text: a word, number or sign as written; the value of a string; a name without its backticks; the
        hexadecimal digits of a binary literal.
    """

    kind: TokenKind
    text: str

    def is_word(self, *words: str) -> bool:
        """Say whether it is one of these words, in any case."""
        return self.kind is TokenKind.WORD and self.text.upper() in words

    def is_sign(self, *signs: str) -> bool:
        """Say whether it is one of these signs."""
        return self.kind is TokenKind.SIGN and self.text in signs

    @property
    def is_name(self) -> bool:
        """Whether it can be a name: a word, or anything in backticks."""
        return self.kind in (TokenKind.WORD, TokenKind.NAME)

    @property
    def sql(self) -> str:
        """The token as SedonaDB reads it: standard literals without escapes, and names in double quotes."""
        if self.kind is TokenKind.STRING:
            return "'" + self.text.replace("'", "''") + "'"
        if self.kind is TokenKind.NAME:
            return '"' + self.text.replace('"', '""') + '"'
        return f"X'{self.text}'" if self.kind is TokenKind.BINARY else self.text


_TOKEN = re.compile(
    r"""
      (?P<space> \s+ | --[^\n]* )
    | (?P<comment> /\* )
    | (?P<binary> [xX](?P<hex>'[0-9A-Fa-f]*'|"[0-9A-Fa-f]*") )
    | (?P<raw> [rR](?:'[^']*'|"[^"]*") )
    | (?P<string> '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" )
    | (?P<name> `(?:[^`]|``)*` )
    | (?P<number> (?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?:[lLsSyYfFdD]|[bB][dD])?(?!\w) )
    | (?P<word> \w+ )
    | (?P<sign> <=> | <= | >= | <> | != | == | \|\| | -> | => | :: | [-+*/%&|^~!=<>(),.;:?\[\]{}@] )
    """,
    re.VERBOSE | re.DOTALL,
)


def tokenize(text: str) -> list[SqlToken]:
    """Split a statement into tokens. Comments and hints are dropped; adjacent literals become one, as in Spark.

    :param text: the statement, in the dialect of the service.
    :returns: its tokens.
    :raises RefusedStatementError: for a literal, name or comment that does not end, or a sign that SQL does not have.
    """
    tokens: list[SqlToken] = []
    for token in _tokens(text):
        if token.kind is TokenKind.STRING and tokens and tokens[-1].kind is TokenKind.STRING:
            tokens[-1] = SqlToken(TokenKind.STRING, tokens[-1].text + token.text)
        else:
            tokens.append(token)
    return tokens


def render(tokens: Sequence[SqlToken]) -> str:
    """Write tokens as text that SedonaDB reads."""
    pieces: list[str] = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        is_glued = before is None or token.is_sign(".") or before.is_sign(".")
        pieces.append(token.sql if is_glued else f" {token.sql}")
    return "".join(pieces)


def _tokens(text: str) -> Iterator[SqlToken]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _unreadable(text, position)
        kind, found, position = str(match.lastgroup), match.group(), match.end()
        if kind == "comment":
            position = _comment_end(text, position)
        elif kind != "space":
            yield _token("binary" if match.group("binary") else kind, found)


def _token(kind: str, found: str) -> SqlToken:
    match kind:
        case "string":
            return SqlToken(TokenKind.STRING, literal_value(found[1:-1]))
        case "raw":
            return SqlToken(TokenKind.STRING, found[2:-1])
        case "binary":
            return SqlToken(TokenKind.BINARY, found[2:-1])
        case "name":
            return SqlToken(TokenKind.NAME, found[1:-1].replace("``", "`"))
        case _:
            return SqlToken(TokenKind(kind), found)


def _comment_end(text: str, position: int) -> int:
    """Find the end of a comment, which may contain others."""
    depth = 1
    for match in re.compile(r"/\*|\*/").finditer(text, position):
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return match.end()
    raise RefusedStatementError(
        "[UNCLOSED_BRACKETED_COMMENT] Found an unclosed bracketed comment. Please append */ at its end. SQLSTATE: 42601"
    )


def _unreadable(text: str, position: int) -> RefusedStatementError:
    sign = text[position]
    why = "it is not closed" if sign in "'\"`" else "it is not a sign of SQL"
    return syntax_error(sign, why)
