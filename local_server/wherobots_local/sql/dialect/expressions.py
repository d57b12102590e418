"""Rewrites queries and expressions, token by token."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wherobots_local.sql.dialect.errors import not_supported, syntax_error
from wherobots_local.sql.dialect.functions import AGGREGATE_ENDING, EXPRESSED, REFUSED, RENAMED
from wherobots_local.sql.dialect.reader import TokenReader, checked_object_name, parts_of
from wherobots_local.sql.dialect.statements import SourceFile
from wherobots_local.sql.dialect.tokens import SqlToken, TokenKind, render
from wherobots_local.sql.dialect.types import cast_to, is_geometry

FILES_CATALOG = "s3"
"""Catalog of the files that a statement reads: ``"s3"."parquet"."s3://bucket/key"``."""

_FORMATS = {"parquet": "parquet", "geoparquet": "parquet", "csv": "csv", "json": "json"}
_SCHEMES = ("s3://", "s3a://")
_SIGNS = {"==": "=", "!": "NOT", "/": "* 1e0 /"}
_NUMBER = re.compile(r"(?P<digits>[\d.]+(?:[eE][+-]?\d+)?)(?P<suffix>[a-zA-Z]*)")
_REFUSED_WORDS = {
    ("DIV",): "DIV; divide and cast the result",
    ("INTO",): "SELECT ... INTO; use CREATE TABLE ... AS",
    ("TABLESAMPLE",): "TABLESAMPLE",
    ("LATERAL", "VIEW"): "LATERAL VIEW; use explode in the SELECT list",
    ("PIVOT",): "PIVOT",
    ("UNPIVOT",): "UNPIVOT",
    ("VERSION", "AS", "OF"): "time travel",
    ("TIMESTAMP", "AS", "OF"): "time travel",
    ("DISTRIBUTE", "BY"): "DISTRIBUTE BY",
    ("CLUSTER", "BY"): "CLUSTER BY",
    ("SORT", "BY"): "SORT BY",
    ("TRANSFORM", "("): "TRANSFORM",
}


_AFTER_FROM = (
    "WHERE",
    "GROUP",
    "HAVING",
    "ORDER",
    "LIMIT",
    "UNION",
    "EXCEPT",
    "MINUS",
    "INTERSECT",
    "QUALIFY",
    "WINDOW",
)
_DATE_PARTS = {
    **dict.fromkeys(("dow", "dayofweek"), EXPRESSED["dayofweek", 1]),
    **dict.fromkeys(("dow_iso", "dayofweek_iso"), "((date_part('dow', {0}) + 6) % 7 + 1)"),
}
_QUERY_WORDS = ("SELECT", "ALL", "DISTINCT", "VALUES", "TABLE", "WITH")
_REFUSED_FIRST = {words[0] for words in _REFUSED_WORDS}


class ExpressionRewriter:
    """Rewrites the queries and expressions of one statement, and keeps the files that they read."""

    def __init__(self) -> None:
        self.files: list[SourceFile] = []

    def sql(self, tokens: Sequence[SqlToken]) -> str:
        """Return tokens of the service's SQL as text of SedonaDB.

        :param tokens: a query or an expression.
        :raises RefusedStatementError: for what the local server does not support.
        """
        return render(self._rewritten(tokens))

    def _rewritten(self, tokens: Sequence[SqlToken]) -> list[SqlToken]:
        reader = TokenReader(tokens)
        done: list[SqlToken] = []
        in_from = False
        while not reader.is_at_end:
            token = reader.peek()
            is_column = bool(done) and done[-1].is_sign(".")
            if token.kind is TokenKind.WORD and token.text.upper() in _REFUSED_FIRST and not is_column:
                _refuse_words(reader)
            token = reader.take()
            in_from = (in_from or token.is_word("FROM")) and not token.is_word(*_AFTER_FROM)
            if token.is_sign(",") and in_from:
                done += [token, *self._relation(reader)]
            elif token.kind is TokenKind.WORD and not is_column:
                done.extend(self._word(token, reader))
            elif token.kind is TokenKind.NUMBER:
                done.append(_number(token))
            elif token.is_sign(*_SIGNS):
                done.append(_plain(_SIGNS[token.text]))
            elif token.is_sign("["):
                done.append(_plain(self._element(reader)))
            else:
                done.append(token)
        return done

    def _element(self, reader: TokenReader) -> str:
        """What stands in brackets: a key, or a position, which Spark counts from 0 and SedonaDB from 1."""
        inner = reader.until(sign="]")
        reader.expect_sign("]")
        is_key = len(inner) == 1 and inner[0].kind is TokenKind.STRING
        return f"[{self.sql(inner)}]" if is_key else f"[({self.sql(inner)}) + 1]"

    def _word(self, token: SqlToken, reader: TokenReader) -> list[SqlToken]:
        word = token.text.upper()
        if word == "MINUS" and (reader.next_is(*_QUERY_WORDS) or reader.next_is_sign("(")):
            return [_plain("EXCEPT")]
        if word == "IS" and _is_distinct_from(reader):
            return self._distinct(reader)
        if reader.next_is_sign("("):
            return self._call(token, reader)
        if word == "NOT" and reader.next_is("RLIKE", "REGEXP"):
            reader.take()
            return [_plain("!~")]
        if word in ("RLIKE", "REGEXP"):
            return [_plain("~")]
        if word in ("FROM", "JOIN"):
            return [token, *self._relation(reader)]
        return [token]

    def _relation(self, reader: TokenReader) -> list[SqlToken]:
        """What stands after FROM, JOIN, or a comma between tables. The case of a table's name does not matter."""
        if reader.accept("VALUES"):
            return self._inline_rows(reader)
        if reader.next_is("PARQUET", "GEOPARQUET", "CSV", "JSON") and reader.next_is_sign(".", after=1):
            return self._file(reader)
        if reader.next_is("RANGE") and reader.next_is_sign("(", after=1):
            reader.take()
            return [_plain(f"(SELECT value AS id FROM range({self.sql(reader.parenthesized())}))")]
        if reader.is_at_end or reader.next_is_sign("("):
            return []
        table = [_table_part(reader.take())]
        while reader.next_is_sign("."):
            table += [reader.take(), _table_part(reader.take())]
        return self._call(table[0], reader) if len(table) == 1 and reader.next_is_sign("(") else table

    def _distinct(self, reader: TokenReader) -> list[SqlToken]:
        """``IS [NOT] DISTINCT FROM``. SedonaDB would take all that follows, behind AND too, as its right side."""
        is_not = reader.accept("NOT")
        reader.expect("DISTINCT", "FROM")
        if is_not:
            return [_plain("<=>")]
        right = reader.until("AND", "OR", "THEN", "ELSE", "WHEN", "END", "JOIN", *_AFTER_FROM, sign=",")
        if reader.next_is("AND", "OR"):
            raise not_supported("IS DISTINCT FROM before AND or OR", "put it in parentheses")
        return [_plain("IS DISTINCT FROM"), *self._rewritten(right)]

    def _inline_rows(self, reader: TokenReader) -> list[SqlToken]:
        rows = []
        while True:
            if reader.next_is_sign("("):
                rows.append(f"({self.sql(reader.parenthesized())})")
            else:
                rows.append(f"({self.sql([reader.take()])})")
            if not reader.accept_sign(","):
                return [_plain(f"(VALUES {', '.join(rows)})")]

    def _file(self, reader: TokenReader) -> list[SqlToken]:
        file_format = _FORMATS[reader.name()]
        reader.expect_sign(".")
        address = reader.take().text
        if not address.startswith(_SCHEMES):
            raise not_supported(f"reading {address!r}", "it reads s3:// addresses below the root of its storage")
        source = SourceFile(file_format, "s3://" + address.partition("://")[2])
        if source not in self.files:
            self.files.append(source)
        parts = (FILES_CATALOG, source.format, source.address)
        return [_plain(".".join(SqlToken(TokenKind.NAME, part).sql for part in parts))]

    def _call(self, token: SqlToken, reader: TokenReader) -> list[SqlToken]:
        name = token.text.lower()
        if name in ("cast", "try_cast"):
            return [_plain(self._cast(reader.parenthesized(), is_try=name == "try_cast"))]
        if name == "extract":
            return [_plain(self._extract(reader.parenthesized()))]
        if name in REFUSED:
            raise not_supported(f"the function {token.text}", REFUSED[name])
        inner = reader.parenthesized()
        if name == "trim" and any(part.is_word("FROM") for part in inner):
            return [_plain(self._trim(inner))]
        arguments = parts_of(inner)
        is_part = len(arguments) == 2 and [part.kind for part in arguments[0]] == [TokenKind.STRING]
        if name in ("date_part", "datepart") and is_part:
            return [_plain(_date_part(arguments[0][0].text, self.sql(arguments[1])))]
        if name == "concat" and arguments:
            # SedonaDB's own leaves NULLs out.
            return [_plain(f"('' || {' || '.join(f'({self.sql(argument)})' for argument in arguments)})")]
        template = EXPRESSED.get((name, len(arguments)))
        if template is not None:
            return [_plain(template.format(*(self.sql(argument) for argument in arguments)))]
        if name.startswith("st_") and name.endswith(AGGREGATE_ENDING[0]):
            name = name.removesuffix(AGGREGATE_ENDING[0]) + AGGREGATE_ENDING[1]
        return [_plain(RENAMED.get(name, token.text if name == token.text.lower() else name)), *self._group(inner)]

    def _group(self, inner: Sequence[SqlToken]) -> list[SqlToken]:
        opened, closed = SqlToken(TokenKind.SIGN, "("), SqlToken(TokenKind.SIGN, ")")
        return [opened, *self._rewritten(inner), closed]

    def _cast(self, inner: Sequence[SqlToken], *, is_try: bool) -> str:
        reader = TokenReader(inner)
        expression = self.sql(reader.until("AS"))
        reader.expect("AS")
        type_tokens = reader.rest()
        if is_geometry(type_tokens):
            raise not_supported("CAST to GEOMETRY", "use ST_GeomFromWKT or ST_GeomFromWKB")
        return cast_to(expression, type_tokens, is_try=is_try)

    def _extract(self, inner: Sequence[SqlToken]) -> str:
        reader = TokenReader(inner)
        unit = reader.name()
        reader.expect("FROM")
        return _date_part(unit, self.sql(reader.rest()))

    def _trim(self, inner: Sequence[SqlToken]) -> str:
        """``trim(BOTH 'x' FROM text)``: what follows this FROM is no table."""
        reader = TokenReader(inner)
        removed = self.sql(reader.until("FROM"))
        return f"trim({removed} FROM {self.sql(reader.rest()[1:])})" if not reader.is_at_end else f"trim({removed})"


