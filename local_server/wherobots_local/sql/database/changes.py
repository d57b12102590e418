"""INSERT, UPDATE, DELETE, MERGE and TRUNCATE. Each is one transaction."""

from __future__ import annotations

from collections.abc import Mapping

import sqlglot
from sqlglot import exp

from wherobots_local.sql.database.results import is_geometry, srid_of_type
from wherobots_local.sql.database.statement import Statement, Target
from wherobots_local.sql.database.warehouse import identifier, literal
from wherobots_local.sql.dialect.errors import failed, unsupported

_UNITS = {"": "", "years": "year", "months": "month", "days": "day", "hours": "hour"}
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
_FRACTIONS = ("FLOAT", "DOUBLE", "DECIMAL")


def insert(statement: Statement, tree: exp.Expr) -> None:
    """Add the rows of a query to a table. With OVERWRITE they replace all rows, or those of the same partitions."""
    into = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    if not isinstance(into, exp.Table):
        raise unsupported("INSERT OVERWRITE DIRECTORY", "store the result of a SELECT")
    target = statement.table(into)
    table = target.full
    query = tree.expression
    if (with_ := tree.args.get("with_")) is not None:
        query.set("with_", with_)
    with statement.changing(table):
        columns = list(statement.columns_of(table))
        if (fixed := _fixed(statement, target, into)) is not None:
            if isinstance(tree.this, exp.Schema) or tree.args.get("by_name") or into.args.get("overwrite_mode"):
                raise unsupported("PARTITION beside names of columns or another mode")
            columns = [name for name in columns if name not in fixed] + list(fixed)
            source = exp.select("*").from_(query if isinstance(query, exp.Values) else query.subquery("q"))
            query = source.select(*(exp.alias_(value, name, quoted=True) for name, value in fixed.items()))
        rows = statement.written(query)
        given = [name for name, _ in statement.described(rows)]
        if isinstance(tree.this, exp.Schema):
            columns = [column.name for column in tree.this.expressions]
        elif tree.args.get("by_name"):
            if sorted(name.lower() for name in given) != sorted(name.lower() for name in columns):
                text = f"Cannot write columns of other names than those of `{into.name}`."
                raise failed("INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_FIND_DATA", text, "KD000")
            columns = given
        if len(given) != len(columns):
            text = f"Cannot write {len(given)} columns to the {len(columns)} of `{into.name}`."
            raise failed("INSERT_COLUMN_ARITY_MISMATCH", text, "21S01")
        _check_once(columns)
        # A copy, because the query can read the table itself.
        named = ", ".join(map(identifier, columns))
        statement.execute(f"CREATE TEMP TABLE new AS SELECT * FROM ({rows}) AS q({named})")
        nothing = _nothing(query, columns)
        new = {name: "NULL" if name in nothing else identifier(name) for name in columns}
        values = _prepare(statement, target, new, "new")
        if tree.args.get("overwrite"):
            mode = into.args.get("overwrite_mode")
            is_dynamic = mode is not None and mode.expression.name.lower() == "dynamic"
            parts = statement.partitioning(target) if is_dynamic else []
            pairs = [f"{_part('new', part)} IS NOT DISTINCT FROM {_part(table, part)}" for part in parts]
            only = f" WHERE EXISTS (SELECT 1 FROM new WHERE {' AND '.join(pairs)})" if pairs else ""
            if fixed:
                held = (
                    f"{identifier(name)} IS NOT DISTINCT FROM ({statement.written(exp.select(value.copy()))})"
                    for name, value in fixed.items()
                )
                only = f" WHERE {' AND '.join(held)}"
            statement.execute(f"DELETE FROM {table}{only}")
        statement.execute(f"INSERT INTO {table} ({named}) SELECT {', '.join(values.values())} FROM new")
        statement.execute("DROP TABLE new")


