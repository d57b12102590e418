"""The database process. It handles calls until the server ends or closes the connection."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import resource
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from wherobots_local.sql.database.execution import run
from wherobots_local.sql.database.failures import failure_text
from wherobots_local.sql.database.results import Rows, serialize
from wherobots_local.sql.database.statement import Session, Statement
from wherobots_local.sql.database.stores import Store
from wherobots_local.sql.database.warehouse import Warehouse
from wherobots_local.sql.dialect.errors import StatementError
from wherobots_local.sql.engine import ResultForm

_AGAIN_SECONDS = 0.05
_BESIDE_BYTES = 2 * 1024**3


class Serving:
    """Handles each call in its own thread. The calls are the public methods except :meth:`serve`."""

    def __init__(self, connection: Connection, warehouse: Warehouse) -> None:
        self._connection = connection
        self._warehouse = warehouse
        self._sessions: dict[str, Session] = {}
        self._running: dict[int, Statement] = {}
        self._sending = threading.Lock()

    def serve(self) -> None:
        """Handle requests. A ping is answered at once: it shows that the process works."""
        self._send(0, None)
        with contextlib.suppress(EOFError, OSError):
            while True:
                number, method, *arguments = self._connection.recv()
                if method == "ping":
                    self._send(number, None)
                    continue
                if method == "execute" and (session := self._sessions.get(arguments[0])) is not None:
                    # Before its thread begins: a cancel may be the next request.
                    self._running[number] = Statement(session, self._warehouse.cursor())
                try:
                    threading.Thread(target=self._answer, args=(number, method, *arguments), daemon=True).start()
                except RuntimeError:
                    # Another statement has all the memory that there is.
                    self._running.pop(number, None)
                    self._send(number, None, failure_text(MemoryError("no memory for another statement")))

    def open(self, _: int, session: str) -> None:
        self._sessions[session] = Session(self._warehouse, session)

    def close(self, _: int, session: str) -> None:
        self._sessions.pop(session).close()

    def execute(
        self, number: int, _: str, execution_id: str, text: str, store: Store | None, max_rows: int | None
    ) -> tuple[bool, int]:
        """Return whether the statement has columns, and the size of a store."""
        if (statement := self._running.get(number)) is None:
            raise StatementError("the session has ended")
        try:
            done = run(statement, text, store, max_rows)
        finally:
            statement.cursor.close()
        if isinstance(done, int):
            return True, done
        statement.session.rows[execution_id] = done or Rows(pa.table({}))
        return done is not None, 0

    def cancel(self, _: int, execute: int) -> None:
        """Cancel a statement. Afterwards it has been answered, or has no effect."""
        # Repeated, because an interrupt between two steps is lost.
        while (statement := self._running.get(execute)) is not None and not statement.cancel():
            time.sleep(_AGAIN_SECONDS)

    def serialize(self, _: int, session: str, execution_id: str, form: ResultForm, path: str) -> tuple[str, ...]:
        if (rows := self._sessions[session].rows.get(execution_id)) is None:
            raise StatementError("the rows of the execution are gone")
        return serialize(self._warehouse.cursor(), rows, form, path)

    def forget(self, _: int, session: str, execution_id: str) -> None:
        self._sessions[session].rows.pop(execution_id, None)

    def stop(self, _: int) -> None:
        """End the process, with all changes in the database file instead of its log."""
        with contextlib.suppress(duckdb.Error):
            self._warehouse.cursor().execute("CHECKPOINT")
        os._exit(0)

    def _answer(self, number: int, method: str, *arguments: Any) -> None:
        value, failure = None, None
        try:
            value = getattr(self, method)(number, *arguments)
        except BaseException as error:
            failure = failure_text(error)
        # Not before: the error holds what the statement has in memory, which the next one may need.
        self._send(number, value, failure)
        self._running.pop(number, None)

    def _send(self, number: int, value: Any, error: str | None = None) -> None:
        with self._sending, contextlib.suppress(OSError):
            self._connection.send((number, value, error))


def main(descriptor: str, root: str, folder: str, memory: str) -> None:
    faulthandler.enable()
    # What DuckDB does not count itself, such as the geometries of GEOS: an allocation beyond it fails its statement.
    resource.setrlimit(resource.RLIMIT_DATA, (int(memory) + _BESIDE_BYTES,) * 2)
    connection = Connection(int(descriptor))
    try:
        warehouse = Warehouse(Path(root), Path(folder), int(memory))
    except duckdb.IOException as error:
        sys.exit(f"Its database cannot be opened. {error}")
    Serving(connection, warehouse).serve()
    # Threads may still be working. Their uncommitted changes are lost.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