def _date_part(unit: str, expression: str) -> str:
    """A part of a date. Where weeks begin differs."""
    if unit.lower() in _DATE_PARTS:
        return _DATE_PARTS[unit.lower()].format(expression)
    return f"date_part({SqlToken(TokenKind.STRING, unit).sql}, {expression})"


def _is_distinct_from(reader: TokenReader) -> bool:
    start = 1 if reader.next_is("NOT") else 0
    return reader.next_is("DISTINCT", after=start) and reader.next_is("FROM", after=start + 1)


def _refuse_words(reader: TokenReader) -> None:
    for words, what in _REFUSED_WORDS.items():
        *first, last = words
        if not all(reader.next_is(word, after=number) for number, word in enumerate(first)):
            continue
        is_last = reader.next_is_sign if last == "(" else reader.next_is
        # A column may have the name of one of these words.
        is_clause = len(words) > 1 or not _is_column(reader)
        if is_last(last, after=len(first)) and is_clause:
            raise not_supported(what)


def _is_column(reader: TokenReader) -> bool:
    return reader.is_last or reader.next_is_sign(",", ")", ".", "=", after=1)


def _number(token: SqlToken) -> SqlToken:
    """Drop the suffix of a type: ``1L``, ``1.5BD``."""
    match = _NUMBER.fullmatch(token.text)
    digits = match.group("digits") if match else token.text
    if match and match.group("suffix").upper() in ("D", "F") and digits.isdigit():
        digits += ".0"
    return SqlToken(TokenKind.NUMBER, digits)


def _table_part(token: SqlToken) -> SqlToken:
    if token.kind is TokenKind.STRING:
        raise syntax_error(token.text, "a table is named without quotes")
    if token.kind is not TokenKind.NAME:
        return token
    return SqlToken(token.kind, checked_object_name(token.text.lower()))


def _plain(text: str) -> SqlToken:
    """Text that is SQL of SedonaDB already."""
    return SqlToken(TokenKind.WORD, text)
