"""A session: its current schema, temporary views and options, and how its statements are carried out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
from sqlglot import exp

from wherobots_local.sql.database import changes, commands, definitions, files
from wherobots_local.sql.database.results import Rows, fetch
from wherobots_local.sql.database.stores import store
from wherobots_local.sql.database.warehouse import DEFAULT, SchemaName, Warehouse, identifier
from wherobots_local.sql.dialect.errors import StatementError, already_exists, not_found, schema_not_found, unsupported
from wherobots_local.sql.dialect.names import Name, name_of
from wherobots_local.sql.dialect.parser import check_length, read
from wherobots_local.sql.dialect.queries import write
from wherobots_local.sql.engine import StoreTarget

Change = Callable[["Statement", exp.Expr], None]
_CHANGES: dict[type[exp.Expr], Change] = {
    exp.Alter: definitions.alter,
    exp.Create: definitions.create,
    exp.Delete: changes.delete,
    exp.Drop: definitions.drop,
    exp.Insert: changes.insert,
    exp.Merge: changes.merge,
    exp.TruncateTable: changes.truncate,
    exp.Update: changes.update,
}


@dataclass
class Session:
    """What belongs to one session. Statements of it may run at the same time.

    :param warehouse: the tables and views of all sessions.
    :param root: folder behind ``s3://``.
    :param id: its id.
    """

    warehouse: Warehouse
    root: Path
    id: str
    current: SchemaName = DEFAULT
    options: dict[str, str] = field(default_factory=dict)

    @property
    def temporary(self) -> str:
        """The schema of DuckDB for its temporary views."""
        return f"~{self.id}"

    def open(self) -> None:
        """Make the place of its temporary views."""
        self.warehouse.cursor().execute(f"CREATE SCHEMA {identifier(self.temporary)}")

    def close(self) -> None:
        """Drop its temporary views."""
        self.warehouse.cursor().execute(f"DROP SCHEMA IF EXISTS {identifier(self.temporary)} CASCADE")


@dataclass
class Statement:
    """A statement that is carried out, on a connection of its own.

    :param session: its session.
    :param cursor: the connection.
    :param is_cancelled: set when it is cancelled.
    """

    session: Session
    cursor: duckdb.DuckDBPyConnection
    is_cancelled: threading.Event = field(default_factory=threading.Event)

    def run(self, text: str, target: StoreTarget | None, place: Path | None, max_rows: int | None) -> Rows | int | None:
        """Carry the statement out.

        :param text: its text.
        :param target: how its rows are stored; None keeps them.
        :param place: where they are stored.
        :param max_rows: how many rows are kept at most, and one more if there are more; None sets no limit.
        :returns: its rows, or the size of what was stored, 0 without rows; None if it has no result set.
        :raises StatementError: if it fails.
        :raises duckdb.Error: if it fails.
        """
        check_length(text)
        if (done := commands.run(self, text)) is not None:
            return done[0]
        tree = read(text)
        change = _CHANGES.get(type(tree))
        if change is not None:
            change(self, tree)
            return None
        if not isinstance(tree, exp.Query | exp.Values):
            raise unsupported(f"{text.split(None, 1)[0].upper()[:20]} statements")
        query = self.written(tree)
        if target is not None and place is not None:
            return store(self.cursor, query, self.described(query), target, place)
        return fetch(self.execute(query), max_rows)

    def execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        """Execute SQL of DuckDB, unless the statement was cancelled."""
        if self.is_cancelled.is_set():
            raise duckdb.InterruptException("cancelled")
        return self.cursor.execute(sql)

    def written(self, tree: exp.Expr) -> str:
        """Return a query or an expression as DuckDB's SQL."""
        return write(tree, self)

    def columns_of(self, query: str) -> dict[str, str]:
        """Return the columns of a query of DuckDB with their types."""
        return dict(self.described(query))

    def described(self, query: str) -> list[tuple[str, str]]:
        """Return the columns of a query with their types. Several may have one name."""
        return [(row[0], row[1]) for row in self.execute(f"DESCRIBE {query}").fetchall()]

    def schema_of(self, table: exp.Table) -> str:
        """Return DuckDB's schema of a table or view that a query names."""
        name = name_of(table)
        if len(name) == 1 and self.kind_of(self.session.temporary, name[0]) is not None:
            return self.session.temporary
        schema = self.schema(name)
        if self.kind_of(schema.stored, name[-1]) is None:
            raise not_found((*schema, name[-1]))
        return schema.stored

    def file_query(self, file_format: str, address: str) -> exp.Query:
        """Return a query that reads a file or folder of the storage."""
        return files.query(self, file_format, address)

    def schema(self, name: Name) -> SchemaName:
        """Return the schema of a table's or view's name."""
        parts = name[:-1]
        if len(parts) > 2:
            raise unsupported("a schema in a schema")
        return SchemaName(*self.session.current[: 2 - len(parts)], *parts)

    def check_schema(self, schema: SchemaName) -> None:
        """Check that a schema exists.

        :raises StatementError: if it does not.
        """
        if not self.has_schema(schema):
            raise schema_not_found(schema)

    def has_schema(self, schema: SchemaName) -> bool:
        """Say whether a schema exists."""
        return schema in self.schemas()

    def schemas(self) -> list[SchemaName]:
        """List all schemas."""
        found = self.execute("SELECT schema_name FROM duckdb_schemas() WHERE NOT internal ORDER BY 1").fetchall()
        return [name for (stored,) in found if (name := SchemaName.of_stored(stored)) is not None and stored[0] != "~"]

    def kind_of(self, schema: str, name: str) -> str | None:
        """Say whether a name in a schema of DuckDB is a ``table`` or a ``view``; None if it is neither."""
        listed = " UNION ALL ".join(
            f"SELECT '{kind}' FROM duckdb_{kind}s() WHERE schema_name = $1 AND lower({kind}_name) = lower($2)"
            for kind in ("table", "view")
        )
        found = self.cursor.execute(listed, [schema, name]).fetchone()
        return str(found[0]) if found else None

    def comment_of(self, schema: str, table: str) -> str:
        """Return the comment of a table, which is JSON."""
        listed = "SELECT comment FROM duckdb_tables() WHERE schema_name = ? AND lower(table_name) = lower(?)"
        found = self.cursor.execute(listed, [schema, table]).fetchone()
        return str(found[0]) if found and found[0] else "[]"

    def table(self, table: exp.Table) -> tuple[str, str]:
        """Return DuckDB's full name of a table that is to be changed, and its schema's.

        :raises StatementError: if there is none, or it is a view.
        """
        name = name_of(table)
        schema = self.schema_of(table)
        if self.kind_of(schema, name[-1]) == "view":
            raise StatementError(
                f"[EXPECT_TABLE_NOT_VIEW] '{'.'.join(name)}' expects a table but it is a view. SQLSTATE: 42809"
            )
        return f"{identifier(schema)}.{identifier(name[-1])}", schema

    def check_free(self, schema: SchemaName, name: str) -> None:
        """Check that a name is not taken.

        :raises StatementError: if it is.
        """
        if self.kind_of(schema.stored, name) is not None:
            raise already_exists((*schema, name))
