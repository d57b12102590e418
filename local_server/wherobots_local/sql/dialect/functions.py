"""Spark's functions that DuckDB has by the same or another name, and rules for what a name cannot say.

A function of Spark is known if it has a macro in ``functions.sql``, stands in one of the tables here, or is one that
sqlglot translates rightly. All others are refused, so that no function of DuckDB's own is reached.
"""

# ruff: noqa: SIM905 - names are read more easily without quotes.

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from sqlglot import exp
from sqlglot.dialects.spark import Spark
from sqlglot.errors import SqlglotError

from wherobots_local.sql.dialect.errors import StatementError, unresolved_routine, unsupported
from wherobots_local.sql.dialect.macros import SCRIPTS

# Another name in DuckDB, the same arguments and meaning.
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
# DuckDB's own, which the rules below write.
_WRITTEN = frozenset(
    """
    cast_to_type first last len list_filter list_reduce list_transform list_zip map_from_entries
    quantile_cont quantile_disc range struct_extract_at today unnest
    """.split()
)
# The same name, arguments and meaning in DuckDB.
SAME = _WRITTEN | frozenset("bin make_date map_concat map_entries map_values now printf".split())
# What sqlglot has a class for, and translates rightly, or a rule below does.
_TRANSLATED = frozenset(
    """
    Abs Acos Acosh And Any AnyValue ApproxDistinct ApproxQuantile ArgMax ArgMin Array ArrayAgg ArrayAppend ArrayFilter
    ArrayInsert ArrayMax ArrayMin ArrayPrepend ArraySize ArrayToString ArrayUniqueAgg ArraysZip Asin Asinh Atan Atan2
    Atanh Avg BitwiseAndAgg BitwiseCount BitwiseOrAgg BitwiseXorAgg Case Cast Cbrt Chr Coalesce Concat ConcatWs Contains
    Corr Cos Cosh Cot Count CountIf CovarPop CovarSamp Csc CumeDist CurrentDate CurrentTimestamp
    Decode DecodeCase Degrees DenseRank Elt Encode EndsWith Exists Exp Explode ExplodeOuter Extract
    Factorial First FirstValue Flatten Format FromBase64 FromJson GenerateSeries Greatest GroupConcat Grouping
    GroupingId Hex If Initcap Inline IsNan Lag Last LastValue Lead Least Left Length Ln Log LogicalAnd
    LogicalOr Lower MD5 Map MapFromEntries MapKeys Max Median Min Mode NthValue Ntile Nullif Nvl2 Or Overlay Pad
    PercentRank PercentileCont PercentileDisc Pi Posexplode PosexplodeOuter Pow Quantile Radians Rand Randn Rank Reduce
    RegexpExtract RegexpExtractAll RegexpLike RegrAvgx RegrAvgy RegrCount RegrIntercept RegrR2 RegrSlope RegrSxx RegrSxy
    RegrSyy Repeat Right Round RowNumber SHA Sin Sinh SplitPart Sqrt StDistance StPoint Stack StartsWith Stddev
    StddevPop StddevSamp StrPosition Struct Substring Sum Tan Tanh ToBase64 Transform Translate Trim TryCast Unhex Upper
    VarMap Variance VariancePop Xor
    """.split()
)
# Java's patterns of dates, and those of strftime.
_PATTERNS = dict(
    pair.split("=")
    for pair in """
    yyyy=%Y y=%Y yy=%y MMMM=%B MMM=%b MM=%m M=%-m LLLL=%B LLL=%b LL=%m dd=%d d=%-d DDD=%j D=%-j EEEE=%A EEE=%a EE=%a
    E=%a HH=%H H=%-H hh=%I h=%-I a=%p mm=%M m=%-M ss=%S s=%-S SSS=%g SSSSSS=%f XXX=%z xxx=%z Z=%z
    """.split()
)
_WITH_PATTERN = frozenset(
    "date_format from_unixtime to_date to_timestamp to_unix_timestamp try_to_timestamp unix_timestamp".split()
)
_WITH_UNIT = frozenset("date_add dateadd timestampadd date_diff datediff timestampdiff".split())
_PARTS = {
    **{name: name for name in "year quarter month day dayofweek dayofyear hour minute".split()},
    **{"week": "weekofyear", "dow": "dayofweek", "doy": "dayofyear", "second": "_seconds"},
}
_DATES = frozenset(
    "add_months date_add date_from_unix_date date_sub last_day make_date next_day to_date today trunc".split()
)
_OF_DATES = frozenset("DAY WEEK MONTH QUARTER YEAR".split())
_CASTS = {"bigint": "BIGINT", "smallint": "SMALLINT", "tinyint": "TINYINT", "decimal": "DECIMAL", "binary": "BINARY"}
_GENERATORS = (exp.Explode, exp.Posexplode, exp.Inline, exp.Stack)
_MOST_REPEATED = 20_000


