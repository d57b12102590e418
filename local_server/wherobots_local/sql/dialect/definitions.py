"""CREATE, DROP and ALTER."""

from __future__ import annotations

from collections.abc import Sequence

from wherobots_local.sql.dialect.errors import not_supported
from wherobots_local.sql.dialect.expressions import ExpressionRewriter
from wherobots_local.sql.dialect.reader import TokenReader, parts_of
from wherobots_local.sql.dialect.statements import (
    AddColumns,
    CreateSchema,
    CreateTable,
    CreateView,
    DropColumns,
    DropObject,
    RenameColumn,
    RenameTable,
    SparkStatement,
)
from wherobots_local.sql.dialect.tokens import SqlToken, TokenKind
from wherobots_local.sql.dialect.types import null_of

_SCHEMA = ("SCHEMA", "DATABASE", "NAMESPACE")
_IGNORED_OF_COLUMNS = (("NOT", "NULL"), ("NULL",))


def read_create(reader: TokenReader, rewriter: ExpressionRewriter) -> SparkStatement:
    """Read what follows CREATE."""
    replace = reader.accept("OR", "REPLACE")
    if reader.next_is(*_SCHEMA) and not replace:
        return _create_schema(reader)
    if reader.accept("TABLE"):
        return _create_table(reader, rewriter, replace=replace)
    reader.accept("GLOBAL")
    temporary = reader.accept("TEMPORARY") or reader.accept("TEMP")
    if reader.accept("VIEW"):
        return _create_view(reader, rewriter, replace=replace, temporary=temporary)
    raise not_supported(f"CREATE {reader.take().text.upper()}")


def read_replace(reader: TokenReader, rewriter: ExpressionRewriter) -> SparkStatement:
    """Read what follows REPLACE."""
    reader.expect("TABLE")
    return _create_table(reader, rewriter, replace=True)


def read_drop(reader: TokenReader) -> SparkStatement:
    """Read what follows DROP."""
    if reader.next_is(*_SCHEMA):
        reader.take()
        what = "schema"
    elif reader.next_is("TABLE", "VIEW"):
        what = reader.take().text.lower()
    else:
        raise not_supported(f"DROP {reader.take().text.upper()}")
    if_exists = reader.accept("IF", "EXISTS")
    name = reader.names()
    cascade = reader.accept("CASCADE")
    _ = reader.accept("RESTRICT") or reader.accept("PURGE")
    reader.expect_end()
    return DropObject(what, name, if_exists, cascade)


def read_alter(reader: TokenReader) -> SparkStatement:
    """Read what follows ALTER."""
    if not reader.accept("TABLE"):
        raise not_supported(f"ALTER {reader.take().text.upper()}")
    name = reader.names()
    statement = _alteration(name, reader)
    reader.expect_end()
    return statement


def _alteration(name: tuple[str, ...], reader: TokenReader) -> SparkStatement:
    if reader.accept("RENAME", "TO"):
        return RenameTable(name, reader.names())
    if reader.accept("RENAME", "COLUMN"):
        old = reader.name()
        reader.expect("TO")
        return RenameColumn(name, old, reader.name())
    if reader.accept("ADD", "COLUMN") or reader.accept("ADD", "COLUMNS"):
        tokens = reader.parenthesized() if reader.next_is_sign("(") else reader.rest()
        return AddColumns(name, tuple(_column(part) for part in parts_of(tokens)))
    if reader.accept("DROP", "COLUMN") or reader.accept("DROP", "COLUMNS"):
        if_exists = reader.accept("IF", "EXISTS")
        tokens = reader.parenthesized() if reader.next_is_sign("(") else reader.rest()
        return DropColumns(name, tuple(TokenReader(part).name() for part in parts_of(tokens)), if_exists)
    raise not_supported(f"ALTER TABLE ... {reader.take().text.upper()}")


