"""Calls of Spark's functions, and casts, in DuckDB.

A function is known if it has a macro in ``functions.sql`` or ``geometry.sql``, or is in a list in ``functions.txt``, or
has a rule in ``forms.py``. All others are refused, so that no function of DuckDB itself is reached. The answers of each
were compared with those of Spark.
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.spark import Spark

from wherobots_local.sql.dialect.aggregates import OF_RANK
from wherobots_local.sql.dialect.calls import (
    AGGREGATES,
    GENERATORS,
    REFUSED,
    RENAMED,
    SCALARS,
    TEXTS,
    as_text,
    call,
    check_count,
    check_fields,
    macro,
    name_of_call,
)
from wherobots_local.sql.dialect.errors import failed, unresolved_routine, unsupported
from wherobots_local.sql.dialect.forms import RULES
from wherobots_local.sql.dialect.macros import MACROS, SCHEMA

_CASTS = frozenset(
    ("bigint", "boolean", "binary", "date", "decimal", "double", "float", "int", "smallint", "string", "timestamp")
)
_NOT_OF_NULL = frozenset(("array_contains", "array_position", "array_remove"))
_MOST_REPEATED = 20_000

NAMES = frozenset(
    {name for name in MACROS if not name.startswith("_")}
    | SCALARS.keys()
    | AGGREGATES.keys()
    | RENAMED.keys()
    | RULES.keys()
    | _CASTS
    | GENERATORS
    | OF_RANK.keys()
    | {"window"}
)
"""All functions that are known."""


def written(node: exp.Anonymous) -> exp.Expr:
    """Return what stands for a call in DuckDB."""
    if node.meta.get("is_written"):
        return node
    called = name_of_call(node)
    name = RENAMED.get(called, called)
    arguments = node.expressions
    _check_arguments(name, arguments)
    if name in ("array", "coalesce", "greatest", "least"):
        check_fields(arguments)
    if name in ("coalesce", "greatest", "least"):
        arguments[1:] = [macro("_alike", arguments[0].copy(), item) for item in arguments[1:]]
    if (rule := RULES.get(name)) is not None and (made := rule(arguments)) is not None:
        return made
    if any(isinstance(item, exp.Lambda) for item in arguments):
        raise unsupported(f"a function with an arrow in {name}")
    for place in TEXTS.get(name, ()):
        if place < len(arguments):
            arguments[place] = as_text(arguments[place])
    if name in _CASTS and len(arguments) == 1:
        return cast(exp.Cast(this=arguments[0], to=exp.DataType.build(name, dialect=Spark)))
    if name in MACROS and (not name.startswith("_") or called in RENAMED):
        return macro(name, *arguments)
    if (found := SCALARS.get(name)) is None:
        if name.startswith(("rs_", "st_")) or name in REFUSED | NAMES:
            raise unsupported(f"the function {node.this}")
        raise unresolved_routine(str(node.this))
    target, least, most = found
    check_count(name, arguments, least, most)
    return macro(target, *arguments) if target in MACROS else call(target, *arguments)


def _check_arguments(name: str, arguments: list[exp.Expr]) -> None:
    if any(isinstance(item, exp.Distinct | exp.Star) for item in arguments):
        raise unsupported(f"DISTINCT or * in {name}")
    if name in _NOT_OF_NULL and any(isinstance(item, exp.Null) for item in arguments):
        text = f"Null typed values cannot be used as arguments of `{name}`."
        raise failed("DATATYPE_MISMATCH.NULL_TYPE", text, "42K09")


def cast(node: exp.Cast | exp.TryCast) -> exp.Expr:
    kind, value = node.to, node.this
    inner = value.this if isinstance(value, exp.Neg) else value
    if isinstance(inner, exp.Literal) and not inner.is_string and kind.this in _EXACT_OF_LITERALS:
        return node
    if not isinstance(kind, exp.DataType):
        raise unsupported(f"the type {kind.sql(Spark)[:30]}")
    is_try = isinstance(node, exp.TryCast)
    name = kind.sql(Spark)
    if kind.this in exp.DataType.TEXT_TYPES:
        return macro("_text", value)
    if (macro_name := _CAST_MACROS.get(kind.this)) is not None:
        label = exp.null() if is_try else exp.Literal.string(name)
        return type(node)(this=macro(macro_name, value, label), to=kind)
    if kind.is_type(exp.DType.DECIMAL):
        label = exp.null() if is_try else exp.Literal.string(name)
        return type(node)(this=macro("_exact", value, label), to=kind)
    if kind.this not in _CAST_TYPES:
        raise unsupported(f"a cast to {name[:40]}")
    return node


_CAST_MACROS = {
    **dict.fromkeys((exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT), "_whole"),
    exp.DType.BOOLEAN: "_boolean",
    exp.DType.DATE: "_date",
    exp.DType.TIMESTAMPTZ: "_time",
    exp.DType.TIMESTAMPNTZ: "_time",
    exp.DType.DOUBLE: "_double",
    exp.DType.FLOAT: "_double",
    exp.DType.BINARY: "_binary",
}
_EXACT_OF_LITERALS = frozenset((exp.DType.DOUBLE, exp.DType.FLOAT, exp.DType.DECIMAL))
_CAST_TYPES = frozenset(
    (
        exp.DType.ARRAY,
        exp.DType.MAP,
        exp.DType.STRUCT,
        exp.DType.GEOMETRY,
        exp.DType.INTERVAL,
        exp.DType.NULL,
        exp.DType.TIMESTAMP,
    )
)


def size(node: exp.Expr) -> exp.Expr:
    """Macros repeat their arguments. Refuse what would become too large."""
    times, made = 1, node if node.meta.get("is_macro") else None
    while made is not None:
        if made.meta.get("is_macro"):
            times *= MACROS.get(str(made.this), 1)
        made = made.parent
        if times > _MOST_REPEATED:
            raise unsupported("function calls nested this deeply")
    return node


def finished(node: exp.Expr) -> exp.Expr:
    """Write a call of a macro with its schema."""
    if not node.meta.get("is_macro"):
        return node
    name = str(node.this)
    made = exp.Dot(this=exp.to_identifier(SCHEMA), expression=exp.Anonymous(this=name, expressions=node.expressions))
    is_constant = name.startswith("st_") and all(isinstance(item, exp.Literal) for item in node.expressions)
    # DuckDB does not fold a macro that can fail. A subquery is evaluated once, not for each row.
    return exp.select(made).subquery() if is_constant and node.find_ancestor(exp.Where) else made
