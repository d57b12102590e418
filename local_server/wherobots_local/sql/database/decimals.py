"""Gives decimals the type, and so the digits, that Spark's rules give them: those of DuckDB are others.

The types of operands are known where DuckDB binds them: a call of ``pi`` with them fails with an error that names
them, because ``pi`` takes no arguments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import duckdb
from sqlglot import exp

from wherobots_local.sql.dialect.calls import call, macro, name_of_call
from wherobots_local.sql.dialect.functions import finished

if TYPE_CHECKING:
    from wherobots_local.sql.database.statement import Statement

_DIGITS = {"TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 20, "HUGEINT": 20}
_OF_TYPE = re.compile(r"'pi\((.*)\)'\. You might need")
_PAIR = re.compile(r"((?:\(.*?\)|[^(,])+)(?:, (.*))?")
_MOST = 300
"""More operations than this keep the types of DuckDB, and divisions of decimals are refused."""
_CALLS = ("_quotient", "_div", "_mod", "_minus", "pmod", "round")
_AGGREGATES = ("sum", "avg", "median", "quantile_cont")
_FIRST = ("with_", "from_", "joins", "laterals", "group")


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


def with_types_of_spark(statement: Statement, tree: exp.Expr) -> None:
    """Change the operations on decimals in a tree that is written for DuckDB."""
    nodes = [node for node in _inner_first(tree) if _operands(node)]
    if len(nodes) > _MOST or all(_are_literals(node) for node in nodes):
        return
    while nodes:
        equal = _equal(nodes)
        operands = _operands(equal[0])
        kinds = _kinds(statement, tree, equal)
        nodes = [node for node in nodes if not any(node is other for other in equal)]
        if kinds is None or not any(kind.startswith("DECIMAL") for kind in kinds):
            continue
        if "FLOAT" in kinds:
            _as_doubles(equal)
            continue
        sizes = [_kind(kind, operand) for kind, operand in zip(kinds, operands, strict=True)]
        if None in sizes:
            continue
        for node in equal:
            if (made := _exact(node, [size for size in sizes if size is not None])) is not None:
                _whole(node).replace(made)


def _inner_first(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield what gives a column its type before what uses the column."""
    for child in sorted(node.iter_expressions(), key=lambda child: child.arg_key not in _FIRST):
        yield from _inner_first(child)
    yield node


def _name(node: exp.Expr) -> str:
    return name_of_call(node.expression) if isinstance(node, exp.Dot) else ""


def _operands(node: exp.Expr) -> list[exp.Expr]:
    """Return the values on whose types the type of an operation depends; none for other nodes."""
    if isinstance(node, exp.Add | exp.Sub | exp.Mul):
        return [node.this, node.expression]
    if (name := _name(node)) in _CALLS:
        given: list[exp.Expr] = node.expression.expressions
        return given[: 1 if name == "round" else 2]
    if name_of_call(node) in _AGGREGATES and node.expressions:
        given = node.expressions
        return given[0].expressions if isinstance(given[0], exp.Distinct) else given[:1]
    return []


def _are_literals(node: exp.Expr) -> bool:
    return all(isinstance(operand, exp.Literal) and "." not in operand.name for operand in _operands(node))


def _equal(nodes: list[exp.Expr]) -> list[exp.Expr]:
    """Return the first node, and those of its SELECT that are the same: GROUP BY must stay what SELECT has."""
    first, select = nodes[0], nodes[0].find_ancestor(exp.Select)
    if select is None or select.args.get("group") is None:
        return [first]
    return [first, *(node for node in nodes[1:] if node == first and node.find_ancestor(exp.Select) is select)]


