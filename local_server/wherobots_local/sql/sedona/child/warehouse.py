"""Tables and views on disk: a folder for each catalog, schema and object, and in that of an object its definition.

A definition is replaced as a whole, and names the files with the rows. So a child that is killed leaves no half of a
change behind, and other sessions see a change as soon as it is made.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

FullName = tuple[str, str, str]
Definition = dict[str, Any]
"""Of a table: ``kind`` "table", ``files``, and ``srids`` by column. Of a view: ``kind`` "view", ``sql``, the
``sources`` that it reads, and the ``schema`` in which its names are looked up."""

DEFAULT_CATALOG = "spark_catalog"
DEFAULT_SCHEMA = "default"

_DEFINITION = "definition.json"
_LOCK = ".lock"
_KEPT_SECONDS = 3600.0
"""How long files without use are kept: other executions may still read them."""


class Warehouse:
    """The tables and views of all sessions.

    :param folder: where they are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.create_schema(DEFAULT_CATALOG, DEFAULT_SCHEMA)

    def catalogs(self) -> list[str]:
        """List the catalogs."""
        return _names(self._folder)

    def schemas(self, catalog: str) -> list[str]:
        """List the schemas of a catalog."""
        return _names(self._folder / _file_name(catalog))

    def objects(self, catalog: str, schema: str) -> list[str]:
        """List the tables and views of a schema."""
        folder = self._schema(catalog, schema)
        return [name for name in _names(folder) if (folder / _file_name(name) / _DEFINITION).exists()]

    def all_objects(self) -> list[FullName]:
        """List all tables and views."""
        return [
            (catalog, schema, name)
            for catalog in self.catalogs()
            for schema in self.schemas(catalog)
            for name in self.objects(catalog, schema)
        ]

    def has_schema(self, catalog: str, schema: str) -> bool:
        """Say whether there is a schema."""
        return self._schema(catalog, schema).is_dir()

    def create_schema(self, catalog: str, schema: str) -> None:
        """Create a schema and its catalog, unless they exist."""
        self._schema(catalog, schema).mkdir(parents=True, exist_ok=True)

    def drop_schema(self, catalog: str, schema: str) -> None:
        """Remove a schema without tables and views."""
        shutil.rmtree(self._schema(catalog, schema))

    def definition(self, name: FullName) -> Definition | None:
        """Read the definition of a table or view; None if there is none."""
        try:
            found: Definition = json.loads((self._object(name) / _DEFINITION).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return found

    def version(self, name: FullName) -> tuple[int, ...] | None:
        """Return what changes whenever the definition does; None if there is none."""
        try:
            status = (self._object(name) / _DEFINITION).stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    def paths(self, name: FullName, definition: Definition) -> list[str]:
        """Return the paths of the files of a table."""
        return [str(self._object(name) / file) for file in definition["files"]]

    def new_file(self, name: FullName) -> Path:
        """Return the path of a file that does not exist, for rows of a table."""
        folder = self._object(name)
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{uuid.uuid4().hex}.parquet"

    def define(self, name: FullName, definition: Definition) -> None:
        """Create or replace a table or view."""
        folder = self._object(name)
        folder.mkdir(parents=True, exist_ok=True)
        written = folder / f"{uuid.uuid4().hex}.json"
        written.write_text(json.dumps(definition), encoding="utf-8")
        written.replace(folder / _DEFINITION)
        _tidy(folder, set(definition.get("files", ())))

    def drop(self, name: FullName) -> None:
        """Remove a table or view. Its files stay for a while, because other executions may still read them."""
        (self._object(name) / _DEFINITION).unlink(missing_ok=True)

    def rename(self, old: FullName, new: FullName) -> None:
        """Give a table another name."""
        shutil.rmtree(self._object(new), ignore_errors=True)
        self._object(old).rename(self._object(new))

    def tidy(self) -> None:
        """Remove files that no table has had for an hour: of dropped tables, or of a child that was killed."""
        for catalog in self.catalogs():
            for schema in self.schemas(catalog):
                for name in _names(self._schema(catalog, schema)):
                    definition = self.definition((catalog, schema, name)) or {}
                    _tidy(self._object((catalog, schema, name)), set(definition.get("files", ())))

    @contextlib.contextmanager
    def changing(self, name: FullName) -> Iterator[None]:
        """Hold a table or view: no other execution of any session changes it until the end of the block."""
        folder = self._object(name)
        while True:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / _LOCK).open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                # It may have been renamed while this waited.
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(lock.fileno()), (folder / _LOCK).stat()):
                        yield
                        return

    def _schema(self, catalog: str, schema: str) -> Path:
        return self._folder / _file_name(catalog) / _file_name(schema)

    def _object(self, name: FullName) -> Path:
        return self._folder.joinpath(*map(_file_name, name))


def _file_name(name: str) -> str:
    """A folder's name for any name; dots are escaped too."""
    if not name:
        # It would be the folder of all.
        raise ValueError("a name of a table, view or schema is empty")
    return quote(name, safe=" ").replace(".", "%2E")


def _names(folder: Path) -> list[str]:
    try:
        return sorted(unquote(entry.name) for entry in os.scandir(folder) if entry.is_dir())
    except FileNotFoundError:
        return []


def _tidy(folder: Path, used: set[str]) -> None:
    for path in folder.glob("*.*"):
        if path.name in (_DEFINITION, _LOCK) or path.name in used:
            continue
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - _KEPT_SECONDS:
                path.unlink()
