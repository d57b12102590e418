"""How the nodes of a query change: clauses, generators, operators. Inner nodes change first."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlglot import exp
from sqlglot.dialects.spark import Spark

from wherobots_local.sql.dialect.aggregates import aggregates, is_aggregate, ordered
from wherobots_local.sql.dialect.calls import GENERATORS, as_text, call, check_fields, macro, name_of_call
from wherobots_local.sql.dialect.errors import unsupported
from wherobots_local.sql.dialect.forms import part
from wherobots_local.sql.dialect.functions import cast, finished, size, written

_INLINE = ("inline", "inline_outer")
_OF_DATES = frozenset(["DAY", "WEEK", "MONTH", "QUARTER", "YEAR"])


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


def _node(node: exp.Expr) -> exp.Expr:
    rule = _NODES.get(type(node))
    return node if rule is None else rule(node)


def _called(node: exp.Expr) -> exp.Expr:
    is_left = isinstance(node.parent, exp.Table) or is_aggregate(node) or name_of_call(node) in GENERATORS
    return node if is_left or not isinstance(node, exp.Anonymous) else written(node)


def _written_as(name: str, *keys: str) -> Callable[[exp.Expr], exp.Expr]:
    """Return a rule for a node that stands for a call of a function or of a macro."""

    def rule(node: exp.Expr) -> exp.Expr:
        arguments = [node.args[key] for key in keys if node.args.get(key) is not None]
        return (
            macro(name, *arguments)
            if name.startswith("_")
            else written(exp.Anonymous(this=name, expressions=arguments))
        )

    return rule


def _trim(node: exp.Expr) -> exp.Expr:
    side = str(node.args.get("position") or "").upper()
    if side in ("LEADING", "TRAILING"):
        return _written_as("ltrim" if side == "LEADING" else "rtrim", "expression", "this")(node)
    return _written_as("btrim", "this", "expression")(node)


def _extract(node: exp.Expr) -> exp.Expr:
    return part(node.name, node.expression)


def _cast(node: exp.Expr) -> exp.Expr:
    return cast(node) if isinstance(node, exp.Cast) else node


def _type(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.DataType) and node.is_type(exp.DType.DECIMAL) and not node.expressions:
        node.set("expressions", [exp.DataTypeParam(this=exp.convert(size)) for size in (10, 0)])
    return node


def _if(node: exp.Expr) -> exp.Expr:
    if isinstance(node.parent, exp.Case):
        return node
    return _case(exp.Case(ifs=[exp.If(this=node.this, true=node.args["true"])], default=node.args.get("false")))


def _item(node: exp.Expr) -> exp.Expr:
    if node.args.get("offset"):
        return node
    if len(node.expressions) != 1:
        raise unsupported("several places in an array")
    (place,) = node.expressions
    return macro("_field" if _kind(place) else "_item", node.this, place)


def _negative(node: exp.Expr) -> exp.Expr:
    """The smallest integer is one, though its digits are not."""
    if isinstance(node.this, exp.Literal) and node.this.name == "2147483648":
        return exp.Cast(this=exp.Literal.string("-2147483648"), to=exp.DataType.build("int"))
    return node


def _conditions(node: exp.Expr) -> exp.Expr:
    for key in ("this", "expression"):
        if node.args.get(key) is not None:
            node.set(key, _condition(node.args[key]))
    return node


def _in(node: exp.Expr) -> exp.Expr:
    if isinstance(node.this, exp.Tuple):
        return _in_rows(node)
    kinds = {_kind(item) for item in node.expressions}
    if kinds in ({True}, {False}) and _kind(node.this) is None:
        # One guard is enough for literals of one kind.
        node.set("this", macro("_comparable", node.expressions[0].copy(), node.this))
    elif node.expressions:
        node.set("expressions", [macro("_comparable", node.this.copy(), item) for item in node.expressions])
    return node


def _in_rows(node: exp.Expr) -> exp.Expr:
    """Rows are structs, in which Spark compares NULL as a value. It does not so beside the rows of a query."""
    columns = node.this.expressions
    around = node.parent
    while isinstance(around, exp.Connector | exp.Paren):
        around = around.parent
    if node.args.get("query") is not None and not isinstance(around, exp.Where):
        raise unsupported("IN with several columns and a query other than as a condition of WHERE", "use EXISTS")
    if node.expressions and not all(isinstance(column, exp.Column) for column in columns):
        # Each row repeats them.
        raise unsupported("IN with several values other than columns")
    for row in node.expressions:
        if not isinstance(row, exp.Tuple) or len(row.expressions) != len(columns):
            raise unsupported("IN with several columns and other values than rows of as many")
        if row.find(exp.Null):
            raise unsupported("NULL in a row of IN")
        pairs = zip(columns, row.expressions, strict=True)
        row.set("expressions", [macro("_of_one_type", one.copy(), other) for one, other in pairs])
    return node


def _between(node: exp.Expr) -> exp.Expr:
    for key in ("low", "high"):
        _guard(node, key, node.args[key])
    return node


def _case(node: exp.Expr) -> exp.Expr:
    """All values have the type of the first, and a condition has one."""
    if any(isinstance(branch.this, exp.Null) for branch in node.args["ifs"]) and node.this is None:
        raise unsupported("NULL as a condition")
    first, *others = [branch.args["true"] for branch in node.args["ifs"]] + [node.args.get("default")]
    check_fields((first, *others))
    for other in others:
        if other is not None and (_kind(first) is None or _kind(first) != _kind(other)):
            other.replace(macro("_alike", first.copy(), other.copy()))
    return node


def _values(node: exp.Expr) -> exp.Expr:
    for column in zip(*(row.expressions for row in node.expressions), strict=False):
        check_fields(column)
    return node


def _kind(value: exp.Expr | None) -> bool | None:
    """Whether a literal is a text; None for other values."""
    return bool(value.is_string) if isinstance(value, exp.Literal) else None


def _shifted(node: exp.Expr) -> exp.Expr:
    """In DuckDB a date becomes a timestamp, in Spark only with units smaller than a day."""
    is_first = isinstance(node.this, exp.Interval)
    interval, shifted = (node.this, node.expression) if is_first else (node.expression, node.this)
    if isinstance(interval, exp.Interval) and isinstance(shifted, exp.Interval):
        raise unsupported("intervals of several units", "add one after the other")
    if isinstance(interval, exp.Interval) and interval.text("unit").upper().removesuffix("S") in _OF_DATES:
        return call("cast_to_type", node, shifted.copy())
    is_sure = any(isinstance(side, exp.Literal | exp.Interval) for side in (node.this, node.expression))
    return node if is_sure or isinstance(node, exp.Add) else macro("_minus", node.this, node.expression)


def _compared(node: exp.Expr) -> exp.Expr:
    """Spark would cast a text that is compared with a number."""
    one, other = node.this, node.expression
    if isinstance(one, exp.Tuple) and not isinstance(node, exp.EQ | exp.NEQ | exp.NullSafeEQ):
        raise unsupported("the order of rows of several columns")
    if isinstance(node.parent, exp.Update):
        # An assignment.
        return node
    if _kind(one) is None or _kind(other) is None or _kind(one) != _kind(other):
        _guard(node, "expression", other)
    return node


def _guard(node: exp.Expr, key: str, other: exp.Expr) -> None:
    """Check one side of a comparison. A text that is a literal stays one, because DuckDB makes a date of it."""
    if _kind(other):
        node.set("this", macro("_comparable", other.copy(), node.this))
    else:
        node.set(key, macro("_comparable", node.this.copy(), other))


def _condition(value: exp.Expr) -> exp.Expr:
    """A condition is no number."""
    if isinstance(value, exp.Null):
        raise unsupported("NULL as a condition")
    is_sure = isinstance(
        value, exp.Predicate | exp.Connector | exp.Not | exp.Boolean | exp.Paren | exp.Between | exp.In
    )
    return value if is_sure else macro("_condition", value)


def _like(node: exp.Expr) -> exp.Expr:
    """The sign for what follows as it is is a backslash, also without ESCAPE."""
    pattern = node.expression
    if isinstance(node, exp.RegexpLike):
        return macro("regexp_like", as_text(node.this), as_text(pattern))
    if isinstance(pattern, exp.Any | exp.All):
        given = pattern.this.expressions if isinstance(pattern.this, exp.Tuple) else [pattern.this.this]
        told = {"this": node.this, "negate": node.args.get("negate")}
        each = [_like(type(node)(**told, expression=item).copy()) for item in given]
        return exp.paren(exp.or_(*each) if isinstance(pattern, exp.Any) else exp.and_(*each))
    if isinstance(node.parent, exp.Escape):
        return node
    negated = node.args.pop("negate", None)
    made: exp.Expr = exp.Escape(this=node, expression=exp.Literal.string("\\"))
    return exp.Not(this=exp.paren(made)) if negated else made


def _quantified(node: exp.Expr) -> exp.Expr:
    like = node.parent
    is_like = isinstance(like, exp.Like | exp.ILike) and not isinstance(like.parent, exp.Escape)
    if not is_like or not isinstance(node.this, exp.Tuple | exp.Paren):
        raise unsupported("ANY and ALL other than in LIKE with a list and without ESCAPE")
    return node


def _group(node: exp.Expr) -> exp.Expr:
    """``GROUP BY a, b WITH ROLLUP`` is ``GROUP BY ROLLUP (a, b)``."""
    for key, kind in (("rollup", exp.Rollup), ("cube", exp.Cube)):
        if node.args.get(key):
            node.set("expressions", [kind(expressions=node.expressions)])
            node.set(key, None)
    return node


# Generators


def _select(node: exp.Expr) -> exp.Expr:
    """In one process rows have one order: SORT BY and CLUSTER BY are ORDER BY, and DISTRIBUTE BY has no effect."""
    for key in ("distribute", "sort", "cluster"):
        clause = node.args.pop(key, None)
        if clause is not None and key != "distribute" and node.args.get("order") is None:
            node.set("order", exp.Order(expressions=clause.expressions))
    return _generators(node)


def _generators(node: exp.Expr) -> exp.Expr:
    columns: list[exp.Expr] = []
    count = 0
    for column in node.expressions:
        made = column.this if isinstance(column, exp.Alias | exp.Aliases) else column
        if name_of_call(made) in GENERATORS:
            count += 1
            is_single = isinstance(column, exp.Alias)
            names = [item.name for item in column.expressions] if isinstance(column, exp.Aliases) else []
            columns += _rows(made, [column.alias] if is_single else names)
        else:
            columns.append(column)
    if count > 1:
        raise unsupported("several generators in one SELECT", "use LATERAL VIEW")
    node.set("expressions", columns)
    for number, view in enumerate(node.args.pop("laterals", None) or ()):
        if not isinstance(view, exp.Lateral) or name_of_call(view.this) not in GENERATORS or not view.args.get("view"):
            raise unsupported(f"LATERAL VIEW {view.this.sql(Spark)[:40]}")
        node.append("joins", exp.Join(this=_view(view, f"view{number}"), kind="CROSS"))
    return node


def _source(node: exp.Expr) -> exp.Expr:
    """A function in FROM, with or without LATERAL."""
    is_made = not node.args.get("view") and name_of_call(node.this) in GENERATORS
    return exp.Lateral(this=_view(node, str(node.this.this))) if is_made else node


def _view(node: exp.Expr, name: str) -> exp.Subquery:
    """Return the query that stands for the rows of a function, with the names that they have in FROM."""
    names, is_outer = node.alias_column_names, bool(node.args.get("outer"))
    alias = exp.TableAlias(this=exp.to_identifier(node.alias or name, quoted=True))
    if name_of_call(node.this) in _INLINE:
        alias.set("columns", [exp.to_identifier(column, quoted=True) for column in names])
        names = []
    return exp.Subquery(this=exp.select(*_rows(node.this, names, is_outer)), alias=alias)


def _rows(made: exp.Expr, names: list[str], is_outer: bool = False) -> list[exp.Expr]:
    """Return the columns of a function that makes rows."""
    name = name_of_call(made)
    if name == "stack" and not is_outer:
        return _named(_stacked(made.expressions), names)
    if name == "json_tuple" and len(made.expressions) > 1:
        json, *keys = made.expressions
        fields = [written(exp.Anonymous(this="get_json_object", expressions=[json.copy(), _path(key)])) for key in keys]
        return _named({f"c{place}": exp.Array(expressions=[field]) for place, field in enumerate(fields)}, names)
    if len(made.expressions) != 1:
        raise unsupported(f"{name} of several values")
    value, has_place = made.expressions[0], name.startswith("posexplode")
    is_outer = is_outer or name.endswith("_outer")
    if name in _INLINE:
        if names:
            raise unsupported(f"names for the columns of {name} in SELECT", "use LATERAL VIEW")
        depth = exp.PropertyEQ(this=exp.to_identifier("max_depth"), expression=exp.convert(2))
        value = macro("_structs", value)
        return [call("unnest", macro("_filled", value) if is_outer else value, depth)]
    lists: dict[str, exp.Expr]
    if len(names) == 2 + has_place or name_of_call(value) == "map":
        lists = {"key": call("map_keys", value), "value": call("map_values", value)}
    else:
        lists = {"col": macro("_listed", value)}
    if has_place:
        lists = {"pos": call("range", call("array_length", next(iter(lists.values())))), **lists}
    if is_outer:
        lists = {column: macro("_filled", items) for column, items in lists.items()}
    return _named(lists, names)


def _path(key: exp.Expr) -> exp.Expr:
    if not isinstance(key, exp.Literal) or not key.name.isidentifier():
        raise unsupported("json_tuple with keys that are no literals of letters and digits")
    return exp.Literal.string(f"$.{key.name}")


def _stacked(given: list[exp.Expr]) -> dict[str, exp.Expr]:
    """Return the columns of ``stack``, whose values come row by row."""
    count, *values = given or [exp.null()]
    if not isinstance(count, exp.Literal) or not count.name.isdigit() or not 0 < int(count.name) <= len(values):
        raise unsupported("stack without a literal number of rows, and a value for each")
    width = -(-len(values) // int(count.name))
    values += [exp.null() for _ in range(width * int(count.name) - len(values))]
    columns = {f"col{place}": values[place::width] for place in range(width)}
    for column in columns.values():
        column[1:] = [macro("_alike", column[0].copy(), item) for item in column[1:]]
    return {name: exp.Array(expressions=column) for name, column in columns.items()}


def _named(lists: dict[str, exp.Expr], names: list[str]) -> list[exp.Expr]:
    if names and len(names) != len(lists):
        raise unsupported(f"{len(names)} names for {len(lists)} columns")
    columns = zip(lists.values(), names or lists, strict=True)
    return [exp.alias_(call("unnest", item.copy()), name, quoted=True) for item, name in columns]


def _left(node: exp.Expr) -> exp.Expr:
    """Refuse what no rule has taken."""
    if isinstance(node, exp.Anonymous) and not node.meta.get("is_written") and not isinstance(node.parent, exp.Table):
        raise unsupported(f"{node.this} here")
    return finished(node)


_NODES: Mapping[type[exp.Expr], Callable[[exp.Expr], exp.Expr]] = {
    exp.All: _quantified,
    exp.And: _conditions,
    exp.Anonymous: _called,
    exp.Any: _quantified,
    exp.Between: _between,
    exp.Bracket: _item,
    exp.Case: _case,
    exp.Cast: _cast,
    exp.CurrentDate: _written_as("current_date"),
    exp.CurrentTimestamp: _written_as("now"),
    exp.DPipe: _written_as("concat", "this", "expression"),
    exp.DataType: _type,
    exp.Div: _written_as("_quotient", "this", "expression"),
    exp.Extract: _extract,
    exp.Group: _group,
    exp.Having: _conditions,
    exp.If: _if,
    exp.In: _in,
    exp.IntDiv: _written_as("_div", "this", "expression"),
    exp.Lateral: _source,
    exp.Mod: _written_as("_mod", "this", "expression"),
    exp.Neg: _negative,
    exp.Not: _conditions,
    exp.Or: _conditions,
    exp.Select: _select,
    exp.StrPosition: _written_as("locate", "substr", "this", "position"),
    exp.Table: _source,
    exp.Substring: _written_as("substring", "this", "start", "length"),
    exp.Trim: _trim,
    exp.TryCast: _cast,
    exp.Values: _values,
    exp.Where: _conditions,
    **dict.fromkeys((exp.Add, exp.Sub), _shifted),
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ), _compared),
    **dict.fromkeys((exp.Like, exp.ILike, exp.RegexpLike), _like),
}

# In this order: the last ones see the calls that the others have written.
RULES = (ordered, aggregates, _node, size, _left)
