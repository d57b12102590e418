"""Spark's functions that DuckDB has by the same or another name, and rules for what a name cannot say.

A function of Spark is known if it has a macro in ``functions.sql``, stands in one of the tables here, or is one of those
that sqlglot translates rightly. All others are refused, so that no function of DuckDB's own is reached.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import sqlglot
from sqlglot import exp
from sqlglot.dialects.spark import Spark
from sqlglot.errors import SqlglotError

from wherobots_local.sql.dialect.errors import StatementError, unresolved_routine, unsupported
from wherobots_local.sql.dialect.macros import MACROS, SCRIPTS

# Functions with another name in DuckDB, the same arguments and meaning.
RENAMED: Mapping[str, str] = {
    "arrays_overlap": "list_has_any",
    "every": "bool_and",
    "mean": "avg",
    "regexp": "regexp_matches",
    "some": "bool_or",
    "std": "stddev_samp",
    "try_avg": "avg",
    "try_sum": "sum",
}
_WRITTEN_BY_RULES = frozenset(
    """
    first get_bit last len list_bool_and list_bool_or list_extract list_filter list_reduce list_transform list_zip
    map_from_entries quantile_cont quantile_disc range struct_extract_at try unnest
    """.split()
)
# The same name, arguments and meaning in DuckDB.
SAME = _WRITTEN_BY_RULES | frozenset("bin make_date map_concat map_entries map_values now printf".split())
# Those that sqlglot translates rightly, by its names for them.
_TRANSLATED = frozenset(
    """
    Abs Acos Acosh And Any AnyValue ApproxDistinct ApproxQuantile ArgMax ArgMin Array ArrayAgg ArrayAppend ArrayFilter
    ArrayInsert ArrayMax ArrayMin ArrayPrepend ArraySize ArrayToString ArrayUniqueAgg ArraysZip Asin Asinh Atan Atan2
    Atanh Avg BitwiseAndAgg BitwiseCount BitwiseOrAgg BitwiseXorAgg Case Cast Cbrt Chr Coalesce Concat ConcatWs Contains
    Corr Cos Cosh Cot Count CountIf CovarPop CovarSamp Csc CumeDist CurrentCatalog CurrentDate CurrentSchema
    CurrentTimestamp Decode DecodeCase Degrees DenseRank Elt Encode EndsWith Exists Exp Explode ExplodeOuter Extract
    Factorial First FirstValue Flatten Format FromJson GenerateSeries Greatest GroupConcat Grouping GroupingId Hex If Initcap
    Inline IsNan Lag Last LastValue Lead Least Left Length Levenshtein Ln Log LogicalAnd LogicalOr Lower MD5 Map
    MapFromEntries MapKeys Max Median Min Mode NthValue Ntile Nullif Nvl2 Or Overlay Pad PercentRank PercentileCont
    PercentileDisc Pi Posexplode PosexplodeOuter Pow Quantile Radians Rand Randn Rank Reduce RegexpExtract
    RegexpExtractAll RegexpLike RegrAvgx RegrAvgy RegrCount RegrIntercept RegrR2 RegrSlope RegrSxx RegrSxy RegrSyy Repeat
    Reverse Right Round RowNumber SHA Sin Sinh SplitPart Sqrt StDistance StPoint Stack StartsWith Stddev StddevPop
    StddevSamp StrPosition Struct Substring Sum Tan Tanh ToBase64 FromBase64 Transform Translate Trim TryCast Unhex Upper
    VarMap Variance VariancePop Xor
    """.split()
)
# Patterns of Java's DateTimeFormatter and of strftime.
_PATTERNS = {
    **{"yyyy": "%Y", "y": "%Y", "yy": "%y", "MM": "%m", "M": "%-m", "MMM": "%b", "MMMM": "%B", "dd": "%d", "d": "%-d"},
    **{"HH": "%H", "H": "%-H", "hh": "%I", "h": "%-I", "mm": "%M", "m": "%-M", "ss": "%S", "s": "%-S", "a": "%p"},
    **{"SSS": "%g", "SSSSSS": "%f", "E": "%a", "EE": "%a", "EEE": "%a", "EEEE": "%A", "D": "%-j", "DDD": "%j"},
    **{"XXX": "%z", "xxx": "%z", "Z": "%z", "LL": "%m", "LLL": "%b", "LLLL": "%B"},
}
_WITH_PATTERN = frozenset(
    "date_format from_unixtime to_date to_timestamp to_unix_timestamp try_to_timestamp unix_timestamp".split()
)
# What a user writes after EXTRACT, and the function that says the same.
_PARTS = {
    **{"YEAR": "year", "YEARS": "year", "YR": "year", "QUARTER": "quarter", "QTR": "quarter", "MONTH": "month"},
    **{"MON": "month", "MONTHS": "month", "WEEK": "weekofyear", "W": "weekofyear", "DAY": "day", "D": "day"},
    **{"DAYS": "day", "DAYOFWEEK": "dayofweek", "DOW": "dayofweek", "DAYOFWEEK_ISO": "_iso_day", "DOW_ISO": "_iso_day"},
    **{"DOY": "dayofyear", "DAYOFYEAR": "dayofyear", "YEAROFWEEK": "_iso_year", "HOUR": "hour", "HOURS": "hour"},
    **{"MINUTE": "minute", "MIN": "minute", "MINUTES": "minute", "SECOND": "_seconds", "SECONDS": "_seconds"},
}
_WITH_UNIT = {
    **{"date_add": "timestampadd", "dateadd": "timestampadd", "timestampadd": "timestampadd"},
    **{"date_diff": "timestampdiff", "datediff": "timestampdiff", "timestampdiff": "timestampdiff"},
}
_CASTS = {"bigint": "BIGINT", "smallint": "SMALLINT", "tinyint": "TINYINT", "decimal": "DECIMAL", "binary": "BINARY"}
_DATES = frozenset("add_months date_add date_from_unix_date date_sub last_day make_date next_day to_date trunc".split())
_MOST_REPEATED = 20_000


def _repeated() -> dict[str, int]:
    """Return how often each macro repeats one of its arguments."""
    found: dict[str, int] = {}
    for name, parameters, body in re.findall(r"MACRO spark\.(\w+)\(([^)]*)\) AS (.*?);\n", "\n".join(SCRIPTS), re.DOTALL):
        words = re.findall(r"\w+", body)
        found[name.lower()] = max([1, *(words.count(parameter) for parameter in re.findall(r"\w+", parameters))])
    return found


REPEATED = _repeated()


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _name(node: exp.Expr | None) -> str:
    return str(node.this).lower() if isinstance(node, exp.Anonymous) else ""


def _lambda(body: exp.Expr, *names: str) -> exp.Expr:
    return exp.Lambda(this=body, expressions=[exp.to_identifier(name) for name in names])


def _with(function: exp.Expr, **values: exp.Expr) -> exp.Expr:
    """Return the body of a lambda with other expressions in place of its arguments."""

    def replaced(node: exp.Expr) -> exp.Expr:
        value = by_name.get(node.name) if isinstance(node, exp.Identifier) else None
        return node if value is None else value.copy()

    by_name = {item.name: value for item, value in zip(function.expressions, values.values(), strict=False)}
    return function.this.transform(replaced)


def _known(node: exp.Expr) -> exp.Expr:
    name = _name(node)
    if name in _WRITTEN_BY_RULES and not isinstance(node.parent, exp.Table):
        raise unresolved_routine(name)
    if isinstance(node, exp.Func) and not isinstance(node, exp.Anonymous | exp.AnonymousAggFunc):
        if not any(kind.__name__.lstrip("_") in _TRANSLATED for kind in type(node).mro()):
            raise unresolved_routine(node.sql_name().lower())
    return node


def _size(node: exp.Expr) -> exp.Expr:
    """A macro repeats its arguments, so that macros inside each other multiply the text."""
    times, call = 1, node if _name(node) in REPEATED else None
    while call is not None:
        times, call = times * REPEATED.get(_name(call), 1), call.parent
    if times > _MOST_REPEATED:
        raise unsupported("so many calls of functions inside each other")
    return node


def _clauses(node: exp.Expr) -> exp.Expr:
    """Hints have no effect. With one partition, what is sorted in each is sorted."""
    if isinstance(node, exp.Select):
        node.set("hint", None)
        sort, distribute = (node.args.pop(key, None) for key in ("sort", "distribute"))
        cluster = node.args.pop("cluster", None)
        if (order := sort or cluster) is not None and not node.args.get("order"):
            node.set("order", exp.Order(expressions=order.expressions))
        del distribute
    elif isinstance(node, exp.Group):
        for key, kind in (("rollup", exp.Rollup), ("cube", exp.Cube)):
            for found in node.args.get(key) or ():
                if not found.expressions:
                    found.replace(kind(expressions=node.expressions))
                    node.set("expressions", None)
    return node


def _divisions(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Div | exp.IntDiv | exp.Mod):
        divisor = node.expression.unnest()
        node.set("safe", False)
        if not isinstance(divisor, exp.Literal) or float(divisor.name or 0) == 0:
            node.set("expression", _call("_divisor", divisor))
    return node


def _casts(node: exp.Expr) -> exp.Expr:
    """A cast to a whole number truncates, and a time as text has no zone."""
    name = _name(node)
    if name in _CASTS and len(node.expressions) == 1:
        return _casts(exp.Cast(this=node.expressions[0], to=exp.DataType.build(_CASTS[name], dialect=Spark)))
    if isinstance(node, exp.DataType) and node.is_type(exp.DType.DECIMAL) and not node.expressions:
        node.set("expressions", [exp.DataTypeParam(this=exp.Literal.number(size)) for size in (10, 0)])
    if not isinstance(node, exp.Cast):
        return node
    kind = node.to
    if isinstance(kind, exp.DataType) and kind.this in exp.DataType.SIGNED_INTEGER_TYPES:
        if not (isinstance(node.this, exp.Literal) and node.this.name.isdigit()):
            wanted = exp.null() if isinstance(node, exp.TryCast) else exp.Literal.string(kind.sql(Spark))
            node.set("this", _call("_whole", node.this, wanted))
    elif isinstance(kind, exp.DataType) and kind.this in exp.DataType.TEXT_TYPES:
        return _call("_text", node.this)
    return node


def _times(node: exp.Expr) -> exp.Expr:
    name, arguments = _name(node), node.expressions
    if name in _WITH_UNIT and len(arguments) == 3:
        return _call(_WITH_UNIT[name], exp.Literal.string(arguments[0].name), *arguments[1:])
    if isinstance(node, exp.Extract):
        return _part(node.name, node.expression)
    if name in ("date_part", "datepart") and len(arguments) == 2:
        return _part(arguments[0].name, arguments[1])
    if name in _WITH_PATTERN and len(arguments) == 2:
        arguments[1].replace(exp.Literal.string(_strftime(arguments[1])))
    if isinstance(node, exp.Add | exp.Sub) and isinstance(node.expression, exp.Interval) and _is_date(node.this):
        if str(node.expression.text("unit")).upper().rstrip("S") in ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR"):
            return exp.cast(node, exp.DType.DATE)
    if isinstance(node, exp.GenerateSeries) and not isinstance(node.parent, exp.Table):
        return _sequence(node)
    return node


def _part(part: str, value: exp.Expr) -> exp.Expr:
    if part.upper() not in _PARTS:
        raise unsupported(f"EXTRACT({part} FROM ...)")
    return _call(_PARTS[part.upper()], value)


def _strftime(pattern: exp.Expr) -> str:
    if not isinstance(pattern, exp.Literal):
        raise unsupported("patterns of dates that are no literals")
    written = []
    for part in re.finditer(r"'(?P<text>(?:[^']|'')*)'|(?P<letters>([A-Za-z])\3*)|[^A-Za-z']+", pattern.name):
        text, letters = part["text"], part["letters"]
        if letters and letters not in _PATTERNS:
            raise unsupported(f"the pattern {letters} of dates")
        written.append(_PATTERNS[letters] if letters else part[0] if text is None else text.replace("''", "'") or "'")
    return "".join(written)


def _is_date(node: exp.Expr) -> bool:
    node = node.unnest()
    return (
        isinstance(node, exp.CurrentDate) or _name(node) in _DATES or isinstance(node, exp.Cast) and node.is_type("date")
    )


def _sequence(node: exp.GenerateSeries) -> exp.Expr:
    """Return the sequence with a step: down if the end is lower, by days for dates."""
    start, end, step = node.args["start"], node.args["end"], node.args.get("step")
    if _is_date(start) and _is_date(end):
        node.set("step", step or exp.Interval(this=exp.Literal.string("1"), unit=exp.var("DAY")))
        return exp.cast(node, exp.DataType.build("ARRAY<DATE>", dialect=Spark))
    if step is None and not (isinstance(start, exp.Literal) and isinstance(end, exp.Literal) and int(start.name) <= int(end.name)):
        down = exp.GT(this=start.copy(), expression=end.copy())
        node.set("step", exp.If(this=down, true=exp.Literal.number(-1), false=exp.Literal.number(1)))
    return node


def _texts(node: exp.Expr) -> exp.Expr:
    """The backslash escapes in LIKE."""
    if isinstance(node, exp.Like | exp.ILike) and not isinstance(node.parent, exp.Escape):
        pattern = node.expression
        if isinstance(pattern, exp.Literal) and "\\" not in pattern.name or isinstance(pattern, exp.Any | exp.All):
            return node
        return exp.Escape(this=node, expression=exp.Literal.string("\\"))
    if isinstance(node, exp.Format):
        return _call("printf", node.this, *node.expressions)
    if isinstance(node, exp.Overlay):
        size = node.args.get("for_") or exp.Length(this=node.expression.copy())
        return _call("_overlay", node.this, node.expression, node.args["from_"], size)
    return node


def _aggregates(node: exp.Expr) -> exp.Expr:
    over = isinstance(node.parent, exp.Window) or (
        isinstance(node.parent, exp.IgnoreNulls | exp.RespectNulls) and isinstance(node.parent.parent, exp.Window)
    )
    if isinstance(node, exp.IgnoreNulls) and not over and _name(node.this) in ("first", "last"):
        value = node.this.expressions[0]
        return exp.Filter(this=node.this, expression=exp.Where(this=exp.Not(this=value.copy().is_(exp.null()))))
    if isinstance(node, exp.First | exp.FirstValue | exp.Last | exp.LastValue):
        first = isinstance(node, exp.First | exp.FirstValue)
        if over:
            return (exp.FirstValue if first else exp.LastValue)(this=node.this)
        return _call("first" if first else "last", node.this)
    if isinstance(node, exp.Any) and not isinstance(node.parent, exp.Binary):
        return exp.LogicalOr(this=node.this.unnest())
    if isinstance(node, exp.ApproxQuantile | exp.Quantile):
        name = "quantile_disc" if isinstance(node, exp.ApproxQuantile) else "quantile_cont"
        return _call(name, node.this, node.args["quantile"])
    return node


def _collections(node: exp.Expr) -> exp.Expr:
    name = _name(node)
    arguments = node.expressions
    if isinstance(node, exp.Bracket) and not node.args.get("offset") and len(arguments) == 1:
        key = arguments[0]
        if not (isinstance(key, exp.Slice) or isinstance(key, exp.Literal) and key.is_string):
            return _call("_item", node.this, key)
    if isinstance(node, exp.ArraysZip):
        pair = exp.to_identifier("_pair")
        fields = [
            exp.PropertyEQ(
                this=exp.to_identifier(item.name if isinstance(item, exp.Column) else str(place), quoted=True),
                expression=_call("struct_extract_at", pair.copy(), exp.Literal.number(place + 1)),
            )
            for place, item in enumerate(arguments)
        ]
        return _call("list_transform", _call("list_zip", *arguments), _lambda(exp.Struct(expressions=fields), "_pair"))
    if isinstance(node, exp.Elt):
        return exp.Bracket(this=exp.Array(expressions=arguments), expressions=[node.this], offset=1)
    if isinstance(node, exp.FromJson):
        return exp.TryCast(this=exp.TryCast(this=node.this, to=exp.DataType.build("JSON")), to=_schema(node.expression))
    return node


def _schema(schema: exp.Expr) -> exp.DataType:
    for text in (schema.name, f"STRUCT<{schema.name}>"):
        try:
            return exp.DataType.build(text, dialect=Spark)
        except SqlglotError:
            continue
    raise StatementError(f"[INVALID_SCHEMA] The schema {schema.name} is no type. SQLSTATE: 42K07")


def _lambdas(node: exp.Expr) -> exp.Expr:
    """Functions of functions. A second argument is an index from 0, in DuckDB from 1."""
    name, function = _name(node), node.args.get("expression")
    if isinstance(node, exp.Transform | exp.ArrayFilter) and isinstance(function, exp.Lambda):
        if len(function.expressions) == 2:
            item, index = (part.name for part in function.expressions)
            place = exp.paren(exp.Sub(this=exp.to_identifier(index), expression=exp.Literal.number(1)))
            function.set("this", _with(function, item=exp.to_identifier(item), index=place))
        return node
    if isinstance(node, exp.Exists) and isinstance(function, exp.Lambda):
        found = _call("list_bool_or", _call("list_transform", node.this, function))
        return exp.Coalesce(this=found, expressions=[exp.false()])
    if isinstance(node, exp.Reduce):
        merged = _call("list_reduce", node.this, node.args["merge"], node.args["initial"])
        finish = node.args.get("finish")
        if finish is None:
            return merged
        named = _call("list_transform", exp.Array(expressions=[merged]), finish)
        return exp.Bracket(this=named, expressions=[exp.Literal.number(1)], offset=1)
    if not name or not node.expressions or not isinstance(function := node.expressions[-1], exp.Lambda):
        return node
    if name == "forall":
        found = _call("list_bool_and", _call("list_transform", node.expressions[0], function))
        return exp.Coalesce(this=found, expressions=[exp.true()])
    pair = exp.to_identifier("_pair")
    first, second = (_call("struct_extract_at", pair.copy(), exp.Literal.number(place)) for place in (1, 2))
    body = _with(function, first=first, second=second)
    if name == "zip_with":
        return _call("list_transform", _call("list_zip", *node.expressions[:2]), _lambda(body, "_pair"))
    entries = _call("map_entries", node.expressions[0])
    if name == "map_filter":
        return _call("map_from_entries", _call("list_filter", entries, _lambda(body, "_pair")))
    if name in ("transform_keys", "transform_values"):
        key, value = (body, second) if name == "transform_keys" else (first, body)
        fields = [exp.PropertyEQ(this=exp.to_identifier(n), expression=v) for n, v in (("key", key), ("value", value))]
        changed = _call("list_transform", entries, _lambda(exp.Struct(expressions=fields), "_pair"))
        return _call("map_from_entries", changed)
    return node


_GENERATORS = (exp.Explode, exp.Posexplode, exp.Inline, exp.Stack)


def _generators(node: exp.Expr) -> exp.Expr:
    """Functions that make rows, in SELECT and in LATERAL VIEW."""
    if not isinstance(node, exp.Select):
        return node
    columns: list[exp.Expr] = []
    for column in node.expressions:
        made = column.this if isinstance(column, exp.Alias | exp.Aliases) else column
        if not isinstance(made, _GENERATORS):
            columns.append(column)
            continue
        names = [item.name for item in column.expressions] if isinstance(column, exp.Aliases) else [column.alias]
        columns += _rows(made, names if all(names) and not isinstance(made, exp.Inline) or len(names) > 1 else [])
    node.set("expressions", columns)
    for number, view in enumerate(node.args.pop("laterals", None) or ()):
        if not isinstance(view.this, _GENERATORS):
            raise unsupported(f"LATERAL VIEW {view.this.sql(Spark)[:40]}")
        names = [item.name for item in view.args["alias"].columns] if view.args.get("alias") else []
        query = exp.select(*_rows(view.this, names, is_outer=bool(view.args.get("outer"))))
        alias = exp.TableAlias(this=exp.to_identifier(view.alias or f"view{number}"))
        node.append("joins", exp.Join(this=exp.Subquery(this=query, alias=alias), kind="CROSS"))
    return node


def _rows(made: exp.Expr, names: list[str], is_outer: bool = False) -> list[exp.Expr]:
    """Return the columns of a generator."""
    value = made.this
    if is_outer or isinstance(made, exp.ExplodeOuter | exp.PosexplodeOuter):
        filled = exp.GT(this=_call("len", value.copy()), expression=exp.Literal.number(0))
        value = exp.If(this=filled, true=value, false=exp.Array(expressions=[exp.null()]))
    place = isinstance(made, exp.Posexplode)
    if isinstance(made, exp.Stack):
        width = -(-len(made.expressions) // int(value.name))
        cells = [*made.expressions, *[exp.null()] * (width * int(value.name) - len(made.expressions))]
        found = [exp.Array(expressions=[cell.copy() for cell in cells[column::width]]) for column in range(width)]
        defaults = [f"col{column}" for column in range(width)]
    elif isinstance(made, exp.Inline):
        if not names:
            depth = exp.PropertyEQ(this=exp.to_identifier("max_depth"), expression=exp.Literal.number(2))
            return [_call("unnest", value, depth)]
        return [
            exp.alias_(_call("struct_extract_at", _call("unnest", value.copy()), exp.Literal.number(number)), name)
            for number, name in enumerate(names, 1)
        ]
    elif len(names) == 2 + place or isinstance(value, exp.VarMap | exp.Map):
        found, defaults = [exp.MapKeys(this=value), _call("map_values", value.copy())], ["key", "value"]
    else:
        found, defaults = [value], ["col"]
    if place:
        found = [_call("range", _call("len", found[0].copy())), *found]
        defaults = ["pos", *defaults]
    given = names if len(names) == len(found) else defaults
    return [exp.alias_(_call("unnest", item), name, quoted=True) for item, name in zip(found, given, strict=True)]


RULES: tuple[tuple[str, Callable[[exp.Expr], exp.Expr]], ...] = (
    ("functions that Spark does not have are refused", _known),
    ("hints, SORT BY, WITH ROLLUP", _clauses),
    ("functions that make rows", _generators),
    ("lambdas", _lambdas),
    ("arrays, maps and JSON", _collections),
    ("dates and times", _times),
    ("the backslash in LIKE", _texts),
    ("aggregates", _aggregates),
    ("a zero divisor is an error", _divisions),
    ("casts", _casts),
    ("what would become too large is refused", _size),
)