def _repeated() -> dict[str, int]:
    """Return how often each macro repeats one of its arguments."""
    found: dict[str, int] = {}
    for script in SCRIPTS:
        for name, given, body in re.findall(r"MACRO spark\.(\w+)\(([^)]*)\) AS (.*?);\n", script, re.DOTALL):
            words = re.findall(r"\w+", body)
            found[name.lower()] = max([1, *map(words.count, re.findall(r"\w+", given))])
    return found


_REPEATED = _repeated()


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _name(node: exp.Expr | None) -> str:
    return str(node.this).lower() if isinstance(node, exp.Anonymous) else ""


def _number(value: int) -> exp.Expr:
    return exp.Literal.number(value)


def _lambda(body: exp.Expr, name: str) -> exp.Expr:
    return exp.Lambda(this=body, expressions=[exp.to_identifier(name)])


def _first(of: exp.Expr) -> exp.Expr:
    return exp.Bracket(this=of, expressions=[_number(1)], offset=1)


def _struct(**fields: exp.Expr) -> exp.Expr:
    named = [exp.PropertyEQ(this=exp.to_identifier(key, quoted=True), expression=fields[key]) for key in fields]
    return exp.Struct(expressions=named)


def _field(number: int) -> exp.Expr:
    """Return a field of the struct that a lambda gets in place of two values."""
    return _call("struct_extract_at", exp.to_identifier("_pair"), _number(number))


def _applied(function: exp.Expr, *values: exp.Expr) -> exp.Expr:
    """Return the body of a lambda with values in place of its arguments."""
    named = {item.name: value for item, value in zip(function.expressions, values, strict=False)}

    def replaced(node: exp.Expr) -> exp.Expr:
        return named[node.name].copy() if isinstance(node, exp.Identifier) and node.name in named else node

    body: exp.Expr = function.this
    return body.transform(replaced)


def _known(node: exp.Expr) -> exp.Expr:
    name = _name(node)
    if name in _WRITTEN and not isinstance(node.parent, exp.Table):
        raise unresolved_routine(name)
    if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc) or not isinstance(node, exp.Func):
        return node
    if not any(kind.__name__.lstrip("_") in _TRANSLATED for kind in type(node).mro()):
        raise unresolved_routine(node.sql_name().lower())
    return node


def _size(node: exp.Expr) -> exp.Expr:
    times, call = 1, node if _name(node) in _REPEATED else None
    while call is not None:
        times, call = times * _REPEATED.get(_name(call), 1), call.parent
    if times > _MOST_REPEATED:
        raise unsupported("function calls nested this deeply")
    return node


def _clauses(node: exp.Expr) -> exp.Expr:
    """Hints have no effect. With one partition, what is sorted in each is sorted."""
    if isinstance(node, exp.Select):
        found = {key: node.args.pop(key, None) for key in ("hint", "distribute", "cluster", "sort")}
        if (order := found["sort"] or found["cluster"]) is not None and not node.args.get("order"):
            node.set("order", exp.Order(expressions=order.expressions))
    elif isinstance(node, exp.Group):
        for kind in (exp.Rollup, exp.Cube):
            for clause in node.args.get(kind.key) or ():
                if not clause.expressions:
                    clause.replace(kind(expressions=node.expressions))
                    node.set("expressions", None)
    return node


def _generators(node: exp.Expr) -> exp.Expr:
    if not isinstance(node, exp.Select):
        return node
    columns: list[exp.Expr] = []
    for column in node.expressions:
        made = column.this if isinstance(column, exp.Alias | exp.Aliases) else column
        is_single = isinstance(made, exp.Explode) and isinstance(column, exp.Alias)
        names = [item.name for item in column.expressions] if isinstance(column, exp.Aliases) else []
        columns += _rows(made, [column.alias] if is_single else names) if isinstance(made, _GENERATORS) else [column]
    node.set("expressions", columns)
    for number, view in enumerate(node.args.pop("laterals", None) or ()):
        if not isinstance(view.this, _GENERATORS):
            raise unsupported(f"LATERAL VIEW {view.this.sql(Spark)[:40]}")
        rows = _rows(view.this, view.alias_column_names, is_outer=bool(view.args.get("outer")))
        alias = exp.TableAlias(this=exp.to_identifier(view.alias or f"view{number}"))
        node.append("joins", exp.Join(this=exp.Subquery(this=exp.select(*rows), alias=alias), kind="CROSS"))
    return node


