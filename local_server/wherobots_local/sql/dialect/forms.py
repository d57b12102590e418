"""Functions with a form of their own in DuckDB. A rule gets the arguments; None means that it does not apply."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from sqlglot import exp
from sqlglot.dialects.spark import Spark

from wherobots_local.sql.dialect.calls import ANY, as_text, call, check_count, is_text, macro
from wherobots_local.sql.dialect.errors import failed, unsupported
from wherobots_local.sql.dialect.json_values import read, schema
from wherobots_local.sql.dialect.patterns import reading, writing

_UNITS = frozenset(
    ("year", "quarter", "month", "week", "day", "hour", "minute", "second", "millisecond", "microsecond")
)
_PARTS = {
    **{name: name for name in ("year", "quarter", "month", "day", "dayofweek", "dayofyear", "hour", "minute")},
    **{"week": "weekofyear", "dow": "dayofweek", "doy": "dayofyear", "second": "_seconds"},
}


def _concat(arguments: list[exp.Expr]) -> exp.Expr:
    if not arguments:
        return exp.Literal.string("")
    joined = [_joinable(value) for value in arguments]
    made = joined[0] if len(joined) > 1 else macro("_joined_all", joined[0])
    for value in joined[1:]:
        made = exp.DPipe(this=made, expression=value)
    return exp.paren(made)


def _joinable(value: exp.Expr) -> exp.Expr:
    return value if is_text(value) else macro("_joined_all", value)


def _concat_ws(arguments: list[exp.Expr]) -> exp.Expr:
    if len(arguments) < 2:
        raise unsupported("concat_ws without values")
    return macro(
        "_concat_ws", as_text(arguments[0]), call("list_concat", *[macro("_texts", item) for item in arguments[1:]])
    )


def _map(arguments: list[exp.Expr]) -> exp.Expr:
    if len(arguments) % 2:
        raise failed("WRONG_NUM_ARGS", "The `map` requires 2n (n > 0) parameters.", "42605")
    keys, values = (exp.Array(expressions=arguments[place::2]) for place in (0, 1))
    return call("map", keys, values)


def _struct(arguments: list[exp.Expr]) -> exp.Expr:
    names = [_field_name(value, place) for place, value in enumerate(arguments, 1)]
    values = [value.this if isinstance(value, exp.Alias) else value for value in arguments]
    return _packed(names, values)


def _field_name(value: exp.Expr, place: int) -> str:
    is_named = isinstance(value, exp.Alias | exp.Column | exp.Dot)
    return value.alias_or_name if is_named else f"col{place}"


def _named_struct(arguments: list[exp.Expr]) -> exp.Expr:
    names = arguments[::2]
    if len(arguments) % 2 or not arguments or not all(isinstance(name, exp.Literal) for name in names):
        raise unsupported("named_struct with names that are not literals")
    return _packed([name.name for name in names], arguments[1::2])


def _packed(names: list[str], values: list[exp.Expr]) -> exp.Expr:
    if len({name.lower() for name in names}) != len(names):
        raise unsupported("two fields with one name in a struct")
    pairs = zip(names, values, strict=True)
    return exp.Struct(
        expressions=[
            exp.PropertyEQ(this=exp.to_identifier(name, quoted=True), expression=value) for name, value in pairs
        ]
    )


def _if(arguments: list[exp.Expr]) -> exp.Expr:
    check_count("if", arguments, 3, 3)
    return exp.Case(ifs=[exp.If(this=arguments[0], true=arguments[1])], default=arguments[2])


def _with_unit(name: str, old: str) -> Callable[[list[exp.Expr]], exp.Expr | None]:
    def rule(arguments: list[exp.Expr]) -> exp.Expr | None:
        if len(arguments) == 2:
            return macro(old, *arguments) if old else None
        check_count(name, arguments, 3, 3)
        unit = arguments[0].name.lower()
        if not isinstance(arguments[0], exp.Column | exp.Var) or unit not in _UNITS:
            raise unsupported(f"the unit {arguments[0].sql(Spark)[:20]}")
        return macro(name, exp.Literal.string(unit), *arguments[1:])

    return rule


def part(name: str, value: exp.Expr) -> exp.Expr:
    """Return the part of a time."""
    if (found := _PARTS.get(name.lower().removesuffix("s"))) is None:
        raise unsupported(f"EXTRACT({name or '...'} FROM ...)")
    return macro(found, value)


def _date_part(arguments: list[exp.Expr]) -> exp.Expr:
    check_count("date_part", arguments, 2, 2)
    return part(_literal(arguments[0], "parts of times"), arguments[1])


def _with_pattern(name: str) -> Callable[[list[exp.Expr]], exp.Expr | None]:
    def rule(arguments: list[exp.Expr]) -> exp.Expr | None:
        if len(arguments) < 2:
            return None
        check_count(name, arguments, 2, 2)
        text, shape = (exp.Literal.string(told) for told in reading(_literal(arguments[1], "date patterns")))
        return macro(name, as_text(arguments[0]), text, shape)

    return rule


def _decode(arguments: list[exp.Expr]) -> exp.Expr:
    if len(arguments) > 2:
        raise unsupported("decode with several values", "use CASE")
    check_count("decode", arguments, 2, 2)
    return macro("decode", *arguments)


def _date_format(arguments: list[exp.Expr]) -> exp.Expr:
    check_count("date_format", arguments, 2, 2)
    return macro("_format", arguments[0], exp.Literal.string(writing(_literal(arguments[1], "date patterns"))))


def _from_unixtime(arguments: list[exp.Expr]) -> exp.Expr:
    check_count("from_unixtime", arguments, 1, 2)
    pattern = _literal(arguments[1], "date patterns") if len(arguments) > 1 else "yyyy-MM-dd HH:mm:ss"
    return macro("_from_unixtime", arguments[0], exp.Literal.string(writing(pattern)))


def _format_string(arguments: list[exp.Expr]) -> exp.Expr:
    """Write a text with values in it: ``%s``, ``%d``, ``%05d`` and ``%.2f``."""
    pattern, values = _literal(arguments[0] if arguments else exp.null(), "formats"), arguments[1:]
    parts = re.split(r"(%(?:[sd%]|0\d+d|\.\d+f))", pattern)
    used = [part for part in parts[1::2] if part != "%%"]
    if any("%" in part for part in parts[::2]) or len(used) != len(values):
        raise unsupported(f"the format {pattern[:40]!r} with {len(values)} values")
    made: exp.Expr = exp.Literal.string(parts[0])
    for mark, text in zip(parts[1::2], parts[2::2], strict=True):
        shown = exp.Literal.string("%") if mark == "%%" else _formatted(mark, values.pop(0))
        made = exp.DPipe(this=exp.DPipe(this=made, expression=shown), expression=exp.Literal.string(text))
    return exp.paren(made)


def _formatted(mark: str, value: exp.Expr) -> exp.Expr:
    if mark == "%s":
        return macro("_shown", value)
    if mark.endswith("f"):
        return macro("_fixed", value, exp.convert(int(mark[2:-1])))
    return macro("_padded", value, exp.convert(int(mark[1:-1] or 0)))


def _literal(value: exp.Expr, what: str) -> str:
    if not isinstance(value, exp.Literal) or not value.is_string:
        raise unsupported(f"{what} that are not literals")
    return value.name


def _sequence(arguments: list[exp.Expr]) -> exp.Expr:
    check_count("sequence", arguments, 2, 3)
    start, end, *rest = arguments
    if rest and isinstance(rest[0], exp.Interval):
        made = macro("_steps", start, end, rest[0])
        return call("cast_to_type", made, exp.Array(expressions=[start.copy()]))
    return macro("_sequence", *arguments)


def _lambda(arguments: list[exp.Expr], count: int, name: str) -> exp.Lambda:
    function = arguments[-1] if arguments else None
    if not isinstance(function, exp.Lambda) or len(arguments) != count:
        raise unsupported(f"{name} without a function with an arrow")
    return function


def _each(name: str) -> Callable[[list[exp.Expr]], exp.Expr]:
    def rule(arguments: list[exp.Expr]) -> exp.Expr:
        function = _lambda(arguments, 2, name)
        for place in function.expressions[1:]:
            # It counts from 0.
            for used in [found for found in function.this.find_all(exp.Identifier) if found.name == place.name]:
                outer = used.parent if isinstance(used.parent, exp.Column) else used
                outer.replace(exp.paren(exp.Sub(this=used.copy(), expression=exp.convert(1))))
        return call(f"list_{name}", *arguments)

    return rule


def _every(name: str) -> Callable[[list[exp.Expr]], exp.Expr]:
    def rule(arguments: list[exp.Expr]) -> exp.Expr:
        function = _lambda(arguments, 2, name)
        return macro("_any" if name == "exists" else "_all", call("list_transform", arguments[0], function))

    return rule


def _zip_with(arguments: list[exp.Expr]) -> exp.Expr:
    function = _lambda(arguments, 3, "zip_with")
    if len(function.expressions) != 2:
        raise unsupported("zip_with without a function of two values")
    first, second = function.expressions
    body = _let(first, _field("_values", 1), _let(second, _field("_values", 2), function.this))
    return _zipped(arguments[:2], body)


def _each_entry(name: str) -> Callable[[list[exp.Expr]], exp.Expr]:
    """Return a rule for a map made of the entries of another."""

    def rule(arguments: list[exp.Expr]) -> exp.Expr:
        function = _lambda(arguments, 2, name)
        if len(function.expressions) != 2:
            raise unsupported(f"{name} without a function of two values")
        key, value = (_field("_entry", place) for place in (1, 2))
        body = _let(function.expressions[0], key, _let(function.expressions[1], value, function.this))
        entries = call("map_entries", arguments[0])
        if name == "map_filter":
            made = call("list_filter", entries, exp.Lambda(this=body, expressions=[exp.to_identifier("_entry")]))
            return call("map_from_entries", made)
        each = exp.Lambda(this=body, expressions=[exp.to_identifier("_entry")])
        return call("map", call("map_keys", arguments[0].copy()), call("list_transform", entries, each))

    return rule


def _arrays_zip(arguments: list[exp.Expr]) -> exp.Expr:
    check_count("arrays_zip", arguments, 1, ANY)
    places = list(enumerate(arguments, 1))
    names = [item.name if isinstance(item, exp.Column | exp.Dot) else str(place - 1) for place, item in places]
    return _zipped(arguments, _packed(names, [_field("_values", place) for place, _ in places]))


def _zipped(arrays: list[exp.Expr], body: exp.Expr) -> exp.Expr:
    """Return an array of what is made of the ``_values`` at each place of some arrays; NULL if one of them is."""
    held = [_field("_arrays", place) for place, _ in enumerate(arrays, 1)]
    are_there = exp.and_(*(item.copy().is_(exp.null()).not_() for item in held))
    each = exp.Lambda(this=body, expressions=[exp.to_identifier("_values")])
    made = call("list_transform", call("list_zip", *held), each)
    whole = exp.Case(ifs=[exp.If(this=are_there, true=made)])
    return _let(exp.to_identifier("_arrays"), call("row", *arrays), whole)


def _let(name: exp.Expr, value: exp.Expr, body: exp.Expr) -> exp.Expr:
    """Return what ``body`` is where ``name`` stands for a value."""
    named = exp.Lambda(this=body, expressions=[name.copy()])
    return call("list_extract", call("list_transform", exp.Array(expressions=[value]), named), exp.convert(1))


def _field(name: str, place: int) -> exp.Expr:
    return call("struct_extract_at", exp.to_identifier(name), exp.convert(place))


def _reduce(arguments: list[exp.Expr]) -> exp.Expr:
    finish = _lambda(arguments, 4, "aggregate") if len(arguments) == 4 else None
    function = _lambda(arguments[:3], 3, "aggregate")
    if len(function.expressions) != 2:
        raise unsupported("aggregate without a function of two values")
    # DuckDB's function wants what it has so far to have the type of the values, so both are in each of its values.
    first, second = function.expressions
    body = _let(first, _field("_so_far", 1), _let(second, _field("_next", 2), function.this))
    values, start = (_field("_given", place) for place in (1, 2))
    each = exp.Lambda(this=call("row", start, exp.to_identifier("_v")), expressions=[exp.to_identifier("_v")])
    step = exp.Lambda(
        this=call("row", macro("_kept", body, start.copy()), _field("_next", 2)),
        expressions=[exp.to_identifier("_so_far"), exp.to_identifier("_next")],
    )
    begin = call("row", start.copy(), call("list_extract", values.copy(), exp.convert(1)))
    reduced = call("list_reduce", call("list_transform", values, each), step, begin)
    # Named, so that they are written once.
    given = call("row", *arguments[:2])
    made = _let(exp.to_identifier("_given"), given, call("struct_extract_at", reduced, exp.convert(1)))
    return _let(finish.expressions[0], made, finish.this) if finish is not None else made


def _from_json(arguments: list[exp.Expr]) -> exp.Expr:
    check_count("from_json", arguments, 2, 2)
    made = read("_json", schema(_literal(arguments[1], "schemas of JSON")))
    return _let(exp.to_identifier("_json"), macro("_json_text", as_text(arguments[0])), exp.Var(this=made))


def _get_json_object(arguments: list[exp.Expr]) -> exp.Expr:
    check_count("get_json_object", arguments, 2, 2)
    path = _literal(arguments[1], "paths")
    if re.fullmatch(r"\$(\.\w+|\[\d+\])*", path) is None:
        raise unsupported(f"the path {path[:40]!r}")
    return macro("_json", as_text(arguments[0]), exp.Literal.string(path))


def _try_divide(arguments: list[exp.Expr]) -> exp.Expr:
    check_count("try_divide", arguments, 2, 2)
    one, other = arguments
    is_number = isinstance(other, exp.Literal) and float(other.name) != 0
    return macro("_quotient", one, other if is_number else call("nullif", other, exp.convert(0)))


def _now(arguments: list[exp.Expr]) -> exp.Expr:
    check_count("now", arguments, 0, 0)
    return call("now")


def _today(arguments: list[exp.Expr]) -> exp.Expr:
    check_count("current_date", arguments, 0, 0)
    return exp.Cast(this=call("now"), to=exp.DataType.build("date"))


RULES: Mapping[str, Callable[[list[exp.Expr]], exp.Expr | None]] = {
    "aggregate": _reduce,
    "arrays_zip": _arrays_zip,
    "concat": _concat,
    "concat_ws": _concat_ws,
    "curdate": _today,
    "current_date": _today,
    "current_timestamp": _now,
    "date_add": _with_unit("timestampadd", "_date_add"),
    "date_format": _date_format,
    "date_part": _date_part,
    "datediff": _with_unit("timestampdiff", "_datediff"),
    "decode": _decode,
    "exists": _every("exists"),
    "filter": _each("filter"),
    "forall": _every("forall"),
    "format_string": _format_string,
    "from_json": _from_json,
    "from_unixtime": _from_unixtime,
    "get_json_object": _get_json_object,
    "if": _if,
    "map": _map,
    "map_filter": _each_entry("map_filter"),
    "named_struct": _named_struct,
    "now": _now,
    "printf": _format_string,
    "sequence": _sequence,
    "struct": _struct,
    "timestampadd": _with_unit("timestampadd", ""),
    "timestampdiff": _with_unit("timestampdiff", ""),
    "try_divide": _try_divide,
    "transform": _each("transform"),
    "transform_values": _each_entry("transform_values"),
    "zip_with": _zip_with,
    **{
        name: _with_pattern(name)
        for name in ("to_date", "to_timestamp", "try_to_date", "try_to_timestamp", "unix_timestamp")
    },
}
