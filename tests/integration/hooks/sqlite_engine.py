"""An engine for the local server's SQL sessions that really evaluates statements: SQLite, in this process.

Its dialect is not Spark's, but close enough for what Airflow's own operators send.
"""

import asyncio
import io
import sqlite3
import threading

import pyarrow as pa

from wherobots_local.sql.engine import EngineError, Executed, OnProgress, ResultForm, Serialized, StoreTarget


class SqliteEngine:
    """Executes statements in a database that all sessions share."""

    database: sqlite3.Connection
    lock = threading.Lock()

    def __init__(self) -> None:
        self._tables: dict[str, pa.Table] = {}

    async def start(self) -> None: ...

    async def execute(
        self,
        execution_id: str,
        statement: str,
        store: StoreTarget | None,
        max_rows: int | None,
        on_progress: OnProgress,
    ) -> Executed:
        names, rows = await asyncio.to_thread(self._run, statement)
        columns = list(zip(*rows[:max_rows], strict=True)) or [()] * len(names)
        self._tables[execution_id] = pa.Table.from_arrays([pa.array(list(column)) for column in columns], names=names)
        return Executed(bool(names))

    async def retrieve(self, execution_id: str, form: ResultForm) -> Serialized:
        table = self._tables[execution_id]
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, form.compression) as out, pa.ipc.new_stream(out, table.schema) as writer:
            writer.write_table(table)
        return Serialized(io.BytesIO(sink.getvalue().to_pybytes()))

    def forget(self, execution_id: str) -> None:
        self._tables.pop(execution_id, None)

    async def kill(self) -> None: ...

    def _run(self, statement: str) -> tuple[list[str], list[tuple[object, ...]]]:
        with self.lock:
            try:
                cursor = self.database.execute(statement)
                return [column[0] for column in cursor.description or ()], cursor.fetchall()
            except sqlite3.Error as error:
                raise EngineError(f"[SQLITE] {error}") from error
