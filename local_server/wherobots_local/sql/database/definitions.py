"""CREATE, DROP and ALTER."""

from __future__ import annotations

import re
from collections import Counter

from sqlglot import exp

from wherobots_local.sql.database.statement import Statement, Target
from wherobots_local.sql.database.warehouse import identifier
from wherobots_local.sql.dialect.errors import already_exists, failed, not_found, quoted, syntax_error, unsupported
from wherobots_local.sql.dialect.parser import Name, name_of

_TYPES = frozenset(
    exp.DType[name]
    for name in """ARRAY BIGINT BINARY BOOLEAN DATE DECIMAL DOUBLE FLOAT GEOMETRY INT MAP SMALLINT STRUCT TEXT
    TIMESTAMPNTZ TIMESTAMPTZ TINYINT VARCHAR""".split()  # noqa: SIM905 - names are read more easily without quotes
)


def create(statement: Statement, tree: exp.Expr) -> None:
    """Create a table, view or schema. USING, TBLPROPERTIES and COMMENT have no effect."""
    kind = tree.args["kind"]
    properties = tree.args["properties"].expressions if tree.args.get("properties") else []
    if kind in ("SCHEMA", "DATABASE"):
        _create_schema(statement, tree)
        return
    if kind not in ("TABLE", "VIEW"):
        raise unsupported(f"CREATE {kind}")
    name = name_of(tree.this.this if isinstance(tree.this, exp.Schema) else tree.this)
    if "/" in name[-1]:
        raise unsupported("a name with a slash")
    schema = statement.schema(name)
    is_temporary = any(isinstance(found, exp.TemporaryProperty) for found in properties)
    if not is_temporary:
        statement.check_schema(schema)
    elif kind == "TABLE" or len(name) > 1:
        raise unsupported(f"CREATE TEMPORARY {kind} {'.'.join(name)}", "use CREATE TEMPORARY VIEW and a single name")
    stored = statement.session.temporary if is_temporary else schema.stored
    target = f"{identifier(stored)}.{identifier(name[-1])}"
    with statement.changing(target):
        found = statement.kinds(stored).get(name[-1])
        if found is not None and tree.args.get("exists"):
            return
        if found is not None and (found != kind.lower() or not tree.args.get("replace")):
            raise already_exists(name if is_temporary else (*schema, name[-1]))
        if kind == "TABLE":
            _create_table(statement, tree, target, properties)
        else:
            _create_view(statement, tree, target, lasting="" if is_temporary else quoted((*schema, name[-1])))


def drop(statement: Statement, tree: exp.Expr) -> None:
    """Drop a table, view or schema."""
    kind, (named,), if_exists = tree.args["kind"], tree.args["tables"], bool(tree.args.get("exists"))
    if kind in ("SCHEMA", "DATABASE"):
        _drop_schema(statement, tree)
        return
    if kind not in ("TABLE", "VIEW"):
        raise unsupported(f"DROP {kind}")
    name = name_of(named)
    temporary = statement.session.temporary
    is_temporary = kind == "VIEW" and len(name) == 1 and name[0] in statement.kinds(temporary)
    schema = statement.schema(name)
    stored = temporary if is_temporary else schema.stored
    full_name = f"{identifier(stored)}.{identifier(name[-1])}"
    with statement.changing(full_name):
        found = statement.kinds(stored).get(name[-1])
        if found is None and not if_exists:
            raise not_found((*schema, name[-1]))
        if found is not None and found != kind.lower():
            wanted = f"{quoted(name)} expects a {kind.lower()} but it is a {found}."
            raise failed(f"EXPECT_{kind}_NOT_{found.upper()}", wanted, "42809")
        if found is not None:
            statement.execute(f"DROP {kind} {full_name}")


def cache(statement: Statement, tree: exp.Expr) -> None:
    """Accept CACHE and UNCACHE of a table: DuckDB caches what it reads. A query that is cached becomes a view."""
    if tree.args.get("expression") is not None:
        properties = exp.Properties(expressions=[exp.TemporaryProperty()])
        create(statement, exp.Create(this=tree.this, kind="VIEW", expression=tree.expression, properties=properties))
    elif not tree.args.get("exists"):
        statement.target(tree.this)