def _fixed(statement: Statement, target: Target, into: exp.Expr) -> dict[str, exp.Expr] | None:
    """Return the columns that PARTITION gives a value; None without PARTITION."""
    if (clause := into.args.pop("partition", None)) is None:
        return None
    kinds, parts = statement.columns_of(target.full), dict(statement.partitioning(target))
    fixed: dict[str, exp.Expr] = {}
    for item in clause.expressions:
        name = (item.this if isinstance(item, exp.EQ) else item).name.lower()
        if parts.get(name) != "" or name not in kinds:
            raise failed("NON_PARTITION_COLUMN", f"PARTITION clause cannot contain `{name}`.", "42000")
        if isinstance(item, exp.EQ):
            fixed[name] = exp.cast(item.expression, exp.DataType.build(kinds[name], dialect="duckdb"))
    return fixed


def _nothing(query: exp.Expr, columns: list[str]) -> set[str]:
    """Return the columns that get NULL as it is written: in DuckDB it is an integer."""
    if isinstance(query, exp.Values):
        rows = [row.expressions for row in query.expressions]
    else:
        rows = [query.selects] if isinstance(query, exp.Select) and not query.is_star else []
    values = zip(columns, zip(*rows, strict=False), strict=False)
    return {name for name, items in values if all(isinstance(item.unalias(), exp.Null) for item in items)}


def delete(statement: Statement, tree: exp.Expr) -> None:
    with statement.changing(statement.table(tree.this).full):
        statement.execute(statement.written(tree))


def truncate(statement: Statement, tree: exp.Expr) -> None:
    (named,) = tree.expressions
    table = statement.table(named).full
    with statement.changing(table):
        statement.execute(f"DELETE FROM {table}")


def update(statement: Statement, tree: exp.Expr) -> None:
    target = statement.table(tree.this)
    table = target.full
    rows = f"{table} AS {identifier(tree.this.alias)}" if tree.this.alias else table
    with statement.changing(table):
        _unqualify(tree, tree.this)
        statement.written(tree)
        _assign(tree, _prepare(statement, target, _values(tree), rows))
        statement.execute(tree.sql("duckdb"))


def merge(statement: Statement, tree: exp.Expr) -> None:
    into = statement.table(tree.this)
    table = into.full
    if (with_ := tree.args.pop("with_", None)) is not None:
        query = exp.select("*").from_(tree.args["using"].copy())
        query.set("with_", with_)
        tree.set("using", query.subquery(tree.args["using"].alias_or_name))
    source_name = tree.args["using"].alias_or_name
    whens = tree.args["whens"].expressions
    with statement.changing(table):
        held = list(statement.columns_of(table))
        source_query = statement.written(exp.select("*").from_(tree.args["using"].copy()))
        given = {name.lower(): name for name, _ in statement.described(source_query)}
        for when in whens:
            _name_columns(when, held, given, source_name)
            if isinstance(when.args["then"], exp.Update):
                _unqualify(when.args["then"], tree.this)
        statement.written(tree)
        target, source, on = (tree.args[key].sql("duckdb") for key in ("this", "using", "on"))
        if any(when.args["matched"] for when in whens):
            _check_cardinality(statement, target, tree.this.alias_or_name, source, on)
        for when in whens:
            if isinstance(then := when.args["then"], exp.Insert | exp.Update):
                _assign(then, _prepare(statement, into, _values(then), f"{target}, {source}"))
        statement.execute(tree.sql("duckdb"))


