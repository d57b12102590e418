"""Stores rows as files."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from wherobots_local.sql.database.results import is_geometry
from wherobots_local.sql.database.warehouse import identifier, literal
from wherobots_local.sql.dialect.errors import StatementError
from wherobots_local.sql.engine import StoreTarget

Columns = Sequence[tuple[str, str]]
Store = tuple[StoreTarget, Path]
"""How rows are stored, and the path of the file or folder."""
_COMPRESSIONS = ("snappy", "gzip", "zstd", "lz4", "brotli", "none")


def write(cursor: duckdb.DuckDBPyConnection, query: str, columns: Columns, store: Store) -> int:
    """Write the rows of a query to a file or folder, which is replaced at the end. Returns its size; 0 without rows,
    when nothing is written."""
    target, place = store
    place.parent.mkdir(parents=True, exist_ok=True)
    folder = place.with_name(f".{place.name}.{uuid.uuid4().hex}")
    folder.mkdir()
    try:
        part = folder / f"part-00000.{target.format}"
        options = {key.lower(): value for key, value in target.options.items()}
        selected, form = _FORMS[target.format](columns, options)
        # Several columns can have one name.
        names = ", ".join(f"c{place}" for place, _ in enumerate(columns))
        rows = f"SELECT {selected} FROM ({query}) AS q({names})"
        found = cursor.execute(f"COPY ({rows}) TO {literal(str(part))} ({form})").fetchone()
        if found is None or not found[0]:
            return 0
        size = part.stat().st_size
        if place.is_dir():
            shutil.rmtree(place)
        os.replace(part if target.single else folder, place)
        return size
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _parquet(columns: Columns, options: Mapping[str, str]) -> tuple[str, str]:
    """GeoParquet if there are geometries."""
    compression = options.get("compression", "snappy").lower()
    if compression not in _COMPRESSIONS:
        raise StatementError(
            f"the option compression is {compression!r}, but must be one of {', '.join(_COMPRESSIONS)}"
        )
    selected = ", ".join(f"c{place} AS {identifier(name)}" for place, (name, _) in enumerate(columns))
    return selected, f"FORMAT parquet, COMPRESSION {'uncompressed' if compression == 'none' else compression}"


def _csv(columns: Columns, options: Mapping[str, str]) -> tuple[str, str]:
    """Geometries are EWKT and nested values JSON. There is a header unless the option ``header`` is false."""
    selected = [f"{_text(f'c{place}', kind)} AS {identifier(name)}" for place, (name, kind) in enumerate(columns)]
    header = options.get("header", "true").lower() != "false"
    separator = literal(options.get("sep", options.get("delimiter", ",")))
    return ", ".join(selected), f"FORMAT csv, HEADER {str(header).lower()}, DELIMITER {separator}"


def _geojson(columns: Columns, options: Mapping[str, str]) -> tuple[str, str]:
    """One GeoJSON feature per line. Its geometry is the first column of geometries."""
    shapes = [place for place, (_, kind) in enumerate(columns) if is_geometry(kind)]
    if not shapes:
        raise StatementError("a result without a geometry cannot be stored as geojson: use parquet or csv")
    values = [f"ST_AsGeoJSON(c{place})::JSON" if place in shapes else f"c{place}" for place, _ in enumerate(columns)]
    shape = values[shapes[0]]
    properties = ", ".join(
        f"{literal(name)}, {values[place]}" for place, (name, _) in enumerate(columns) if place != shapes[0]
    )
    feature = f"json_object('type', 'Feature', 'geometry', {shape}, 'properties', json_object({properties}))"
    return f"{feature}::VARCHAR AS feature", "FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01'"


_FORMS = {"parquet": _parquet, "csv": _csv, "geojson": _geojson}


def _text(column: str, kind: str) -> str:
    if is_geometry(kind):
        return f"spark.st_asewkt({column})"
    if kind == "BLOB":
        return f"lower(hex({column}))"
    return f"{column}::JSON::VARCHAR" if kind.endswith("]") or kind.startswith(("STRUCT", "MAP")) else column
