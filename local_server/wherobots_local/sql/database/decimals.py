"""Operations on decimals with the type, and so the digits, that Spark's rules give them: those of DuckDB are others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from sqlglot import exp

from wherobots_local.sql.dialect.calls import macro, name_of_call
from wherobots_local.sql.dialect.functions import finished

_DIGITS = {"TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 20, "HUGEINT": 20}
AGGREGATES = ("sum", "avg", "median", "quantile_cont")


class _Kind(NamedTuple):
    """A DECIMAL with so many digits, and so many of them behind the point."""

    precision: int
    scale: int

    @classmethod
    def bounded(cls, precision: int, scale: int) -> _Kind:
        """Return the type with at most 38 digits: Spark gives up digits behind the point, but keeps six."""
        if precision <= 38:
            return cls(precision, scale)
        return cls(38, max(38 - (precision - scale), min(scale, 6)))

    def of(self, value: exp.Expr) -> exp.Expr:
        return exp.Cast(this=value, to=exp.DataType.build(f"DECIMAL({self.precision}, {self.scale})"))


def operation(node: exp.Expr) -> str:
    """Return the name of an operator, of an aggregate or of a macro."""
    return name_of_call(node.expression if isinstance(node, exp.Dot) else node) or type(node).__name__


def operands(node: exp.Expr) -> list[exp.Expr]:
    """Return the values of an operation."""
    if isinstance(node, exp.Binary) and not isinstance(node, exp.Dot):
        return [node.this, node.expression]
    given: list[exp.Expr] = (node.expression if isinstance(node, exp.Dot) else node).expressions
    return given[0].expressions if given and isinstance(given[0], exp.Distinct) else given


def whole(node: exp.Expr) -> exp.Expr:
    """Return an aggregate with its FILTER and OVER."""
    while isinstance(node.parent, exp.Filter | exp.Window) and node.arg_key == "this":
        node = node.parent
    return node


def exact(node: exp.Expr, names: list[str]) -> exp.Expr | None:
    """Return an operation with Spark's type; None if it is none on decimals. ``names`` are types of its operands."""
    if not any(name.startswith("DECIMAL") for name in names):
        return None
    if "FLOAT" in names or operation(node) in ("median", "quantile_cont"):
        return _of_doubles(node)
    kinds = [kind for name, value in zip(names, operands(node), strict=False) if (kind := _kind(name, value))]
    return _exact(node, kinds) if len(kinds) == len(names) else None


def _kind(name: str, operand: exp.Expr) -> _Kind | None:
    """Return the decimal that Spark makes of a number; None for others. A literal has only the digits that it needs."""
    if found := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", name):
        return _Kind(int(found[1]), int(found[2]))
    value = operand.unnest()
    value = value.this if isinstance(value, exp.Neg) else value
    if isinstance(value, exp.Literal) and value.name.isdigit():
        return _Kind(len(value.name.lstrip("0")) or 1, 0)
    return _Kind(_DIGITS[name], 0) if name in _DIGITS else None


def _exact(node: exp.Expr, kinds: Sequence[_Kind]) -> exp.Expr | None:
    """Return an operation with Spark's type. Sources: DecimalPrecision and the aggregates of Spark 4.1."""
    a, b = kinds[0], kinds[-1]
    scale, digits = max(a.scale, b.scale), max(a.precision - a.scale, b.precision - b.scale)
    name = operation(node)
    match name:
        case "Add" | "Sub" | "_minus":
            return _calculated(node, kinds, _Kind.bounded(digits + scale + 1, scale))
        case "Mul":
            return _calculated(node, kinds, _Kind.bounded(a.precision + b.precision + 1, a.scale + b.scale))
        case "_quotient":
            behind = max(6, a.scale + b.precision + 1)
            return _ratio(operands(node), kinds, _Kind.bounded(a.precision - a.scale + b.scale + behind, behind))
        case "_div":
            return exp.Cast(this=_of_digits(name, operands(node), kinds), to=exp.DataType.build("bigint"))
        case "_mod" | "pmod":
            kind = _Kind.bounded(min(a.precision - a.scale, b.precision - b.scale) + scale, scale)
            return _with_point(_of_digits(name, operands(node), kinds), kind)
        case "round":
            return _rounded(node, a)
        case "sum":
            return _Kind(min(a.precision + 10, 38), a.scale).of(whole(node).copy())
        case "avg":
            sides = [_instead(whole(node), "sum"), _instead(whole(node), "count")]
            added = _Kind(min(a.precision + 10, 38), a.scale)
            return _ratio(sides, (added, _Kind(20, 0)), _Kind(min(a.precision + 4, 38), min(a.scale + 4, 38)))
    return None


def _of_doubles(node: exp.Expr) -> exp.Expr:
    made = whole(node).copy()
    aggregate = next(found for found in made.walk() if operation(found) == operation(node))
    for operand in operands(aggregate)[: 2 if isinstance(node, exp.Binary) else 1]:
        operand.replace(exp.Cast(this=operand.copy(), to=exp.DataType.build("double")))
    return made


def _calculated(node: exp.Expr, kinds: Sequence[_Kind], kind: _Kind) -> exp.Expr:
    # DuckDB would keep to 18 digits, if both have fewer.
    sizes = [_Kind(38, kinds[0].scale) if kind.precision > 18 else kinds[0], kinds[1]]
    one, other = (size.of(operand.copy()) for size, operand in zip(sizes, operands(node), strict=True))
    operation = type(node) if isinstance(node, exp.Binary) and not isinstance(node, exp.Dot) else exp.Sub
    return kind.of(operation(this=one, expression=other))


def _ratio(operands: list[exp.Expr], kinds: Sequence[_Kind], kind: _Kind) -> exp.Expr:
    return _with_point(_of_digits("_quotient", operands, kinds, kind.scale), kind)


def _of_digits(name: str, operands: list[exp.Expr], kinds: Sequence[_Kind], behind: int = 0) -> exp.Expr:
    """Call a macro with the digits of two decimals, so that the result has as many ``behind`` the point."""
    more = behind + kinds[1].scale - kinds[0].scale
    zeros = (exp.Literal.string("0" * max(0, count)) for count in (more, -more))
    digits = [finished(macro("_digits", operand.copy(), end)) for operand, end in zip(operands, zeros, strict=True)]
    return finished(macro(f"_{name.removeprefix('_')}_of_digits", *digits))


def _with_point(value: exp.Expr, kind: _Kind) -> exp.Expr:
    if kind.scale == 0:
        return kind.of(value)
    unit = _Kind(kind.scale, kind.scale).of(exp.Literal.string(f"0.{1:0{kind.scale}}"))
    return kind.of(exp.Mul(this=_Kind(38, 0).of(value), expression=unit))


def _rounded(node: exp.Expr, kind: _Kind) -> exp.Expr | None:
    _, *given = node.expression.expressions
    count = given[0].sql("duckdb") if given else "0"
    if re.fullmatch(r"-?\d+", count) is None:
        return None
    scale = min(kind.scale, max(0, int(count)))
    precision = max(kind.precision - kind.scale + 1, 1 - int(count)) + scale
    return _Kind(min(precision, 38), scale).of(node.copy())


def _instead(whole: exp.Expr, name: str) -> exp.Expr:
    """Return an aggregate of the same rows, without the macro that guards its value."""
    made = whole.copy()
    aggregate = made
    while not isinstance(aggregate, exp.Anonymous):
        aggregate = aggregate.this
    (operand,) = operands(aggregate)
    operand.replace(operand.expression.expressions[0])
    aggregate.set("this", name)
    return made
