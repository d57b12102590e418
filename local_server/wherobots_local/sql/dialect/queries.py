"""Writes a statement as DuckDB's SQL.

These parts of the tree change; sqlglot writes the rest:

* Columns without an alias, also in VALUES, get the names that Spark gives them.
* Tables get their full name. DuckDB has one catalog, so ``catalog.schema`` is the name of one of its schemas.
* Files in FROM become functions that read them as Spark does.
* Functions are checked, and unknown ones are refused.
"""

from __future__ import annotations

from typing import Protocol

import sqlglot
from sqlglot import exp

from wherobots_local.sql.dialect.calls import GENERATORS, name_of_call
from wherobots_local.sql.dialect.errors import failed, unsupported
from wherobots_local.sql.dialect.parser import ServiceSql
from wherobots_local.sql.dialect.rules import RULES, changed

_NAMED = (exp.Alias, exp.Aliases, exp.Column, exp.Star, exp.Dot)
_CURRENT = {"current_catalog": 0, "current_database": 1, "current_schema": 1}

_FORMATS = ("parquet", "geoparquet")


class Names(Protocol):
    """The names in a session."""

    @property
    def current(self) -> tuple[str, str]:
        """Its current catalog and schema."""

    def schema_of(self, table: exp.Table) -> str:
        """Return DuckDB's schema of a table or view."""

    def file_query(self, address: str, form: str) -> str:
        """Return DuckDB's query for the file or folder at an ``s3://`` address: ``parquet`` or ``geoparquet``."""


def write(tree: exp.Expr, names: Names) -> str:
    """Write a query, an expression or a statement for DuckDB. This changes its tree."""
    try:
        if isinstance(tree, exp.Values):
            tree = exp.select("*").from_(tree, copy=False)
        with_column_names(tree)
        return _translated(tree, names).sql("duckdb", comments=False)
    except RecursionError:
        raise unsupported("expressions nested this deeply") from None


def _translated(tree: exp.Expr, names: Names) -> exp.Expr:
    tables = {table.alias_or_name.lower() for table in tree.find_all(exp.Table)}
    for node in list(tree.walk()):
        if isinstance(node, exp.Table):
            _name_table(node, names)
        elif isinstance(node, exp.Values) and not node.alias_column_names and node.expressions:
            columns = [f"col{number}" for number, _ in enumerate(node.expressions[0].expressions, 1)]
            _set_alias(node, node.alias or "values", columns)
        elif isinstance(node, exp.Column) and node.args.get("db") and node.table.lower() in tables:
            # The tables have DuckDB's schemas now, so only their name stays.
            node.set("db", None)
            node.set("catalog", None)
        elif isinstance(node, exp.Anonymous) and (place := _CURRENT.get(str(node.this).lower())) is not None:
            node.replace(exp.Literal.string(names.current[place]))
    for rule in RULES:
        tree = changed(tree, rule)
    for table in [found for found in tree.find_all(exp.Table) if _is_file(found)]:
        # Last, because the rules refuse DuckDB's functions that read files.
        query = sqlglot.parse_one(f"({names.file_query(table.name, table.db.lower())})", read="duckdb")
        table.replace(exp.alias_(query, table.alias or "file", table=True))
    return tree


def _name_table(table: exp.Table, names: Names) -> None:
    if not isinstance(table.this, exp.Identifier):
        _name_rows(table)
    elif _is_file(table):
        if table.db.lower() not in _FORMATS:
            raise unsupported(f"reading {table.name!r} as {table.db or 'a table'}", "write and read parquet")
    elif table.args.get("db") is not None or not _is_cte(table):
        schema = names.schema_of(table)
        for part, name in (("this", table.name.lower()), ("db", schema)):
            table.set(part, exp.to_identifier(name, quoted=True))
        table.set("catalog", None)


def _is_file(table: exp.Table) -> bool:
    return isinstance(table.this, exp.Identifier) and not table.catalog and "/" in table.name


def _name_rows(table: exp.Table) -> None:
    """Only ``range`` makes tables. Its column is ``id``."""
    function = table.this
    name = str(function.this).lower() if isinstance(function, exp.Anonymous) else function.sql_name().lower()
    if name not in ("range", "generate_series"):
        raise failed("UNRESOLVABLE_TABLE_VALUED_FUNCTION", f"`{name}` does not make a table.", "42883")
    if not table.alias_column_names:
        _set_alias(table, table.alias or "range", ["id"])


def _set_alias(node: exp.Expr, name: str, columns: list[str]) -> None:
    alias = exp.to_identifier(name, quoted=True)
    node.set("alias", exp.TableAlias(this=alias, columns=[exp.to_identifier(column) for column in columns]))


def _is_cte(table: exp.Table) -> bool:
    """Whether a name is a common table expression that is visible here."""
    node: exp.Expr | None = table
    while node is not None:
        defined = node.args.get("with_")
        visible = defined.expressions if defined is not None else []
        if isinstance(node, exp.CTE) and isinstance(defined := node.parent, exp.With):
            # It sees only earlier ones.
            visible = defined.expressions[: (node.index or 0) + bool(defined.args.get("recursive"))]
            node = defined.parent
        if any(cte.alias.lower() == table.name.lower() for cte in visible):
            return True
        node = node.parent if node is not None else None
    return False


def with_column_names(query: exp.Expr) -> None:
    """Name each column without an alias as Spark does: ``count(*)`` becomes ``count(1)``."""
    while isinstance(query, exp.SetOperation | exp.Subquery):
        query = query.this
    if not isinstance(query, exp.Select):
        return
    for column in query.expressions:
        # DuckDB allows no empty name.
        is_named = isinstance(column, _NAMED) or column.is_star or name_of_call(column) in GENERATORS
        if not is_named and (name := column_name(column)):
            column.replace(exp.alias_(column.copy(), name, quoted=True))


def column_name(expression: exp.Expr) -> str:
    """Return Spark's name of an expression."""
    return changed(expression.copy(), _shown).sql(ServiceSql, normalize_functions="lower", comments=False)


def _shown(node: exp.Expr) -> exp.Expr:
    """Text without quotes, columns without tables, operators in parentheses."""
    match node:
        case exp.Literal(is_string=True) | exp.Column():
            return exp.Var(this=node.name)
        case exp.Anonymous(expressions=[exp.Star()]):
            return exp.Anonymous(this=node.this, expressions=[exp.Literal.number(1)])
        case exp.Paren() if not isinstance(node.this, exp.Binary):
            inner: exp.Expr = node.this
            return inner
        case exp.Binary() if not isinstance(node, exp.Dot | exp.PropertyEQ | exp.Bracket):
            return node if isinstance(node.parent, exp.Paren) else exp.paren(node, copy=False)
    return node
