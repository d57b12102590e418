"""Rows as Arrow tables with types that clients know, and their serialization."""

from __future__ import annotations

import json
import re
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from wherobots_local.sql.dialect.errors import unsupported
from wherobots_local.sql.engine import ResultForm

_GEOMETRY = re.compile(r"GEOMETRY(?:\('(?P<crs>[^']*)'\))?")
_BATCH_ROWS = 2_048
_MOST_BYTES = 512 * 1024 * 1024
_SRID_FLAG = 0x20000000
# What follows distinguishes a type from the name of a field in a STRUCT.
_NAMES = re.compile(r"\"(?:[^\"]|\"\")*\"|\b[A-Z_]+(?: WITH TIME ZONE)?(?=[\[(),]|$)")
_PLAIN = {
    **dict.fromkeys(("HUGEINT", "UINTEGER", "UBIGINT"), "BIGINT"),
    **dict.fromkeys(("UTINYINT", "USMALLINT"), "INTEGER"),
    **dict.fromkeys(("TIMESTAMP WITH TIME ZONE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), "TIMESTAMP"),
}
_LASTING = {name: kind for name, kind in _PLAIN.items() if name != "TIMESTAMP WITH TIME ZONE"}
_AS_TEXT = {
    "ewkt": "CASE WHEN srid = 0 THEN '' ELSE 'SRID=' || srid || ';' END || spark._st_text(ST_GeomFromWKB(g))",
    "wkt": "spark._st_text(ST_GeomFromWKB(g))",
    "geojson": "ST_AsGeoJSON(ST_GeomFromWKB(g))",
}


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a statement. Geometries are WKB; ``srids`` has the SRID, or 0, of each column of geometries."""

    table: pa.Table
    srids: dict[int, int] = field(default_factory=dict)


def fetch(cursor: duckdb.DuckDBPyConnection, max_rows: int | None, folder: Path) -> Rows:
    """Read the rows of the last query: all, or ``max_rows``. They are in a file without a name, not in memory."""
    types = [str(column[1]) for column in cursor.description or ()]
    name = folder / uuid.uuid4().hex
    try:
        with cursor.to_arrow_reader(_BATCH_ROWS) as reader, pa.ipc.new_file(str(name), reader.schema) as writer:
            left = max_rows
            for batch in reader:
                writer.write_batch(batch.slice(0, left))
                left = None if left is None else left - batch.num_rows
                if name.stat().st_size > _MOST_BYTES:
                    raise unsupported(f"results of more than {_MOST_BYTES >> 20} MiB", "store the result")
                if left is not None and left <= 0:
                    break
        found = pa.ipc.open_file(pa.memory_map(str(name))).read_all()
    finally:
        name.unlink(missing_ok=True)
    schema = pa.schema([pa.field(column.name, column.type) for column in found.schema])
    srids = {place: srid_of_type(kind) for place, kind in enumerate(types) if is_geometry(kind)}
    return Rows(pa.table(found.columns, schema=schema), srids)


def plain_type(kind: str, *, lasting: bool = False) -> str:
    """Return a type of DuckDB that Spark has too: ``BIGINT[]`` for ``HUGEINT[]``. In a table (``lasting``) a time keeps
    its zone, which results do not have."""
    if any(name in ("INTERVAL", "TIME", "TIME WITH TIME ZONE") for name in _NAMES.findall(kind)):
        raise unsupported("intervals as results", "CAST times, or use their parts")
    plain = _LASTING if lasting else _PLAIN
    return _NAMES.sub(lambda name: plain.get(name[0], name[0]), kind)


def kind_of(kind: str) -> str | None:
    """Return what a type is about: a text, a number, a time or a boolean; None for NULL."""
    if kind == '"NULL"':
        return None
    if kind.startswith(("DATE", "TIMESTAMP")):
        return "time"
    if kind.startswith("STRUCT") and kind.endswith(")"):
        fields = exp.DataType.build(_GEOMETRY.sub("GEOMETRY", kind), dialect="duckdb").expressions
        return " ".join(["STRUCT", *(field.name.lower() for field in fields)])
    is_other = kind.endswith("]") or kind.startswith(("VARCHAR", "BOOLEAN", "BLOB", "STRUCT", "MAP", "GEOMETRY"))
    return kind.partition("(")[0] if is_other else "number"


def spark_type(kind: str) -> str:
    """Return Spark's name of a type of DuckDB, as in ``DESCRIBE``: ``array<int>``."""
    if is_geometry(kind):
        return "geometry"
    name = exp.DataType.build(_GEOMETRY.sub("GEOMETRY", plain_type(kind)), dialect="duckdb").sql("spark").lower()
    return name.replace(": ", ":").replace(", ", ",").replace("timestamp_ntz", "timestamp")


def is_geometry(kind: str) -> bool:
    return _GEOMETRY.fullmatch(kind) is not None


def srid_of_type(kind: str) -> int:
    """Return the SRID of a geometry type: the EPSG code, 4326 for CRS84, else 0."""
    found = _GEOMETRY.fullmatch(kind)
    authority, _, code = ((found and found["crs"]) or "").upper().rpartition(":")
    if code == "CRS84":
        return 4326
    return int(code) if authority == "EPSG" and code.isdigit() else 0


def serialize(cursor: duckdb.DuckDBPyConnection, rows: Rows, form: ResultForm, path: str) -> tuple[str, ...]:
    """Write rows batch by batch into an existing file, so that no result is in memory. The cursor converts geometries.
    Returns the names of the columns with geometries."""
    compression = None if form.compression == "none" else form.compression
    with open(path, "r+b") as file, pa.output_stream(file, compression=compression) as stream:
        (_write_json if form.format == "json" else _write_arrow)(stream, _shown(cursor, rows, form))
    return tuple(rows.table.field(position).name for position in rows.srids)


def _shown(cursor: duckdb.DuckDBPyConnection, rows: Rows, form: ResultForm) -> Iterator[pa.Table]:
    """Yield the rows in parts, with geometries in the form that the client wants. The first part can be empty."""
    for batch in rows.table.to_batches() or [None]:
        table = rows.table.slice(0, 0) if batch is None else pa.Table.from_batches([batch])
        for position, srid in rows.srids.items():
            column = _geometries(cursor, table.column(position), srid, form.geometry)
            table = table.set_column(position, table.field(position).name, column)
        yield table


def _write_arrow(stream: pa.NativeFile, parts: Iterator[pa.Table]) -> None:
    first = next(parts)
    with pa.ipc.new_stream(stream, first.schema) as writer:
        for part in chain([first], parts):
            writer.write_table(part)


def _write_json(stream: pa.NativeFile, parts: Iterator[pa.Table]) -> None:
    texts = (json.dumps(row, default=json_value) for part in parts for row in part.to_pylist())
    stream.write(b"[")
    for number, text in enumerate(texts):
        stream.write(f"{', ' if number else ''}{text}".encode())
    stream.write(b"]")


def json_value(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _geometries(cursor: duckdb.DuckDBPyConnection, column: pa.ChunkedArray, srid: int, form: str) -> pa.ChunkedArray:
    if form == "wkb" or (form == "ewkb" and srid == 0):
        return column
    if form == "ewkb":
        values = [value and _with_srid(value, srid) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(values, pa.binary())])
    cursor.register("geometries", pa.table({"g": column}))
    found = cursor.execute(f"SELECT {_AS_TEXT[form]} AS g FROM (SELECT g, {srid} AS srid FROM geometries)")
    return found.to_arrow_table().column("g").cast(pa.string())


def _with_srid(wkb: bytes, srid: int) -> bytes:
    """Return EWKB. It has the SRID, and flags for Z and M, where ISO WKB adds thousands."""
    order = "<" if wkb[0] == 1 else ">"
    thousands, base = divmod(struct.unpack_from(f"{order}I", wkb, 1)[0], 1000)
    kind = base | (0x80000000 if thousands in (1, 3) else 0) | (0x40000000 if thousands in (2, 3) else 0) | _SRID_FLAG
    return wkb[:1] + struct.pack(f"{order}II", kind, srid) + wkb[5:]
