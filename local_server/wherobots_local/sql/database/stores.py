"""Stores the rows of a query as files."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

import duckdb

from wherobots_local.sql.database.results import srid_of_type
from wherobots_local.sql.database.warehouse import identifier, literal
from wherobots_local.sql.dialect.errors import StatementError
from wherobots_local.sql.engine import StoreTarget

_COMPRESSIONS = ("snappy", "gzip", "zstd", "lz4", "brotli", "none")


def store(cursor: duckdb.DuckDBPyConnection, query: str, target: StoreTarget, place: Path) -> int:
    """Write the rows of a query. What is there already is replaced, once all rows are written.

    :param query: SQL of DuckDB.
    :param place: path of the file, or of the folder of several.
    :returns: the size in bytes; 0 without rows: then nothing is written.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    folder = place.with_name(f".{place.name}.{uuid.uuid4().hex}")
    folder.mkdir()
    try:
        part = folder / f"part-00000.{target.format}"
        columns = {row[0]: row[1] for row in cursor.execute(f"DESCRIBE {query}").fetchall()}
        options = {key.lower(): value for key, value in target.options.items()}
        selected, form = _FORMS[target.format](columns, options)
        found = cursor.execute(f"COPY (SELECT {selected} FROM ({query})) TO {literal(str(part))} ({form})").fetchone()
        if found is None or not found[0]:
            return 0
        size = part.stat().st_size
        if place.is_dir():
            shutil.rmtree(place)
        os.replace(part if target.single else folder, place)
        return size
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _parquet(columns: Mapping[str, str], options: Mapping[str, str]) -> tuple[str, str]:
    """GeoParquet, where there are geometries."""
    compression = options.get("compression", "snappy").lower()
    if compression not in _COMPRESSIONS:
        raise StatementError(
            f"the option compression is {compression!r}, but must be one of {', '.join(_COMPRESSIONS)}"
        )
    return "*", f"FORMAT parquet, COMPRESSION {'uncompressed' if compression == 'none' else compression}"


def _csv(columns: Mapping[str, str], options: Mapping[str, str]) -> tuple[str, str]:
    """Geometries as EWKT, nested values as JSON, with a header unless the option ``header`` is false."""
    selected = [f"{_text(name, kind)} AS {identifier(name)}" for name, kind in columns.items()]
    header = options.get("header", "true").lower() != "false"
    separator = literal(options.get("sep", options.get("delimiter", ",")))
    return ", ".join(selected), f"FORMAT csv, HEADER {str(header).lower()}, DELIMITER {separator}"


def _geojson(columns: Mapping[str, str], options: Mapping[str, str]) -> tuple[str, str]:
    """GeoJSON features, one per line. The geometry is that of the first such column."""
    shapes = [name for name, kind in columns.items() if kind.startswith("GEOMETRY")]
    if not shapes:
        raise StatementError("a result without a geometry cannot be stored as geojson: use parquet or csv")
    values = {
        name: f"ST_AsGeoJSON({identifier(name)})::JSON" if name in shapes else identifier(name) for name in columns
    }
    shape = values.pop(shapes[0])
    properties = ", ".join(f"{literal(name)}, {value}" for name, value in values.items())
    feature = f"json_object('type', 'Feature', 'geometry', {shape}, 'properties', json_object({properties}))"
    return f"{feature}::VARCHAR AS feature", "FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01'"


_FORMS = {"parquet": _parquet, "csv": _csv, "geojson": _geojson}


def _text(name: str, kind: str) -> str:
    column = identifier(name)
    if kind.startswith("GEOMETRY"):
        srid = srid_of_type(kind)
        return f"'SRID={srid};' || spark.st_astext({column})" if srid else f"spark.st_astext({column})"
    if kind == "BLOB":
        return f"lower(hex({column}))"
    return f"{column}::JSON::VARCHAR" if kind.endswith("]") or kind.startswith(("STRUCT", "MAP")) else column