def _name_columns(when: exp.Expr, held: list[str], given: Mapping[str, str], source: str) -> None:
    """Write out ``SET *`` and ``INSERT *``: each column gets the one with its name. In a list of values, a column
    without a table belongs to the source, but DuckDB also sees the table's columns."""
    then = when.args["then"]
    if not isinstance(then, exp.Insert | exp.Update):
        return
    if _is_star(then):
        if missing := [name for name in held if name.lower() not in given]:
            raise failed("UNRESOLVED_COLUMN.WITHOUT_SUGGESTION", f"The source has no column `{missing[0]}`.", "42703")
        columns = [exp.column(name, quoted=True) for name in held]
        values = [exp.column(given[name.lower()], table=source, quoted=True) for name in held]
        if isinstance(then, exp.Update):
            pairs = zip(columns, values, strict=True)
            then.set("expressions", [exp.EQ(this=column, expression=value) for column, value in pairs])
        else:
            then.set("this", exp.Tuple(expressions=columns))
            then.set("expression", exp.Tuple(expressions=values))
    elif isinstance(then, exp.Insert):
        if (
            then.this is None
            or then.expression is None
            or len(then.this.expressions) != len(then.expression.expressions)
        ):
            raise unsupported("INSERT in MERGE without as many columns as values")
        _check_once([column.name for column in then.this.expressions])
        for column in then.expression.find_all(exp.Column):
            if not column.table:
                column.set("table", exp.to_identifier(source, quoted=True))


def _is_star(then: exp.Expr) -> bool:
    told = then.expressions if isinstance(then, exp.Update) else then.this
    return isinstance(told, exp.Star) or (isinstance(told, list) and any(isinstance(item, exp.Star) for item in told))


def _prepare(statement: Statement, target: Target, values: Mapping[str, str], rows: str) -> dict[str, str]:
    """Check that a table can get ``values``: expressions of ``rows`` for its columns. Return them as Spark casts them.
    A column without geometries gets the SRID of the first: in DuckDB the column has the SRID."""
    table = target.full
    stored = _stored(statement, table, values, rows)
    for name, length in statement.lengths(target).items():
        if name in stored:
            stored[name] = f"spark._within({stored[name]}, {length})"
    other = _other_srids(statement, table, values, rows)
    for name, kind in other.items():
        column = identifier(name)
        used = statement.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL LIMIT 1")
        held = str(used.description[0][1])
        if used.fetchone() is not None:
            raise unsupported(
                f"several SRIDs in one column: the column {name} has the SRID {srid_of_type(held)}, and these rows have"
                f" {srid_of_type(kind)}"
            )
    if other:
        _rewrite(statement, target, {name.lower(): f"NULL::{kind}" for name, kind in other.items()}, table)
    return stored


def _rewrite(statement: Statement, target: Target, values: Mapping[str, str], rows: str) -> None:
    """Replace a table, with other values in some columns. The type of a column that is altered instead would be lost
    when the process is killed."""
    table = target.full
    parts, required, lengths = statement.partitioning(target), statement.required(target), statement.lengths(target)
    columns = statement.columns_of(table)
    listed = (f"{values.get(name.lower(), identifier(name))} AS {identifier(name)}" for name in columns)
    statement.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT {', '.join(listed)} FROM {rows}")
    for name in required:
        statement.execute(f"ALTER TABLE {table} ALTER COLUMN {identifier(name)} SET NOT NULL")
    statement.partition(table, parts)
    statement.limit(table, lengths)


def _stored(statement: Statement, table: str, values: Mapping[str, str], rows: str) -> dict[str, str]:
    """Refuse what DuckDB would cast to the type of a column in another way than Spark, except that a fraction becomes
    a decimal by its digits: 1.005 becomes 1.01."""
    stored = dict(values)
    held = {name.lower(): kind for name, kind in statement.columns_of(table).items()}
    listed = ", ".join(f"{value} AS {identifier(name)}" for name, value in values.items())
    for name, kind in statement.described(f"SELECT {listed} FROM {rows}"):
        wanted = held.get(name.lower(), kind)
        is_text, is_cut = kind == "VARCHAR", kind.startswith(_FRACTIONS) and wanted in _WHOLE
        is_written = wanted == "VARCHAR" and kind.startswith(("DOUBLE", "FLOAT", "TIMESTAMP", "BLOB", "INTERVAL"))
        is_boolean = "BOOLEAN" in (kind, wanted) and wanted not in (kind, "VARCHAR") and values[name] != "NULL"
        is_written = is_written or (wanted == "VARCHAR" and kind.endswith((")", "]")))
        if (is_text and wanted != kind) or is_cut or is_written or is_boolean:
            text = f"Cannot safely cast `{name}` from {kind} to {wanted}: use CAST."
            raise failed("INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_SAFELY_CAST", text, "KD000")
        if wanted.startswith("DECIMAL") and kind in ("DOUBLE", "FLOAT"):
            stored[name] = f"CAST(spark._exact({values[name]}, {literal(wanted)}) AS {wanted})"
    return stored


