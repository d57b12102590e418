"""PIVOT, UNPIVOT and TABLESAMPLE, written as queries, and windows of time. PIVOT groups by all columns that it does not
name."""

from __future__ import annotations

from sqlglot import exp

from wherobots_local.sql.dialect.calls import call, macro, name_of_call
from wherobots_local.sql.dialect.errors import syntax_error, unsupported

# Without rows a count is NULL; but it is 0 beside a MIN or MAX of other values than numbers.
_OF_NUMBERS = frozenset(("avg", "count", "mean", "sum"))
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_ALONE = frozenset(("first", "max", "min"))


def without_pivots(tree: exp.Expr) -> None:
    """Replace the tables and queries that are pivoted, inner ones first."""
    for pivot in reversed(list(tree.find_all(exp.Pivot))):
        source = pivot.parent
        clause = source.parent if source is not None else None
        if source is None or not isinstance(clause, exp.From) or len(source.args["pivots"]) > 1:
            raise unsupported("PIVOT other than of one table in FROM", "use a query in parentheses")
        if clause.parent is not None and (clause.parent.args.get("joins") or clause.parent.args.get("laterals")):
            raise unsupported("PIVOT beside other tables", "use a query in parentheses")
        if len(pivot.args["fields"]) != 1 or not isinstance(pivot.args["fields"][0], exp.In):
            raise unsupported("PIVOT of several columns")
        alias = pivot.args.get("alias")
        source.set("pivots", None)
        made = (_unpivoted if pivot.args.get("unpivot") else _pivoted)(pivot, source.copy())
        source.replace(made.subquery(alias.copy() if alias else "pivoted"))


def _pivoted(pivot: exp.Expr, source: exp.Expr) -> exp.Select:
    field = pivot.args["fields"][0]
    columns, values = [field.this, *_columns(pivot.expressions)], [_value(item) for item in field.expressions]
    if pivot.args.get("alias"):
        raise syntax_error("PIVOT has no name", pivot.args["alias"].name)
    used = {name_of_call(aggregate.unalias()) for aggregate in pivot.expressions}
    if not used <= _OF_NUMBERS and not used <= _ALONE:
        raise unsupported("PIVOT of other aggregates than sum, avg, count, or first, min and max")
    named: list[exp.Expr] = [exp.Star(except_=_names(columns))]
    for name, value in values:
        for aggregate in pivot.expressions:
            if len(pivot.expressions) > 1 and not isinstance(aggregate, exp.Alias):
                raise unsupported("PIVOT with several aggregates without names", "use AS")
            full_name = f"{name}_{aggregate.alias}" if len(pivot.expressions) > 1 else name
            named.append(exp.alias_(_of_value(aggregate.unalias(), field.this, value), full_name, quoted=True))
    return exp.select(*named).from_(source).group_by(exp.Group(all=True))


def _of_value(aggregate: exp.Expr, column: exp.Expr, value: exp.Expr) -> exp.Expr:
    """Return an aggregate of the rows with a value; NULL without rows."""
    where = exp.Where(this=exp.EQ(this=column.copy(), expression=value.copy()))
    rows = exp.Filter(this=exp.Anonymous(this="count", expressions=[exp.Star()]), expression=where)
    made: exp.Expr = exp.Filter(this=aggregate.copy(), expression=where.copy())
    if name_of_call(aggregate) == "first":
        # Whether it skips NULL depends on the type.
        there = exp.Filter(
            this=exp.Anonymous(this="count", expressions=[aggregate.expressions[0].copy()]), expression=where.copy()
        )
        is_sure = exp.or_(
            exp.EQ(this=rows.copy(), expression=there), exp.EQ(this=rows.copy(), expression=exp.convert(1))
        )
        made = exp.Case(
            ifs=[exp.If(this=is_sure, true=made)],
            default=macro("_refuse", exp.Literal.string("PIVOT of the first of several values with NULL")),
        )
    return exp.Case(ifs=[exp.If(this=exp.GT(this=rows, expression=exp.convert(0)), true=made)])


