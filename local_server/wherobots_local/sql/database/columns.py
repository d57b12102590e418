"""Refuses names of columns that DuckDB resolves and Spark does not. Sources are described only for a doubtful name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import duckdb
from sqlglot import exp

from wherobots_local.sql.dialect.errors import StatementError, failed

if TYPE_CHECKING:
    from wherobots_local.sql.database.statement import Statement

_SCOPES = (exp.Select, exp.Update, exp.Delete)


def check(statement: Statement, tree: exp.Expr) -> None:
    """Check a tree that is written for DuckDB."""
    queries = {cte.alias.lower(): cte for cte in tree.find_all(exp.CTE)}
    for scope in tree.find_all(*_SCOPES):
        if scope.this is None and isinstance(scope, exp.Update):
            # Of a MERGE.
            continue
        own = [column for column in scope.find_all(exp.Column) if column.find_ancestor(*_SCOPES) is scope]
        for column in [*_doubtful(scope, own), *_of_where(scope)]:
            if not _is_column(statement, column, scope):
                raise _unresolved(column)
        if isinstance(scope, exp.Select):
            _check_order(scope)
            _check_doubled(statement, scope, own, queries)


def _doubtful(scope: exp.Expr, own: list[exp.Column]) -> Iterator[exp.Column]:
    """For DuckDB a table is a struct, and each has the column ``rowid``."""
    tables, aliases = {source.alias_or_name.lower() for source in _sources(scope)}, _aliases(scope)
    for column in own:
        name = column.name.lower()
        if name not in aliases and (name == "rowid" or (name in tables and not column.table)):
            yield column


def _of_where(scope: exp.Expr) -> Iterator[exp.Column]:
    """DuckDB knows the aliases of SELECT everywhere."""
    aliases = _aliases(scope)
    for part in (scope.args.get("where"), *(join.args.get("on") for join in scope.args.get("joins") or ())):
        for column in part.find_all(exp.Column) if aliases and part is not None else ():
            if column.name.lower() in aliases and not column.table:
                yield column


def _aliases(scope: exp.Expr) -> set[str]:
    """Return the aliases of SELECT that are not the name of their column."""
    found = [item for item in scope.expressions if isinstance(item, exp.Alias)]
    return {item.alias.lower() for item in found if not _is_named(item)}


def _is_named(item: exp.Expr) -> bool:
    return isinstance(item, exp.Alias) and isinstance(item.this, exp.Column) and item.this.name == item.alias


def _is_column(statement: Statement, column: exp.Column, scope: exp.Expr) -> bool:
    names = {column.name.lower(), column.table.lower()}
    outer: exp.Expr | None = column.find_ancestor(*_SCOPES)
    while outer is not None:
        sources = _sources(outer)
        if outer is not scope and column.name.lower() in _aliases(outer):
            return True
        if sources:
            query = exp.Select(expressions=[exp.Star()])
            query.set("from_", exp.From(this=sources[0].copy()))
            query.set("joins", [join.copy() for join in outer.args.get("joins") or ()])
            found = _described(statement, query, outer)
            if found is None or names & set(found):
                return True
        outer = outer.find_ancestor(*_SCOPES)
    return False


def _described(statement: Statement, query: exp.Expr, within: exp.Expr) -> list[str] | None:
    """Return the names of a query's columns; None if it reads a column of what is around it."""
    ctes: list[exp.Expr] = []
    around: exp.Expr | None = within
    while around is not None:
        if (defined := around.args.get("with_")) is not None:
            ctes[:0] = [cte.copy() for cte in defined.expressions]
        around = around.parent
    if ctes:
        query.set("with_", exp.With(expressions=ctes))
    try:
        return [name.lower() for name, _ in statement.described(query.sql("duckdb"))]
    except duckdb.Error:
        return None


def _check_order(select: exp.Select) -> None:
    """Columns of ORDER BY have one meaning, and with DISTINCT they are in the output."""
    items = select.expressions
    found: dict[str, set[str]] = {}
    for item in items:
        found.setdefault(item.alias_or_name.lower(), set()).add(_value(select, item))
    named = {item.alias.lower() for item in items if _is_named(item)}
    is_distinct = select.args.get("distinct") is not None and not select.is_star
    order = select.args.get("order")
    for column in order.find_all(exp.Column) if order is not None else ():
        name, table = column.name.lower(), column.table.lower()
        if column.find_ancestor(*_SCOPES) is not select:
            continue
        is_missing = name not in (named if table else found) and table not in found
        if (is_distinct and is_missing) or (not table and len(found.get(name, ())) > 1):
            raise _unresolved(column)


def _check_doubled(
    statement: Statement, select: exp.Select, own: list[exp.Column], queries: dict[str, exp.CTE]
) -> None:
    """Refuse a column that a query in FROM has twice: DuckDB would use the first."""
    order, aliases = select.args.get("order"), _aliases(select)
    for source in _sources(select):
        defined = queries.get(source.name.lower()) if isinstance(source, exp.Table) and not source.db else source
        if not isinstance(defined, exp.Subquery | exp.CTE) or not isinstance(defined.this, exp.Query):
            continue
        if source.alias_column_names or defined.alias_column_names:
            continue
        doubled = _doubled(statement, defined.this)
        for column in own:
            is_output = column.name.lower() in aliases and column.find_ancestor(exp.Order) is order is not None
            is_there = column.table.lower() in ("", source.alias_or_name.lower())
            if column.name.lower() in doubled and is_there and not is_output:
                text = f"Reference `{column.name}` is ambiguous: a query in FROM has two columns of this name."
                raise failed("AMBIGUOUS_REFERENCE", text, "42704")


def _doubled(statement: Statement, query: exp.Query) -> set[str]:
    """Return the names that two different columns of a query have."""
    first: exp.Expr = query
    while isinstance(first, exp.SetOperation | exp.Subquery):
        first = first.this
    items = first.expressions
    if query.is_star:
        if len(items) == 1 and not first.args.get("joins"):
            return set()
        names = _described(statement, query.copy(), query) or []
    else:
        names = [item.alias_or_name.lower() for item in {_value(first, item): item for item in items}.values()]
    return {name for name, count in Counter(names).items() if count > 1}


def _value(select: exp.Expr, item: exp.Expr) -> str:
    value = item.unalias()
    is_of_one = isinstance(value, exp.Column) and not select.args.get("joins")
    return value.name.lower() if is_of_one else value.sql()


def _sources(scope: exp.Expr) -> list[exp.Expr]:
    if not isinstance(scope, exp.Select):
        return [scope.this]
    from_ = scope.args.get("from_")
    return [from_.this, *(join.this for join in scope.args.get("joins") or ())] if from_ is not None else []


def _unresolved(column: exp.Column) -> StatementError:
    shown = ".".join(f"`{part.name}`" for part in column.parts)
    return failed("UNRESOLVED_COLUMN.WITH_SUGGESTION", f"A column with the name {shown} cannot be resolved.", "42703")
