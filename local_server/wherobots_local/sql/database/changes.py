"""INSERT, UPDATE, DELETE, MERGE and TRUNCATE. Each is one transaction."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from wherobots_local.sql.database.results import is_geometry, srid_of_type
from wherobots_local.sql.database.statement import Parts, Statement
from wherobots_local.sql.database.warehouse import identifier, literal
from wherobots_local.sql.dialect.errors import failed, unsupported
from wherobots_local.sql.dialect.parser import OVERWRITE_MODE

_UNITS = {"": "", "years": "year", "months": "month", "days": "day", "hours": "hour"}
_OVERWRITE_OPTION = "spark.sql.sources.partitionOverwriteMode"


def insert(statement: Statement, tree: exp.Expr) -> None:
    """Add the rows of a query to a table. With OVERWRITE they replace all rows, or those of partitions."""
    into = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    if not isinstance(into, exp.Table):
        raise unsupported("INSERT OVERWRITE DIRECTORY", "store the result of a SELECT")
    table, schema = statement.table(into)
    if tree.args.get("where") is not None:
        raise unsupported("INSERT INTO ... REPLACE WHERE", "use DELETE and INSERT")
    query = tree.expression or exp.select("*").from_(tree.args["source"])
    if (with_ := tree.args.get("with_")) is not None:
        query.set("with_", with_)
    with statement.changing(table):
        rows = statement.written(query)
        fixed, partitions = _partitions(statement, tree, into, schema)
        given = [name for name, _ in statement.described(rows)]
        if tree.args.get("by_name"):
            columns = given
        elif isinstance(tree.this, exp.Schema):
            columns = [column.name for column in tree.this.expressions]
        else:
            columns = [name for name in statement.columns_of(table) if name.lower() not in fixed]
        if len(given) != len(columns):
            text = f"Cannot write {len(given)} columns to the {len(columns)} of `{into.name}`."
            raise failed("INSERT_COLUMN_ARITY_MISMATCH", text, "21S01")
        # A copy, because the query can read the table itself.
        named = ", ".join(map(identifier, columns))
        statement.execute(f"CREATE TEMP TABLE new AS SELECT * FROM ({rows}) AS q({named})")
        values = {name: identifier(name) for name in columns} | fixed
        adopt_srids(statement, table, values, "new")
        if tree.args.get("overwrite"):
            statement.execute(f"DELETE FROM {table}{_replaced(table, fixed, partitions)}")
        listed = ", ".join(map(identifier, values))
        statement.execute(f"INSERT INTO {table} ({listed}) SELECT {', '.join(values.values())} FROM new")
        statement.execute("DROP TABLE new")


def delete(statement: Statement, tree: exp.Expr) -> None:
    table, _ = statement.table(tree.this)
    with statement.changing(table):
        statement.execute(statement.written(tree))


def truncate(statement: Statement, tree: exp.Expr) -> None:
    for named in tree.expressions:
        table, _ = statement.table(named)
        with statement.changing(table):
            statement.execute(f"DELETE FROM {table}")


def update(statement: Statement, tree: exp.Expr) -> None:
    """If all rows get new geometries, the SRID of the column can change."""
    table, schema = statement.table(tree.this)
    rows = f"{table} AS {identifier(tree.this.alias)}" if tree.this.alias else table
    with statement.changing(table):
        values = {item.this.name.lower(): statement.written(item.expression.copy()) for item in tree.expressions}
        if tree.args.get("where") is None and _other_srids(statement, table, values, rows):
            columns = statement.columns_of(table)
            listed = (f"{values.get(name.lower(), identifier(name))} AS {identifier(name)}" for name in columns)
            parts = statement.partitioning(schema, tree.this.name)
            statement.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT {', '.join(listed)} FROM {rows}")
            statement.partition(table, parts)
            return
        adopt_srids(statement, table, values, rows)
        _unqualify(tree)
        statement.execute(statement.written(tree))


def merge(statement: Statement, tree: exp.Expr) -> None:
    table, _ = statement.table(tree.this)
    for then in tree.args["whens"].find_all(exp.Update, exp.Insert):
        _unqualify(then)
        for column in then.expression.find_all(exp.Column) if isinstance(then, exp.Insert) and then.expression else ():
            if not column.table:
                # It belongs to the source, but DuckDB also sees the table's columns.
                column.set("table", exp.to_identifier(tree.args["using"].alias_or_name, quoted=True))
    with statement.changing(table):
        sql = statement.written(tree)
        target, source, on = (tree.args[key].sql("duckdb") for key in ("this", "using", "on"))
        whens = tree.args["whens"].expressions
        if any(when.args["matched"] for when in whens):
            _check_cardinality(statement, target, tree.this.alias_or_name, source, on)
        for when in whens:
            then = when.args["then"]
            if then.find(exp.Star) is not None:
                columns = statement.columns_of(source)
                adopt_srids(statement, table, {name: identifier(name) for name in columns}, source)
            elif isinstance(then, exp.Insert | exp.Update):
                adopt_srids(statement, table, _values(then), f"{target}, {source}")
        statement.execute(sql)


def adopt_srids(statement: Statement, table: str, values: Mapping[str, str], rows: str) -> None:
    """Give a column without geometries the SRID of the first that it gets: in DuckDB the column has the SRID.
    ``values`` are the expressions of ``rows`` for the columns of the table."""
    for name, kind in _other_srids(statement, table, values, rows).items():
        column = identifier(name)
        used = statement.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL LIMIT 1")
        held = str(used.description[0][1])
        if used.fetchone() is not None:
            raise unsupported(
                f"several SRIDs in one column: the column {name} has the SRID {srid_of_type(held)}, and these rows have"
                f" {srid_of_type(kind)}"
            )
        statement.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {kind} USING NULL")


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


def _unqualify(update: exp.Expr) -> None:
    """DuckDB allows no table's name before columns that get values."""
    for item in update.expressions:
        if isinstance(item, exp.EQ):
            item.this.set("table", None)


