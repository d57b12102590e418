"""The names that Spark gives to the columns of a result."""

from __future__ import annotations

from sqlglot import exp

from wherobots_local.sql.dialect.functions import changed
from wherobots_local.sql.dialect.parser import ServiceSql

_NAMED = (exp.Alias, exp.Aliases, exp.Column, exp.Star, exp.Dot, exp.Posexplode, exp.Stack)


def with_column_names(query: exp.Expr) -> None:
    """Name each column of a query that has no alias, as Spark does: ``count(*)`` becomes ``count(1)``."""
    while isinstance(query, exp.SetOperation | exp.Subquery):
        query = query.this
    if not isinstance(query, exp.Select):
        return
    for column in query.expressions:
        # A name of DuckDB is never empty.
        if not isinstance(column, _NAMED) and not column.is_star and (name := column_name(column)):
            column.replace(exp.alias_(column.copy(), name, quoted=True))


def column_name(expression: exp.Expr) -> str:
    """Return Spark's name of an expression, as it was read."""
    if type(expression) in (exp.Explode, exp.ExplodeOuter):
        return "col"
    return changed(expression.copy(), _shown).sql(ServiceSql, normalize_functions="lower", comments=False)


def _shown(node: exp.Expr) -> exp.Expr:
    """Text without quotes, columns without tables, operators in parentheses."""
    match node:
        case exp.Literal(is_string=True) | exp.Column():
            return exp.Var(this=node.name)
        case exp.Count(this=exp.Star()):
            return exp.Count(this=exp.Literal.number(1))
        case exp.Paren() if not isinstance(node.this, exp.Binary):
            inner: exp.Expr = node.this
            return inner
        case exp.Binary() if not isinstance(node, exp.Dot | exp.PropertyEQ | exp.Bracket):
            return node if isinstance(node.parent, exp.Paren) else exp.paren(node, copy=False)
    return node
