"""The database file with the tables of all sessions, and its limits.

No function or command reaches a file outside the root: access is limited to the root, extensions cannot be loaded, and
the settings are locked. Source: DuckDB's "Securing DuckDB".
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import duckdb

from wherobots_local.sql.dialect.macros import SCHEMA, SCRIPTS
from wherobots_local.sql.engine import RESULTS

DEFAULT_SCHEMA = "default"


class SchemaName(NamedTuple):
    """A schema of the service. DuckDB has no such catalogs, so there its name has both parts."""

    catalog: str
    schema: str

    @property
    def stored(self) -> str:
        """The name in DuckDB, with escaped dots."""
        return ".".join(part.replace("%", "%25").replace(".", "%2E").replace("~", "%7E") for part in self)

    @classmethod
    def of_stored(cls, name: str) -> SchemaName:
        catalog, _, schema = name.replace("%7E", "~").partition(".")
        return cls(*(part.replace("%2E", ".").replace("%25", "%") for part in (catalog, schema)))


DEFAULT = SchemaName("spark_catalog", DEFAULT_SCHEMA)
# The second is the catalog of an organization on the service.
_AT_FIRST = (DEFAULT, SchemaName("org_catalog", DEFAULT_SCHEMA))


class Warehouse:
    """The open database. It is a ``duckdb.IOException`` if another process has it open."""

    def __init__(self, root: Path, folder: Path, memory: int) -> None:
        """``memory`` is how many bytes statements can use."""
        self.root = root
        self.results = folder / RESULTS
        # Files that a killed process had just made.
        shutil.rmtree(self.results, ignore_errors=True)
        self.results.mkdir()
        self._writing: dict[str, threading.Lock] = {}
        self._connection = duckdb.connect(
            folder / "warehouse.duckdb",
            config={
                # Older formats do not store the SRID of a column.
                "storage_compatibility_version": "v1.5.0",
                "memory_limit": f"{memory}B",
                "temp_directory": str(folder / "spilled"),
                "python_enable_replacements": "false",
                "autoload_known_extensions": "false",
                "autoinstall_known_extensions": "false",
            },
        )
        spatial = f"extensions/v{duckdb.__version__}/spatial.duckdb_extension"
        self._connection.load_extension(str(files("duckdb_extension_spatial") / spatial))
        self._connection.execute("SET GLOBAL TimeZone = 'UTC'")
        self._prepare()
        self._connection.execute("SET allowed_directories = [?]", [str(root)])
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")

    def cursor(self) -> duckdb.DuckDBPyConnection:
        return self._connection.cursor()

    @contextmanager
    def writing(self, name: str, check_cancelled: Callable[[], None]) -> Iterator[None]:
        """Hold a table, view or schema while it is changed. Other writers wait, unless they are cancelled."""
        lock = self._writing.setdefault(name, threading.Lock())
        while not lock.acquire(timeout=0.05):
            check_cancelled()
        try:
            yield
        finally:
            lock.release()

    def _prepare(self) -> None:
        found = self._connection.execute("SELECT schema_name FROM duckdb_schemas() WHERE schema_name LIKE '~%'")
        # Temporary schemas of sessions whose process was killed.
        commands = [f"DROP SCHEMA {identifier(name)} CASCADE" for (name,) in found.fetchall()]
        commands += [
            f"CREATE SCHEMA IF NOT EXISTS {identifier(name)}"
            for name in (SCHEMA, *(schema.stored for schema in _AT_FIRST))
        ]
        commands += [script.replace("CREATE MACRO", "CREATE OR REPLACE MACRO") for script in SCRIPTS]
        for command in ("BEGIN", *commands, "COMMIT"):
            self._connection.execute(command)


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
