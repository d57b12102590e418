"""A session (current schema, temporary views, options), and a statement of it: what all kinds of statements need."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import duckdb
from sqlglot import exp

from wherobots_local.sql.database import columns, files
from wherobots_local.sql.database.results import Rows, kind_of, plain_type, spark_type
from wherobots_local.sql.database.typed import with_types
from wherobots_local.sql.database.warehouse import DEFAULT, SchemaName, Warehouse, identifier, literal
from wherobots_local.sql.dialect.errors import failed, not_found, quoted, schema_not_found, unsupported
from wherobots_local.sql.dialect.parser import Name, name_of
from wherobots_local.sql.dialect.queries import translated

Parts = list[tuple[str, str]]
"""Columns that a table is partitioned by, each with a unit of time or nothing."""


class Target(NamedTuple):
    """A table to change: its full name in DuckDB, and the parts of this."""

    full: str
    schema: str
    name: str


@dataclass
class Session:
    """The state of one session. Its statements can run at the same time. ``rows`` are the kept results."""

    warehouse: Warehouse
    id: str
    current: SchemaName = DEFAULT
    rows: dict[str, Rows] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.warehouse.cursor().execute(f"CREATE SCHEMA {identifier(self.temporary)}")

    @property
    def temporary(self) -> str:
        """DuckDB's schema for its temporary views."""
        return f"~{self.id}"

    def close(self) -> None:
        self.warehouse.cursor().execute(f"DROP SCHEMA IF EXISTS {identifier(self.temporary)} CASCADE")


