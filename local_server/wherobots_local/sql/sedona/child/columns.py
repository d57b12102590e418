"""The columns of a stream of rows: plain Arrow types, and geometries as WKB with their SRIDs."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

_EXTENSION = b"ARROW:extension:name"
_EXTENSION_METADATA = b"ARROW:extension:metadata"
_WKB = b"geoarrow.wkb"
_NO_SRID = 0
_SRID_FLAG = 0x20000000
_LITERAL = re.compile(r'\b(?:Utf8|Boolean|Date32|U?Int\d+|Float\d+)\((?:"([^"]*)"|([^()"]*))\)')
_QUALIFIER = re.compile(r"\b(?:[^\W\d]\w*\.)+(?=[^\W\d])")
"""Table, schema and catalog before a column in the name of an expression."""


class MixedSridsError(Exception):
    """A column has geometries with several SRIDs."""


@dataclass
class RowStream:
    """Rows with plain types.

    :param schema: their columns; geometries are ``binary``.
    :param geometries: the names of the columns with geometries.
    :param batches: the rows. Each is read once.
    :param srids: the SRIDs that were met in each such column. Complete when all rows were read.
    """

    schema: pa.Schema
    geometries: list[str]
    batches: Iterator[pa.RecordBatch]
    srids: dict[str, set[int]] = field(default_factory=dict)

    def srid(self, column: str) -> int | None:
        """Return the SRID of a column whose rows were read; None if it has no geometry.

        :raises MixedSridsError: if there are several.
        """
        found = self.srids.get(column, set())
        if len(found) > 1:
            raise MixedSridsError(
                f"not supported by the local server: several SRIDs in the column {column}"
                f" ({', '.join(sorted(map(str, found)))}); use ST_SetSRID or ST_Transform"
            )
        return next(iter(found), None)


def rows_of(frame: Any, *, ewkb: bool = False, spelling: Mapping[str, str] | None = None) -> RowStream:
    """Read a frame of SedonaDB.

    :param frame: the frame; it is executed while its rows are read.
    :param ewkb: whether each geometry has its SRID in it; default False, plain WKB.
    :param spelling: names in lower case to how they are shown; default None, names stay SedonaDB's.
    """
    reader = pa.RecordBatchReader.from_stream(frame)
    kinds = [_geometry_kind(column) for column in reader.schema]
    names = [column.name if spelling is None else _shown_name(column.name, spelling) for column in reader.schema]
    columns = [
        pa.field(name, pa.binary() if kind else plain_type(column.type))
        for name, column, kind in zip(names, reader.schema, kinds, strict=True)
    ]
    geometries = [name for name, kind in zip(names, kinds, strict=True) if kind]
    stream = RowStream(pa.schema(columns), geometries, iter(()))
    stream.batches = _plain_batches(reader, kinds, stream, ewkb=ewkb)
    return stream


def plain_type(found: pa.DataType) -> pa.DataType:
    """Return the type that clients know for one of SedonaDB: no views, no unsigned numbers, microseconds."""
    if pa.types.is_string_view(found) or pa.types.is_large_string(found):
        return pa.string()
    if pa.types.is_binary_view(found) or pa.types.is_large_binary(found):
        return pa.binary()
    if pa.types.is_timestamp(found):
        return pa.timestamp("us", found.tz)
    if pa.types.is_unsigned_integer(found):
        return pa.int32() if found.bit_width < 32 else pa.int64()
    if pa.types.is_null(found):
        return pa.string()
    if pa.types.is_list(found) or pa.types.is_large_list(found):
        return pa.list_(plain_type(found.value_type))
    if pa.types.is_struct(found):
        return pa.struct([pa.field(part.name, plain_type(part.type)) for part in found])
    return found


def _plain_batches(
    reader: pa.RecordBatchReader, kinds: list[str], stream: RowStream, *, ewkb: bool
) -> Iterator[pa.RecordBatch]:
    for batch in reader:
        columns = []
        for position, kind in enumerate(kinds):
            column, wanted = batch.column(position), stream.schema.field(position)
            if kind:
                wkb, srids = _geometries(column, reader.schema.field(position), kind)
                present = zip(srids, wkb.is_valid().to_pylist(), strict=True)
                stream.srids.setdefault(wanted.name, set()).update(srid for srid, is_there in present if is_there)
                columns.append(_with_srids(wkb, srids) if ewkb else wkb)
            else:
                # Unsafe: nanoseconds are cut.
                columns.append(column.cast(wanted.type, safe=not pa.types.is_timestamp(wanted.type)))
        yield pa.RecordBatch.from_arrays(columns, schema=stream.schema)


def _geometries(column: pa.Array, declared: pa.Field, kind: str) -> tuple[pa.Array, list[int]]:
    if kind == "wkb":
        return column.cast(pa.binary()), [_srid_of_metadata(declared)] * len(column)
    item, crs = column.flatten()
    return item.cast(pa.binary()), [srid_of(text) for text in crs.to_pylist()]


def _with_srids(wkb: pa.Array, srids: list[int]) -> pa.Array:
    values = [value and with_srid(value, srid) for value, srid in zip(wkb.to_pylist(), srids, strict=True)]
    return pa.array(values, pa.binary())


def with_srid(wkb: bytes, srid: int) -> bytes:
    """Return EWKB: WKB with an SRID. Without one (0) it is the same."""
    if srid == _NO_SRID:
        return wkb
    order = "<" if wkb[0] == 1 else ">"
    (kind,) = struct.unpack_from(f"{order}I", wkb, 1)
    return wkb[:1] + struct.pack(f"{order}II", _ewkb_kind(kind) | _SRID_FLAG, srid) + wkb[5:]


def _ewkb_kind(kind: int) -> int:
    """EWKB has flags for Z and M, where ISO WKB adds thousands."""
    thousands, base = divmod(kind, 1000)
    return base | (0x80000000 if thousands in (1, 3) else 0) | (0x40000000 if thousands in (2, 3) else 0)


def srid_of(crs: Any) -> int:
    """Return the SRID of a coordinate reference system.

    :param crs: its text or PROJJSON; None for none.
    :returns: its code at EPSG, 4326 for CRS84, else 0.
    """
    if isinstance(crs, str) and crs.startswith("{"):
        crs = json.loads(crs)
    if isinstance(crs, dict):
        code = crs.get("id", {})
        crs = f"{code.get('authority')}:{code.get('code')}"
    authority, _, number = str(crs or "").upper().rpartition(":")
    if number == "CRS84":
        return 4326
    return int(number) if authority == "EPSG" and number.isdigit() else _NO_SRID


def _geometry_kind(column: pa.Field) -> str:
    """``wkb``, ``item`` for geometries of which each has its own SRID, or nothing."""
    if (column.metadata or {}).get(_EXTENSION) == _WKB:
        return "wkb"
    names = [part.name for part in column.type] if pa.types.is_struct(column.type) else []
    if names == ["item", "crs"] and (column.type.field(0).metadata or {}).get(_EXTENSION) == _WKB:
        return "item"
    return ""


def _srid_of_metadata(column: pa.Field) -> int:
    text = column.metadata.get(_EXTENSION_METADATA, b"").decode() or "{}"
    return srid_of(json.loads(text).get("crs"))


def _shown_name(name: str, spelling: Mapping[str, str]) -> str:
    """Return the name of a column as Spark shows it.

    :param name: SedonaDB's, such as ``mine`` or ``Int64(1)``.
    :param spelling: names in lower case to how the statement has them.
    """
    if name in spelling:
        return spelling[name]
    shown = _LITERAL.sub(lambda match: match.group(1) or match.group(2) or "", name).replace("count(*)", "count(1)")
    return _QUALIFIER.sub("", shown)


def spark_type(column: pa.Field, *, is_geometry: bool) -> str:
    """Return the name of a column's type as ``DESCRIBE TABLE`` shows it."""
    return "geometry" if is_geometry else _type_name(column.type)


