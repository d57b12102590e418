"""SHOW, DESCRIBE, USE and SET."""

from __future__ import annotations

from wherobots_local.sql.dialect.errors import not_supported
from wherobots_local.sql.dialect.reader import TokenReader
from wherobots_local.sql.dialect.statements import (
    DescribeTable,
    SetOption,
    ShowObjects,
    SparkStatement,
    UseSchema,
)
from wherobots_local.sql.dialect.tokens import TokenKind, render

_LISTED = {
    "CATALOGS": "catalogs",
    "SCHEMAS": "schemas",
    "DATABASES": "schemas",
    "NAMESPACES": "schemas",
    "TABLES": "tables",
    "VIEWS": "views",
}
_SCHEMA = ("SCHEMA", "DATABASE", "NAMESPACE", "CATALOG")


def read_show(reader: TokenReader) -> SparkStatement:
    """Read what follows SHOW."""
    if reader.accept("COLUMNS"):
        _in(reader)
        name = reader.names()
        if reader.next_is("IN", "FROM"):
            _in(reader)
            name = (*reader.names(), *name)
        reader.expect_end()
        return DescribeTable(name, names_only=True)
    word = reader.take().text.upper()
    if word not in _LISTED:
        raise not_supported(f"SHOW {word}")
    within = None
    if reader.next_is("IN", "FROM"):
        _in(reader)
        within = reader.names()
    reader.accept("LIKE")
    pattern = None if reader.is_at_end else reader.string()
    reader.expect_end()
    return ShowObjects(_LISTED[word], within, pattern)


def read_describe(reader: TokenReader) -> SparkStatement:
    """Read what follows DESCRIBE or DESC."""
    if reader.next_is("FUNCTION", "QUERY", "SELECT", "WITH", *_SCHEMA) and not reader.next_is_sign(".", after=1):
        raise not_supported(f"DESCRIBE {reader.take().text.upper()}")
    reader.accept("TABLE")
    _ = reader.accept("EXTENDED") or reader.accept("FORMATTED")
    name = reader.names()
    reader.expect_end()
    return DescribeTable(name)


def read_use(reader: TokenReader) -> SparkStatement:
    """Read what follows USE."""
    if reader.next_is(*_SCHEMA):
        reader.take()
    name = reader.names()
    reader.expect_end()
    if len(name) > 2:
        raise reader.unexpected("expected a catalog, a schema, or both")
    return UseSchema(name)


def read_set(reader: TokenReader) -> SparkStatement:
    """Read what follows SET."""
    if reader.accept("CATALOG"):
        return read_use(reader)
    if reader.is_at_end or reader.next_is("TIME", "ROLE", "VARIABLE", "VAR"):
        raise not_supported("this SET", "use SET key = value")
    key = render(reader.until(sign="=")).replace(" ", "")
    if key.lower().startswith("datafusion.catalog."):
        raise not_supported(f"SET {key}", "use USE")
    if not reader.accept_sign("="):
        return SetOption(key, None)
    value = reader.rest()
    is_literal = len(value) == 1 and value[0].kind is TokenKind.STRING
    return SetOption(key, value[0].text if is_literal else render(value))


def _in(reader: TokenReader) -> None:
    if not (reader.accept("IN") or reader.accept("FROM")):
        raise reader.unexpected("expected IN")
