"""The result of an execution as a table, its columns and its rows.

PyArrow is imported where it is used: a DAG file that names the hook does not need it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from airflow_provider_wherobots.api.sql.messages import Results

if TYPE_CHECKING:
    import pyarrow

MAX_ROWS = 1000
"""The most rows that the service returns. Source: Wherobots' documentation of the Spatial SQL API."""
MAX_BYTES = 1024 * 1024 * 1024
"""The most bytes that a result may have once it is decompressed."""
CHUNK_BYTES = 1024 * 1024
COMPRESSIONS = ("zstd", "brotli", "gzip", "lz4")

Row: TypeAlias = tuple[Any, ...]
Column: TypeAlias = tuple[str, str, None, None, None, None, bool]
"""A column as PEP 249 describes it: name, Arrow's name of its type, four unused, whether it is nullable."""


class UnreadableResultError(ValueError):
    """A result is not what was requested, or is too large."""


def read_table(results: Results | None, max_bytes: int = MAX_BYTES) -> pyarrow.Table | None:
    """Read a result of at most ``max_bytes`` after decompression. None for a statement without a result set, whose
    result has no columns.
    """
    if results is None or not results.data:
        return None
    if results.format != "arrow":
        raise UnreadableResultError(f"the result is in the format {results.format!r}, but arrow was requested")
    import pyarrow

    try:
        data = _decompressed(results.data, results.compression, max_bytes)
        with pyarrow.ipc.open_stream(data) as reader:
            table = reader.read_all()
        # Invalid text or offsets would end the process, or fail later without a reason.
        table.validate(full=True)
    except (pyarrow.ArrowException, OSError) as error:
        raise UnreadableResultError(f"the result is not a valid Arrow stream: {error}") from error
    return table if table.num_columns else None


def columns_of(table: pyarrow.Table) -> tuple[Column, ...]:
    return tuple((field.name, str(field.type), None, None, None, None, field.nullable) for field in table.schema)


def rows_of(table: pyarrow.Table) -> list[Row]:
    """The rows of a table as tuples of Python values. Names of columns may occur twice."""
    return list(zip(*(_values(column) for column in table.columns), strict=True))


def _decompressed(data: bytes, compression: str, max_bytes: int) -> bytes | pyarrow.Buffer:
    import pyarrow

    if compression == "none":
        return data
    if compression not in COMPRESSIONS or not pyarrow.Codec.is_available(compression):
        raise UnreadableResultError(f"the result is compressed as {compression!r}, which cannot be read here")
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedInputStream(pyarrow.BufferReader(data), compression) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            sink.write(chunk)
            if sink.tell() > max_bytes:
                raise UnreadableResultError(
                    f"the result has more than {max_bytes:,} bytes: select less, or store it in a file"
                )
    return sink.getvalue()


def _values(column: pyarrow.ChunkedArray) -> list[Any]:
    import pyarrow

    kind = column.type
    # Python's own types end at microseconds.
    if pyarrow.types.is_timestamp(kind) and kind.unit == "ns":
        column = column.cast(pyarrow.timestamp("us", kind.tz), safe=False)
    values: list[Any] = column.to_pylist()
    return values
