"""CREATE, DROP and ALTER."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from sqlglot import exp

from wherobots_local.sql.database.changes import changing
from wherobots_local.sql.database.warehouse import SchemaName, identifier, literal
from wherobots_local.sql.dialect.errors import (
    StatementError,
    already_exists,
    not_found,
    quoted,
    schema_not_found,
    syntax_error,
    unsupported,
)
from wherobots_local.sql.dialect.names import Name, name_of

if TYPE_CHECKING:
    from wherobots_local.sql.database.session import Statement

_WITHOUT_EFFECT = (exp.CommentColumnConstraint,)
_NO_PLACE = (exp.LocationProperty, exp.ExternalProperty, exp.LikeProperty)


def create(statement: Statement, tree: exp.Expr) -> None:
    """Create a table, a view or a schema. USING, TBLPROPERTIES and COMMENT have no effect."""
    kind = tree.args["kind"]
    properties = tree.args["properties"].expressions if tree.args.get("properties") else []
    if (unknown := next((found for found in properties if isinstance(found, _NO_PLACE)), None)) is not None:
        raise unsupported(f"CREATE {kind} ... {unknown.sql('spark')[:30]}")
    match kind:
        case "SCHEMA" | "DATABASE":
            _create_schema(statement, tree)
        case "TABLE":
            _create_table(statement, tree, properties)
        case "VIEW":
            temporary = any(isinstance(found, exp.TemporaryProperty) for found in properties)
            _create_view(statement, tree, temporary=temporary)
        case _:
            raise unsupported(f"CREATE {kind}")


def drop(statement: Statement, tree: exp.Expr) -> None:
    """Drop a table, view or schema. A table is not dropped as a view, nor a view as a table: nothing happens."""
    kind, (named,), if_exists = tree.args["kind"], tree.args["tables"], bool(tree.args.get("exists"))
    if kind in ("SCHEMA", "DATABASE"):
        _drop_schema(statement, named, if_exists=if_exists, cascade=bool(tree.args.get("cascade")))
        return
    if kind not in ("TABLE", "VIEW"):
        raise unsupported(f"DROP {kind}")
    name = name_of(named)
    temporary = statement.session.temporary
    is_temporary = kind == "VIEW" and len(name) == 1 and statement.kind_of(temporary, name[0]) is not None
    schema = statement.schema(name)
    stored = temporary if is_temporary else schema.stored
    full_name = f"{identifier(stored)}.{identifier(name[-1])}"
    with changing(statement, full_name):
        found = statement.kind_of(stored, name[-1])
        if found is None and not if_exists:
            raise not_found((*schema, name[-1]))
        if found == kind.lower():
            statement.execute(f"DROP {kind} {full_name}")


def alter(statement: Statement, tree: exp.Expr) -> None:
    """Add, drop and rename columns, or rename the table."""
    table, stored = statement.table(tree.this)
    with changing(statement, table):
        for action in tree.args["actions"]:
            match action:
                case exp.Schema() | exp.ColumnDef():
                    for column in action.expressions if isinstance(action, exp.Schema) else [action]:
                        statement.execute(f"ALTER TABLE {table} ADD COLUMN {_column(column)}")
                case exp.Drop(kind="COLUMN" | "COLUMNS"):
                    for column in action.find_all(exp.Identifier):
                        exists = "IF EXISTS " if action.args.get("exists") else ""
                        _check_column(statement, table, column.name, is_optional=bool(exists))
                        statement.execute(f"ALTER TABLE {table} DROP COLUMN {exists}{identifier(column.name)}")
                case exp.RenameColumn():
                    old, new = action.this.name, action.args["to"].name
                    _check_column(statement, table, old)
                    statement.execute(f"ALTER TABLE {table} RENAME COLUMN {identifier(old)} TO {identifier(new)}")
                    parts = json.loads(statement.comment_of(stored, tree.this.name))
                    renamed = [(new if name.lower() == old.lower() else name, unit) for name, unit in parts]
                    statement.execute(f"COMMENT ON TABLE {table} IS {literal(json.dumps(renamed))}")
                case exp.AlterRename():
                    _rename(statement, table, stored, action.this)
                case _:
                    raise unsupported(f"ALTER TABLE ... {action.sql('spark')[:40]}")


def _rename(statement: Statement, table: str, stored: str, to: exp.Table) -> None:
    name = name_of(to)
    if len(name) > 1 and statement.schema(name).stored != stored:
        raise unsupported("RENAME TO another schema", "name the table without one")
    if statement.kind_of(stored, name[-1]) is not None:
        raise already_exists(name)
    statement.execute(f"ALTER TABLE {table} RENAME TO {identifier(name[-1])}")


def _new_name(named: exp.Expr) -> Name:
    name = name_of(named)
    if "/" in name[-1]:
        raise unsupported("a name with a slash")
    return name


def _create_schema(statement: Statement, tree: exp.Expr) -> None:
    schema = _schema(statement, tree.this)
    if statement.has_schema(schema):
        if tree.args.get("exists"):
            return
        raise StatementError(
            f"[SCHEMA_ALREADY_EXISTS] Cannot create schema {quoted(schema)} because it already exists. SQLSTATE: 42P06"
        )
    statement.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(schema.stored)}")


def _drop_schema(statement: Statement, named: exp.Table, *, if_exists: bool, cascade: bool) -> None:
    if cascade:
        raise unsupported("DROP SCHEMA ... CASCADE, as the service does not", "drop the tables of the schema first")
    schema = _schema(statement, named)
    if not statement.has_schema(schema):
        if if_exists:
            return
        raise schema_not_found(schema)
    listed = (f"SELECT 1 FROM duckdb_{kind}s() WHERE schema_name = $1" for kind in ("table", "view"))
    if statement.cursor.execute(" UNION ALL ".join(listed), [schema.stored]).fetchone() is not None:
        raise StatementError(
            f"[SCHEMA_NOT_EMPTY] Cannot drop a schema {quoted(schema)} because it contains objects. SQLSTATE: 2BP01"
        )
    statement.execute(f"DROP SCHEMA IF EXISTS {identifier(schema.stored)}")


def _create_table(statement: Statement, tree: exp.Expr, properties: list[exp.Expr]) -> None:
    named = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    name = _new_name(named)
    schema = statement.schema(name)
    statement.check_schema(schema)
    full_name = f"{identifier(schema.stored)}.{identifier(name[-1])}"
    with changing(statement, full_name):
        kind = statement.kind_of(schema.stored, name[-1])
        if kind is not None and tree.args.get("exists"):
            return
        if kind == "view" or not tree.args.get("replace"):
            statement.check_free(schema, name[-1])
        verb = "CREATE OR REPLACE TABLE" if tree.args.get("replace") else "CREATE TABLE"
        if tree.expression is not None:
            statement.execute(f"{verb} {full_name} AS {_storable(statement, tree.expression)}")
        elif isinstance(tree.this, exp.Schema):
            columns = ", ".join(_column(column) for column in tree.this.expressions)
            statement.execute(f"{verb} {full_name} ({columns})")
        else:
            raise syntax_error("a table needs columns or a query", name[-1])
        by = [found.this.expressions for found in properties if isinstance(found, exp.PartitionedByProperty)]
        parts = [_partition(part) for parts in by for part in parts]
        # Remembered for INSERT OVERWRITE.
        statement.execute(f"COMMENT ON TABLE {full_name} IS {literal(json.dumps(parts))}")


def _storable(statement: Statement, query: exp.Expr) -> str:
    """A query whose columns have types that Spark's tables have, and each a name of its own."""
    written = statement.written(query)
    described = statement.execute(f"DESCRIBE {written}").fetchall()
    names = Counter(row[0].lower() for row in described)
    for doubled in [name for name, count in names.items() if count > 1]:
        raise StatementError(
            f"[COLUMN_ALREADY_EXISTS] The column `{doubled}` already exists. Choose another name or rename the existing"
            " column. SQLSTATE: 42711"
        )
    if not any(row[1] in _STORED for row in described):
        return written
    columns = [f"{identifier(row[0])}::{_STORED.get(row[1], row[1])} AS {identifier(row[0])}" for row in described]
    return f"SELECT {', '.join(columns)} FROM ({written})"


