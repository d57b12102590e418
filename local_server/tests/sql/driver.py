"""Drives the engine of one session, with DuckDB in a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import psutil
import pyarrow
import pytest

from wherobots_local.sql.database.engine import Database, DatabaseEngine
from wherobots_local.sql.engine import EngineError, Executed, ResultForm

T = TypeVar("T")


class Retrieved(NamedTuple):
    data: bytes
    geo_columns: tuple[str, ...]


class EngineDriver:
    """Drives the engine of one session from a test that is not asynchronous.

    :param session_id: its id.
    :param database: the database of all sessions.
    :param runner: the event loop of all sessions.
    """

    def __init__(self, session_id: str, database: Database, runner: asyncio.Runner) -> None:
        self._runner = runner
        self.database = database
        self.root = database.root
        self.steps: list[tuple[int, int, int]] = []
        self._number = 0
        self.engine = DatabaseEngine(session_id, database)

    def wait(self, awaitable: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await awaitable

        return self._runner.run(awaited())

    def new_id(self) -> str:
        self._number += 1
        return f"e{self._number}"

    def execution(self, statement: str, **options: Any) -> Awaitable[Executed]:
        """What executes a statement."""
        options = {"store": None, "max_rows": 1000, "execution_id": self.new_id(), **options}
        return self.engine.execute(
            options["execution_id"], statement, options["store"], options["max_rows"], self._progress
        )

    def execute(self, statement: str, **options: Any) -> Executed:
        return self.wait(self.execution(statement, **options))

    def retrieve(self, execution_id: str, **form: str) -> Retrieved:
        serialized = self.wait(self.engine.retrieve(execution_id, ResultForm(**form)))
        with serialized.file as file:
            return Retrieved(file.read(), serialized.geo_columns)

    def table(self, statement: str, *, max_rows: int | None = 1000, geometry: str = "ewkt") -> Any:
        execution_id = self.new_id()
        assert self.execute(statement, execution_id=execution_id, max_rows=max_rows).has_columns
        form = {"compression": "none", "geometry": geometry}
        return pyarrow.ipc.open_stream(self.retrieve(execution_id, **form).data).read_all()

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.table(statement).to_pylist()]

    def value(self, expression: str) -> Any:
        ((value,),) = self.rows(f"SELECT {expression} AS x")
        return value

    def run(self, *statements: str) -> None:
        for statement in statements:
            assert not self.execute(statement).has_columns, statement

    def fails(self, statement: str, **options: Any) -> str:
        with pytest.raises(EngineError) as raised:
            self.execute(statement, **options)
        return str(raised.value)

    def close(self) -> None:
        self.wait(self.engine.kill())

    def _progress(self, *step: int) -> None:
        total, completed, active = step
        self.steps.append((total, completed, active))


def processes_of(root: Path) -> list[psutil.Process]:
    """The processes with the database of a root."""
    mine = psutil.Process().children(recursive=True)
    return [found for found in mine if str(root) in _arguments(found)]


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
