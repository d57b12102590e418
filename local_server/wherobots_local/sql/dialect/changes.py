"""INSERT, DELETE, UPDATE, MERGE and TRUNCATE."""

from __future__ import annotations

from wherobots_local.sql.dialect.errors import not_supported
from wherobots_local.sql.dialect.expressions import ExpressionRewriter
from wherobots_local.sql.dialect.reader import TokenReader, parts_of
from wherobots_local.sql.dialect.statements import (
    DeleteRows,
    InsertRows,
    MergeClause,
    MergeRows,
    SparkStatement,
    UpdateRows,
)
from wherobots_local.sql.dialect.tokens import SqlToken, TokenKind


def read_insert(reader: TokenReader, rewriter: ExpressionRewriter) -> SparkStatement:
    """Read what follows INSERT."""
    overwrite = reader.accept("OVERWRITE")
    if not overwrite:
        reader.expect("INTO")
    if reader.next_is("DIRECTORY", "LOCAL"):
        raise not_supported("INSERT OVERWRITE DIRECTORY", "use a store")
    reader.accept("TABLE")
    name = reader.names()
    if reader.next_is("PARTITION", "REPLACE", "BY"):
        raise not_supported(f"INSERT ... {reader.take().text.upper()}")
    columns = None
    if reader.next_is_sign("(") and not reader.next_is("SELECT", "WITH", "VALUES", after=1):
        columns = tuple(TokenReader(part).name() for part in parts_of(reader.parenthesized()))
    if reader.is_at_end:
        raise reader.unexpected("expected a query or VALUES")
    if reader.accept("TABLE"):
        return InsertRows(name, columns, f"SELECT * FROM {_quoted(reader.names())}", overwrite)
    return InsertRows(name, columns, rewriter.sql(reader.rest()), overwrite)


def read_delete(reader: TokenReader, rewriter: ExpressionRewriter) -> SparkStatement:
    """Read what follows DELETE."""
    reader.expect("FROM")
    name = reader.names()
    alias = _alias(reader, "WHERE")
    return DeleteRows(name, alias, _condition(reader, rewriter))


def read_truncate(reader: TokenReader) -> SparkStatement:
    """Read what follows TRUNCATE."""
    reader.expect("TABLE")
    name = reader.names()
    reader.expect_end()
    return DeleteRows(name, "", None)


def read_update(reader: TokenReader, rewriter: ExpressionRewriter) -> SparkStatement:
    """Read what follows UPDATE."""
    name = reader.names()
    alias = _alias(reader, "SET")
    reader.expect("SET")
    values = _assignments(reader, rewriter, "WHERE")
    return UpdateRows(name, alias, values, _condition(reader, rewriter))


def read_merge(reader: TokenReader, rewriter: ExpressionRewriter) -> SparkStatement:
    """Read what follows MERGE."""
    reader.expect("INTO")
    name = reader.names()
    alias = _alias(reader, "USING")
    reader.expect("USING")
    if reader.next_is_sign("("):
        source, source_name = f"({rewriter.sql(reader.parenthesized())})", ""
    else:
        parts = reader.names()
        source, source_name = _quoted(parts), parts[-1]
    source_alias = _alias(reader, "ON") or source_name
    reader.expect("ON")
    on = rewriter.sql(reader.until("WHEN"))
    clauses = []
    while reader.accept("WHEN"):
        clauses.append(_merge_clause(reader, rewriter))
    reader.expect_end()
    if not clauses:
        raise reader.unexpected("expected WHEN")
    return MergeRows(name, alias, source, source_alias, on, tuple(clauses))


def _merge_clause(reader: TokenReader, rewriter: ExpressionRewriter) -> MergeClause:
    if reader.accept("MATCHED"):
        rows = "matched"
    else:
        reader.expect("NOT", "MATCHED")
        rows = "not_matched"
        if reader.accept("BY", "SOURCE"):
            rows = "not_matched_by_source"
        else:
            reader.accept("BY", "TARGET")
    condition = rewriter.sql(reader.until("THEN")) if reader.accept("AND") else None
    reader.expect("THEN")
    if rows == "not_matched":
        reader.expect("INSERT")
        return MergeClause(rows, condition, "insert", _inserted(reader, rewriter))
    if reader.accept("DELETE"):
        return MergeClause(rows, condition, "delete", None)
    reader.expect("UPDATE", "SET")
    if reader.accept_sign("*"):
        return MergeClause(rows, condition, "update", None)
    return MergeClause(rows, condition, "update", _assignments(reader, rewriter, "WHEN"))


def _inserted(reader: TokenReader, rewriter: ExpressionRewriter) -> tuple[tuple[str, str], ...] | None:
    if reader.accept_sign("*"):
        return None
    columns = [TokenReader(part).column() for part in parts_of(reader.parenthesized())]
    reader.expect("VALUES")
    values = parts_of(reader.parenthesized())
    if len(columns) != len(values):
        raise reader.unexpected(f"{len(columns)} columns, but {len(values)} values")
    return tuple((column, rewriter.sql(value)) for column, value in zip(columns, values, strict=True))


def _assignments(reader: TokenReader, rewriter: ExpressionRewriter, end: str) -> tuple[tuple[str, str], ...]:
    found = []
    for part in parts_of(reader.until(end)):
        assignment = TokenReader(part)
        column = assignment.column()
        if not assignment.accept_sign("="):
            assignment.expect_sign("==")
        found.append((column, rewriter.sql(assignment.rest())))
    if not found:
        raise reader.unexpected("expected column = value")
    return tuple(found)


def _condition(reader: TokenReader, rewriter: ExpressionRewriter) -> str | None:
    if reader.is_at_end:
        return None
    reader.expect("WHERE")
    if reader.is_at_end:
        raise reader.unexpected("expected a condition")
    return rewriter.sql(reader.rest())


def _alias(reader: TokenReader, end: str) -> str:
    reader.accept("AS")
    return "" if reader.is_at_end or reader.next_is(end) else reader.name()


def _quoted(name: tuple[str, ...]) -> str:
    return ".".join(SqlToken(TokenKind.NAME, part).sql for part in name)
