"""Writes rows as GeoParquet. Source: the GeoParquet specification 1.1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from columns import RowStream

_WGS84 = 4326


class ParquetFile:
    """A file of rows. The coordinate reference system of a column is known when all of its rows are.

    :param path: its path.
    :param stream: the rows; the caller writes their batches.
    :param compression: as pyarrow knows it; default snappy.
    :param with_crs: whether the file says which reference system its geometries have; default True.
    """

    def __init__(self, path: Path, stream: RowStream, compression: str = "snappy", *, with_crs: bool = True) -> None:
        self._stream = stream
        self._with_crs = with_crs
        self._writer = pq.ParquetWriter(path, stream.schema, compression=compression, store_schema=True)
        self.path = path
        self.rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows."""
        self._writer.write_batch(batch)
        self.rows += batch.num_rows

    def finish(self) -> dict[str, int | None]:
        """Write the end of the file.

        :returns: the SRID of each column with geometries; None for one that has NULLs only.
        :raises MixedSridsError: if a column has several.
        """
        srids = {column: self._stream.srid(column) for column in self._stream.geometries}
        if srids:
            self._writer.add_key_value_metadata({"geo": json.dumps(_metadata(srids, with_crs=self._with_crs))})
        self._writer.close()
        return srids

    def __enter__(self) -> ParquetFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()


def write_table_file(stream: RowStream, path: Path) -> tuple[int, dict[str, int | None]]:
    """Write all rows into a file of a table. All files of a table must say the same, so they say nothing of SRIDs.

    :param stream: the rows.
    :param path: the file.
    :returns: how many rows there were, and the SRID of each column with geometries.
    :raises MixedSridsError: if a column has several.
    """
    with ParquetFile(path, stream, with_crs=False) as file:
        for batch in stream.batches:
            file.write(batch)
        return file.rows, file.finish()


def columns_without_crs(path: Path) -> list[str]:
    """Name the columns whose reference system is unknown.

    :param path: a GeoParquet file or a folder of such files, of which the first counts; others have no such columns.
    """
    found = next(iter(sorted(path.glob("**/*.parquet"))), None) if path.is_dir() else path
    text = None if found is None else (pq.read_metadata(found).metadata or {}).get(b"geo")
    columns = json.loads(text)["columns"] if text else {}
    return [name for name, column in columns.items() if column.get("crs", "") is None]


def _metadata(srids: dict[str, int | None], *, with_crs: bool) -> dict[str, Any]:
    columns = {
        name: {"encoding": "WKB", "geometry_types": [], **(_crs(srid) if with_crs else {})}
        for name, srid in srids.items()
    }
    return {"version": "1.1.0", "primary_column": next(iter(srids)), "columns": columns}


def _crs(srid: int | None) -> dict[str, Any]:
    """Without ``crs`` it is that of WGS 84 in longitude and latitude; with null it is unknown."""
    if srid == _WGS84:
        return {}
    if not srid:
        return {"crs": None}
    import pyproj

    return {"crs": pyproj.CRS.from_epsg(srid).to_json_dict()}
