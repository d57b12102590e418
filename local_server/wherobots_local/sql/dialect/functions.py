"""Spark's functions in DuckDB: those with the same or another name, and rules for the rest.

A function is known if it has a macro in ``functions.sql``, is in a table here, or is translated correctly by sqlglot.
All others are refused, so that no function of DuckDB itself is reached.
"""

# ruff: noqa: SIM905 - names are read more easily without quotes.

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp
from sqlglot.dialects.spark import Spark
from sqlglot.errors import SqlglotError

from wherobots_local.sql.dialect.errors import failed, unsupported
from wherobots_local.sql.dialect.macros import MACROS

# Another name, of a macro or of DuckDB's function with the same arguments and meaning. Aggregates are not macros,
# because macros lose FILTER and OVER.
RENAMED = dict(
    pair.split("=")
    for pair in """
    array_contains=list_contains arrays_overlap=list_has_any bit_get=getbit btrim=trim cardinality=size ceiling=ceil
    char_length=length character_length=length date_diff=datediff dateadd=date_add dayofmonth=day every=bool_and
    format_string=printf len=length map_contains_key=map_contains map_from_arrays=map mean=avg
    percentile=quantile_cont regexp=regexp_matches signum=sign some=bool_or std=stddev_samp
    timestamp_micros=make_timestamptz to_unix_timestamp=unix_timestamp try_avg=avg try_sum=sum
    st_ashexewkb=_st_hexewkb st_astext=_st_text st_bingtileat=st_quadkey st_coorddim=st_ndims st_degrees=degrees
    st_dump=_st_parts st_dumppoints=_st_points st_envelope_aggr=st_envelope_agg st_force3dz=st_force3d
    st_force_2d=st_force2d st_forcerhr=st_forcepolygoncw st_geometryfromtext=st_geomfromwkt
    st_geomfromewkb=st_geomfromwkb st_geomfromtext=st_geomfromwkt st_intersection_aggr=st_intersection_agg
    st_length2d=st_length st_linestringfromwkb=st_linefromwkb st_numinteriorring=st_numinteriorrings
    st_orientedenvelope=st_minimumrotatedrectangle st_perimeter2d=st_perimeter st_polygonfromenvelope=st_makeenvelope
    st_union_aggr=st_union_agg st_voronoipolygons=st_voronoidiagram
    """.split()
)
# The same name, arguments and meaning in DuckDB.
SAME = frozenset(
    """
    bin levenshtein make_date map_concat map_entries map_values now printf
    st_area st_asbinary st_azimuth st_boundary st_buildarea st_closestpoint st_contains st_convexhull st_coveredby
    st_covers st_crosses st_difference st_dimension st_disjoint st_distance st_endpoint st_envelope_agg st_equals
    st_exteriorring st_flipcoordinates st_force2d st_hasm st_hasz st_interpolatepoint st_intersection
    st_intersection_agg st_intersects st_isempty st_isring st_issimple st_isvalid st_length st_lineinterpolatepoint
    st_linelocatepoint st_linesubstring st_makepolygon st_makevalid st_mmax st_mmin st_multi st_normalize
    st_numinteriorrings st_overlaps st_point st_pointn st_pointonsurface st_points st_removerepeatedpoints st_reverse
    st_shortestline st_simplify st_simplifypreservetopology st_snap st_startpoint st_symdifference st_touches
    st_union_agg st_within st_xmax st_xmin st_ymax st_ymin st_zmax st_zmin
    """.split()
)
# sqlglot must not translate these.
OWN = MACROS.keys() | RENAMED.keys() | SAME
# Classes of sqlglot that it translates correctly. The rules below handle others.
TRANSLATED = frozenset(
    """
    Abs Acos And Any AnyValue ApproxDistinct ArgMax ArgMin Array ArrayAgg ArrayAppend ArrayCompact ArrayFilter
    ArrayInsert ArrayMax ArrayMin ArrayPrepend ArraySize ArrayToString ArrayUniqueAgg Asin Atan Atan2 Avg
    BitwiseAndAgg BitwiseCount BitwiseOrAgg BitwiseXorAgg Case Cast Cbrt Chr Coalesce Concat ConcatWs Contains Corr
    Cos Cosh Cot Count CountIf CovarPop CovarSamp CumeDist CurrentDate CurrentTimestamp Decode DecodeCase Degrees
    DenseRank Encode EndsWith Exists Exp Factorial FirstValue Flatten FromBase64 GenerateSeries Greatest GroupConcat
    Grouping GroupingId Hex If Initcap IsNan Lag LastValue Lead Least Left Ln Log LogicalAnd LogicalOr Lower MD5 Map
    MapFromEntries MapKeys Max Median Min Mode NthValue Ntile Nullif Nvl2 Or Pad PercentRank PercentileCont
    PercentileDisc Pi Pow Radians Rand Randn Rank RegexpExtract RegexpExtractAll RegexpLike RegrAvgx RegrAvgy
    RegrCount RegrIntercept RegrR2 RegrSlope RegrSxx RegrSxy RegrSyy Repeat Right Round RowNumber SHA Sin Sinh Space
    SplitPart Sqrt StartsWith Stddev StddevPop StddevSamp StrPosition Struct Substring Sum Tan Tanh ToBase64
    Transform Translate Trim TryCast Unhex Upper VarMap Variance VariancePop Xor
    """.split()
)
# Java's date patterns, and the same for strftime.
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
_DATES = frozenset("add_months date_add date_from_unix_date date_sub last_day make_date next_day to_date trunc".split())
_OF_DATES = frozenset("DAY WEEK MONTH QUARTER YEAR".split())
_CASTS = frozenset("bigint smallint tinyint decimal binary".split())
_GENERATORS = (exp.Explode, exp.Posexplode, exp.Inline, exp.Stack)
_MOST_REPEATED = 20_000


