"""Translates a statement into DuckDB's SQL.

These parts of the tree change; sqlglot writes the rest:

* Columns without an alias, also in VALUES and in subqueries, get the names that Spark gives them: names as they are
  written, and calls and operators as Spark shows them. Windows and functions with an arrow stay as they are written.
* Tables get their full name. DuckDB has one catalog, so ``catalog.schema`` is the name of one of its schemas.
* Files in FROM become functions that read them as Spark does.
* Functions are checked, and unknown ones are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import sqlglot
from sqlglot import exp

from wherobots_local.sql.dialect.calls import GENERATORS, name_of_call
from wherobots_local.sql.dialect.errors import failed, unsupported
from wherobots_local.sql.dialect.parser import ServiceSql
from wherobots_local.sql.dialect.rules import RULES, changed

_NAMED = (exp.Alias, exp.Aliases, exp.Star, exp.Dot)
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


def translated(tree: exp.Expr, names: Names) -> exp.Expr:
    """Return the tree of a query or a change for DuckDB. This changes its tree."""
    if isinstance(tree, exp.Values):
        tree = exp.select("*").from_(tree, copy=False)
    for values in tree.find_all(exp.Values):
        _unpack(values)
    with_column_names(tree)
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


def _unpack(values: exp.Values) -> None:
    """In VALUES a row that is one ``struct(...)`` is the row of its fields."""
    match values.expressions[-1].expressions if values.expressions else ():
        case [exp.Alias() as last] if not values.alias:
            # sqlglot takes the name of ``VALUES 1, 2 AS t(x)`` for that of the last value.
            columns = values.alias_column_names
            _set_alias(values, last.alias, columns)
            last.replace(last.this)
    for row in values.expressions:
        match row.expressions:
            case [exp.Tuple() as fields]:
                row.set("expressions", fields.expressions)
            case [exp.Anonymous() as fields] if name_of_call(fields) == "struct":
                row.set("expressions", [field.unalias() for field in fields.expressions])


def _name_table(table: exp.Table, names: Names) -> None:
    if isinstance(table.this, exp.Dot):
        raise unsupported(f"tables of metadata, such as {table.sql(ServiceSql)[:60]}")
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
    """``range`` makes a table with the column ``id``; generators become queries."""
    function = table.this
    name = str(function.this).lower() if isinstance(function, exp.Anonymous) else function.sql_name().lower()
    if name in GENERATORS:
        if (column := function.find(exp.Column)) is not None:
            text = f"A column with name `{column.name}` cannot be resolved; use LATERAL."
            raise failed("UNRESOLVED_COLUMN.WITHOUT_SUGGESTION", text, "42703")
        return
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


def with_column_names(tree: exp.Expr) -> None:
    """Name each column without an alias as Spark does: ``count(*)`` becomes ``count(1)``."""
    tables = {table.name.lower() for table in tree.find_all(exp.Table, exp.TableAlias)}
    for query in list(tree.find_all(exp.Select)):
        for column in query.expressions:
            cast = column.this if isinstance(column, exp.Cast | exp.TryCast) else column
            # DuckDB allows no empty name.
            is_named = isinstance(column, _NAMED) or column.is_star or name_of_call(column) in GENERATORS
            is_cast = isinstance(cast, exp.Column) and (not cast.table or cast.table.lower() in tables)
            if not is_named and (name := cast.name if is_cast else column_name(column)):
                column.replace(exp.alias_(column.copy(), name, quoted=True))


def column_name(expression: exp.Expr) -> str:
    """Return Spark's name of an expression."""
    return _text(changed(expression.copy(), _shown))


def _text(node: exp.Expr) -> str:
    return node.sql(ServiceSql, normalize_functions="lower", comments=False)


def _shown(node: exp.Expr) -> exp.Expr:
    """Text without quotes, columns without tables, operators in parentheses. Inner nodes are written already."""
    if (rule := _SHOWN.get(type(node))) is not None:
        return exp.Var(this=rule(node))
    match node:
        case exp.If() if not isinstance(node.parent, exp.Case):
            return exp.Var(this=f"(IF({', '.join(map(_text, node.args.values()))}))")
        case exp.Anonymous(expressions=[exp.Star()]):
            return exp.Anonymous(this=node.this, expressions=[exp.Literal.number(1)])
        case exp.Paren() if not isinstance(node.this, exp.Binary):
            inner: exp.Expr = node.this
            return inner
        case exp.Binary() if not isinstance(node, exp.Dot | exp.PropertyEQ | exp.Bracket):
            return node if isinstance(node.parent, exp.Paren) else exp.paren(node, copy=False)
    return node


def _shown_cast(node: exp.Expr) -> str:
    return f"{_text(node.args['to'])} '{_text(node.this)}'" if node.meta.get("is_literal") else _text(node)


def _shown_not(node: exp.Expr) -> str:
    match node.this:
        case exp.Paren(this=exp.Is(this=value, expression=exp.Null())):
            return f"({_text(value)} IS NOT NULL)"
    return f"(NOT {_text(node.this)})"


def _shown_case(node: exp.Expr) -> str:
    if node.this is None:
        return _text(node)
    branches = [
        f"WHEN ({_text(node.this)} = {_text(found.this)}) THEN {_text(found.args['true'])}"
        for found in node.args["ifs"]
    ]
    default = [f"ELSE {_text(node.args['default'])}"] if node.args.get("default") else []
    return " ".join(["CASE", *branches, *default, "END"])


def _shown_in(node: exp.Expr) -> str:
    listed = "listquery()" if node.args.get("query") else ", ".join(map(_text, node.expressions))
    return f"({_text(node.this)} IN ({listed}))"


def _shown_type(node: exp.Expr) -> str:
    return _text(node).replace(", ", ",") if node.this is exp.DType.DECIMAL else _text(node)


def _pair(form: str) -> Callable[[exp.Expr], str]:
    negated = f"(NOT {form})"
    return lambda node: (negated if node.args.get("negate") else form).format(_text(node.this), _text(node.expression))


_SHOWN: dict[type[exp.Expr], Callable[[exp.Expr], str]] = {
    exp.Between: lambda node: f"between({', '.join(_text(node.args[key]) for key in ('this', 'low', 'high'))})",
    exp.Boolean: lambda node: str(node.this).lower(),
    exp.Case: _shown_case,
    exp.Cast: _shown_cast,
    exp.Column: lambda node: node.name,
    exp.CurrentDate: lambda node: "current_date()",
    exp.CurrentTimestamp: lambda node: "current_timestamp()",
    exp.DPipe: _pair("concat({}, {})"),
    exp.DataType: _shown_type,
    exp.Exists: lambda node: "exists()",
    exp.Extract: _pair("extract({} FROM {})"),
    exp.Filter: lambda node: f"{_text(node.this)} FILTER (WHERE {_text(node.expression.this)})",
    exp.ILike: _pair("ilike({}, {})"),
    exp.In: _shown_in,
    exp.IntDiv: _pair("({} div {})"),
    exp.Like: _pair("{} LIKE {}"),
    exp.Literal: lambda node: node.name,
    exp.NEQ: _pair("(NOT ({} = {}))"),
    exp.Neg: lambda node: f"-{node.this.name}" if node.this.name[:1].isdigit() else f"(- {_text(node.this)})",
    exp.Not: _shown_not,
    exp.NullSafeEQ: _pair("({} <=> {})"),
    exp.RegexpLike: _pair("RLIKE({}, {})"),
    exp.Subquery: lambda node: "scalarsubquery()",
}
