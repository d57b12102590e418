"""What executes the statements of a session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

OnProgress: TypeAlias = Callable[[int, int, int], None]
"""Called in the event loop with the numbers of tasks in total, completed and active."""


class EngineError(Exception):
    """A statement failed. The text is what the client reads, such as ``[TABLE_OR_VIEW_NOT_FOUND] ...``."""


class EngineDiedError(Exception):
    """The engine has ended and cannot be started again. Its session ends with it."""


@dataclass(frozen=True, slots=True)
class StoreTarget:
    """Where the rows of a statement are written instead of being kept.

    ``options`` are those of Spark's writer. ``address`` has no extension: one file is written to
    ``{address}.{format}``, several to ``{address}/part-*.{format}``. Its folder need not exist.
    """

    format: str
    single: bool
    address: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Executed:
    """A statement that succeeded. ``has_columns`` is False for DDL and DML.

    ``is_cut`` is whether rows beyond ``max_rows`` were dropped. ``result_uri`` is the address of the file, or of the
    folder with a slash at its end; None without a store, and for a store without rows.
    """

    has_columns: bool
    is_cut: bool = False
    result_uri: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class ResultForm:
    """How a result is serialized.

    ``format`` is ``arrow`` (one IPC stream) or ``json``, ``compression`` of the whole ``brotli``, ``gzip``, ``zstd``,
    ``lz4`` or ``none``, and ``geometry`` ``ewkt``, ``wkt``, ``wkb``, ``ewkb`` or ``geojson``.
    """

    format: str = "arrow"
    compression: str = "brotli"
    geometry: str = "ewkt"


@dataclass(frozen=True, slots=True)
class Serialized:
    """A result as it is sent, compressed, and the names of its columns with geometries."""

    data: bytes = field(repr=False)
    geo_columns: tuple[str, ...] = ()


class Engine(Protocol):
    """One engine per session. All calls come from one event loop; several executions may run at the same time."""

    async def start(self) -> None:
        """Get ready to execute. Called once, before everything else but :meth:`kill`.

        After an ``EngineError`` the session ends as ``INIT_FAILED`` with its text.
        """

    async def execute(
        self,
        execution_id: str,
        statement: str,
        store: StoreTarget | None,
        max_rows: int | None,
        on_progress: OnProgress,
    ) -> Executed:
        """Execute a statement, and keep its rows until :meth:`forget`. No id comes twice before it is forgotten.

        The task that awaits this is cancelled to cancel the statement: the engine then ends its work before it lets the
        ``CancelledError`` out, and stays usable. Where this costs other executions their work, they end with an
        :class:`EngineError` that says so. Rows kept of other executions survive it. At most ``max_rows`` rows are kept;
        stores have no limit. Raises an ``EngineError`` if it fails, and ``EngineDiedError`` if the engine ended by
        itself.
        """

    async def retrieve(self, execution_id: str, form: ResultForm) -> Serialized:
        """Serialize the rows kept.

        May be called any number of times; a statement without columns gives a table without columns. Raises an
        ``EngineError`` if it cannot be serialized in this form, and ``EngineDiedError`` if the engine ended by itself.
        """

    def forget(self, execution_id: str) -> None:
        """Drop the rows kept of an execution. Unknown ids are ignored."""

    async def kill(self) -> None:
        """End the engine and all its work. Tables that were created stay. May be called again, and before the start."""


EngineFactory: TypeAlias = Callable[[str], Engine]
"""Makes the engine of a session from the session's id. It starts nothing yet."""