def _unpivoted(pivot: exp.Expr, source: exp.Expr) -> exp.Select:
    (value,), field = pivot.expressions, pivot.args["fields"][0]
    columns = [item.this if isinstance(item, exp.PivotAlias) else item for item in field.expressions]
    if not isinstance(value, exp.Identifier) or not all(isinstance(column, exp.Column) for column in columns):
        raise unsupported("UNPIVOT of several columns at once")
    names = [
        exp.Literal.string(item.args["alias"].name if isinstance(item, exp.PivotAlias) else item.name)
        for item in field.expressions
    ]
    alike = [columns[0].copy(), *(macro("_alike", columns[0].copy(), column.copy()) for column in columns[1:])]
    lists = {field.this.name: names, value.name: alike}
    rows = [
        exp.alias_(call("unnest", exp.Array(expressions=items)), name, quoted=True) for name, items in lists.items()
    ]
    made = exp.select(exp.Star(except_=_names(columns)), *rows).from_(source)
    if pivot.args.get("include_nulls"):
        return made
    there = exp.column(value.name, quoted=True).is_(exp.null()).not_()
    return exp.select("*").from_(made.subquery("unpivoted")).where(there)


def without_samples(tree: exp.Expr) -> None:
    """Replace ``TABLESAMPLE (5 PERCENT)`` and ``TABLESAMPLE (10 ROWS)``, which is the same as LIMIT."""
    for sample in reversed(list(tree.find_all(exp.TableSample))):
        source, is_share = sample.parent, sample.args.get("percent") is not None
        size = sample.args.get("percent" if is_share else "size")
        if source is None or name_of_call(source.this) or not isinstance(size, exp.Literal):
            raise unsupported("TABLESAMPLE other than a percentage, or a number of rows, of a table")
        if is_share and float(size.name) > 100:
            raise unsupported(f"TABLESAMPLE ({size.name} PERCENT)")
        source.set("sample", None)
        query = exp.select("*").from_(source.copy())
        chosen = exp.LT(this=exp.Anonymous(this="rand"), expression=exp.convert(float(size.name) / 100))
        query = query.where(chosen) if is_share else query.limit(size)
        source.replace(query.subquery(source.alias_or_name or "sample"))


def without_windows(tree: exp.Expr) -> None:
    """Replace ``window(at, '1 hour')`` in a SELECT, and its fields. Rows without a time are left out."""
    for select in tree.find_all(exp.Select):
        own = [node for node in select.walk() if node.find_ancestor(exp.Select) is select]
        made = [node for node in own if name_of_call(node) == "window"]
        if not made:
            continue
        if len({node.sql() for node in made}) > 1 or len(made[0].expressions) != 2:
            raise unsupported("windows of time that overlap, or several in one SELECT")
        at, length = made[0].expressions
        window = macro("_window", at.copy(), exp.convert(_microseconds(length)))
        names = {"window", *(node.parent.alias for node in made if isinstance(node.parent, exp.Alias))}
        fields = [node for node in own if isinstance(node, exp.Column) and node.table in names]
        for node in [*made, *fields]:
            new = window.copy()
            if isinstance(node, exp.Column):
                new = call("struct_extract", new, exp.Literal.string(node.name))
            is_column = node.parent is select and node.arg_key == "expressions"
            node.replace(exp.alias_(new, node.name if isinstance(node, exp.Column) else "window") if is_column else new)
        select.where(at.copy().is_(exp.null()).not_(), copy=False)


def _microseconds(length: exp.Expr) -> int:
    count, _, unit = length.name.partition(" ")
    seconds = _SECONDS.get(unit.lower().removesuffix("s"))
    if not isinstance(length, exp.Literal) or not count.isdigit() or seconds is None:
        raise unsupported("windows of time whose length is no literal such as '10 minutes'")
    return int(count) * seconds * 1_000_000


def _columns(aggregates: list[exp.Expr]) -> list[exp.Expr]:
    return [column for aggregate in aggregates for column in aggregate.find_all(exp.Column)]


def _names(columns: list[exp.Expr]) -> list[exp.Expr]:
    """Return the names of columns, each once."""
    if any(not isinstance(column, exp.Column) for column in columns):
        raise unsupported("PIVOT by more than a column")
    return [exp.to_identifier(name, quoted=True) for name in dict.fromkeys(column.name.lower() for column in columns)]


def _value(item: exp.Expr) -> tuple[str, exp.Expr]:
    value = item.this if isinstance(item, exp.PivotAlias) else item
    if not isinstance(value, exp.Literal):
        raise unsupported("PIVOT by a value that is not a literal")
    return (item.args["alias"].name if isinstance(item, exp.PivotAlias) else value.name), value
