"""The engine of a session that calls the database process."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import uuid
from pathlib import Path

from wherobots_local import extras
from wherobots_local.sql.database.process import DatabaseProcess, database_folder
from wherobots_local.sql.engine import (
    RESULTS,
    EngineDiedError,
    EngineError,
    Executed,
    OnProgress,
    ResultForm,
    Serialized,
    StoreTarget,
)
from wherobots_local.storage import StorageError, place_of

_NEEDED = ("duckdb", "duckdb_extension_spatial", "pyarrow", "sqlglot")


class Database:
    """Starts the process for the first session, and ends it with the last. Belongs to one event loop."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._process: DatabaseProcess | None = None
        self._starting = asyncio.Lock()
        self._users = 0

    async def enter(self) -> DatabaseProcess:
        async with self._starting:
            if self._process is None or self._process.has_ended:
                self._process, self._users = await DatabaseProcess.start(self.root), 0
            self._users += 1
            return self._process

    async def leave(self, process: DatabaseProcess) -> None:
        """After the last session the process ends."""
        async with self._starting:
            if process is self._process:
                self._users -= 1
                if self._users == 0:
                    self._process = None
                    await process.stop()


class DatabaseEngine:
    def __init__(self, session_id: str, database: Database) -> None:
        self._id = session_id
        self._database = database
        self._process: DatabaseProcess | None = None

    async def start(self) -> None:
        """Open the session. An ``EngineError`` names the missing packages."""
        if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
            raise EngineError(
                f"SQL needs packages that the local server does not have ({', '.join(missing)}): {extras.SQL}"
            )
        self._process = await self._database.enter()
        await self._process.call("open", self._id)

    async def execute(
        self,
        execution_id: str,
        statement: str,
        store: StoreTarget | None,
        max_rows: int | None,
        on_progress: OnProgress,
    ) -> Executed:
        target = uri = None
        if store is not None:
            address = f"{store.address}.{store.format}" if store.single else store.address
            uri = address if store.single else f"{address}/"
            try:
                target = store, place_of(self._database.root, address)
            except StorageError as error:
                raise EngineError(str(error)) from None
        # DuckDB reports the progress of one step only, so a statement counts as one task.
        on_progress(1, 0, 1)
        arguments = (self._id, execution_id, statement, target, max_rows)
        has_columns, size = await self._running.call("execute", *arguments)
        on_progress(1, 1, 0)
        return Executed(has_columns, uri, size) if size else Executed(has_columns)

    async def retrieve(self, execution_id: str, form: ResultForm) -> Serialized:
        path = database_folder(self._database.root) / RESULTS / uuid.uuid4().hex
        try:
            file = path.open("x+b")
        except OSError as error:
            raise EngineError(f"the result cannot be written: {error.strerror}") from None
        try:
            geometries = await self._running.call("serialize", self._id, execution_id, form, str(path))
        except BaseException:
            file.close()
            raise
        finally:
            path.unlink(missing_ok=True)
        return Serialized(file, geometries)

    def forget(self, execution_id: str) -> None:
        with contextlib.suppress(EngineDiedError):
            self._running.send("forget", self._id, execution_id)

    async def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(EngineError, EngineDiedError):
                await process.call("close", self._id)
            await self._database.leave(process)

    @property
    def _running(self) -> DatabaseProcess:
        if self._process is None:
            raise EngineDiedError("the session has ended")
        return self._process
