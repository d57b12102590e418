"""CREATE, DROP and ALTER."""

from __future__ import annotations

from typing import Any

from columns import rows_of
from failures import FailedStatementError
from geoparquet import write_table_file
from session import Query, Session, not_found, quoted
from warehouse import Definition, FullName

Statement = dict[str, Any]


def create_schema(session: Session, statement: Statement) -> None:
    """Create a schema, and its catalog if it does not exist."""
    name = statement["name"]
    if len(name) > 2:
        raise FailedStatementError("not supported by the local server: a schema in a schema")
    catalog, schema = (session.catalog, *name)[-2:]
    if session.warehouse.has_schema(catalog, schema) and not statement["if_not_exists"]:
        raise FailedStatementError(
            f"[SCHEMA_ALREADY_EXISTS] Cannot create schema `{catalog}`.`{schema}` because it already exists."
            " SQLSTATE: 42P06"
        )
    session.warehouse.create_schema(catalog, schema)


def create_table(session: Session, statement: Statement) -> None:
    """Create a table with the rows of a query."""
    name = session.full_name(statement["name"])
    check_schema(session, name)
    with session.warehouse.changing(name):
        if session.warehouse.definition(name) is not None and not statement["replace"]:
            if statement["if_not_exists"]:
                return
            raise _exists(name)
        # One after the other: the query may read the table that it replaces.
        write_table(session, name, Query(statement["sql"], statement["sources"]))


def write_table(session: Session, name: FullName, query: Query) -> None:
    """Create a table, or replace its rows and columns, by those of a query. Its lock must be held."""
    rows = rows_of(session.plan(query), spelling={})
    for column in rows.schema.names:
        if rows.schema.names.count(column) > 1:
            raise FailedStatementError(
                f"[COLUMN_ALREADY_EXISTS] The column `{column}` already exists. Choose another name or rename the"
                " existing column. SQLSTATE: 42711"
            )
    path = session.warehouse.new_file(name)
    _, srids = write_table_file(rows, path)
    session.warehouse.define(name, {"kind": "table", "files": [path.name], "srids": srids})


def create_view(session: Session, statement: Statement) -> None:
    """Create a view, after a look at whether its query can be planned."""
    query = Query(statement["sql"], statement["sources"])
    if statement["temporary"]:
        (view,) = statement["name"]
        if view in session.temporary_views and not statement["replace"]:
            raise FailedStatementError(
                f"[TEMP_TABLE_OR_VIEW_ALREADY_EXISTS] Cannot create the temporary view `{view}` because it already"
                " exists. SQLSTATE: 42P07"
            )
        session.set_temporary_view(view, query)
        return
    name = session.full_name(statement["name"])
    check_schema(session, name)
    with session.warehouse.changing(name):
        existing = session.warehouse.definition(name)
        if existing is not None and statement["if_not_exists"]:
            return
        if existing is not None and (not statement["replace"] or existing["kind"] != "view"):
            raise _exists(name)
        session.plan(query)
        schema = [session.catalog, session.schema]
        definition = {"kind": "view", "sql": query.sql, "sources": query.sources, "schema": schema}
        session.warehouse.define(name, definition)


def drop_object(session: Session, statement: Statement) -> None:
    """Drop a table, view or schema. A table is not dropped as a view, nor a view as a table: nothing happens."""
    what, parts = statement["what"], statement["name"]
    if what == "schema":
        _drop_schema(session, statement)
        return
    if what == "view" and len(parts) == 1 and parts[0] in session.temporary_views:
        session.set_temporary_view(parts[0], None)
        return
    name = session.full_name(parts)
    with _existing(session, name):
        definition = session.warehouse.definition(name)
        if definition is None:
            if statement["if_exists"]:
                return
            raise not_found(name)
        if definition["kind"] == what:
            session.warehouse.drop(name)


def add_columns(session: Session, statement: Statement) -> None:
    """Add columns of NULL."""
    added = ", ".join(f"{null} AS {quoted([column])}" for column, null in statement["columns"])
    _rewrite(session, statement, lambda _: f"*, {added}")


