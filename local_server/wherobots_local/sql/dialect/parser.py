"""Parses a statement or a name in the service's dialect: Spark 4 in ANSI mode."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.dialect import DialectType
from sqlglot.dialects.spark import Spark
from sqlglot.errors import ParseError, TokenError
from sqlglot.parsers.spark import SparkParser
from sqlglot.tokenizer_core import Token, TokenType

from wherobots_local.sql.dialect.errors import failed, syntax_error, unsupported
from wherobots_local.sql.dialect.known import check, check_whole
from wherobots_local.sql.dialect.pivots import without_pivots, without_samples, without_windows

# sqlglot warns about each Command. They are refused here.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

Name = tuple[str, ...]
"""The name of a table, view or schema: one to three parts in lower case."""

_WITH_GRAMMAR = ("CAST", "EXTRACT", "POSITION", "SUBSTR", "SUBSTRING", "TRIM", "TRY_CAST")
_TYPES = """ARRAY BIGINT BINARY BOOLEAN BYTE CHAR CHARACTER DATE DEC DECIMAL DOUBLE FLOAT GEOGRAPHY GEOMETRY INT INTEGER
    LONG MAP NUMERIC REAL SHORT SMALLINT STRING STRUCT TIMESTAMP TIMESTAMP_LTZ TIMESTAMP_NTZ TINYINT VARCHAR VARIANT
    INTERVAL NULL RANGE UNION UNKNOWN"""
# Words that sqlglot reads as types and Spark does not, such as TEXT.
_NO_TYPES = {word for word, kind in Spark.Tokenizer.KEYWORDS.items() if kind in SparkParser.TYPE_TOKENS} - {
    *_TYPES.split()
}
_WITHOUT_EFFECT = frozenset(("ANALYZE", "CLEAR", "MSCK", "OPTIMIZE", "REFRESH", "VACUUM"))


class Command(exp.Expression):
    """A statement that is neither a query nor a change. ``this`` is its name, such as ``SHOW TABLES``."""

    arg_types: ClassVar = {"this": True, "name": False, "pattern": False, "value": False}


class ServiceSql(Spark):
    """Spark's SQL. A failed CAST is an error, not NULL, and no function is translated by sqlglot."""

    class Tokenizer(Spark.Tokenizer):
        COMMANDS: ClassVar = set()
        KEYWORDS: ClassVar = {word: kind for word, kind in Spark.Tokenizer.KEYWORDS.items() if word not in _NO_TYPES}
        # A doubled quote is one quote, as in Spark 4.
        STRING_ESCAPES: ClassVar = ["\\", "'", '"']

    def tokenize(self, sql: str, dialect: DialectType = None) -> list[Token]:
        """Read ``window`` as a name, except in ``WINDOW w AS``."""
        tokens = super().tokenize(sql, dialect)
        for token, later in zip_longest(tokens, tokens[2:]):
            if token.token_type is TokenType.WINDOW and (later is None or later.token_type is not TokenType.ALIAS):
                token.token_type = TokenType.VAR
        return tokens

    class Parser(SparkParser):
        STRICT_CAST = True
        # All other calls are read as they are written.
        FUNCTIONS: ClassVar = {}
        # ``array(1, 2)[0]`` is a place in an array.
        ARRAY_CONSTRUCTORS: ClassVar = {}
        TYPE_LITERAL_PARSERS: ClassVar = {
            kind: lambda self, this, to: self._typed_literal(this, to)
            for kind in (exp.DType.DATE, exp.DType.TIMESTAMPTZ)
        }
        FUNCTION_PARSERS: ClassVar = {name: SparkParser.FUNCTION_PARSERS[name] for name in _WITH_GRAMMAR}
        NO_PAREN_FUNCTION_PARSERS: ClassVar = {
            name: SparkParser.NO_PAREN_FUNCTION_PARSERS[name] for name in ("CASE", "IF")
        }
        # The name of a format may have several parts: ``USING havasu.iceberg``.
        PROPERTY_PARSERS: ClassVar = {
            **SparkParser.PROPERTY_PARSERS,
            "USING": lambda self: self.expression(exp.FileFormatProperty(this=self._parse_table_parts())),
        }

        def _parse_statement(self) -> Any:
            if not self._curr or self._index > 0:
                return super()._parse_statement()
            first = self._curr.text.upper()
            if first in _WITHOUT_EFFECT:
                return self._without_effect()
            if (parse := _COMMANDS.get(first)) is not None:
                self._advance()
                command = parse(self)
                if self._curr:
                    raise unsupported(self._find_sql(self._tokens[0], self._tokens[-1])[:40])
                return command
            if self._curr.token_type is TokenType.VAR:
                # Not a keyword: sqlglot reads it as a column.
                raise unsupported(f"{first[:20]} statements")
            tree = super()._parse_statement()
            if tree is not None:
                check_whole(tree, self._tokens)
            return tree

        def _typed_literal(self, this: exp.Expr, to: exp.Expr) -> exp.Expr:
            """``DATE '2024-01-01'``, which has another name than the cast of a text."""
            made = self.expression(exp.Cast(this=this, to=to))
            made.meta["is_literal"] = isinstance(this, exp.Literal)
            return made

        def _parse_insert_table(self) -> Any:
            """The vendor's dbt adapter writes ``WITH ('overwrite-mode' = 'dynamic')`` after the table."""
            table: Any = super()._parse_insert_table()
            following = self._tokens[self._index : self._index + 6]
            if [token.text.lower() for token in following[:4]] == ["with", "(", "overwrite-mode", "="]:
                key, mode = (exp.Literal.string(following[place].text) for place in (2, 4))
                self._advance(5)
                self._match_r_paren()
                table.set("overwrite_mode", exp.EQ(this=key, expression=mode))
            return table

        def _without_effect(self) -> Command:
            self._advance(len(self._tokens))
            return self.expression(Command(this="NOTHING"))

        def _explain(self) -> Command:
            self._match_texts(("EXTENDED", "FORMATTED", "COST"))
            begin = self._index
            query = super()._parse_statement()
            if not isinstance(query, exp.Query):
                raise unsupported("EXPLAIN of other statements than queries")
            check_whole(query, self._tokens[begin:])
            return self.expression(Command(this="EXPLAIN", value=query))

        def _show(self) -> Command:
            if self._match_texts(("COLUMNS",)) or (self._match_texts(("CREATE",)) and self._match(TokenType.TABLE)):
                kind = "COLUMNS" if self._prev.text.upper() == "COLUMNS" else "CREATE TABLE"
                self._match_texts(("IN", "FROM"))
                return self.expression(Command(this=f"SHOW {kind}", name=self._parse_table_parts()))
            if not self._match_texts(("CATALOGS", "SCHEMAS", "DATABASES", "NAMESPACES", "TABLES", "VIEWS")):
                raise unsupported(f"SHOW {self._curr.text}"[:40])
            kind = self._prev.text.upper().replace("DATABASES", "SCHEMAS").replace("NAMESPACES", "SCHEMAS")
            name: Any = None
            if kind != "CATALOGS" and self._match_texts(("IN", "FROM")):
                name = self._parse_table_parts()
            self._match(TokenType.LIKE)
            pattern = self._prev.text if self._match(TokenType.STRING) else None
            return self.expression(Command(this=f"SHOW {kind}", name=name, pattern=pattern))

        def _describe(self) -> Command:
            self._match(TokenType.TABLE)
            self._match_texts(("EXTENDED", "FORMATTED"))
            return self.expression(Command(this="DESCRIBE", name=self._parse_table_parts()))

        def _use(self) -> Command:
            if self._next:
                self._match_texts(("SCHEMA", "DATABASE", "NAMESPACE", "CATALOG"))
            return self.expression(Command(this="USE", name=self._parse_table_parts()))

        def _set(self) -> Command:
            told = self._find_sql(self._tokens[1], self._tokens[-1]) if self._curr else ""
            key, _, value = (part.strip() for part in told.partition("="))
            if not value or len(key.split()) != 1:
                raise unsupported("SET without the name of a setting and a value")
            self._advance(len(self._tokens) - self._index)
            return self.expression(Command(this="SET", name=key, value=value.strip("'\"")))


