"""Aggregates and window functions, with their FILTER and OVER."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp
from sqlglot.dialects.spark import Spark

from wherobots_local.sql.dialect.calls import AGGREGATES, call, check_count, macro, name_of_call
from wherobots_local.sql.dialect.errors import failed, unsupported

_AROUND = (exp.Window, exp.Filter, exp.IgnoreNulls)
# DuckDB's functions that can leave out NULL in a window.
_OF_VALUES: Mapping[str, type[exp.Func]] = {
    "first_value": exp.FirstValue,
    "lag": exp.Lag,
    "last_value": exp.LastValue,
    "lead": exp.Lead,
    "nth_value": exp.NthValue,
}
_OF_ORDER = frozenset(
    ("cume_dist", "dense_rank", "lag", "lead", "nth_value", "ntile", "percent_rank", "rank", "row_number")
)
OF_RANK = {"percentile_cont": "percentile", "percentile_disc": "percentile_approx"}
"""Aggregates that need WITHIN GROUP, and what they are without it."""
_GUARDED: Mapping[str, str] = {"avg": "_inexact", "max": "_flat", "min": "_flat", "quantile_disc": "_ranked"}
"""Macros that refuse a value."""


def ordered(node: exp.Expr) -> exp.Expr:
    """Write an aggregate WITHIN GROUP as one that gets the order as an argument."""
    if not isinstance(node, exp.WithinGroup):
        return node
    made: exp.Expr = node.this
    order = node.expression
    name, (first, *others) = name_of_call(made), order.expressions
    if name in ("listagg", "string_agg"):
        is_distinct = isinstance(made.expressions[0], exp.Distinct)
        given = made.expressions[0].expressions if is_distinct else made.expressions
        mark = given[1] if len(given) > 1 else exp.Literal.string("")
        given[1:] = [exp.Order(this=mark, expressions=order.expressions)]
        (made.expressions[0] if is_distinct else made).set("expressions", given)
        return made
    if name not in OF_RANK or others or (first.args.get("desc") and name == "percentile_disc"):
        raise unsupported(f"{name} WITHIN GROUP in this order")
    check_count(name, made.expressions, 1, 1)
    (share,) = made.expressions
    if first.args.get("desc"):
        share = exp.Sub(this=exp.convert(1), expression=share)
    return exp.Anonymous(this=OF_RANK[name], expressions=[first.this, share])


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
    is_distinct = bool(node.expressions) and isinstance(node.expressions[0], exp.Distinct)
    given = list(node.expressions[0].expressions if is_distinct else node.expressions)
    check_count(name, given, least, most)
    window = whole if isinstance(whole, exp.Window) else None
    whole, is_skipping = _without_mark(node, whole)
    if target in ("first", "last"):
        is_skipping = (len(given) > 1 and _is_true(given.pop())) or is_skipping
        if window is not None:
            target = f"{target}_value"
    elif is_skipping and target not in _OF_VALUES:
        raise unsupported(f"{name} with IGNORE NULLS")
    # What is approximate in Spark is exact here.
    is_distinct = is_distinct or (target == "count" and name != "count")
    given = _prepared(target, given)
    if target == "list" and is_distinct:
        raise unsupported(f"{name} with DISTINCT", "use collect_set")
    is_distinct = is_distinct or (name == "collect_set" and window is None)
    made = call(target, *([exp.Distinct(expressions=given[:1]), *given[1:]] if is_distinct else given))
    if window is not None:
        _check_window(name, target, window, is_distinct=is_distinct)
        if is_skipping:
            made = exp.IgnoreNulls(this=_OF_VALUES[target].from_arg_list(given))
    is_filtered = target == "list" or (is_skipping and window is None)
    something = given[0].copy().is_(exp.null()).not_() if is_filtered else None
    if node is whole:
        whole = made
    else:
        node.replace(made)
    return _finished(name, target, whole if something is None else _filtered(whole, something))


def _without_mark(node: exp.Expr, whole: exp.Expr) -> tuple[exp.Expr, bool]:
    """Remove IGNORE NULLS from around a call. Return what is left of the whole, and whether it was there."""
    mark = node.parent
    if not isinstance(mark, exp.IgnoreNulls):
        return whole, False
    if mark is whole:
        return node, True
    mark.replace(node)
    return whole, True


def _prepared(target: str, given: list[exp.Expr]) -> list[exp.Expr]:
    if target == "count" and len(given) > 1:
        # Rows in which one is NULL do not count.
        names = (exp.to_identifier(f"c{place}") for place, _ in enumerate(given))
        fields = [exp.PropertyEQ(this=name, expression=item) for name, item in zip(names, given, strict=True)]
        are_there = exp.and_(*(item.copy().is_(exp.null()).not_() for item in given))
        return [exp.Case(ifs=[exp.If(this=are_there, true=exp.Struct(expressions=fields))])]
    if target == "string_agg" and len(given) == 1:
        return [*given, exp.Literal.string("")]
    if target == "quantile_disc":
        # The third is how exact it must be.
        given = given[:2]
    if target in _GUARDED:
        return [macro(_GUARDED[target], given[0]), *given[1:]]
    return given


def _is_true(value: exp.Expr) -> bool:
    if not isinstance(value, exp.Boolean):
        raise unsupported("a condition that is not true or false as the last argument")
    return bool(value.this)


def _check_window(name: str, target: str, window: exp.Window, *, is_distinct: bool) -> None:
    """Refuse what Spark refuses and DuckDB does not."""
    if is_distinct or isinstance(window.this, exp.Filter):
        raise unsupported("DISTINCT or FILTER with OVER")
    is_ordered = window.args.get("order") is not None or window.args.get("alias") is not None
    if target == "median" and (is_ordered or window.args.get("spec") is not None):
        text = "Cannot specify ORDER BY or a window frame for `median`."
        raise failed("INVALID_WINDOW_SPEC_FOR_AGGREGATION_FUNC", text, "42601")
    if target in _OF_ORDER and not is_ordered:
        raise failed("WINDOW_FUNCTION_WITHOUT_ORDER_BY", f"`{name}` needs an ORDER BY in its window.", "42601")


def _finished(name: str, target: str, whole: exp.Expr) -> exp.Expr:
    if name == "collect_set" and isinstance(whole, exp.Window):
        whole = macro("array_distinct", whole)
    if target == "list":
        return exp.Coalesce(this=whole, expressions=[exp.Array()])
    if target == "count_if":
        return exp.Coalesce(this=whole, expressions=[exp.convert(0)])
    return macro("_number_or_null", whole) if target == "corr" or target.startswith("regr_") else whole


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
