"""Stores the rows of a query as files."""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.csv
from columns import RowStream
from failures import FailedStatementError
from forms import json_value, with_geometries_as
from geoparquet import ParquetFile
from session import Session

_ROWS_OF_A_PART = 1_000_000
_COMPRESSIONS = ("snappy", "gzip", "zstd", "lz4", "brotli", "none")


class _File(Protocol):
    def write(self, batch: pa.RecordBatch) -> None: ...
    def finish(self) -> object: ...


def store(session: Session, stream: RowStream, target: dict[str, Any]) -> int | None:
    """Write the rows of a query. What is there already is replaced, once all rows are written.

    :param session: the session.
    :param stream: its rows; with EWKB, but WKB for parquet.
    :param target: its ``format``, whether it is ``single``, the writer's ``options``, and the ``path``: of the file, or
        of the folder of several.
    :returns: the size in bytes; None without rows: then nothing is written.
    """
    place = Path(target["path"])
    place.parent.mkdir(parents=True, exist_ok=True)
    written = place.with_name(f".{place.name}.{uuid.uuid4().hex}")
    written.mkdir()
    try:
        parts = _write_parts(session, stream, target, written)
        if not parts:
            return None
        size = sum(part.stat().st_size for part in parts)
        _put(parts[0] if target["single"] else written, place)
    finally:
        shutil.rmtree(written, ignore_errors=True)
    return size


def _put(written: Path, place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)
    os.replace(written, place)


def _write_parts(session: Session, stream: RowStream, target: dict[str, Any], folder: Path) -> list[Path]:
    parts: list[Path] = []
    file: _File | None = None
    rows = 0
    for batch in stream.batches:
        if not batch.num_rows:
            continue
        if file is None:
            parts.append(folder / f"part-{len(parts):05}.{target['format']}")
            file, rows = _file(session, stream, target, parts[-1]), 0
        file.write(batch)
        rows += batch.num_rows
        if rows >= _ROWS_OF_A_PART and not target["single"]:
            file.finish()
            file = None
    if file is not None:
        file.finish()
    return parts


def _file(session: Session, stream: RowStream, target: dict[str, Any], path: Path) -> _File:
    options = {key.lower(): value for key, value in target["options"].items()}
    match target["format"]:
        case "parquet":
            compression = options.get("compression", "snappy").lower()
            if compression not in _COMPRESSIONS:
                raise FailedStatementError(
                    f"the option compression is {compression!r}, but must be one of {', '.join(_COMPRESSIONS)}"
                )
            return ParquetFile(path, stream, compression)
        case "csv":
            return _CsvFile(session, stream, path, options)
        case _:
            return _GeoJsonFile(session, stream, path)


class _CsvFile:
    """Rows as CSV, geometries as EWKT, with a header unless the option ``header`` is false."""

    def __init__(self, session: Session, stream: RowStream, path: Path, options: dict[str, str]) -> None:
        self._session, self._stream = session, stream
        self._path = path
        is_plain = all(re.fullmatch(r"\w+", name) for name in stream.schema.names)
        self._options = pyarrow.csv.WriteOptions(
            quoting_header="none" if is_plain else "needed",
            include_header=options.get("header", "true").lower() != "false",
            delimiter=options.get("sep", options.get("delimiter", ",")),
            quoting_style="needed",
        )
        self._writer: Any = None

    def write(self, batch: pa.RecordBatch) -> None:
        table = pa.Table.from_batches([batch])
        table = with_geometries_as(self._session, table, self._stream.geometries, "ewkt")
        for position, column in enumerate(table.schema):
            if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
                values = [
                    None if value is None else json.dumps(value, default=json_value)
                    for value in table.column(position).to_pylist()
                ]
                table = table.set_column(position, column.name, pa.array(values, pa.string()))
        if self._writer is None:
            self._writer = pyarrow.csv.CSVWriter(self._path, table.schema, write_options=self._options)
        self._writer.write_table(table)

    def finish(self) -> None:
        self._writer.close()


class _GeoJsonFile:
    """Rows as GeoJSON features, one per line. The geometry is that of the first such column."""

    def __init__(self, session: Session, stream: RowStream, path: Path) -> None:
        if not stream.geometries:
            raise FailedStatementError("a result without a geometry cannot be stored as geojson: use parquet or csv")
        self._session, self._stream = session, stream
        self._file = path.open("w", encoding="utf-8")

    def write(self, batch: pa.RecordBatch) -> None:
        table = pa.Table.from_batches([batch])
        table = with_geometries_as(self._session, table, self._stream.geometries, "geojson")
        for row in _rows(table):
            geometries = {name: row.pop(name) for name in self._stream.geometries}
            shapes = {name: None if text is None else json.loads(text) for name, text in geometries.items()}
            first = self._stream.geometries[0]
            shape = shapes.pop(first)
            feature = {"type": "Feature", "geometry": shape, "properties": {**row, **shapes}}
            self._file.write(json.dumps(feature, default=json_value, ensure_ascii=False) + "\n")

    def finish(self) -> None:
        self._file.close()


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches():
        yield from batch.to_pylist()