@dataclass
class Statement:
    """A statement on its own connection."""

    session: Session
    cursor: duckdb.DuckDBPyConnection
    _is_cancelled: bool = False
    _is_committing: bool = False
    _in_database: bool = False
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def cancel(self) -> bool:
        """Return whether the statement has no effect. Otherwise DuckDB still works for it, or it is committed."""
        with self._turn:
            self._is_cancelled = True
            if self._in_database and not self._is_committing:
                self.cursor.interrupt()
            return not self._in_database and not self._is_committing

    @contextmanager
    def in_database(self) -> Iterator[None]:
        """Let DuckDB work, unless the statement was cancelled."""
        with self._turn:
            self.check_cancelled()
            self._in_database = True
        try:
            yield
        finally:
            self._in_database = False

    def check_cancelled(self) -> None:
        if self._is_cancelled:
            raise duckdb.InterruptException("cancelled")

    def execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        """Execute SQL of DuckDB."""
        with self.in_database():
            return self.cursor.execute(sql)

    @contextmanager
    def changing(self, name: str) -> Iterator[None]:
        """Hold a table, view or schema in a transaction. Other writers wait. What is committed is never cancelled."""
        with self.session.warehouse.writing(name, self.check_cancelled):
            self.execute("BEGIN")
            try:
                yield
                with self.in_database():
                    with self._turn:
                        self.check_cancelled()
                        self._is_committing = True
                    self.cursor.execute("COMMIT")
            except BaseException:
                # After a failed COMMIT there is no transaction.
                if not self._is_committing:
                    self.cursor.execute("ROLLBACK")
                raise

    def written(self, tree: exp.Expr) -> str:
        """Return a query or a change in DuckDB's SQL. This changes its tree."""
        try:
            tree = translated(tree, self)
            columns.check(self, tree)
            with_types(self, tree)
            for both in tree.find_all(exp.SetOperation):
                self._check_sides(both, tree.args.get("with_"))
            return tree.sql("duckdb", comments=False)
        except RecursionError:
            raise unsupported("expressions nested this deeply") from None

    def _check_sides(self, both: exp.Expr, defined: exp.Expr | None) -> None:
        """Refuse UNION and the like of a text and another value, which Spark casts in another way."""
        sides = []
        for side in (both.this, both.expression):
            query = side.copy()
            if defined is not None and query.args.get("with_") is None:
                query.set("with_", defined.copy())
            try:
                kinds = [kind_of(kind) for _, kind in self.described(query.sql("duckdb"))]
            except duckdb.Error:
                # A part of a query that reads another part: a recursion, or a column of what is around it.
                return
            nothing = [isinstance(column.unalias(), exp.Null) for column in side.selects] or [False] * len(kinds)
            sides.append([None if empty else kind for kind, empty in zip(kinds, nothing, strict=False)])
        if any(one != other and None not in (one, other) for one, other in zip(*sides, strict=False)):
            raise unsupported("values of such different types in one column", "use CAST")

    def plain(self, query: str, *, lasting: bool = False) -> str:
        """Return a query whose columns have only types that Spark has, for a result or for a table."""
        columns = [(name, kind, plain_type(kind, lasting=lasting)) for name, kind in self.described(query)]
        if all(kind == plain for _, kind, plain in columns):
            return query
        # Several columns can have one name.
        given = ", ".join(f"c{place}" for place, _ in enumerate(columns))
        cast = [f"c{place}" + (f"::{plain}" if plain != kind else "") for place, (_, kind, plain) in enumerate(columns)]
        named = ", ".join(f"{value} AS {identifier(name)}" for value, (name, _, _) in zip(cast, columns, strict=True))
        return f"SELECT {named} FROM ({query}) AS q({given})"

    def described(self, query: str) -> list[tuple[str, str]]:
        """Return the columns of a query with their types. Several can have one name."""
        return [(row[0], row[1]) for row in self.execute(f"DESCRIBE {query}").fetchall()]

    def columns_of(self, table: str) -> dict[str, str]:
        """Return the columns of a table or view, or of a query in parentheses, with their types."""
        return dict(self.described(f"SELECT * FROM {table}"))

    @property
    def current(self) -> SchemaName:
        return self.session.current

    def schema_of(self, table: exp.Expr) -> str:
        """Return DuckDB's schema of a table or view that a query names."""
        name = name_of(table)
        if len(name) == 1 and name[0] in self.kinds(self.session.temporary):
            return self.session.temporary
        schema = self.schema(name)
        if name[-1] not in self.kinds(schema.stored):
            raise not_found((*schema, name[-1]))
        return schema.stored

    def file_query(self, address: str, form: str) -> str:
        return files.query(self.session.warehouse.root, address, form, self.described)

    def schema(self, name: Name) -> SchemaName:
        """Return the schema in the name of a table or view. It need not exist."""
        parts = name[:-1]
        if len(parts) > 2:
            raise unsupported("a schema in a schema")
        return SchemaName(*self.current[: 2 - len(parts)], *parts)

    def check_schema(self, schema: SchemaName) -> None:
        if schema not in self.schemas():
            raise schema_not_found(schema)

    def schemas(self) -> list[SchemaName]:
        found = self.execute("SELECT schema_name FROM duckdb_schemas() WHERE schema_name LIKE '%.%' ORDER BY 1")
        return [SchemaName.of_stored(name) for (name,) in found.fetchall() if not name.startswith("~")]

    def kinds(self, schema: str) -> dict[str, str]:
        """Return the names in a schema of DuckDB, each as a ``table`` or a ``view``."""
        listed = "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = ? ORDER BY 1"
        found = self.cursor.execute(listed, [schema]).fetchall()
        return {name: "view" if kind == "VIEW" else "table" for name, kind in found}

    def partitioning(self, target: Target) -> Parts:
        listed = "SELECT comment FROM duckdb_tables() WHERE schema_name = ? AND table_name = ?"
        found = self.cursor.execute(listed, [target.schema, target.name]).fetchone()
        return [(column, unit) for column, unit in json.loads(found[0])] if found and found[0] else []

    def required(self, target: Target) -> list[str]:
        """Return the columns that cannot be NULL."""
        listed = "SELECT column_name FROM duckdb_columns() WHERE schema_name = ? AND table_name = ? AND NOT is_nullable"
        return [name for (name,) in self.cursor.execute(listed, [target.schema, target.name]).fetchall()]

    def lengths(self, target: Target) -> dict[str, int]:
        """Return the columns of VARCHAR(n), each with its n."""
        listed = "SELECT column_name, comment FROM duckdb_columns() WHERE schema_name = ? AND table_name = ?"
        found = self.cursor.execute(listed, [target.schema, target.name]).fetchall()
        return {name: int(comment) for name, comment in found if comment}

    def limit(self, table: str, lengths: Mapping[str, int]) -> None:
        """Store the lengths of columns in their comments."""
        for name, length in lengths.items():
            self.execute(f"COMMENT ON COLUMN {table}.{identifier(name)} IS '{length}'")

    def spark_types(self, target: Target) -> dict[str, str]:
        """Return the columns of a table or view with their types in Spark."""
        lengths = self.lengths(target)
        types = self.columns_of(target.full).items()
        return {name: f"varchar({lengths[name]})" if name in lengths else spark_type(kind) for name, kind in types}

    def partition(self, table: str, parts: Parts) -> None:
        """Store the partitioning of a table in its comment."""
        self.execute(f"COMMENT ON TABLE {table} IS {literal(json.dumps(parts))}")

    def table(self, table: exp.Expr) -> Target:
        """Return a table to change. Views are refused."""
        target = self.target(table)
        if self.kinds(target.schema).get(target.name) == "view":
            shown = quoted(name_of(table))
            raise failed("EXPECT_TABLE_NOT_VIEW", f"{shown} expects a table but it is a view.", "42809")
        return target

    def target(self, table: exp.Expr) -> Target:
        schema, name = self.schema_of(table), name_of(table)[-1]
        return Target(f"{identifier(schema)}.{identifier(name)}", schema, name)