def alter(statement: Statement, tree: exp.Expr) -> None:
    """Add, drop or rename columns, or rename the table."""
    target = statement.table(tree.this)
    table = target.full
    with statement.changing(table):
        for action in tree.args["actions"]:
            if action.find(exp.Dot) or any(column.table for column in action.find_all(exp.Column)):
                raise unsupported("ALTER TABLE of a field of a struct")
            match action:
                case exp.Schema() | exp.ColumnDef():
                    for column in action.expressions if isinstance(action, exp.Schema) else [action]:
                        if (written := _column(column)).endswith("')"):
                            # DuckDB would forget it when the process is killed.
                            raise unsupported("ADD COLUMN of geometries with an SRID", "add it without one")
                        statement.execute(f"ALTER TABLE {table} ADD COLUMN {written}")
                        statement.limit(table, _lengths([column]))
                case exp.Drop(kind="COLUMN" | "COLUMNS"):
                    exists = "IF EXISTS " if action.args.get("exists") else ""
                    for column in action.find_all(exp.Identifier):
                        statement.execute(f"ALTER TABLE {table} DROP COLUMN {exists}{identifier(column.name)}")
                case exp.AlterColumn():
                    _alter_column(statement, target, action)
                case exp.RenameColumn():
                    old, new = (action.args[key].name for key in ("this", "to"))
                    parts = statement.partitioning(target)
                    statement.execute(f"ALTER TABLE {table} RENAME COLUMN {identifier(old)} TO {identifier(new)}")
                    statement.partition(table, [(new if name == old else name, unit) for name, unit in parts])
                case exp.AlterRename():
                    _rename(statement, target, name_of(action.this))
                case _:
                    raise unsupported(f"ALTER TABLE ... {action.sql('spark')[:40]}")


def _alter_column(statement: Statement, target: Target, action: exp.AlterColumn) -> None:
    """Give a column a wider type, or let it be NULL. Its comment has no effect."""
    kind, change = action.args.get("dtype"), f"ALTER TABLE {target.full} ALTER COLUMN {identifier(action.name)}"
    if kind is not None:
        types = {name.lower(): found for name, found in statement.spark_types(target).items()}
        new = kind.sql("spark").lower().replace(", ", ",")
        old = types.get(action.name.lower(), new)
        if old != new and not _is_wider(old, new):
            text = f"ALTER TABLE CHANGE COLUMN is not supported for changing the type {old} to {new}."
            raise failed("NOT_SUPPORTED_CHANGE_COLUMN", text, "0A000")
        statement.execute(f"{change} TYPE {kind.sql('duckdb')}")
    elif action.args.get("allow_null"):
        statement.execute(f"{change} DROP NOT NULL")
    elif action.args.get("comment") is None:
        raise unsupported(f"ALTER TABLE ... {action.sql('spark')[:40]}")


def _is_wider(old: str, new: str) -> bool:
    """Whether Iceberg changes a type to another: INT to BIGINT, FLOAT to DOUBLE, and a DECIMAL to more digits."""
    sizes = [re.fullmatch(r"decimal\((\d+),(\d+)\)", kind) for kind in (old, new)]
    if sizes[0] is not None and sizes[1] is not None:
        return sizes[0][2] == sizes[1][2] and int(sizes[0][1]) <= int(sizes[1][1])
    return (old, new) in (("int", "bigint"), ("float", "double"))


def _rename(statement: Statement, target: Target, name: Name) -> None:
    schema = statement.schema(name)
    if schema.stored != target.schema:
        raise unsupported("RENAME TO another schema", "use CREATE TABLE ... AS SELECT")
    if name[-1] in statement.kinds(target.schema):
        raise already_exists((*schema, name[-1]))
    statement.execute(f"ALTER TABLE {target.full} RENAME TO {identifier(name[-1])}")


def _create_schema(statement: Statement, tree: exp.Expr) -> None:
    schema = statement.schema((*name_of(tree.this), ""))
    with statement.changing(schema.stored):
        if schema in statement.schemas() and not tree.args.get("exists"):
            raise failed("SCHEMA_ALREADY_EXISTS", f"The schema {quoted(schema)} already exists.", "42P06")
        statement.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(schema.stored)}")


def _drop_schema(statement: Statement, tree: exp.Expr) -> None:
    if tree.args.get("cascade"):
        raise unsupported("DROP SCHEMA ... CASCADE, as the service does not", "drop the tables of the schema first")
    schema = statement.schema((*name_of(tree.args["tables"][0]), ""))
    with statement.changing(schema.stored):
        if not tree.args.get("exists"):
            statement.check_schema(schema)
        if statement.kinds(schema.stored):
            raise failed("SCHEMA_NOT_EMPTY", f"The schema {quoted(schema)} contains objects.", "2BP01")
        statement.execute(f"DROP SCHEMA IF EXISTS {identifier(schema.stored)}")


