"""Writes what depends on the types of values, such as operations on decimals and differences of times.

The types are known where DuckDB binds the values: a call of ``pi`` with them fails with an error that names them,
because ``pi`` takes no arguments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import duckdb
from sqlglot import exp
from sqlglot.errors import ParseError

from wherobots_local.sql.database.decimals import AGGREGATES, exact, operands, operation, whole
from wherobots_local.sql.dialect.calls import call, macro
from wherobots_local.sql.dialect.errors import unsupported
from wherobots_local.sql.dialect.functions import finished
from wherobots_local.sql.dialect.json_values import written as written_as_json

if TYPE_CHECKING:
    from wherobots_local.sql.database.statement import Statement

_OF_TYPE = re.compile(r"'pi\((.*)\)'\. You might need")
_MOST = 300
"""A statement with more operations keeps the types of DuckDB, and divisions of decimals are refused."""
_OPERATORS = ("Add", "Sub", "Mul", "_quotient", "_div", "_mod", "_minus", "pmod", "_comparable", "_sequence")
_OF_ONE = (*AGGREGATES, "round", "reverse", "to_json")
_FIRST = ("with_", "from_", "joins", "laterals", "group")
_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")


def with_types(statement: Statement, tree: exp.Expr) -> None:
    """Change the operations in a tree that is written for DuckDB."""
    nodes = [node for node in _inner_first(tree) if _is_open(node)]
    while nodes and len(nodes) <= _MOST:
        equal = _equal(nodes)
        kinds = _kinds(statement, tree, equal)
        nodes = [node for node in nodes if not any(node is other for other in equal)]
        for node in equal if kinds else ():
            if (made := _made(node, kinds)) is not None:
                whole(node).replace(made)


def _inner_first(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield what gives a column its type before what uses the column."""
    for child in sorted(node.iter_expressions(), key=lambda child: child.arg_key not in _FIRST):
        yield from _inner_first(child)
    yield node


def _is_open(node: exp.Expr) -> bool:
    """Whether the types of its values decide what an operation is."""
    name = operation(node)
    if name == "_comparable":
        return _is_number(operands(node)[0])
    if name == "_sequence":
        return len(operands(node)) == 2
    return name in _OF_ONE or (name in _OPERATORS and not all(map(_is_number, operands(node))))


def _is_number(value: exp.Expr) -> bool:
    return isinstance(value, exp.Literal) and value.name.isdigit()


def _equal(nodes: list[exp.Expr]) -> list[exp.Expr]:
    """Return the first node, and those of its SELECT that are the same: GROUP BY must stay what SELECT has."""
    first, select = nodes[0], nodes[0].find_ancestor(exp.Select)
    if select is None or select.args.get("group") is None:
        return [first]
    return [first, *(node for node in nodes[1:] if node == first and node.find_ancestor(exp.Select) is select)]


def _kinds(statement: Statement, tree: exp.Expr, nodes: list[exp.Expr]) -> list[str]:
    """Return DuckDB's types of the operands; none if nothing uses them."""
    marked = []
    for node in nodes:
        values = operands(node)[: 1 if operation(node) in _OF_ONE else 2]
        mark = call("pi", *(value.copy() for value in values))
        place = values[0] if operation(node) in AGGREGATES else node
        place.replace(mark)
        marked.append((mark, place))
    found = None
    try:
        statement.execute(f"EXPLAIN {tree.sql('duckdb', comments=False)}")
    except duckdb.Error as error:
        found = _OF_TYPE.search(str(error))
    for mark, place in marked:
        mark.replace(place)
    return list(_split(found[1])) if found else []


def _split(types: str) -> Iterator[str]:
    """Yield types that are separated by commas."""
    begin = depth = 0
    for place, sign in enumerate(f"{types},"):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            yield types[begin:place].strip()
            begin = place + 1


def _made(node: exp.Expr, kinds: list[str]) -> exp.Expr | None:
    """Return what stands for an operation on values of some types; None if it stays."""
    name, values = operation(node), operands(node)
    are_times = all(kind in _TIMES for kind in kinds)
    if name == "_comparable":
        # A literal in quotes beside a number.
        return _cast(values[1], "bigint") if kinds[1] in _WHOLE and _are_numbers(node.parent) else None
    if name == "_minus" and are_times and not _is_beside_months(node):
        return exp.paren(_difference(*values, are_days=kinds == ["DATE", "DATE"]))
    if name == "_sequence" and are_times:
        start, end = values
        step = "INTERVAL (CASE WHEN {} > {} THEN -1 ELSE 1 END) DAY"
        days = exp.Var(this=step.format(start.sql("duckdb"), end.sql("duckdb")))
        made = finished(macro("_steps", start.copy(), end.copy(), days))
        return call("cast_to_type", made, exp.Array(expressions=[start.copy()]))
    if name == "reverse" and kinds[0].endswith("]"):
        return call("list_reverse", values[0].copy())
    return _as_json(values[0], kinds[0]) if name == "to_json" else exact(node, kinds)


def _are_numbers(comparison: exp.Expr | None) -> bool:
    return not isinstance(comparison, exp.In) or all(map(_is_number, comparison.expressions))


def _is_beside_months(node: exp.Expr) -> bool:
    """Spark does not compare days and months."""
    comparison = node.find_ancestor(exp.Predicate, exp.Between, exp.Select)
    units = () if comparison is None else (item.text("unit").upper() for item in comparison.find_all(exp.Interval))
    return any(unit.startswith(("MONTH", "QUARTER", "YEAR")) for unit in units)


def _difference(one: exp.Expr, other: exp.Expr, *, are_days: bool) -> exp.Expr:
    if are_days:
        return call("to_days", _cast(exp.Sub(this=one.copy(), expression=other.copy()), "int"))
    return exp.Sub(this=_cast(one, "timestamp"), expression=_cast(other, "timestamp"))


def _cast(value: exp.Expr, kind: str) -> exp.Expr:
    return exp.Cast(this=value.copy(), to=exp.DataType.build(kind, dialect="duckdb"))


def _as_json(value: exp.Expr, kind: str) -> exp.Expr:
    try:
        body = written_as_json("_json", exp.DataType.build(kind, dialect="duckdb"))
    except ParseError:
        raise unsupported(f"to_json of {kind[:40]}") from None
    return exp.Var(this=f"list_transform([{value.sql('duckdb')}], lambda _json: {body})[1]")