def _rows(made: exp.Expr, names: list[str], is_outer: bool = False) -> list[exp.Expr]:
    """Return the columns of a function that makes rows."""
    value = made.this
    if is_outer or isinstance(made, exp.ExplodeOuter | exp.PosexplodeOuter):
        filled = exp.GT(this=_call("len", value.copy()), expression=_number(0))
        value = exp.If(this=filled, true=value, false=exp.Array(expressions=[exp.null()]))
    has_place = isinstance(made, exp.Posexplode)
    if isinstance(made, exp.Inline):
        if not names:
            depth = exp.PropertyEQ(this=exp.to_identifier("max_depth"), expression=_number(2))
            return [_call("unnest", value, depth)]
        fields = [
            _call("struct_extract_at", _call("unnest", value), _number(number)) for number, _ in enumerate(names, 1)
        ]
        return [exp.alias_(field, name, quoted=True) for field, name in zip(fields, names, strict=True)]
    lists: dict[str, exp.Expr]
    if isinstance(made, exp.Stack):
        width = -(-len(made.expressions) // int(value.name))
        cells = [*made.expressions, *[exp.null()] * (width * int(value.name) - len(made.expressions))]
        lists = {f"col{column}": exp.Array(expressions=cells[column::width]) for column in range(width)}
    elif len(names) == 2 + has_place or isinstance(value, exp.VarMap | exp.Map):
        lists = {"key": exp.MapKeys(this=value), "value": _call("map_values", value)}
    else:
        lists = {"col": value}
    if has_place:
        lists = {"pos": _call("range", _call("len", next(iter(lists.values())))), **lists}
    given = names if len(names) == len(lists) else lists
    columns = zip(lists.values(), given, strict=True)
    return [exp.alias_(_call("unnest", item.copy()), name, quoted=True) for item, name in columns]


def _lambdas(node: exp.Expr) -> exp.Expr:
    function = node.args.get("expression")
    if isinstance(node, exp.Transform | exp.ArrayFilter) and isinstance(function, exp.Lambda):
        # The index counts from 0, in DuckDB from 1.
        for index in function.expressions[1:]:
            place = exp.paren(exp.Sub(this=index.copy(), expression=_number(1)))
            function.set("this", _applied(function, function.expressions[0], place))
    elif isinstance(node, exp.Exists) and isinstance(function, exp.Lambda):
        return _folded(exp.Or, node.this, function)
    elif isinstance(node, exp.Reduce):
        merged = _call("list_reduce", node.this, node.args["merge"], node.args["initial"])
        finish = node.args.get("finish")
        return merged if finish is None else _first(_call("list_transform", exp.Array(expressions=[merged]), finish))
    elif _name(node) and node.expressions and isinstance(node.expressions[-1], exp.Lambda):
        return _pairs(node, node.expressions[0], node.expressions[-1])
    return node


def _folded(operator: type[exp.Or | exp.And], value: exp.Expr, function: exp.Expr) -> exp.Expr:
    names = [exp.to_identifier(name) for name in ("_all", "_next")]
    folding = exp.Lambda(this=operator(this=names[0].copy(), expression=names[1].copy()), expressions=names)
    start = exp.Boolean(this=operator is exp.And)
    return _call("list_reduce", _call("list_transform", value, function), folding, start)


def _pairs(node: exp.Expr, value: exp.Expr, function: exp.Expr) -> exp.Expr:
    """Functions whose lambdas get two values, such as the key and the value of a map."""
    body, entries = _applied(function, _field(1), _field(2)), _call("map_entries", value)
    match _name(node):
        case "forall":
            return _folded(exp.And, value, function)
        case "zip_with":
            return _call("list_transform", _call("list_zip", *node.expressions[:2]), _lambda(body, "_pair"))
        case "map_filter":
            return _call("map_from_entries", _call("list_filter", entries, _lambda(body, "_pair")))
        case "transform_keys":
            pair = _struct(key=body, value=_field(2))
        case "transform_values":
            pair = _struct(key=_field(1), value=body)
        case name:
            raise unsupported(f"a function with an arrow in {name}")
    return _call("map_from_entries", _call("list_transform", entries, _lambda(pair, "_pair")))


def _collections(node: exp.Expr) -> exp.Expr:
    match node:
        case exp.Bracket(this=value, expressions=[key]) if not node.args.get("offset"):
            is_field = isinstance(key, exp.Literal) and key.is_string
            return node if is_field or isinstance(key, exp.Slice) else _call("_item", value, key)
        case exp.ArraysZip(expressions=arrays):
            names = [array.name if isinstance(array, exp.Column) else str(place) for place, array in enumerate(arrays)]
            pair = _struct(**{name: _field(number) for number, name in enumerate(names, 1)})
            return _call("list_transform", _call("list_zip", *arrays), _lambda(pair, "_pair"))
        case exp.Elt(this=place, expressions=items):
            texts = [_call("_text", item) for item in items]
            return exp.Bracket(this=exp.Array(expressions=texts), expressions=[place], offset=1)
        case exp.FromJson(this=text, expression=schema) if not node.args.get("options"):
            return exp.TryCast(this=exp.TryCast(this=text, to=exp.DataType.build("JSON")), to=_schema(schema.name))
    return node


def _schema(text: str) -> exp.DataType:
    for schema in (text, f"STRUCT<{text}>"):
        try:
            return exp.DataType.build(schema, dialect=Spark)
        except SqlglotError:
            continue
    raise StatementError(f"[INVALID_SCHEMA] The schema {text} is no type. SQLSTATE: 42K07")


def _times(node: exp.Expr) -> exp.Expr:
    name, arguments = _name(node), node.expressions
    if name in _WITH_UNIT and len(arguments) == 3:
        unit = exp.Literal.string(arguments[0].name)
        return _call("timestampdiff" if name.endswith("diff") else "timestampadd", unit, *arguments[1:])
    if name in ("date_part", "datepart") and len(arguments) == 2:
        return _part(arguments[0].name, arguments[1])
    if isinstance(node, exp.CurrentDate | exp.CurrentTimestamp):
        return _call("today" if isinstance(node, exp.CurrentDate) else "now")
    if isinstance(node, exp.Extract):
        return _part(node.name, node.expression)
    if name in _WITH_PATTERN and len(arguments) == 2:
        arguments[1].replace(exp.Literal.string(_strftime(arguments[1])))
    elif isinstance(node, exp.Add | exp.Sub):
        # DuckDB makes a time of a date. Smaller units make one of it in Spark, too.
        shifted, interval = (
            (node.expression, node.this) if isinstance(node.this, exp.Interval) else (node.this, node.expression)
        )
        if isinstance(interval, exp.Interval) and interval.text("unit").upper().removesuffix("S") in _OF_DATES:
            return _call("cast_to_type", node, shifted.copy())
    elif isinstance(node, exp.GenerateSeries) and not isinstance(node.parent, exp.Table):
        return _sequence(node, node.args["start"], node.args["end"])
    return node


def _part(part: str, value: exp.Expr) -> exp.Expr:
    name = _PARTS.get(part.lower().removesuffix("s"))
    if name is None:
        raise unsupported(f"EXTRACT({part} FROM ...)")
    return _call(name, value)


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
    is_cast = isinstance(node, exp.Cast) and node.is_type(exp.DType.DATE)
    return is_cast or _name(node) in _DATES


def _sequence(node: exp.Expr, start: exp.Expr, end: exp.Expr) -> exp.Expr:
    """Return a sequence with a step: down if the end is lower, days for dates. Of dates come dates."""
    step = node.args.get("step")
    if step is None and _is_date(start):
        step = exp.Interval(this=exp.Literal.string("1"), unit=exp.var("DAY"))
    elif step is None:
        down = exp.GT(this=start.copy(), expression=end.copy())
        step = exp.If(this=down, true=_number(-1), false=_number(1))
    node.set("step", step)
    return (
        _call("cast_to_type", node, exp.Array(expressions=[start.copy()])) if isinstance(step, exp.Interval) else node
    )


def _texts(node: exp.Expr) -> exp.Expr:
    match node:
        case exp.Like(expression=pattern) | exp.ILike(expression=pattern) if not isinstance(node.parent, exp.Escape):
            has_none = isinstance(pattern, exp.Literal) and "\\" not in pattern.name
            if not has_none and not isinstance(pattern, exp.Any | exp.All):
                return exp.Escape(this=node, expression=exp.Literal.string("\\"))
        case exp.Substring() if node.text("start") == "0":
            node.set("start", _number(1))
        case exp.Length():
            return _call("_length", node.this)
        case exp.Format():
            return _call("printf", node.this, *node.expressions)
        case exp.Overlay(expression=new):
            size = node.args.get("for_") or _call("_length", new.copy())
            return _call("_overlay", node.this, new, node.args["from_"], size)
    return node


def _aggregates(node: exp.Expr) -> exp.Expr:
    match node:
        case exp.GroupConcat() if node.args.get("separator") is None:
            node.set("separator", exp.Literal.string(""))
        case exp.AnyValue() | exp.First() | exp.FirstValue() | exp.Last() | exp.LastValue():
            is_first = not isinstance(node, exp.Last | exp.LastValue)
            if _is_window(node) or (isinstance(node.parent, exp.IgnoreNulls) and _is_window(node.parent)):
                return (exp.FirstValue if is_first else exp.LastValue)(this=node.this)
            return _call("first" if is_first else "last", node.this)
        case exp.IgnoreNulls(this=call) if _name(call) in ("first", "last"):
            given = exp.Not(this=call.expressions[0].copy().is_(exp.null()))
            return exp.Filter(this=call, expression=exp.Where(this=given))
        case exp.Any() if not isinstance(node.parent, exp.Binary):
            return exp.LogicalOr(this=node.this.unnest())
        case exp.Anonymous() if _name(node) == "monotonically_increasing_id":
            return exp.paren(exp.Sub(this=exp.Window(this=exp.RowNumber()), expression=_number(1)))
        case exp.ApproxQuantile():
            return _call("quantile_disc", node.this, node.args["quantile"])
        case exp.Quantile():
            return _call("quantile_cont", node.this, node.args["quantile"])
    return node


def _is_window(node: exp.Expr) -> bool:
    return isinstance(node.parent, exp.Window)


def _divisions(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.IntDiv):
        return _call("_div", node.this, node.expression)
    if isinstance(node, exp.Div | exp.Mod):
        divisor = node.expression.this if isinstance(node.expression, exp.Paren) else node.expression
        node.set("safe", False)
        if not isinstance(divisor, exp.Literal) or divisor.is_string or float(divisor.name) == 0:
            node.set("expression", _call("_divisor", divisor))
    return node


def _casts(node: exp.Expr) -> exp.Expr:
    if _name(node) in _CASTS and len(node.expressions) == 1:
        node = exp.Cast(this=node.expressions[0], to=exp.DataType.build(_CASTS[_name(node)], dialect=Spark))
    if isinstance(node, exp.DataType) and node.is_type(exp.DType.DECIMAL) and not node.expressions:
        node.set("expressions", [exp.DataTypeParam(this=_number(size)) for size in (10, 0)])
    if not isinstance(node, exp.Cast) or not isinstance(node.to, exp.DataType):
        return node
    if node.to.this in exp.DataType.TEXT_TYPES:
        return _call("_text", node.this)
    is_whole = isinstance(node.this, exp.Literal) and node.this.name.isdigit()
    if node.to.this in exp.DataType.SIGNED_INTEGER_TYPES and not is_whole:
        kind = exp.null() if isinstance(node, exp.TryCast) else exp.Literal.string(node.to.sql(Spark))
        node.set("this", _call("_whole", node.this, kind))
    return node


RULES: tuple[tuple[str, Callable[[exp.Expr], exp.Expr]], ...] = (
    ("functions that are not known to mean the same are refused", _known),
    ("hints, SORT BY, WITH ROLLUP", _clauses),
    ("functions that make rows, in SELECT and in LATERAL VIEW", _generators),
    ("functions with a lambda", _lambdas),
    ("elements of arrays and maps, which need not be there; JSON", _collections),
    ("units, patterns and sequences of dates and times", _times),
    ("the backslash escapes in LIKE; format_string, overlay", _texts),
    ("aggregates that skip NULL, quantiles", _aggregates),
    ("a zero divisor is an error", _divisions),
    ("a cast to a whole number truncates; a time as text has no zone; DECIMAL is DECIMAL(10, 0)", _casts),
    ("a macro repeats its arguments: what would become too large is refused", _size),
)