def _values(then: exp.Expr) -> dict[str, str]:
    if isinstance(then, exp.Update):
        pairs = [(item.this, item.expression) for item in then.expressions]
    else:
        pairs = list(zip(then.this.expressions, then.expression.expressions, strict=False)) if then.this else []
    return {column.name: value.sql("duckdb") for column, value in pairs}


def _check_cardinality(statement: Statement, target: str, name: str, source: str, on: str) -> None:
    """DuckDB would use any of several rows of the source that match one of the target."""
    doubled = (
        f"SELECT 1 FROM {target} JOIN {source} ON {on} GROUP BY {identifier(name)}.rowid HAVING count(*) > 1 LIMIT 1"
    )
    if statement.execute(doubled).fetchone() is not None:
        raise failed("MERGE_CARDINALITY_VIOLATION", "Several rows of the source match one of the table.", "23K01")


def _partitions(statement: Statement, tree: exp.Expr, into: exp.Expr, schema: str) -> tuple[dict[str, str], Parts]:
    """Return the columns of the PARTITION clause with their values, and what else divides partitions. With the
    overwrite mode ``dynamic``, that is what the table is partitioned by."""
    fixed: dict[str, str] = {}
    partitions: Parts = []
    mode = (
        into.meta.get(OVERWRITE_MODE)
        or tree.this.meta.get(OVERWRITE_MODE)
        or statement.session.options.get(_OVERWRITE_OPTION, "static")
    )
    is_dynamic = mode.lower() == "dynamic"
    clause = into.args.get("partition")
    for part in clause.expressions if clause is not None else ():
        if isinstance(part, exp.EQ):
            fixed[part.this.name.lower()] = statement.written(part.expression)
        elif is_dynamic:
            partitions.append((part.name, ""))
    if clause is None and is_dynamic:
        partitions = statement.partitioning(schema, into.name)
    return fixed, partitions


def _replaced(table: str, fixed: Mapping[str, str], partitions: Parts) -> str:
    conditions = [f"{identifier(name)} = {value}" for name, value in fixed.items()]
    if partitions:
        pairs = (f"{_part('new', part)} IS NOT DISTINCT FROM {_part(table, part)}" for part in partitions)
        conditions.append(f"EXISTS (SELECT 1 FROM new WHERE {' AND '.join(pairs)})")
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _part(rows: str, part: tuple[str, str]) -> str:
    column, unit = f"{rows}.{identifier(part[0])}", part[1]
    if unit not in _UNITS:
        raise unsupported(f"overwriting partitions by {unit}(...)")
    return f"date_trunc({literal(_UNITS[unit])}, {column})" if unit else column