def drop_columns(session: Session, statement: Statement) -> None:
    """Remove columns."""
    dropped = statement["columns"]

    def kept(columns: list[str]) -> str:
        for column in dropped:
            if column not in columns and not statement["if_exists"]:
                raise no_column(column, columns)
        left = [quoted([column]) for column in columns if column not in dropped]
        if not left:
            raise FailedStatementError("not supported by the local server: a table without columns")
        return ", ".join(left)

    _rewrite(session, statement, kept)


def rename_column(session: Session, statement: Statement) -> None:
    """Give a column another name."""
    old, new = statement["old"], statement["new"]

    def renamed(columns: list[str]) -> str:
        if old not in columns:
            raise no_column(old, columns)
        return ", ".join(
            f"{quoted([column])} AS {quoted([new])}" if column == old else quoted([column]) for column in columns
        )

    _rewrite(session, statement, renamed)


def rename_table(session: Session, statement: Statement) -> None:
    """Give a table another name in its schema."""
    name = session.full_name(statement["name"])
    new: FullName = (name[0], name[1], statement["new"][-1])
    if len(statement["new"]) > 1 and session.full_name(statement["new"]) != new:
        raise FailedStatementError(
            "not supported by the local server: RENAME TO another schema; name the table without one"
        )
    with _existing(session, name):
        table_of(session, name)
        if session.warehouse.definition(new) is not None:
            raise _exists(new)
        session.warehouse.rename(name, new)


def table_of(session: Session, name: FullName) -> Definition:
    """Return the definition of a table.

    :raises FailedStatementError: if there is none, or it is a view.
    """
    definition = session.warehouse.definition(name)
    if definition is None:
        raise not_found(name)
    if definition["kind"] != "table":
        raise FailedStatementError(
            f"[EXPECT_TABLE_NOT_VIEW] {'.'.join(name)} is a view, but must be a table. SQLSTATE: 42809"
        )
    return definition


def check_schema(session: Session, name: FullName) -> None:
    """Check that the schema of a table exists.

    :raises FailedStatementError: if it does not.
    """
    if not session.warehouse.has_schema(*name[:2]):
        raise FailedStatementError(
            f"[SCHEMA_NOT_FOUND] The schema `{name[0]}`.`{name[1]}` cannot be found. Verify the spelling and"
            " correctness of the schema and catalog. SQLSTATE: 42704"
        )


def no_column(column: str, columns: list[str]) -> FailedStatementError:
    """Return the error for a column that does not exist."""
    return FailedStatementError(
        f"[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column with name {column} cannot be resolved. Did you mean one of the"
        f" following? [{', '.join(columns)}] SQLSTATE: 42703"
    )


def _rewrite(session: Session, statement: Statement, selected: Any) -> None:
    name = session.full_name(statement["name"])
    with _existing(session, name):
        table_of(session, name)
        columns = session.plan(Query(f"SELECT * FROM {quoted(name)}")).columns
        write_table(session, name, Query(f"SELECT {selected(list(columns))} FROM {quoted(name)}"))


def _existing(session: Session, name: FullName) -> Any:
    """Hold a table that should exist, without making folders for one that does not."""
    if not session.warehouse.has_schema(*name[:2]):
        raise not_found(name)
    return session.warehouse.changing(name)


def _drop_schema(session: Session, statement: Statement) -> None:
    catalog, schema = (session.catalog, *statement["name"])[-2:]
    if statement["cascade"]:
        raise FailedStatementError(
            "not supported by the local server, nor by the service: DROP SCHEMA ... CASCADE; drop its tables first"
        )
    if not session.warehouse.has_schema(catalog, schema):
        if statement["if_exists"]:
            return
        raise FailedStatementError(
            f"[SCHEMA_NOT_FOUND] The schema `{catalog}`.`{schema}` cannot be found. SQLSTATE: 42704"
        )
    if session.warehouse.objects(catalog, schema):
        raise FailedStatementError(
            f"[SCHEMA_NOT_EMPTY] Cannot drop a schema `{catalog}`.`{schema}` because it contains objects."
            " SQLSTATE: 2BP01"
        )
    session.warehouse.drop_schema(catalog, schema)


def _exists(name: FullName) -> FailedStatementError:
    return FailedStatementError(
        f"[TABLE_OR_VIEW_ALREADY_EXISTS] Cannot create table or view `{name[1]}`.`{name[2]}` because it already exists."
        " SQLSTATE: 42P07"
    )