_COMMANDS = {
    "EXPLAIN": ServiceSql.Parser._explain,
    "SHOW": ServiceSql.Parser._show,
    "DESC": ServiceSql.Parser._describe,
    "DESCRIBE": ServiceSql.Parser._describe,
    "USE": ServiceSql.Parser._use,
    "SET": ServiceSql.Parser._set,
}


def read(text: str) -> exp.Expr:
    """Parse one statement, with or without a semicolon."""
    try:
        parsed = sqlglot.parse(text, read=ServiceSql)
    except RecursionError:
        raise unsupported("expressions nested this deeply") from None
    except TokenError:
        raise syntax_error("a quote or a comment is not closed") from None
    except ParseError as error:
        found = error.errors[0] if error.errors else {}
        # The rest names classes of sqlglot.
        description = str(found.get("description", "")).partition(" but got ")[0]
        if (word := str(found.get("highlight", ""))).upper() in _NO_TYPES:
            raise failed("UNSUPPORTED_DATATYPE", f'Unsupported data type "{word}".', "0A000") from None
        why = "something is missing" if "missing for" in description else description
        raise syntax_error(f"{why}, line {found.get('line', 1)}", found.get("highlight") or "end of input") from None
    statements = [found for found in parsed if found and not isinstance(found, exp.Semicolon)]
    if not statements:
        raise failed("PARSE_EMPTY_STATEMENT", "Syntax error, unexpected empty statement.", "42617")
    if len(statements) > 1:
        why = "one statement at a time; split_statements=True splits them"
        raise syntax_error(why, statements[1].sql(ServiceSql)[:20])
    for query in statements[0].find_all(exp.Select):
        # Hints have no effect.
        query.set("hint", None)
        clauses = [clause for clause in query.args if clause in ("laterals", "joins")]
        if query.args.get("joins") and clauses[0] == "laterals":
            raise syntax_error("a table behind LATERAL VIEW", "JOIN")
    check(statements[0])
    without_samples(statements[0])
    without_pivots(statements[0])
    without_windows(statements[0])
    return statements[0]


def split(text: str) -> Iterator[tuple[int, str]]:
    """Yield the statements of a text that are separated by semicolons, each with its line."""
    begin: Token | None = None
    try:
        tokens = ServiceSql().tokenize(text)
    except TokenError:
        raise syntax_error("a quote or a comment is not closed") from None
    for token in tokens:
        if token.token_type is not TokenType.SEMICOLON:
            begin = begin or token
        elif begin is not None:
            yield begin.line, text[begin.start : token.start]
            begin = None
    if begin is not None:
        yield begin.line, text[begin.start :]


def name_of(table: exp.Expr | None) -> Name:
    """Return the name in a tree, after checking its parts."""
    parts = tuple(part.name.lower() for part in table.parts) if isinstance(table, exp.Table) else ()
    if not 1 <= len(parts) <= 3:
        raise syntax_error("a name has one to three parts", table.sql(ServiceSql)[:40] if table else "end of input")
    if not all(parts):
        raise syntax_error("a name is empty", "``")
    return parts