# Sums, and what Spark does not have.
_STORED = {"HUGEINT": "BIGINT", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP", "UINTEGER": "BIGINT", "UBIGINT": "BIGINT"}


def _create_view(statement: Statement, tree: exp.Expr, *, temporary: bool) -> None:
    if tree.expression is None:
        raise unsupported("CREATE VIEW without a query", "use CREATE VIEW ... AS SELECT ...")
    named = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    name = _new_name(named)
    if temporary and len(name) > 1:
        raise syntax_error("a temporary view has no schema", ".".join(name))
    schema = statement.schema(name)
    stored = statement.session.temporary if temporary else schema.stored
    if not temporary:
        statement.check_schema(schema)
    full_name = f"{identifier(stored)}.{identifier(name[-1])}"
    with changing(statement, full_name):
        kind = statement.kind_of(stored, name[-1])
        if kind is not None and tree.args.get("exists"):
            return
        if kind is not None and (kind == "table" or not tree.args.get("replace")):
            if temporary:
                raise StatementError(
                    f"[TEMP_TABLE_OR_VIEW_ALREADY_EXISTS] Cannot create the temporary view {quoted(name)} because it"
                    " already exists. SQLSTATE: 42P07"
                )
            raise already_exists((*schema, name[-1]))
        columns = ""
        if isinstance(tree.this, exp.Schema):
            columns = f" ({', '.join(identifier(column.name) for column in tree.this.expressions)})"
        query = statement.written(tree.expression)
        if not temporary and identifier(statement.session.temporary) in query:
            raise StatementError(
                f"[INVALID_TEMP_OBJ_REFERENCE] Cannot create the persistent view {quoted((*schema, name[-1]))}: it"
                " refers to a temporary view. SQLSTATE: 42K0F"
            )
        statement.execute(f"CREATE OR REPLACE VIEW {full_name}{columns} AS {query}")
        # A view that reads itself is found out now.
        statement.columns_of(f"SELECT * FROM {full_name}")


def _partition(part: exp.Expr) -> tuple[str, str]:
    """Return the column of a partition, and by what it is divided: ``days``, or nothing for its values."""
    column = part.find(exp.Column, exp.Identifier) or part
    return column.name, "" if column is part else part.sql("spark").partition("(")[0].lower()


def _column(column: exp.Expr) -> str:
    """Return a column as DuckDB defines it."""
    if not isinstance(column, exp.ColumnDef):
        raise syntax_error("a column needs a type", column.name)
    kept = [found for found in column.constraints if not isinstance(found.kind, _WITHOUT_EFFECT)]
    for constraint in kept:
        if not isinstance(constraint.kind, exp.NotNullColumnConstraint):
            raise unsupported(f"{constraint.sql('spark')[:30]} of a column")
    kind = column.args["kind"]
    if kind is None:
        raise syntax_error("a column needs a type", column.name)
    if kind.is_type("geometry"):
        srid = kind.expressions[0].name if kind.expressions else "0"
        return f"{identifier(column.name)} GEOMETRY" + (f"('EPSG:{int(srid)}')" if srid.isdigit() and int(srid) else "")
    if kind.is_type("decimal") and not kind.expressions:
        return f"{identifier(column.name)} DECIMAL(10, 0)"
    return " ".join([identifier(column.name), kind.sql("duckdb"), *(found.sql("duckdb") for found in kept)])


def _check_column(statement: Statement, table: str, column: str, *, is_optional: bool = False) -> None:
    columns = list(statement.columns_of(f"SELECT * FROM {table}"))
    if column.lower() not in (name.lower() for name in columns) and not is_optional:
        raise StatementError(
            f"[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter with name `{column}` cannot"
            f" be resolved. Did you mean one of the following? [{', '.join(columns)}] SQLSTATE: 42703"
        )


def _schema(statement: Statement, named: exp.Table) -> SchemaName:
    return statement.schema((*name_of(named), ""))
