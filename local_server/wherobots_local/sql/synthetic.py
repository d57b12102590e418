"""An engine without a database, for tests of clients: quick, exact, and without a process."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wherobots_local import extras
from wherobots_local.sql.engine import EngineError, Executed, OnProgress, ResultForm, Serialized, StoreTarget
from wherobots_local.storage import StorageError, place_of

_STEPS = 10
_NEEDED = f"results need a package that the local server does not have (pyarrow): {extras.SQL}"


@dataclass(frozen=True)
class SyntheticAnswer:
    """What a statement does: without any of these it succeeds. ``columns`` is None for a statement without a result,
    such as DDL. Geometries are EWKT."""

    columns: Mapping[str, Sequence[Any]] | None = None
    geometry: Sequence[str] = ()
    error: str = ""
    seconds: float = 0.0


class Answers:
    """The responses that tests have set, newest first: to statements that contain a text, in any case."""

    def __init__(self) -> None:
        self.given: list[tuple[str, SyntheticAnswer]] = []

    def to(self, statement: str) -> SyntheticAnswer:
        for part, answer in self.given:
            if part.casefold() in statement.casefold():
                return answer
        return SyntheticAnswer()


class SyntheticEngine:
    def __init__(self, root: Path, answers: Answers) -> None:
        self._root = root
        self._answers = answers
        self._kept: dict[str, SyntheticAnswer] = {}

    async def start(self) -> None:
        """There is nothing to start."""

    async def execute(
        self,
        execution_id: str,
        statement: str,
        store: StoreTarget | None,
        max_rows: int | None,
        on_progress: OnProgress,
    ) -> Executed:
        answer = self._answers.to(statement)
        for step in range(_STEPS if answer.seconds else 0):
            on_progress(_STEPS, step, 1)
            await asyncio.sleep(answer.seconds / _STEPS)
        if answer.error:
            raise EngineError(answer.error)
        if answer.seconds:
            on_progress(_STEPS, _STEPS, 0)
        if answer.columns is None:
            self._kept[execution_id] = SyntheticAnswer({})
            return Executed(has_columns=False)
        rows = max((len(values) for values in answer.columns.values()), default=0)
        if store is not None:
            return await asyncio.to_thread(self._store, store, answer, rows)
        columns = {name: values[:max_rows] for name, values in answer.columns.items()}
        self._kept[execution_id] = SyntheticAnswer(columns, answer.geometry)
        return Executed(has_columns=True)

    async def retrieve(self, execution_id: str, form: ResultForm) -> Serialized:
        kept = self._kept.get(execution_id)
        if kept is None:
            raise EngineError("the rows of the execution are gone")
        columns = {
            name: [_geometry(value, form.geometry) for value in values] if name in kept.geometry else values
            for name, values in (kept.columns or {}).items()
        }
        data = await asyncio.to_thread(_serialized, columns, form)
        return Serialized(io.BytesIO(data), tuple(name for name in columns if name in kept.geometry))

    def forget(self, execution_id: str) -> None:
        self._kept.pop(execution_id, None)

    async def kill(self) -> None:
        self._kept.clear()

    def _store(self, store: StoreTarget, answer: SyntheticAnswer, rows: int) -> Executed:
        if not rows:
            return Executed(has_columns=True)
        file = f"{store.address}.{store.format}" if store.single else f"{store.address}/part-00000.{store.format}"
        try:
            path = place_of(self._root, file)
        except StorageError as error:
            raise EngineError(str(error)) from None
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_file(answer, store.format))
        return Executed(
            has_columns=True, result_uri=file if store.single else f"{store.address}/", size=path.stat().st_size
        )


def _geometry(value: Any, form: str) -> Any:
    if form == "ewkt" or value is None:
        return value
    if form == "wkt":
        return str(value).rpartition(";")[2]
    raise EngineError(f"the synthetic engine has no geometries as {form}")


def _serialized(columns: Mapping[str, Sequence[Any]], form: ResultForm) -> bytes:
    _load_pyarrow()
    import pyarrow

    sink = pyarrow.BufferOutputStream()
    with sink if form.compression == "none" else pyarrow.CompressedOutputStream(sink, form.compression) as stream:
        if form.format == "json":
            stream.write(json.dumps(list(_rows(columns)), default=str).encode())
        else:
            table = _table(columns)
            with pyarrow.ipc.new_stream(stream, table.schema) as writer:
                writer.write_table(table)
    return bytes(sink.getvalue())


def _table(columns: Mapping[str, Sequence[Any]]) -> Any:
    import pyarrow

    return pyarrow.table({name: list(values) for name, values in columns.items()})


def _file(answer: SyntheticAnswer, form: str) -> bytes:
    columns = answer.columns or {}
    if form == "geojson":
        features = [{"type": "Feature", "geometry": None, "properties": row} for row in _rows(columns)]
        return json.dumps({"type": "FeatureCollection", "features": features}, default=str).encode()
    _load_pyarrow()
    import pyarrow.csv
    import pyarrow.parquet

    sink = io.BytesIO()
    (pyarrow.csv.write_csv if form == "csv" else pyarrow.parquet.write_table)(_table(columns), sink)
    return sink.getvalue()


def _load_pyarrow() -> None:
    """Import pyarrow in a thread that never ends. Its memory belongs to the importing thread: if that is a stopped
    server's, a later use of pyarrow crashes the process."""
    if "pyarrow" in sys.modules:
        return
    loaded: Future[None] = Future()
    threading.Thread(target=_import_and_stay, args=(loaded,), name="pyarrow", daemon=True).start()
    try:
        loaded.result()
    except ImportError:
        raise EngineError(_NEEDED) from None


def _import_and_stay(loaded: Future[None]) -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        loaded.set_exception(error)
        return
    loaded.set_result(None)
    threading.Event().wait()


def _rows(columns: Mapping[str, Sequence[Any]]) -> Iterable[dict[str, Any]]:
    return (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
