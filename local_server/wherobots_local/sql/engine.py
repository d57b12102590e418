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

    :param format: ``parquet``, ``csv`` or ``geojson``.
    :param single: whether it is one file.
    :param options: options of Spark's writer.
    :param address: ``s3://`` address without extension. One file is written to ``{address}.{format}``, several to
        ``{address}/part-*.{format}``. Its folder need not exist.
    """

    format: str
    single: bool
    address: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Executed:
    """A statement that succeeded.

    :param has_columns: whether it has a result set; False for DDL and DML.
    :param is_cut: whether rows beyond ``max_rows`` were dropped.
    :param result_uri: ``s3://`` address of the file, or of the folder with a slash at its end; None without a store,
        and for a store without rows.
    :param size: size of what was stored, in bytes.
    """

    has_columns: bool
    is_cut: bool = False
    result_uri: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class ResultForm:
    """How a result is serialized.

    :param format: ``arrow`` (one IPC stream) or ``json``.
    :param compression: ``brotli``, ``gzip``, ``zstd``, ``lz4`` or ``none``, of the whole.
    :param geometry: ``ewkt``, ``wkt``, ``wkb``, ``ewkb`` or ``geojson``.
    """

    format: str = "arrow"
    compression: str = "brotli"
    geometry: str = "ewkt"


@dataclass(frozen=True, slots=True)
class Serialized:
    """A result as it is sent.

    :param data: the bytes, compressed.
    :param geo_columns: the names of the columns with geometries.
    """

    data: bytes = field(repr=False)
    geo_columns: tuple[str, ...] = ()


class Engine(Protocol):
    """One engine per session. All calls come from one event loop; several executions may run at the same time."""

    async def start(self) -> None:
        """Get ready to execute. Called once, before everything else but :meth:`kill`.

        :raises EngineError: if it cannot start. The session then ends as ``INIT_FAILED`` with this text.
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

        The task that awaits this is cancelled to cancel the statement: the engine then ends its work before it lets
        the ``CancelledError`` out, and stays usable. Where this costs other executions their work, they end with an
        :class:`EngineError` that says so. Rows kept of other executions survive it.

        :param execution_id: its id.
        :param statement: its text, in the dialect of the service.
        :param store: where its rows go; None keeps them.
        :param max_rows: how many rows are kept at most; None sets no limit. Stores are not limited.
        :param on_progress: told about the progress.
        :raises EngineError: if it fails.
        :raises EngineDiedError: if the engine ended by itself.
        """

    async def retrieve(self, execution_id: str, form: ResultForm) -> Serialized:
        """Serialize the rows kept. May be called any number of times; a statement without columns gives a table
        without columns.

        :param execution_id: id of a succeeded execution without a store.
        :param form: how.
        :raises EngineError: if it cannot be serialized in this form.
        :raises EngineDiedError: if the engine ended by itself.
        """

    def forget(self, execution_id: str) -> None:
        """Drop the rows kept of an execution. Unknown ids are ignored."""

    async def kill(self) -> None:
        """End the engine and all its work. Tables that were created stay. May be called again, and before the start."""


EngineFactory: TypeAlias = Callable[[str], Engine]
"""Makes the engine of a session from the session's id. It starts nothing yet."""
