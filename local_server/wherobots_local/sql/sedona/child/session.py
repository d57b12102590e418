"""A session: what SedonaDB knows of the warehouse, and what belongs to the session only."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from failures import FailedStatementError
from geoparquet import columns_without_crs
from warehouse import DEFAULT_CATALOG, DEFAULT_SCHEMA, Definition, FullName, Warehouse

FILES_CATALOG = "s3"
_SCHEME = "s3://"
_SCRATCH = "wherobots_local_scratch"
_CATALOG_OPTION = "datafusion.catalog.default_catalog"
_SCHEMA_OPTION = "datafusion.catalog.default_schema"

Source = dict[str, str]
"""A file that a statement reads: its ``format`` and ``address``."""


@dataclass
class Query:
    """SQL of SedonaDB.

    :param sql: the text.
    :param sources: the files that it reads.
    :param schema: catalog and schema in which its names are looked up; empty for the current ones.
    """

    sql: str
    sources: Sequence[Source] = field(default_factory=list)
    schema: Sequence[str] = ()


class Session:
    """The tables, views and settings of a session. Several threads use it.

    :param context: a context of SedonaDB.
    :param warehouse: the tables and views of all sessions.
    :param root: folder behind ``s3://``.
    """

    def __init__(self, context: Any, warehouse: Warehouse, root: Path) -> None:
        self.warehouse = warehouse
        self._root = root
        self.catalog, self.schema = DEFAULT_CATALOG, DEFAULT_SCHEMA
        self.temporary_views: dict[str, Query] = {}
        self.options: dict[str, str] = {}
        self._context = context
        self._planning = threading.RLock()
        self._known: dict[FullName, tuple[int, ...]] = {}
        self._stale = True
        self._schemas: set[tuple[str, str]] = set()
        self._shadowing: set[FullName] = set()
        # Files whose geometries are all equal would lose their type.
        self.execute("SET datafusion.execution.collect_statistics = false")
        # For Spark NULL is the smallest value.
        self.execute("SET datafusion.sql_parser.default_null_ordering = 'nulls_min'")
        self._make_schema(DEFAULT_CATALOG, DEFAULT_SCHEMA)
        self.use(DEFAULT_CATALOG, DEFAULT_SCHEMA)

    def execute(self, sql: str) -> None:
        """Execute what is done when it is planned, such as SET and CREATE VIEW."""
        with self._planning:
            self._context.sql(sql)

    def plan(self, query: Query) -> Any:
        """Plan a query on the tables as they are now.

        :returns: a frame, which is executed when its rows are read.
        """
        with self._planning:
            self._refresh()
            return self._plan(query)

    def use(self, catalog: str, schema: str) -> None:
        """Make a schema the current one."""
        with self._planning:
            self._look_up_in(catalog, schema)
            self.catalog, self.schema = catalog, schema
            # Temporary views are found without a schema, so in the current one.
            self._forget_views()

    def full_name(self, parts: Sequence[str]) -> FullName:
        """Complete a name by the current catalog and schema."""
        current = [self.catalog, self.schema]
        catalog, schema, name = current[: 3 - len(parts)] + list(parts)
        return catalog, schema, name

    def set_temporary_view(self, name: str, query: Query | None) -> None:
        """Create or replace a temporary view, or drop it (None)."""
        with self._planning:
            if query is None:
                del self.temporary_views[name]
            else:
                self.plan(query)
                self.temporary_views[name] = replace(query, schema=(self.catalog, self.schema))
            self._forget_views()

    @contextmanager
    def frame_as_table(self, frame: Any) -> Iterator[str]:
        """Give a frame a name for the duration of the block, in which nothing else is planned."""
        with self._planning:
            frame.to_view(_SCRATCH, overwrite=True)
            try:
                yield quoted((self.catalog, self.schema, _SCRATCH))
            finally:
                self._context.drop_view(_SCRATCH)

    def frame_of(self, table: Any) -> Any:
        """Return an Arrow table as a frame."""
        return self._context.create_data_frame(table)

    def sql(self, text: str) -> Any:
        """Plan a query that reads no table of the warehouse."""
        with self._planning:
            return self._context.sql(text)

    def _plan(self, query: Query) -> Any:
        for source in query.sources:
            self._register_file(source)
        return self._context.sql(query.sql)

    def _refresh(self) -> None:
        """Tell SedonaDB of tables and views that were created, changed or dropped, by any session."""
        names = self.warehouse.all_objects()
        found = {name: version for name in names if (version := self.warehouse.version(name)) is not None}
        if found == self._known and not self._stale:
            return
        definitions = {name: self.warehouse.definition(name) for name in found}
        for name in self._known.keys() - found.keys():
            self._drop(name)
        for name, definition in definitions.items():
            if definition and definition["kind"] == "table" and self._known.get(name) != found[name]:
                self._try_to_register_table(name, definition)
        views = {name: definition for name, definition in definitions.items() if definition and "sql" in definition}
        self._register_views(views)
        self._known, self._stale = found, False

    def _try_to_register_table(self, name: FullName, definition: Definition) -> None:
        """Leave out a table that cannot be read, such as one whose files were removed: others must not suffer."""
        try:
            self._register_table(name, definition)
        except Exception as error:
            print(f"the table {'.'.join(name)} cannot be read: {error}", file=sys.stderr)
            self._drop(name)

    def _register_table(self, name: FullName, definition: Definition) -> None:
        self._make_schema(*name[:2])
        frame = self._context.read_parquet(self.warehouse.paths(name, definition))
        # The files do not say it, and are read as those of WGS 84.
        self._register_frame(name, frame, definition["srids"])

    def _register_views(self, views: dict[FullName, Definition]) -> None:
        """Register all views anew: they hold the plans of their tables. One that reads another waits for it."""
        waiting = {
            name: Query(definition["sql"], definition["sources"], definition["schema"])
            for name, definition in views.items()
        }
        for view, query in self.temporary_views.items():
            waiting[(self.catalog, self.schema, view)] = query
        self._shadowing = {(self.catalog, self.schema, view) for view in self.temporary_views}
        for name in waiting:
            self._drop(name)
        while waiting:
            done = [name for name, query in waiting.items() if self._is_registered(name, query)]
            if not done:
                # What is left reads a table that is gone. A query of it says that it is not found.
                return
            for name in done:
                del waiting[name]

    def _is_registered(self, name: FullName, query: Query) -> bool:
        current = self.catalog, self.schema
        self._make_schema(*name[:2])
        self._look_up_in(*query.schema)
        try:
            for source in query.sources:
                self._register_file(source)
            self._context.sql(f"CREATE OR REPLACE VIEW {quoted(name)} AS {query.sql}")
        except Exception:
            return False
        finally:
            self._look_up_in(*current)
        return True

    def _forget_views(self) -> None:
        """Have the next plan register everything that may have changed."""
        for name in self._shadowing:
            self._drop(name)
            self._known.pop(name, None)
        self._shadowing = set()
        self._stale = True

    def _register_file(self, source: Source) -> None:
        self._make_schema(FILES_CATALOG, source["format"])
        path = self._root / source["address"].removeprefix(_SCHEME)
        frame = getattr(self._context.read, source["format"])(str(path))
        # They are read as those of WGS 84 too.
        srids = dict.fromkeys(columns_without_crs(path) if source["format"] == "parquet" else ())
        name = (FILES_CATALOG, source["format"], source["address"])
        self._register_frame(name, frame, srids)

    def _register_frame(self, name: FullName, frame: Any, srids: Mapping[str, int | None]) -> None:
        columns = [
            f"ST_SetSRID({quoted([column])}, {srids[column] or 0}) AS {quoted([column])}"
            if column in srids
            else quoted([column])
            for column in frame.columns
        ]
        with self.frame_as_table(frame) as table:
            self.execute(f"CREATE OR REPLACE VIEW {quoted(name)} AS SELECT {', '.join(columns)} FROM {table}")

    def _make_schema(self, catalog: str, schema: str) -> None:
        if (catalog, schema) in self._schemas:
            return
        self.execute(f"CREATE DATABASE IF NOT EXISTS {quoted([catalog])}")
        self.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted([catalog, schema])}")
        self._schemas.add((catalog, schema))

    def _look_up_in(self, catalog: str, schema: str) -> None:
        self._make_schema(catalog, schema)
        self.execute(f"SET {_CATALOG_OPTION} = {_literal(catalog)}")
        self.execute(f"SET {_SCHEMA_OPTION} = {_literal(schema)}")

    def _drop(self, name: FullName) -> None:
        if name[:2] in self._schemas:
            self.execute(f"DROP VIEW IF EXISTS {quoted(name)}")


def quoted(parts: Sequence[str]) -> str:
    """Return a name of SedonaDB."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def not_found(name: Sequence[str]) -> FailedStatementError:
    """Return the error for a table or view that does not exist."""
    return FailedStatementError(
        f"[TABLE_OR_VIEW_NOT_FOUND] The table or view {'.'.join(f'`{part}`' for part in name)} cannot be found. Verify"
        " the spelling and correctness of the schema and catalog. SQLSTATE: 42P01"
    )