def cast_name(found: pa.DataType) -> str:
    """Return the name of a plain type as ``arrow_cast`` takes it; empty if it takes none."""
    if pa.types.is_decimal(found):
        return f"Decimal128({found.precision}, {found.scale})"
    if pa.types.is_timestamp(found):
        return "Timestamp(Microsecond, None)" if found.tz is None else f'Timestamp(Microsecond, Some("{found.tz}"))'
    if pa.types.is_list(found):
        element = cast_name(found.value_type)
        return element and f"List({element})"
    return _CAST_NAMES.get(str(found), "")


def _type_name(found: pa.DataType) -> str:
    if pa.types.is_decimal(found):
        return f"decimal({found.precision},{found.scale})"
    if pa.types.is_timestamp(found):
        return "timestamp"
    if pa.types.is_list(found):
        return f"array<{_type_name(found.value_type)}>"
    if pa.types.is_struct(found):
        return f"struct<{','.join(f'{part.name}:{_type_name(part.type)}' for part in found)}>"
    return _NAMES.get(str(found), str(found))


_NAMES = {
    "bool": "boolean",
    "int8": "tinyint",
    "int16": "smallint",
    "int32": "int",
    "int64": "bigint",
    "halffloat": "float",
    "float": "float",
    "double": "double",
    "string": "string",
    "binary": "binary",
    "date32[day]": "date",
}

_CAST_NAMES = {
    "bool": "Boolean",
    "int8": "Int8",
    "int16": "Int16",
    "int32": "Int32",
    "int64": "Int64",
    "float": "Float32",
    "double": "Float64",
    "string": "Utf8",
    "binary": "Binary",
    "date32[day]": "Date32",
}