def changed(tree: exp.Expr, rule: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    """Replace each node by what a rule returns, inner nodes first. The result can contain the node."""
    for node in reversed(list(tree.walk())):
        parent, key, index = node.parent, node.arg_key, node.index
        new = rule(node)
        if new is node:
            continue
        if parent is None or key is None:
            tree = new
        else:
            parent.set(key, new, index)
    return tree


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """Call a macro or a function of DuckDB, which statements cannot call by this name."""
    call = exp.Anonymous(this=name, expressions=list(arguments))
    call.meta["is_written"] = True
    return call


def _name(node: exp.Expr | None) -> str:
    return str(node.this).lower() if isinstance(node, exp.Anonymous) else ""


def _field(number: int) -> exp.Expr:
    """Return a field of the struct that a lambda gets instead of several values."""
    return _call("struct_extract_at", exp.to_identifier("_pair"), exp.convert(number))


def _of_zipped(lists: list[exp.Expr], body: exp.Expr) -> exp.Expr:
    return _call("list_transform", _call("list_zip", *lists), exp.Lambda(this=body, expressions=[exp.var("_pair")]))


def _applied(function: exp.Expr, *values: exp.Expr) -> exp.Expr:
    """Return the body of a lambda with values for its arguments."""
    named = {item.name: value for item, value in zip(function.expressions, values, strict=False)}

    def replaced(node: exp.Expr) -> exp.Expr:
        return named[node.name].copy() if isinstance(node, exp.Identifier) and node.name in named else node

    body: exp.Expr = function.this
    return body.transform(replaced)


def _size(node: exp.Expr) -> exp.Expr:
    """Macros repeat their arguments. Refuse what would become too large."""
    times, call = 1, node if _name(node) in MACROS else None
    while call is not None:
        times, call = times * MACROS.get(RENAMED.get(_name(call), _name(call)), 1), call.parent
    if times > _MOST_REPEATED:
        raise unsupported("function calls nested this deeply")
    return node


def _clauses(node: exp.Expr) -> exp.Expr:
    """Hints have no effect. There is one partition, so sorting each partition sorts everything."""
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
    value, has_place = made.this, isinstance(made, exp.Posexplode)
    if is_outer or isinstance(made, exp.ExplodeOuter | exp.PosexplodeOuter):
        filled = exp.GT(this=_call("array_length", value.copy()), expression=exp.convert(0))
        value = exp.If(this=filled, true=value, false=exp.Array(expressions=[exp.null()]))
    lists: dict[str, exp.Expr]
    if isinstance(made, exp.Inline):
        if not names:
            depth = exp.PropertyEQ(this=exp.to_identifier("max_depth"), expression=exp.convert(2))
            return [_call("unnest", value, depth)]
        return [
            exp.alias_(_call("struct_extract_at", _call("unnest", value), exp.convert(place)), name, quoted=True)
            for place, name in enumerate(names, 1)
        ]
    if isinstance(made, exp.Stack):
        width = -(-len(made.expressions) // int(value.name))
        cells = [*made.expressions, *[exp.null()] * (width * int(value.name) - len(made.expressions))]
        lists = {f"col{column}": exp.Array(expressions=cells[column::width]) for column in range(width)}
    elif len(names) == 2 + has_place or isinstance(value, exp.VarMap | exp.Map):
        lists = {"key": exp.MapKeys(this=value), "value": _call("map_values", value)}
    else:
        lists = {"col": value}
    if has_place:
        lists = {"pos": _call("range", _call("array_length", next(iter(lists.values())))), **lists}
    given = names if len(names) == len(lists) else lists
    columns = zip(lists.values(), given, strict=True)
    return [exp.alias_(_call("unnest", item.copy()), name, quoted=True) for item, name in columns]


def _lambdas(node: exp.Expr) -> exp.Expr:
    function = node.expressions[-1] if _name(node) and node.expressions else node.args.get("expression")
    if isinstance(node, exp.Reduce):
        merged = _call("list_reduce", node.this, node.args["merge"], node.args["initial"])
        if (finish := node.args.get("finish")) is None:
            return merged
        finished = _call("list_transform", exp.Array(expressions=[merged]), finish)
        return exp.Bracket(this=finished, expressions=[exp.convert(1)], offset=1)
    if not isinstance(function, exp.Lambda):
        return node
    match node, _name(node):
        case (exp.Transform() | exp.ArrayFilter(), _):
            # The index begins at 0, in DuckDB at 1.
            for index in function.expressions[1:]:
                place = exp.paren(exp.Sub(this=index.copy(), expression=exp.convert(1)))
                function.set("this", _applied(function, function.expressions[0], place))
            return node
        case exp.Exists(this=value), _:
            return _call("_any", _call("list_transform", value, function))
        case exp.Anonymous(expressions=[value, _]), "forall":
            return _call("_all", _call("list_transform", value, function))
        case exp.Anonymous(expressions=[one, other, _]), "zip_with":
            return _of_zipped([one, other], _applied(function, _field(1), _field(2)))
    raise unsupported(f"a function with an arrow in {_name(node)}")


def _collections(node: exp.Expr) -> exp.Expr:
    match node:
        case exp.Bracket(this=value, expressions=[key]) if not node.args.get("offset"):
            is_field = isinstance(key, exp.Literal) and key.is_string
            return node if is_field or isinstance(key, exp.Slice) else _call("_item", value, key)
        case exp.ArraysZip(expressions=lists):
            names = [item.name if isinstance(item, exp.Column) else str(place) for place, item in enumerate(lists)]
            fields = [
                exp.PropertyEQ(this=exp.to_identifier(name, quoted=True), expression=_field(number))
                for number, name in enumerate(names, 1)
            ]
            return _of_zipped(lists, exp.Struct(expressions=fields))
        case exp.FromJson(this=text, expression=schema) if not node.args.get("options"):
            return exp.TryCast(this=exp.TryCast(this=text, to=exp.DataType.build("JSON")), to=_schema(schema.name))
    return node


def _schema(text: str) -> exp.DataType:
    is_type = re.match(r"\s*(?:array|map|struct)\s*<", text, re.IGNORECASE)
    try:
        return exp.DataType.build(text if is_type else f"STRUCT<{text}>", dialect=Spark)
    except SqlglotError:
        raise failed("INVALID_SCHEMA", f"The schema {text} is not a type.", "42K07") from None


def _times(node: exp.Expr) -> exp.Expr:
    name, arguments = _name(node), node.expressions
    if name in _WITH_UNIT and len(arguments) == 3:
        unit = exp.Literal.string(arguments[0].name)
        return _call("timestampdiff" if name.endswith("diff") else "timestampadd", unit, *arguments[1:])
    if name in ("date_part", "datepart") and len(arguments) == 2:
        return _part(arguments[0].name, arguments[1])
    if isinstance(node, exp.Extract):
        return _part(node.name, node.expression)
    if name in _WITH_PATTERN and len(arguments) == 2:
        arguments[1].replace(exp.Literal.string(_strftime(arguments[1])))
    elif isinstance(node, exp.Add | exp.Sub):
        # In DuckDB a date becomes a timestamp, in Spark only with units smaller than a day.
        is_first = isinstance(node.this, exp.Interval)
        interval, shifted = (node.this, node.expression) if is_first else (node.expression, node.this)
        if isinstance(interval, exp.Interval) and interval.text("unit").upper().removesuffix("S") in _OF_DATES:
            return _call("cast_to_type", node, shifted.copy())
    elif isinstance(node, exp.GenerateSeries) and not isinstance(node.parent, exp.Table):
        return _sequence(node, node.args["start"], node.args["end"])
    return node


def _part(part: str, value: exp.Expr) -> exp.Expr:
    if (name := _PARTS.get(part.lower().removesuffix("s"))) is None:
        raise unsupported(f"EXTRACT({part} FROM ...)")
    return _call(name, value)


def _strftime(pattern: exp.Expr) -> str:
    if not isinstance(pattern, exp.Literal):
        raise unsupported("date patterns that are not literals")
    written = []
    for part in re.finditer(r"'(?P<text>(?:[^']|'')*)'|(?P<letters>([A-Za-z])\3*)|[^A-Za-z']+", pattern.name):
        text, letters = part["text"], part["letters"]
        if letters and letters not in _PATTERNS:
            raise unsupported(f"the date pattern {letters}")
        written.append(_PATTERNS[letters] if letters else part[0] if text is None else text.replace("''", "'") or "'")
    return "".join(written)


def _sequence(node: exp.Expr, start: exp.Expr, end: exp.Expr) -> exp.Expr:
    """Add the default step to a sequence: down if the end is lower, days for dates. A sequence of dates has dates."""
    step, first = node.args.get("step"), start.unnest()
    is_date = isinstance(first, exp.CurrentDate) or (isinstance(first, exp.Cast) and first.is_type(exp.DType.DATE))
    if step is None and (is_date or _name(first) in _DATES):
        step = exp.Interval(this=exp.Literal.string("1"), unit=exp.var("DAY"))
    elif step is None:
        down = exp.GT(this=start.copy(), expression=end.copy())
        step = exp.If(this=down, true=exp.convert(-1), false=exp.convert(1))
    node.set("step", step)
    is_of_times = isinstance(step, exp.Interval)
    return _call("cast_to_type", node, exp.Array(expressions=[start.copy()])) if is_of_times else node


def _texts(node: exp.Expr) -> exp.Expr:
    match node:
        case exp.Like(expression=pattern) | exp.ILike(expression=pattern) if not isinstance(node.parent, exp.Escape):
            has_none = isinstance(pattern, exp.Literal) and "\\" not in pattern.name
            if not has_none and not isinstance(pattern, exp.Any | exp.All):
                return exp.Escape(this=node, expression=exp.Literal.string("\\"))
        case exp.Substring() if node.text("start") == "0":
            node.set("start", exp.convert(1))
    return node


def _aggregates(node: exp.Expr) -> exp.Expr:
    match node:
        case exp.GroupConcat() if node.args.get("separator") is None:
            node.set("separator", exp.Literal.string(""))
        case exp.AnyValue() | exp.First() | exp.FirstValue() | exp.Last() | exp.LastValue():
            is_first = not isinstance(node, exp.Last | exp.LastValue)
            parent = node.parent.parent if isinstance(node.parent, exp.IgnoreNulls) else node.parent
            if isinstance(parent, exp.Window):
                return (exp.FirstValue if is_first else exp.LastValue)(this=node.this)
            return _call("first" if is_first else "last", node.this)
        case exp.IgnoreNulls(this=call) if _name(call) in ("first", "last"):
            given = exp.Not(this=call.expressions[0].copy().is_(exp.null()))
            return exp.Filter(this=call, expression=exp.Where(this=given))
        case exp.Any() if not isinstance(node.parent, exp.Binary):
            return exp.LogicalOr(this=node.this.unnest())
        case exp.ApproxQuantile():
            return _call("quantile_disc", node.this, node.args["quantile"])
    return node


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
        node = exp.Cast(this=node.expressions[0], to=exp.DataType.build(_name(node), dialect=Spark))
    if isinstance(node, exp.DataType) and node.is_type(exp.DType.DECIMAL) and not node.expressions:
        node.set("expressions", [exp.DataTypeParam(this=exp.convert(size)) for size in (10, 0)])
    if not isinstance(node, exp.Cast) or not isinstance(node.to, exp.DataType):
        return node
    if node.to.this in exp.DataType.TEXT_TYPES:
        return _call("_text", node.this)
    is_whole = isinstance(node.this, exp.Literal) and node.this.name.isdigit()
    if node.to.this in exp.DataType.SIGNED_INTEGER_TYPES and not is_whole:
        kind = exp.null() if isinstance(node, exp.TryCast) else exp.Literal.string(node.to.sql(Spark))
        node.set("this", _call("_whole", node.this, kind))
    return node


# In this order: the last rule counts calls that the others have written.
RULES = (_clauses, _generators, _lambdas, _collections, _times, _texts, _aggregates, _divisions, _casts, _size)
