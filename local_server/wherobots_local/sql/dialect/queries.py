"""Writes a statement as DuckDB's SQL.

What is changed in the tree that was read; sqlglot writes the rest:

* Columns without an alias get the names that Spark gives them, those of VALUES too.
* Tables get their full name. DuckDB has one catalog, so ``catalog.schema`` is the name of one of its schemas.
* Files in FROM become functions that read them as Spark does.
* Functions are checked: what is not known to mean the same is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sqlglot import exp

from wherobots_local.sql.dialect import functions, geometry
from wherobots_local.sql.dialect.columns import with_column_names
from wherobots_local.sql.dialect.errors import StatementError, unresolved_routine, unsupported
from wherobots_local.sql.dialect.macros import MACROS, SCHEMA
from wherobots_local.sql.dialect.parser import nested_too_deeply
from wherobots_local.sql.dialect.trees import changed

FORMATS = {"parquet": "parquet", "geoparquet": "parquet", "csv": "csv", "json": "json"}
_REFUSED: dict[type[exp.Expr], str] = {
    exp.Command: "this statement",
    exp.Into: "SELECT ... INTO",
    exp.Parameter: "parameters",
    exp.Placeholder: "parameters",
    exp.SessionParameter: "parameters",
    exp.Version: "time travel",
}


class Names(Protocol):
    """What a session knows of names."""

    def schema_of(self, table: exp.Table) -> str:
        """Return the schema of DuckDB in which a table or view is looked up."""

    def file_query(self, file_format: str, address: str) -> exp.Query:
        """Return a query that reads a file or a folder.

        :param file_format: a value of ``FORMATS``.
        :param address: its ``s3://`` address.
        """


def write(tree: exp.Expr, names: Names) -> str:
    """Write a query, an expression or a statement for DuckDB.

    :param tree: what was read. It is changed.
    :param names: the names of the session.
    :raises StatementError: for what the local server does not support.
    """
    try:
        if isinstance(tree, exp.Values):
            tree = exp.select("*").from_(tree, copy=False)
        with_column_names(tree)
        return _translated(tree, names).sql("duckdb", comments=False)
    except RecursionError:
        raise nested_too_deeply() from None


def _translated(tree: exp.Expr, session: Names) -> exp.Expr:
    tables = {table.alias_or_name.lower() for table in tree.find_all(exp.Table)}
    for node in list(tree.walk()):
        for kind, what in _REFUSED.items():
            if isinstance(node, kind):
                raise unsupported(what)
        if isinstance(node, exp.Table):
            _name_table(node, session)
        elif isinstance(node, exp.Values) and not node.alias_column_names and node.expressions:
            names = [f"col{number}" for number, _ in enumerate(node.expressions[0].expressions, 1)]
            alias = exp.to_identifier(node.alias or "values", quoted=True)
            node.set("alias", exp.TableAlias(this=alias, columns=[exp.to_identifier(name) for name in names]))
        elif isinstance(node, exp.Column) and node.args.get("db") and node.table.lower() in tables:
            # The schema is DuckDB's; the table's name is enough.
            node.set("db", None)
            node.set("catalog", None)
    for _, rule in functions.RULES:
        tree = changed(tree, rule)
    tree = changed(tree, _function)
    for table in [found for found in tree.find_all(exp.Table) if _is_file(found)]:
        # Last, because the rules refuse DuckDB's functions that read files.
        query = session.file_query(FORMATS[table.db.lower()], table.name)
        table.replace(query.subquery(table.alias or "file", copy=False))
    return tree


def _name_table(table: exp.Table, names: Names) -> None:
    if not isinstance(table.this, exp.Identifier):
        _name_rows(table)
        return
    if _is_file(table):
        if table.db.lower() not in FORMATS:
            raise unsupported(
                f"reading {table.name!r} as {table.db or 'a table'}", f"name one of the formats {', '.join(FORMATS)}"
            )
    elif table.args.get("db") is not None or not _is_cte(table):
        schema = names.schema_of(table)
        for part, name in (("this", table.name.lower()), ("db", schema)):
            table.set(part, exp.to_identifier(name, quoted=True))
        table.set("catalog", None)


def _is_file(table: exp.Table) -> bool:
    return isinstance(table.this, exp.Identifier) and not table.catalog and "/" in table.name


def _name_rows(table: exp.Table) -> None:
    """``range`` has the column ``id``; no other function of DuckDB makes tables here."""
    function = table.this
    name = str(function.this).lower() if isinstance(function, exp.Anonymous) else function.sql_name().lower()
    if name not in ("range", "generate_series"):
        raise StatementError(
            f"[UNRESOLVABLE_TABLE_VALUED_FUNCTION] Could not resolve `{name}` to a table-valued function."
            " SQLSTATE: 42883"
        )
    if not table.alias_column_names:
        table.set(
            "alias", exp.TableAlias(this=exp.to_identifier(table.alias or "range"), columns=[exp.to_identifier("id")])
        )


def _is_cte(table: exp.Table) -> bool:
    """Whether a name is that of a common table expression that is visible where it stands."""
    node: exp.Expr = table
    while (parent := node.parent) is not None:
        defined = parent.args.get("with_")
        if defined is not None:
            visible: Sequence[exp.Expr] = defined.expressions
            if node is defined:
                # A common table expression sees those before it.
                inside = next(cte for cte in visible if any(cte is part for part in _path(table)))
                visible = visible[: visible.index(inside) + bool(defined.args.get("recursive"))]
            if any(cte.alias.lower() == table.name.lower() for cte in visible):
                return True
        node = parent
    return False


def _path(node: exp.Expr) -> list[exp.Expr]:
    path = [node]
    while (parent := path[-1].parent) is not None:
        path.append(parent)
    return path


def _function(node: exp.Expr) -> exp.Expr:
    if not isinstance(node, exp.Anonymous | exp.AnonymousAggFunc) or isinstance(node.parent, exp.Table):
        return node
    name = str(node.this).lower()
    if name in MACROS:
        call = exp.Anonymous(this=name, expressions=node.expressions)
        macro = exp.Dot(this=exp.to_identifier(SCHEMA), expression=call)
        is_constant = name.startswith("st_") and all(isinstance(item, exp.Literal) for item in node.expressions)
        # A macro that may fail is no constant for DuckDB. A subquery is evaluated once, not for each row.
        return exp.select(macro).subquery() if is_constant and node.find_ancestor(exp.Where) else macro
    renamed = functions.RENAMED.get(name) or geometry.RENAMED.get(name)
    if renamed is not None or name in functions.SAME or name in geometry.SAME:
        return exp.Anonymous(this=renamed or name, expressions=node.expressions)
    if name in geometry.MISSING or name.startswith("rs_"):
        raise unsupported(f"the function {node.this}")
    raise unresolved_routine(str(node.this))
