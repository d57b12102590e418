"""SHOW, DESCRIBE, USE and SET."""

from __future__ import annotations

import re

import pyarrow as pa
from columns import rows_of, spark_type
from definitions import Statement, check_schema
from failures import FailedStatementError
from session import Query, Session, quoted

_OWN_OPTIONS = "datafusion."


def show_objects(session: Session, statement: Statement) -> pa.Table:
    """List catalogs, schemas, tables or views."""
    what, within, pattern = statement["what"], statement["within"], statement["pattern"]
    warehouse = session.warehouse
    if what == "catalogs":
        return _table(catalog=_matching(warehouse.catalogs(), pattern))
    if what == "schemas":
        (catalog,) = within if within else [session.catalog]
        if catalog not in warehouse.catalogs():
            raise FailedStatementError(f"[CATALOG_NOT_FOUND] The catalog `{catalog}` was not found. SQLSTATE: 42P08")
        return _table(namespace=_matching(warehouse.schemas(catalog), pattern))
    catalog, schema = _schema(session, within)
    kind, column = ("table", "tableName") if what == "tables" else ("view", "viewName")
    check_schema(session, (catalog, schema, ""))
    names = [
        name
        for name in warehouse.objects(catalog, schema)
        if (warehouse.definition((catalog, schema, name)) or {}).get("kind") == kind
    ]
    found = _matching(names, pattern)
    temporary = _matching(session.temporary_views, pattern) if what == "views" else []
    return pa.table(
        {
            "namespace": pa.array([schema] * len(found) + [""] * len(temporary), pa.string()),
            column: pa.array([*found, *temporary], pa.string()),
            "isTemporary": pa.array([False] * len(found) + [True] * len(temporary), pa.bool_()),
        }
    )


def describe_table(session: Session, statement: Statement) -> pa.Table:
    """List the columns of a table or view."""
    parts = statement["name"]
    rows = rows_of(session.plan(Query(f"SELECT * FROM {quoted(parts)}")).limit(0))
    names = [column.name for column in rows.schema]
    if statement["names_only"]:
        return _table(col_name=names)
    types = [spark_type(column, is_geometry=column.name in rows.geometries) for column in rows.schema]
    return pa.table(
        {
            "col_name": pa.array(names, pa.string()),
            "data_type": pa.array(types, pa.string()),
            "comment": pa.nulls(len(names), pa.string()),
        }
    )


def explain_query(session: Session, statement: Statement) -> pa.Table:
    """Show the plan of a query."""
    frame = session.plan(Query(f"EXPLAIN {statement['sql']}", statement["sources"]))
    plans = pa.table(frame).to_pylist()
    return _table(plan=["\n".join(f"== {row['plan_type']} ==\n{row['plan']}" for row in plans)])


def use_schema(session: Session, statement: Statement) -> None:
    """Make a schema the current one. A single name is a schema of the current catalog, or else a catalog."""
    name = statement["name"]
    catalog, schema = _schema(session, name)
    if len(name) == 1 and not session.warehouse.has_schema(catalog, schema):
        catalog, schema = schema, "default"
        if catalog in session.warehouse.catalogs():
            session.warehouse.create_schema(catalog, schema)
    check_schema(session, (catalog, schema, ""))
    session.use(catalog, schema)


def set_option(session: Session, statement: Statement) -> pa.Table:
    """Set an option, and show it. Those of SedonaDB have an effect, those of Spark do not."""
    key, value = statement["key"], statement["value"]
    if value is not None:
        if key.startswith(_OWN_OPTIONS):
            session.execute(f"SET {key} = '{value.replace(chr(39), chr(39) * 2)}'")
        session.options[key] = value
    return _table(key=[key], value=[session.options.get(key, "<undefined>")])


def _schema(session: Session, within: list[str] | None) -> tuple[str, str]:
    if not within:
        return session.catalog, session.schema
    if len(within) > 2:
        raise FailedStatementError("not supported by the local server: a schema in a schema")
    catalog, schema = (session.catalog, *within)[-2:]
    return catalog, schema


def _matching(names: list[str] | dict[str, Query], pattern: str | None) -> list[str]:
    """Names that match Spark's pattern, in which ``*`` is any text and ``|`` is or."""
    if pattern is None:
        return sorted(names)
    choices = [".*".join(map(re.escape, choice.strip().split("*"))) for choice in pattern.split("|")]
    wanted = re.compile("|".join(f"(?:{choice})" for choice in choices), re.IGNORECASE)
    return sorted(name for name in names if wanted.fullmatch(name))


def _table(**columns: list[str]) -> pa.Table:
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
