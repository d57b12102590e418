"""Rows as Arrow tables with the types that clients know, and in the forms that they ask for."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from wherobots_local.sql.dialect.errors import unsupported
from wherobots_local.sql.engine import ResultForm, Serialized

_GEOMETRY = re.compile(r"GEOMETRY(?:\('(?P<crs>[^']*)'\))?")
_BATCH_ROWS = 10_000
_SRID_FLAG = 0x20000000
_TEXTS = (pa.types.is_null, pa.types.is_dictionary, pa.types.is_time, pa.types.is_large_string, pa.types.is_interval)
_AS_TEXT = {
    "ewkt": "CASE WHEN srid = 0 THEN '' ELSE 'SRID=' || srid || ';' END || spark._st_text(ST_GeomFromWKB(g))",
    "wkt": "spark._st_text(ST_GeomFromWKB(g))",
    "geojson": "ST_AsGeoJSON(ST_GeomFromWKB(g))",
}


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a statement.

    :param table: their values; geometries are WKB.
    :param srids: the SRID of each column with geometries, by its position; 0 for none.
    """

    table: pa.Table
    srids: dict[int, int] = field(default_factory=dict)


def fetch(cursor: duckdb.DuckDBPyConnection, max_rows: int | None) -> Rows:
    """Read the result of the last query of a cursor.

    :param max_rows: how many rows are read, and one more if there are more; None for all.
    """
    types = [str(column[1]) for column in cursor.description or ()]
    with cursor.to_arrow_reader(_BATCH_ROWS) as reader:
        batches, count = [], 0
        for batch in reader:
            batches.append(batch)
            count += batch.num_rows
            if max_rows is not None and count > max_rows:
                break
        found = pa.Table.from_batches(batches, reader.schema)
    targets = [
        pa.int64() if kind == "HUGEINT" else plain_type(column.type)
        for column, kind in zip(found.schema, types, strict=True)
    ]
    schema = pa.schema([pa.field(column.name, target) for column, target in zip(found.schema, targets, strict=True)])
    srids = {place: srid_of_type(kind) for place, kind in enumerate(types) if is_geometry(kind)}
    return Rows(pa.table(list(map(_cast, found.columns, targets)), schema=schema), srids)


def plain_type(found: pa.DataType) -> pa.DataType:
    """Return the type that clients know for one of DuckDB: no unsigned numbers, no time zones, no dictionaries."""
    if pa.types.is_timestamp(found):
        return pa.timestamp("us")
    if pa.types.is_unsigned_integer(found):
        return pa.int32() if found.bit_width < 32 else pa.int64()
    if any(is_text(found) for is_text in _TEXTS):
        return pa.string()
    if pa.types.is_nested(found) and "month_day_nano" in str(found):
        raise unsupported("intervals inside arrays, maps and structs")
    if pa.types.is_list(found) or pa.types.is_large_list(found):
        return pa.list_(plain_type(found.value_type))
    if pa.types.is_struct(found):
        return pa.struct([pa.field(part.name, plain_type(part.type)) for part in found])
    return found


def spark_type(kind: str) -> str:
    """Return Spark's name of a type of DuckDB, as ``DESCRIBE`` shows it: ``array<int>``."""
    if is_geometry(kind):
        return "geometry"
    if kind == "HUGEINT":
        return "bigint"
    name = exp.DataType.build(_GEOMETRY.sub("GEOMETRY", kind), dialect="duckdb").sql("spark").lower()
    return name.replace(": ", ":").replace(", ", ",").replace("timestamp_ntz", "timestamp")


def is_geometry(kind: str) -> bool:
    """Say whether a type of DuckDB is that of geometries."""
    return _GEOMETRY.fullmatch(kind) is not None


def srid_of_type(kind: str) -> int:
    """Return the SRID in a type of geometries: the code at EPSG, 4326 for CRS84, else 0."""
    found = _GEOMETRY.fullmatch(kind)
    authority, _, code = ((found and found["crs"]) or "").upper().rpartition(":")
    if code == "CRS84":
        return 4326
    return int(code) if authority == "EPSG" and code.isdigit() else 0


def serialized(cursor: duckdb.DuckDBPyConnection, rows: Rows, form: ResultForm) -> Serialized:
    """Return rows in a form. The cursor converts geometries."""
    table = rows.table
    for position, srid in rows.srids.items():
        column = _geometries(cursor, table.column(position), srid, form.geometry)
        table = table.set_column(position, table.field(position).name, column)
    plain = pa.BufferOutputStream()
    if form.format == "json":
        plain.write(json.dumps(table.to_pylist(), default=json_value).encode())
    else:
        with pa.ipc.new_stream(plain, table.schema) as writer:
            writer.write_table(table)
    packed = plain
    if form.compression != "none":
        packed = pa.BufferOutputStream()
        with pa.CompressedOutputStream(packed, form.compression) as stream:
            stream.write(plain.getvalue())
    return Serialized(bytes(packed.getvalue()), tuple(table.field(position).name for position in rows.srids))


def json_value(value: Any) -> str:
    """Return a value that JSON does not have as text."""
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
    """Return EWKB, which has flags for Z and M, where ISO WKB adds thousands, and the SRID."""
    order = "<" if wkb[0] == 1 else ">"
    thousands, base = divmod(struct.unpack_from(f"{order}I", wkb, 1)[0], 1000)
    kind = base | (0x80000000 if thousands in (1, 3) else 0) | (0x40000000 if thousands in (2, 3) else 0) | _SRID_FLAG
    return wkb[:1] + struct.pack(f"{order}II", kind, srid) + wkb[5:]


def _cast(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    if column.type == target:
        return column
    if pa.types.is_interval(column.type):
        values = [None if value is None else str(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(values, target)])
    # A sum that is too large for bigint fails, as in Spark. Times are cut to microseconds.
    return column.cast(target, safe=not pa.types.is_timestamp(target))