def _other_srids(statement: Statement, table: str, values: Mapping[str, str], rows: str) -> dict[str, str]:
    """Return the columns of geometries that would get another type, with that type."""
    held = {name.lower(): kind for name, kind in statement.columns_of(table).items()}
    wanted = {name: value for name, value in values.items() if is_geometry(held.get(name.lower(), ""))}
    if not wanted:
        return {}
    listed = ", ".join(f"{value} AS {identifier(name)}" for name, value in wanted.items())
    given = statement.columns_of(f"(SELECT {listed} FROM {rows})")
    # Geometries without an SRID, and NULLs, fit into any column.
    return {
        name: kind for name, kind in given.items() if is_geometry(kind) and kind not in ("GEOMETRY", held[name.lower()])
    }


def _check_once(columns: list[str]) -> None:
    if doubled := [name for name in columns if [other.lower() for other in columns].count(name.lower()) > 1]:
        raise failed("COLUMN_ALREADY_EXISTS", f"The column `{doubled[0]}` already exists.", "42711")


def _unqualify(update: exp.Expr, target: exp.Expr) -> None:
    """DuckDB allows no table's name before columns that get values. Another name is that of a struct."""
    for item in update.expressions:
        column = item.this
        if not isinstance(item, exp.EQ) or not isinstance(column, exp.Column):
            raise unsupported(f"the assignment {item.sql('spark')[:40]}")
        if column.table and column.table.lower() not in (target.name.lower(), target.alias.lower()):
            raise unsupported(f"a value for {column.sql('spark')}, a field of a struct", "assign the whole struct")
        for part in ("table", "db", "catalog"):
            column.set(part, None)
    _check_once([item.this.name for item in update.expressions])


def _values(then: exp.Expr) -> dict[str, str]:
    if isinstance(then, exp.Update):
        pairs = [(item.this, item.expression) for item in then.expressions]
    else:
        pairs = list(zip(then.this.expressions, then.expression.expressions, strict=True))
    return {column.name: value.sql("duckdb") for column, value in pairs}


def _assign(then: exp.Expr, values: Mapping[str, str]) -> None:
    items = then.expressions if isinstance(then, exp.Update) else then.expression.expressions
    for item, value in zip(items, values.values(), strict=True):
        (item.expression if isinstance(then, exp.Update) else item).replace(sqlglot.parse_one(value, read="duckdb"))


def _check_cardinality(statement: Statement, target: str, name: str, source: str, on: str) -> None:
    """DuckDB would use any of several rows of the source that match one of the target."""
    doubled = (
        f"SELECT 1 FROM {target} JOIN {source} ON {on} GROUP BY {identifier(name)}.rowid HAVING count(*) > 1 LIMIT 1"
    )
    if statement.execute(doubled).fetchone() is not None:
        raise failed("MERGE_CARDINALITY_VIOLATION", "Several rows of the source match one of the table.", "23K01")


def _part(rows: str, part: tuple[str, str]) -> str:
    column, unit = f"{rows}.{identifier(part[0])}", part[1]
    if unit not in _UNITS:
        raise unsupported(f"overwriting partitions by {unit}(...)")
    return f"date_trunc({literal(_UNITS[unit])}, {column})" if unit else column