def _create_table(statement: Statement, tree: exp.Expr, table: str, properties: list[exp.Expr]) -> None:
    verb = "CREATE OR REPLACE TABLE" if tree.args.get("replace") else "CREATE TABLE"
    if tree.expression is not None:
        statement.execute(f"{verb} {table} AS {_storable(statement, tree.expression)}")
    elif isinstance(tree.this, exp.Schema):
        statement.execute(f"{verb} {table} ({', '.join(map(_column, tree.this.expressions))})")
        statement.limit(table, _lengths(tree.this.expressions))
    else:
        raise syntax_error("a table needs columns or a query", tree.this.name)
    by = [found.this.expressions for found in properties if isinstance(found, exp.PartitionedByProperty)]
    statement.partition(table, [_partition(part) for parts in by for part in parts])


def _storable(statement: Statement, query: exp.Expr) -> str:
    written = statement.plain(statement.written(query), lasting=True)
    names = Counter(name.lower() for name, _ in statement.described(written))
    if doubled := [name for name, count in names.items() if count > 1]:
        raise failed("COLUMN_ALREADY_EXISTS", f"The column `{doubled[0]}` already exists.", "42711")
    return written


def _create_view(statement: Statement, tree: exp.Expr, view: str, *, lasting: str) -> None:
    if tree.expression is None:
        raise unsupported("CREATE VIEW without a query", "use CREATE VIEW ... AS SELECT ...")
    if any("/" in table.name for table in tree.expression.find_all(exp.Table)):
        raise unsupported("a view over files", "create a table from them")
    columns = ""
    if isinstance(tree.this, exp.Schema):
        columns = f" ({', '.join(identifier(column.name) for column in tree.this.expressions)})"
    query = statement.written(tree.expression)
    if lasting and identifier(statement.session.temporary) in query:
        raise failed("INVALID_TEMP_OBJ_REFERENCE", f"The view {lasting} refers to a temporary view.", "42K0F")
    statement.execute(f"CREATE OR REPLACE VIEW {view}{columns} AS {query}")
    # This fails for a view that reads itself.
    statement.columns_of(view)


def _partition(part: exp.Expr) -> tuple[str, str]:
    """Return the column of a partition, and its unit such as ``days``, or nothing."""
    if isinstance(part, exp.ColumnDef):
        raise unsupported("PARTITIONED BY with the type of a column", "list the column with the others")
    column = part.find(exp.Column, exp.Identifier) or part
    return column.name, "" if column is part else part.sql("spark").partition("(")[0].lower()


def _lengths(columns: list[exp.Expr]) -> dict[str, int]:
    sizes = {column.name: column.args["kind"] for column in columns}
    return {
        name: int(kind.expressions[0].name)
        for name, kind in sizes.items()
        if kind.is_type("varchar") and kind.expressions
    }


def _column(column: exp.Expr) -> str:
    kind = column.args.get("kind")
    if not isinstance(column, exp.ColumnDef) or kind is None:
        raise syntax_error("a column needs a type", column.name)
    kept = [found for found in column.constraints if not isinstance(found.kind, exp.CommentColumnConstraint)]
    for constraint in kept:
        if not isinstance(constraint.kind, exp.NotNullColumnConstraint):
            raise unsupported(f"{constraint.sql('spark')[:30]} of a column")
    for inner in kind.find_all(exp.DataType):
        is_short = inner.this in exp.DataType.TEXT_TYPES and inner.expressions
        if inner.this not in _TYPES or (is_short and (inner is not kind or not kind.is_type("varchar"))):
            raise unsupported(f"the type {inner.sql('spark')} of a column")
    written = kind.sql("duckdb")
    if kind.is_type("geometry"):
        srid = kind.expressions[0].name if kind.expressions else "0"
        written = f"GEOMETRY('EPSG:{int(srid)}')" if srid.isdigit() and int(srid) else "GEOMETRY"
    elif kind.is_type("decimal") and not kind.expressions:
        written = "DECIMAL(10, 0)"
    elif kind.is_type("varchar"):
        written = "VARCHAR"
    return " ".join([identifier(column.name), written, *(found.sql("duckdb") for found in kept)])