def _create_schema(reader: TokenReader) -> CreateSchema:
    reader.take()
    if_not_exists = reader.accept("IF", "NOT", "EXISTS")
    name = reader.names()
    if reader.next_is("LOCATION", "MANAGED"):
        raise not_supported(f"CREATE SCHEMA ... {reader.take().text.upper()}")
    if reader.accept("COMMENT"):
        reader.string()
    if reader.accept("WITH", "DBPROPERTIES") or reader.accept("WITH", "PROPERTIES"):
        reader.parenthesized()
    reader.expect_end()
    return CreateSchema(name, if_not_exists)


def _create_table(reader: TokenReader, rewriter: ExpressionRewriter, *, replace: bool) -> CreateTable:
    if_not_exists = reader.accept("IF", "NOT", "EXISTS")
    name = reader.names()
    columns = parts_of(reader.parenthesized()) if reader.next_is_sign("(") else []
    _skip_clauses(reader)
    is_query = reader.accept("AS") or reader.next_is("SELECT", "WITH") or reader.next_is_sign("(")
    if is_query and columns:
        raise not_supported("a list of columns before AS", "name them in the query")
    if is_query:
        sql = rewriter.sql(reader.rest())
    elif columns:
        declared = (f"{null} AS {SqlToken(TokenKind.NAME, column).sql}" for column, null in map(_column, columns))
        sql = f"SELECT {', '.join(declared)} LIMIT 0"
    elif reader.next_is("LIKE", "SHALLOW", "DEEP"):
        raise not_supported(f"CREATE TABLE ... {reader.take().text.upper()}")
    else:
        raise reader.unexpected("a table needs columns or a query")
    reader.expect_end()
    return CreateTable(name, sql, if_not_exists, replace)


def _skip_clauses(reader: TokenReader) -> None:
    """Skip what changes how a table is stored on the service, and nothing here."""
    while True:
        if reader.accept("USING"):
            reader.names()
        elif reader.accept("PARTITIONED", "BY") or reader.accept("TBLPROPERTIES") or reader.accept("OPTIONS"):
            reader.parenthesized()
        elif reader.accept("COMMENT"):
            reader.string()
        elif reader.next_is("LOCATION", "CLUSTERED", "ROW", "STORED"):
            raise not_supported(f"CREATE TABLE ... {reader.take().text.upper()}")
        else:
            return


def _create_view(reader: TokenReader, rewriter: ExpressionRewriter, *, replace: bool, temporary: bool) -> CreateView:
    if_not_exists = reader.accept("IF", "NOT", "EXISTS")
    name = reader.names()
    columns = parts_of(reader.parenthesized()) if reader.next_is_sign("(") else []
    if reader.accept("COMMENT"):
        reader.string()
    if reader.accept("TBLPROPERTIES"):
        reader.parenthesized()
    if reader.next_is("USING"):
        raise not_supported("CREATE TEMPORARY VIEW ... USING", "use AS SELECT * FROM parquet.`s3://bucket/key`")
    reader.expect("AS")
    sql = rewriter.sql(reader.rest())
    if columns:
        names = ", ".join(SqlToken(TokenKind.NAME, TokenReader(column).name()).sql for column in columns)
        sql = f"SELECT * FROM ({sql}) AS named({names})"
    if temporary and len(name) > 1:
        raise not_supported(f"a temporary view with the name {'.'.join(name)}", "name it without a schema")
    return CreateView(name, sql, if_not_exists, replace, temporary)


def _column(tokens: Sequence[SqlToken]) -> tuple[str, str]:
    """Read the definition of a column.

    :returns: its name, and a NULL of its type.
    """
    reader = TokenReader(tokens)
    name = reader.name()
    reader.accept_sign(":")
    type_tokens = reader.until("NOT", "NULL", "COMMENT", "DEFAULT", "GENERATED", "PRIMARY", "UNIQUE", "FIRST", "AFTER")
    while any(reader.accept(*words) for words in _IGNORED_OF_COLUMNS):
        pass
    if reader.accept("COMMENT"):
        reader.string()
    if not reader.is_at_end:
        raise not_supported(f"{reader.take().text.upper()} of a column")
    return name, null_of(type_tokens)
