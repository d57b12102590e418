"""Results in the forms that clients ask for. Geometries come as EWKB."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from session import Session, quoted

_ROW = "wherobots_row"
_GEOMETRY_FORMS = {
    "wkt": "ST_AsText(ST_GeomFromEWKB({0}))",
    "wkb": "ST_AsBinary(ST_GeomFromEWKB({0}))",
    "geojson": "ST_AsGeoJSON(ST_GeomFromEWKB({0}))",
    "srid": "CAST(ST_SRID(ST_GeomFromEWKB({0})) AS INT)",
}


def with_geometries_as(session: Session, table: pa.Table, geometries: Sequence[str], form: str) -> pa.Table:
    """Return a table with its geometries in another form.

    :param session: the session, whose engine converts them.
    :param table: the table, with EWKB.
    :param geometries: the names of the columns.
    :param form: ``ewkt``, ``wkt``, ``wkb``, ``ewkb`` or ``geojson``.
    """
    if form == "ewkb":
        return table
    for position, name in enumerate(table.column_names):
        if name in geometries:
            column = _converted(session, table.column(position), form)
            table = table.set_column(position, pa.field(name, column.type), column)
    return table


def _converted(session: Session, column: pa.ChunkedArray, form: str) -> pa.ChunkedArray:
    if form == "ewkt":
        return _ewkt(_converted(session, column, "wkt"), _converted(session, column, "srid"))
    # The engine may change the order of rows.
    numbered = pa.table({_ROW: pa.array(range(len(column)), pa.int64()), "g": column})
    expression = _GEOMETRY_FORMS[form].format("g")
    with session.frame_as_table(session.frame_of(numbered)) as name:
        frame = session.sql(f"SELECT {expression} AS g FROM {name} ORDER BY {quoted([_ROW])}")
    kinds = {"wkb": pa.binary(), "srid": pa.int32()}
    return pa.table(frame).column("g").cast(kinds.get(form, pa.string()))


def _ewkt(texts: pa.ChunkedArray, srids: pa.ChunkedArray) -> pa.ChunkedArray:
    pairs = zip(texts.to_pylist(), srids.to_pylist(), strict=True)
    return pa.chunked_array(
        [pa.array([f"SRID={srid};{text}" if text and srid else text for text, srid in pairs], pa.string())]
    )


def serialized(table: pa.Table, file_format: str, compression: str) -> bytes:
    """Return a table as bytes.

    :param table: the table.
    :param file_format: ``arrow``, one IPC stream, or ``json``, a list of objects.
    :param compression: ``brotli``, ``gzip``, ``zstd``, ``lz4`` or ``none``, of the whole.
    """
    plain = pa.BufferOutputStream()
    if file_format == "json":
        plain.write(json.dumps(table.to_pylist(), default=json_value).encode())
    else:
        with pa.ipc.new_stream(plain, table.schema) as writer:
            writer.write_table(table)
    if compression == "none":
        return bytes(plain.getvalue())
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, compression) as stream:
        stream.write(plain.getvalue())
    return bytes(packed.getvalue())


def json_value(value: Any) -> str:
    """Return a value that JSON does not have as text."""
    return value.hex() if isinstance(value, bytes) else str(value)
