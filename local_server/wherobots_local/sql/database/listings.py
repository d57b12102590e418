"""SHOW, DESCRIBE, EXPLAIN, USE and SET."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from wherobots_local.sql.database.results import Rows, spark_type
from wherobots_local.sql.database.warehouse import DEFAULT_SCHEMA, SchemaName, identifier
from wherobots_local.sql.dialect.commands import (
    Command,
    Describe,
    DoNothing,
    Explain,
    Name,
    SetOption,
    Show,
    UseSchema,
)
from wherobots_local.sql.dialect.errors import StatementError, unsupported

if TYPE_CHECKING:
    from wherobots_local.sql.database.session import Statement


def answer(statement: Statement, command: Command) -> Rows | None:
    """Carry a command out.

    :returns: its rows; None if it has no result set.
    """
    match command:
        case Show(what="catalogs"):
            catalogs = dict.fromkeys(schema.catalog for schema in statement.schemas())
            return _table(catalog=_matching(catalogs, command.pattern))
        case Show(what="schemas"):
            return _schemas(statement, command)
        case Show(what="columns"):
            return _table(col_name=[column for column, _ in _columns(statement, command.within)])
        case Show(what="tblproperties"):
            _columns(statement, command.within)
            return _table(key=[], value=[])
        case Show():
            return _objects(statement, command)
        case Describe():
            return _description(statement, command)
        case Explain():
            plan = statement.execute(f"EXPLAIN {statement.written(command.query)}").fetchall()
            return _table(plan=["\n".join(f"== {name} ==\n{text}" for name, text in plan)])
        case UseSchema():
            _use(statement, command.name)
        case SetOption():
            options = statement.session.options
            if command.value is not None:
                options[command.key] = command.value
            return _table(key=[command.key], value=[options.get(command.key, "<undefined>")])
        case DoNothing():
            pass
    return None


def _schemas(statement: Statement, command: Show) -> Rows:
    if len(command.within) > 1:
        raise unsupported("schemas in a schema")
    (catalog,) = command.within or (statement.session.current.catalog,)
    found = [schema.schema for schema in statement.schemas() if schema.catalog == catalog]
    if not found:
        raise StatementError(f"[CATALOG_NOT_FOUND] The catalog `{catalog}` was not found. SQLSTATE: 42P08")
    return _table(namespace=_matching(found, command.pattern))


def _objects(statement: Statement, command: Show) -> Rows:
    """SHOW TABLES has the views too, as in Spark; SHOW VIEWS and the temporary views are of their own kind."""
    schema = statement.schema((*command.within, ""))
    statement.check_schema(schema)
    is_view = command.what == "views"
    kinds = ("view",) if is_view else ("table", "view") if command.what == "table extended" else ("table",)
    found = [(schema.schema, name, False) for name in _names(statement, schema.stored, kinds, command.pattern)]
    if is_view:
        temporary = _names(statement, statement.session.temporary, kinds, command.pattern)
        found += [("", name, True) for name in temporary]
    columns = {
        "namespace": pa.array([row[0] for row in found], pa.string()),
        "viewName" if is_view else "tableName": pa.array([row[1] for row in found], pa.string()),
        "isTemporary": pa.array([row[2] for row in found], pa.bool_()),
    }
    if command.what == "table extended":
        texts = [_information(statement, schema, name) for _, name, _ in found]
        columns["information"] = pa.array(texts, pa.string())
    return Rows(pa.table(columns))


def _names(statement: Statement, stored: str, kinds: Iterable[str], pattern: str | None) -> list[str]:
    found = [
        name
        for kind in kinds
        for (name,) in statement.cursor.execute(
            f"SELECT {kind}_name FROM duckdb_{kind}s() WHERE schema_name = ?", [stored]
        ).fetchall()
    ]
    return _matching(found, pattern)


def _information(statement: Statement, schema: SchemaName, name: str) -> str:
    """What is known of a table or view, line by line, as ``SHOW TABLE EXTENDED`` shows it."""
    lines = [f"{key}: {value}" for key, value in _facts(statement, schema, name).items()]
    columns = _columns(statement, (*schema, name))
    return "\n".join(
        [*lines, "Schema: root", *(f" |-- {column}: {kind} (nullable = true)" for column, kind in columns), ""]
    )


def _facts(statement: Statement, schema: SchemaName, name: str) -> dict[str, str]:
    is_view = statement.kind_of(schema.stored, name) == "view"
    facts = {"Catalog": schema.catalog, "Database": schema.schema, "Table": name}
    return facts | ({"Type": "VIEW"} if is_view else {"Type": "MANAGED", "Provider": "iceberg"})


def _description(statement: Statement, command: Describe) -> Rows:
    columns = _columns(statement, command.name)
    rows: list[tuple[str, str, str | None]] = [(column, kind, None) for column, kind in columns]
    if command.extended:
        facts = _facts(statement, statement.schema(command.name), command.name[-1])
        rows += [("", "", ""), ("# Detailed Table Information", "", "")]
        rows += [(key, value, "") for key, value in facts.items()]
    return Rows(
        pa.table(
            {
                "col_name": pa.array([row[0] for row in rows], pa.string()),
                "data_type": pa.array([row[1] for row in rows], pa.string()),
                "comment": pa.array([row[2] for row in rows], pa.string()),
            }
        )
    )


def _columns(statement: Statement, name: Name) -> list[tuple[str, str]]:
    schema = statement.schema_of(exp.table_(*reversed(name[-3:])))
    found = statement.columns_of(f"SELECT * FROM {identifier(schema)}.{identifier(name[-1])}")
    return [(column, spark_type(kind)) for column, kind in found.items()]


def _use(statement: Statement, name: Name) -> None:
    """Make a schema the current one. A single name is a schema of the current catalog, or else a catalog."""
    if len(name) > 2:
        raise unsupported("a schema in a schema")
    schema = statement.schema((*name, ""))
    if len(name) == 1 and not statement.has_schema(schema):
        is_catalog = any(found.catalog == name[0] for found in statement.schemas())
        if is_catalog:
            schema = SchemaName(name[0], DEFAULT_SCHEMA)
            statement.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(schema.stored)}")
    statement.check_schema(schema)
    statement.session.current = schema


def _matching(names: Iterable[str], pattern: str | None) -> list[str]:
    """Names that match Spark's pattern, in which ``*`` is any text and ``|`` is or."""
    if pattern is None:
        return sorted(names)
    choices = [".*".join(map(re.escape, choice.strip().split("*"))) for choice in pattern.split("|")]
    wanted = re.compile("|".join(f"(?:{choice})" for choice in choices), re.IGNORECASE)
    return sorted(name for name in names if wanted.fullmatch(name))


def _table(**columns: list[str]) -> Rows:
    return Rows(pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}))
