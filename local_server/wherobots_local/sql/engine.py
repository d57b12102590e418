"""The interface of an engine, which executes the statements of a session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol, TypeAlias

OnProgress: TypeAlias = Callable[[int, int, int], None]
"""Called in the event loop with the numbers of all, completed and active tasks."""

RESULTS = "results"
"""The folder of files with rows. Each loses its name at once."""


class EngineError(Exception):
    """A statement failed. The client reads this text, such as ``[TABLE_OR_VIEW_NOT_FOUND] ...``."""


class EngineDiedError(Exception):
    """The engine has ended, and its session ends with it."""


@dataclass(frozen=True, slots=True)
class StoreTarget:
    """Where rows are written instead of being kept. ``options`` are those of Spark's writer. One file is written to
    ``{address}.{format}``, several to ``{address}/part-*.{format}``. The folder need not exist."""

    format: str
    single: bool
    address: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Executed:
    """A statement that succeeded. ``has_columns`` is False for DDL and DML.

    ``result_uri`` is the address of the file, or of the folder with a slash at the end; None without a store or without
    rows.
    """

    has_columns: bool
    result_uri: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class ResultForm:
    """How a result is serialized: the values are those of ``RetrieveMessage``."""

    format: str = "arrow"
    compression: str = "brotli"
    geometry: str = "ewkt"


@dataclass(frozen=True, slots=True)
class Serialized:
    """A compressed result in an open file without a name, and the names of its columns with geometries."""

    file: BinaryIO
    geo_columns: tuple[str, ...] = ()


class Engine(Protocol):
    """One engine per session, for one event loop. Several executions can run at the same time."""

    async def start(self) -> None:
        """Called once, before everything but :meth:`kill`. After an ``EngineError`` the session is ``INIT_FAILED``."""

    async def execute(
        self,
        execution_id: str,
        statement: str,
        store: StoreTarget | None,
        max_rows: int | None,
        on_progress: OnProgress,
    ) -> Executed:
        """Execute a statement, and keep at most ``max_rows`` rows until :meth:`forget`. Stores have no limit.

        If the awaiting task is cancelled, the engine ends the statement before it raises the ``CancelledError``, and
        stays usable. If this ends other executions, they raise an :class:`EngineError` with the reason. Kept rows
        survive. Raises an ``EngineError`` if the statement fails, and ``EngineDiedError`` if the engine has ended.
        """

    async def retrieve(self, execution_id: str, form: ResultForm) -> Serialized:
        """Serialize the kept rows; the caller closes the file. A statement without columns gives a table without
        columns. Raises an ``EngineError`` if this form is impossible, and ``EngineDiedError`` if the engine has
        ended."""

    def forget(self, execution_id: str) -> None:
        """Drop the kept rows of an execution. Unknown ids are ignored."""

    async def kill(self) -> None:
        """End the engine and all its work; tables stay. Can be called repeatedly, and before the start."""
