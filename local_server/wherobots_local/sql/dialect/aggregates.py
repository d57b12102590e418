"""Aggregates and window functions, with their FILTER and OVER."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.dialects.spark import Spark

from wherobots_local.sql.dialect.calls import AGGREGATES, call, check_count, macro, name_of_call
from wherobots_local.sql.dialect.errors import failed, unsupported

_AROUND = (exp.Window, exp.Filter, exp.IgnoreNulls, exp.RespectNulls, exp.WithinGroup)
# sqlglot only writes IGNORE NULLS for its own classes.
_IGNORING: Mapping[str, type[exp.Expr]] = {
    "first_value": exp.FirstValue,
    "last_value": exp.LastValue,
    "lag": exp.Lag,
    "lead": exp.Lead,
    "nth_value": exp.NthValue,
}
_OF_ORDER = frozenset(
    ("cume_dist", "dense_rank", "lag", "lead", "nth_value", "ntile", "percent_rank", "rank", "row_number")
)


@dataclass
class _Aggregate:
    """An aggregate. ``whole`` is the expression with its FILTER and OVER, and ``given`` its arguments."""

    name: str
    target: str
    whole: exp.Expr
    given: list[exp.Expr]
    is_distinct: bool
    ignores_null: bool
    conditions: list[exp.Expr] = field(default_factory=list)

    @property
    def has_window(self) -> bool:
        return isinstance(self.whole, exp.Window)

    @property
    def is_something(self) -> exp.Expr:
        return self.given[0].copy().is_(exp.null()).not_()


def is_aggregate(node: exp.Expr) -> bool:
    return isinstance(node, exp.Anonymous) and not node.meta.get("is_written") and name_of_call(node) in AGGREGATES


def aggregates(node: exp.Expr) -> exp.Expr:
    """Replace an aggregate together with what is around it."""
    is_inner = isinstance(node.parent, _AROUND) and node.arg_key == "this"
    if is_inner or node.arg_key == "windows" or not (is_aggregate(node) or isinstance(node, _AROUND)):
        return node
    core = node
    while isinstance(core, _AROUND):
        core = core.this
    if isinstance(core, exp.Anonymous) and is_aggregate(core):
        return _written(core, node)
    raise unsupported(f"{core.sql(Spark)[:40]} with FILTER, OVER or the like")


def _written(node: exp.Anonymous, whole: exp.Expr) -> exp.Expr:
    name = name_of_call(node)
    target, least, most = AGGREGATES[name]
    distinct = node.expressions[0] if node.expressions and isinstance(node.expressions[0], exp.Distinct) else None
    given = list(node.expressions if distinct is None else distinct.expressions)
    check_count(name, given, least, most)
    if target == "percentile_cont":
        return _percentile(node, whole, given[0])
    made = _Aggregate(name, target, whole, given, distinct is not None, isinstance(node.parent, exp.IgnoreNulls))
    if (prepare := _PREPARED.get(target)) is not None:
        prepare(made)
    if made.has_window:
        _check_window(made)
    held = node.parent if isinstance(node.parent, exp.IgnoreNulls) else node
    written = _call(made)
    if held is whole:
        whole = written
    elif held is not None:
        held.replace(written)
    for condition in made.conditions:
        whole = _filtered(whole, condition)
    return _finished(made, whole)


def _check_window(made: _Aggregate) -> None:
    """Spark refuses these, and DuckDB does not."""
    if made.is_distinct or isinstance(made.whole.this, exp.Filter):
        raise unsupported("DISTINCT or FILTER with OVER")
    is_ordered = made.whole.args.get("order") is not None or made.whole.args.get("alias") is not None
    if made.target in _OF_ORDER and not is_ordered:
        raise failed("WINDOW_FUNCTION_WITHOUT_ORDER_BY", f"`{made.name}` needs an ORDER BY in its window.", "42601")


def _call(made: _Aggregate) -> exp.Expr:
    if not made.ignores_null:
        return call(made.target, *([exp.Distinct(expressions=made.given)] if made.is_distinct else made.given))
    if (kind := _IGNORING.get(made.target)) is None:
        raise unsupported(f"{made.name} with IGNORE NULLS")
    return exp.IgnoreNulls(this=kind(**dict(zip(("this", "offset", "default"), made.given, strict=False))))


def _finished(made: _Aggregate, whole: exp.Expr) -> exp.Expr:
    if made.name == "collect_set":
        whole = macro("array_distinct", whole)
    if made.target == "list":
        return exp.Coalesce(this=whole, expressions=[exp.Array()])
    if made.target == "count_if":
        return exp.Coalesce(this=whole, expressions=[exp.convert(0)])
    return macro("_number_or_null", whole) if made.target == "corr" else whole


def _filtered(whole: exp.Expr, condition: exp.Expr) -> exp.Expr:
    """Add a condition to the FILTER of an aggregate."""
    inner = whole.this if isinstance(whole, exp.Window) else whole
    if isinstance(inner, exp.Filter):
        inner.expression.set("this", exp.and_(inner.expression.this, condition))
        return whole
    made = exp.Filter(this=inner.copy(), expression=exp.Where(this=condition))
    if isinstance(whole, exp.Window):
        whole.set("this", made)
        return whole
    return made


def _percentile(node: exp.Expr, whole: exp.Expr, share: exp.Expr) -> exp.Expr:
    if node.parent is not whole or not isinstance(whole, exp.WithinGroup) or len(whole.expression.expressions) != 1:
        raise unsupported("percentile_cont without one WITHIN GROUP, or with more")
    (order,) = whole.expression.expressions
    place = exp.Sub(this=exp.convert(1), expression=share) if order.args.get("desc") else share
    return call("quantile_cont", order.this, place)


# What is special about an aggregate of DuckDB.


def _first(made: _Aggregate) -> None:
    if len(made.given) > 1:
        if not isinstance(last := made.given.pop(), exp.Boolean):
            raise unsupported("a condition that is not true or false as the last argument")
        made.ignores_null = made.ignores_null or bool(last.this)
    if made.has_window:
        made.target = f"{made.target}_value"
    elif made.ignores_null:
        made.conditions.append(made.is_something)
        made.ignores_null = False


def _list(made: _Aggregate) -> None:
    if made.is_distinct:
        raise unsupported(f"{made.name} with DISTINCT", "use collect_set")
    made.conditions.append(made.is_something)


def _count(made: _Aggregate) -> None:
    if made.name != "count":
        # What is approximate in Spark is exact here.
        made.is_distinct = True
    elif len(made.given) > 1:
        raise unsupported("count of several columns", "count a struct, or a concatenation")


def _join(made: _Aggregate) -> None:
    if len(made.given) == 1:
        made.given.append(exp.Literal.string(""))


def _guarded(name: str) -> Callable[[_Aggregate], None]:
    def prepare(made: _Aggregate) -> None:
        made.given[0] = macro(name, made.given[0])

    return prepare


_PREPARED: Mapping[str, Callable[[_Aggregate], None]] = {
    "avg": _guarded("_inexact"),
    "count": _count,
    "first": _first,
    "last": _first,
    "list": _list,
    "max": _guarded("_flat"),
    "min": _guarded("_flat"),
    "string_agg": _join,
}
