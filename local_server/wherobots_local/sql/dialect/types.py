"""The types of Spark and their names in SedonaDB."""

from __future__ import annotations

from collections.abc import Sequence

from wherobots_local.sql.dialect.errors import not_supported
from wherobots_local.sql.dialect.reader import TokenReader
from wherobots_local.sql.dialect.tokens import SqlToken, render

_ARROW_TYPES = {
    "BOOLEAN": "Boolean",
    "TINYINT": "Int8",
    "BYTE": "Int8",
    "SMALLINT": "Int16",
    "SHORT": "Int16",
    "INT": "Int32",
    "INTEGER": "Int32",
    "BIGINT": "Int64",
    "LONG": "Int64",
    "FLOAT": "Float32",
    "REAL": "Float32",
    "DOUBLE": "Float64",
    "STRING": "Utf8",
    "VARCHAR": "Utf8",
    "CHAR": "Utf8",
    "BINARY": "Binary",
    "DATE": "Date32",
    "TIMESTAMP": "Timestamp(Microsecond, None)",
    "TIMESTAMP_NTZ": "Timestamp(Microsecond, None)",
    "TIMESTAMP_LTZ": "Timestamp(Microsecond, None)",
}
_DECIMALS = ("DECIMAL", "DEC", "NUMERIC")
_DEFAULT_DECIMAL = "10,0"

GEOMETRY_NULL = "ST_GeomFromWKT(CAST(NULL AS VARCHAR))"


def cast_to(expression: str, type_tokens: Sequence[SqlToken], *, is_try: bool = False) -> str:
    """Return the cast of an expression to a type.

    :param expression: SQL of SedonaDB.
    :param type_tokens: the type, in Spark's words.
    :param is_try: whether what cannot be cast becomes NULL; default False, an error.
    :raises RefusedStatementError: for a type that SedonaDB does not have.
    """
    name = arrow_type(type_tokens)
    if is_try:
        return f"TRY_CAST({expression} AS {_sql_type(name)})"
    # Its own CAST yields views of strings, which other functions refuse.
    return f"arrow_cast({expression}, '{name}')"


def null_of(type_tokens: Sequence[SqlToken]) -> str:
    """Return a NULL of a type, also of ``GEOMETRY``."""
    if is_geometry(type_tokens):
        return GEOMETRY_NULL
    return f"arrow_cast(NULL, '{arrow_type(type_tokens)}')"


def is_geometry(type_tokens: Sequence[SqlToken]) -> bool:
    """Say whether a type is ``GEOMETRY``, with or without a coordinate system."""
    return bool(type_tokens) and type_tokens[0].is_word("GEOMETRY")


def arrow_type(type_tokens: Sequence[SqlToken]) -> str:
    """Return the name of a type as ``arrow_cast`` takes it.

    :raises RefusedStatementError: for a type that SedonaDB does not have.
    """
    reader = TokenReader(type_tokens)
    found = _arrow_type(reader)
    reader.expect_end()
    return found


def _arrow_type(reader: TokenReader) -> str:
    token = reader.take()
    name = token.text.upper()
    if name in _DECIMALS:
        size = render(reader.parenthesized()).replace(" ", "") if reader.next_is_sign("(") else _DEFAULT_DECIMAL
        return f"Decimal128({size if ',' in size else f'{size},0'})"
    if name == "ARRAY":
        reader.expect_sign("<")
        element = _arrow_type(reader)
        reader.expect_sign(">")
        return f"List({element})"
    if name not in _ARROW_TYPES or not token.is_name:
        raise not_supported(f"the type {name}")
    if name in ("VARCHAR", "CHAR") and reader.next_is_sign("("):
        reader.parenthesized()
    return _ARROW_TYPES[name]


def _sql_type(arrow: str) -> str:
    """TRY_CAST takes no names of Arrow."""
    names = {
        "Boolean": "BOOLEAN",
        "Int8": "TINYINT",
        "Int16": "SMALLINT",
        "Int32": "INT",
        "Int64": "BIGINT",
        "Float32": "REAL",
        "Float64": "DOUBLE",
        "Utf8": "VARCHAR",
        "Binary": "BYTEA",
        "Date32": "DATE",
    }
    if arrow.startswith("Decimal128"):
        return arrow.replace("Decimal128", "DECIMAL")
    if arrow.startswith("Timestamp"):
        return "TIMESTAMP"
    if arrow not in names:
        raise not_supported(f"TRY_CAST to {arrow}")
    return names[arrow]
