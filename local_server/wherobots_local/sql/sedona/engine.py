"""The engine of a session: reads statements, and has its child carry them out."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wherobots_local import extras
from wherobots_local.execution.environment_variables import user_packages
from wherobots_local.sql.dialect.errors import RefusedStatementError
from wherobots_local.sql.dialect.statements import SourceFile, Translation
from wherobots_local.sql.dialect.translate import translate
from wherobots_local.sql.engine import (
    EngineError,
    Executed,
    OnProgress,
    ResultForm,
    Serialized,
    StoreTarget,
)
from wherobots_local.sql.sedona.child_process import ChildProcess
from wherobots_local.storage import OWN_FOLDER, StorageError, check_inside, place_of

_NEEDED = ("sedonadb", "pyarrow", "pyproj")
_SQL = "sql"
_SESSIONS = "sessions"
_CANCELLED_WITH = (
    "the statement was ended, because another statement of the same session was cancelled: the local server can cancel"
    " a statement only together with all others of its session"
)


def warehouse(root: Path) -> Path:
    """Return the folder of the tables.

    :param root: folder behind ``s3://``.
    """
    return root / OWN_FOLDER / _SQL / "warehouse"


class SedonaEngine:
    """Executes the statements of a session with SedonaDB, in a child process. Belongs to one event loop.

    :param session_id: id of the session.
    :param root: folder behind ``s3://``.
    """

    def __init__(self, session_id: str, root: Path) -> None:
        self._root = root
        self._folder = root / OWN_FOLDER / _SQL / _SESSIONS / session_id
        self._child: ChildProcess | None = None
        self._starting = asyncio.Lock()
        self._session: list[dict[str, Any]] = []
        self._rows: dict[str, tuple[bytes, list[str]]] = {}
        self._killed = False

    async def start(self) -> None:
        """Start the child.

        :raises EngineError: if that fails. The text is the child's, or says what is not installed.
        """
        if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
            raise EngineError(
                f"SQL needs packages that the local server does not have ({', '.join(missing)}): {extras.SQL}"
            )
        (self._folder / "tmp").mkdir(parents=True, exist_ok=True)
        await self._started()

    async def execute(
        self,
        execution_id: str,
        statement: str,
        store: StoreTarget | None,
        max_rows: int | None,
        on_progress: OnProgress,
    ) -> Executed:
        """Execute a statement, and keep its rows until :meth:`forget`. A cancel kills the child; the next statement
        starts another, which finds the tables, and gets the temporary views and settings of the session again.

        :raises EngineError: if it fails.
        :raises EngineDiedError: if the child ended by itself.
        """
        try:
            read = await asyncio.to_thread(translate, statement)
            request = self._request(read, store, max_rows)
        except (RefusedStatementError, StorageError) as error:
            raise EngineError(str(error)) from None
        child = await self._started()
        # SedonaDB tells no progress: a statement is one task.
        on_progress(1, 0, 1)
        try:
            header, rows = await child.ask(request)
        except asyncio.CancelledError:
            await self._end_child(child)
            raise
        on_progress(1, 1, 0)
        if header.get("belongs_to_session"):
            self._remember(request)
        if store is not None and header["has_columns"]:
            return _stored(store, header["size"])
        self._rows[execution_id] = rows, header.get("geometries", [])
        return Executed(has_columns=header["has_columns"], is_cut=header.get("is_cut", False))

    async def retrieve(self, execution_id: str, form: ResultForm) -> Serialized:
        """Serialize the rows kept.

        :raises EngineError: if there are none.
        :raises EngineDiedError: if the child ended by itself.
        """
        if execution_id not in self._rows:
            raise EngineError("the rows of the execution are gone")
        rows, geometries = self._rows[execution_id]
        request = {
            "kind": "serialize",
            "format": form.format,
            "compression": form.compression,
            "geometry": form.geometry,
            "geometries": geometries,
        }
        child = await self._started()
        try:
            _, data = await child.ask(request, rows)
        except EngineError:
            if child is self._child:
                raise
            # The cancel of another statement has ended the process meanwhile. The rows are here.
            _, data = await (await self._started()).ask(request, rows)
        return Serialized(data, tuple(geometries))

    def forget(self, execution_id: str) -> None:
        """Drop the rows kept of an execution."""
        self._rows.pop(execution_id, None)

    async def kill(self) -> None:
        """End the child. Tables that were created stay."""
        self._killed = True
        self._rows.clear()
        async with self._starting:
            if self._child is not None:
                await self._child.stop("the session has ended")
                self._child = None
        await asyncio.to_thread(shutil.rmtree, self._folder, True)

    async def _started(self) -> ChildProcess:
        async with self._starting:
            if self._killed:
                raise EngineError("the session has ended")
            if self._child is None:
                child = await ChildProcess.start(
                    root=self._root,
                    warehouse=warehouse(self._root),
                    folder=self._folder,
                    environment=_child_environment(self._folder),
                )
                try:
                    for request in self._session:
                        # A temporary view may read a table that was dropped.
                        with contextlib.suppress(EngineError):
                            await child.ask(request)
                except BaseException:
                    # A cancel: a child without all that belongs to the session would read other tables.
                    await child.stop(_CANCELLED_WITH)
                    raise
                self._child = child
            return self._child

    async def _end_child(self, child: ChildProcess) -> None:
        """Kill a child, also if the caller is cancelled once more."""
        if self._child is child:
            self._child = None
        ending = asyncio.ensure_future(child.stop(_CANCELLED_WITH))
        while not ending.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(ending)

    def _request(self, read: Translation, store: StoreTarget | None, max_rows: int | None) -> dict[str, Any]:
        return {
            "kind": "execute",
            "statement": read.statement.to_wire(),
            "sources": [self._source(file) for file in read.files],
            "store": None if store is None else self._target(store),
            "max_rows": max_rows,
            "spelling": read.spelling,
        }

    def _source(self, file: SourceFile) -> dict[str, str]:
        place = place_of(self._root, file.address)
        try:
            resolved = place.resolve(strict=True)
        except OSError:
            raise EngineError(f"[PATH_NOT_FOUND] Path does not exist: {file.address}. SQLSTATE: 42K03") from None
        check_inside(self._root.resolve(), resolved, file.address)
        return {"format": file.format, "address": file.address}

    def _target(self, store: StoreTarget) -> dict[str, Any]:
        address = f"{store.address}.{store.format}" if store.single else store.address
        return {
            "format": store.format,
            "single": store.single,
            "options": dict(store.options),
            "path": str(place_of(self._root, address)),
        }

    def _remember(self, request: dict[str, Any]) -> None:
        key = request["statement"].get("key")
        if key is not None:
            self._session = [known for known in self._session if known["statement"].get("key") != key]
        self._session.append({**request, "store": None})


def _stored(store: StoreTarget, size: int | None) -> Executed:
    if size is None:
        return Executed(has_columns=True)
    uri = f"{store.address}.{store.format}" if store.single else f"{store.address}/"
    return Executed(has_columns=True, result_uri=uri, size=size)


def _child_environment(folder: Path) -> Mapping[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "TMPDIR": str(folder / "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        **user_packages(),
        **{name: value for name, value in os.environ.items() if name == "PYTHONPATH"},
    }