def _kinds(statement: Statement, tree: exp.Expr, nodes: list[exp.Expr]) -> list[str] | None:
    """Return DuckDB's types of the operands; None if nothing uses them."""
    marked = []
    for node in nodes:
        is_aggregate = isinstance(node, exp.Anonymous)
        place = _operands(node)[0] if is_aggregate else node
        mark = call("pi", *(operand.copy() for operand in _operands(node)))
        place.replace(mark)
        marked.append((mark, place))
    try:
        statement.execute(f"EXPLAIN {tree.sql('duckdb', comments=False)}")
    except duckdb.Error as error:
        found = _OF_TYPE.search(str(error))
    else:
        found = None
    finally:
        for mark, place in marked:
            mark.replace(place)
    pair = _PAIR.fullmatch(found[1]) if found is not None else None
    return [kind for kind in pair.groups() if kind] if pair is not None else None


def _kind(name: str, operand: exp.Expr) -> _Kind | None:
    """Return the decimal that Spark makes of a number; None for others. A literal has only the digits that it needs."""
    if found := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", name):
        return _Kind(int(found[1]), int(found[2]))
    value = operand.unnest()
    value = value.this if isinstance(value, exp.Neg) else value
    if isinstance(value, exp.Literal) and value.name.isdigit():
        return _Kind(len(value.name.lstrip("0")) or 1, 0)
    return _Kind(_DIGITS[name], 0) if name in _DIGITS else None


def _whole(node: exp.Expr) -> exp.Expr:
    """Return an aggregate with its FILTER and OVER."""
    while isinstance(node.parent, exp.Filter | exp.Window) and node.arg_key == "this":
        node = node.parent
    return node


def _exact(node: exp.Expr, kinds: Sequence[_Kind]) -> exp.Expr | None:
    """Return an operation with Spark's type. Sources: DecimalPrecision and the aggregates of Spark 4.1."""
    a, b = kinds[0], kinds[-1]
    scale, digits = max(a.scale, b.scale), max(a.precision - a.scale, b.precision - b.scale)
    name = _name(node) or name_of_call(node) or type(node).__name__
    match name:
        case "Add" | "Sub" | "_minus":
            return _calculated(node, kinds, _Kind.bounded(digits + scale + 1, scale))
        case "Mul":
            return _calculated(node, kinds, _Kind.bounded(a.precision + b.precision + 1, a.scale + b.scale))
        case "_quotient":
            behind = max(6, a.scale + b.precision + 1)
            return _ratio(_operands(node), kinds, _Kind.bounded(a.precision - a.scale + b.scale + behind, behind))
        case "_div":
            return exp.Cast(this=_of_digits(name, _operands(node), kinds), to=exp.DataType.build("bigint"))
        case "_mod" | "pmod":
            kind = _Kind.bounded(min(a.precision - a.scale, b.precision - b.scale) + scale, scale)
            return _with_point(_of_digits(name, _operands(node), kinds), kind)
        case "round":
            return _rounded(node, a)
        case "sum":
            return _Kind(min(a.precision + 10, 38), a.scale).of(_whole(node).copy())
        case "avg":
            sides = [_instead(_whole(node), "sum"), _instead(_whole(node), "count")]
            added = _Kind(min(a.precision + 10, 38), a.scale)
            return _ratio(sides, (added, _Kind(20, 0)), _Kind(min(a.precision + 4, 38), min(a.scale + 4, 38)))
    # An interpolation.
    _as_doubles([node])
    return None


def _as_doubles(nodes: list[exp.Expr]) -> None:
    for operand in [operand for node in nodes for operand in _operands(node)]:
        operand.replace(exp.Cast(this=operand.copy(), to=exp.DataType.build("double")))


def _calculated(node: exp.Expr, kinds: Sequence[_Kind], kind: _Kind) -> exp.Expr:
    # DuckDB would keep to 18 digits, if both have fewer.
    sizes = [_Kind(38, kinds[0].scale) if kind.precision > 18 else kinds[0], kinds[1]]
    one, other = (size.of(operand.copy()) for size, operand in zip(sizes, _operands(node), strict=True))
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
    (operand,) = _operands(aggregate)
    operand.replace(operand.expression.expressions[0])
    aggregate.set("this", name)
    return made
