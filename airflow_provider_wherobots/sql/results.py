"""The result of an execution as a table, its columns and its rows.

PyArrow is imported where it is used: a DAG file that names the hook does not need it.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow_provider_wherobots.api.sql.messages import Results

if TYPE_CHECKING:
    import pyarrow

MAX_ROWS = 1000
"""The most rows that the service returns. Source: Wherobots' documentation of the Spatial SQL API."""

MAX_RESULT_BYTES = 2**30
"""The most bytes of a decompressed result that are read, so that a small message cannot take all memory."""

_PIECE_BYTES = 2**20

Row: TypeAlias = tuple[Any, ...]
Column: TypeAlias = tuple[str, str, None, None, None, None, bool]
"""A column as PEP 249 describes it: name, Arrow's name of its type, four unused, whether it is nullable."""


class UnreadableResultError(ValueError):
    """A result is not what was requested."""


class ResultTooLargeError(UnreadableResultError):
    """A result is larger than :data:`MAX_RESULT_BYTES`."""


def read_table(results: Results | None) -> pyarrow.Table | None:
    """Read a result. None for a statement without a result set, whose result has no columns."""
    if results is None or not results.data:
        return None
    if results.format != "arrow":
        raise UnreadableResultError(f"the result is in the format {results.format!r}, but arrow was requested")
    import pyarrow

    try:
        with pyarrow.ipc.open_stream(_decompressed(results)) as reader:
            table = reader.read_all()
        # Invalid text or offsets would end the process, or fail later without a reason.
        table.validate(full=True)
    except ResultTooLargeError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise UnreadableResultError(f"the result is no Arrow stream ({results.compression}): {error}") from error
    return table if table.num_columns else None


def _decompressed(results: Results) -> pyarrow.Buffer:
    import pyarrow

    stream = pyarrow.BufferReader(results.data)
    if results.compression != "none":
        stream = pyarrow.CompressedInputStream(stream, results.compression)
    data = pyarrow.BufferOutputStream()
    while piece := stream.read(_PIECE_BYTES):
        if data.tell() + len(piece) > MAX_RESULT_BYTES:
            raise ResultTooLargeError(
                f"its result is larger than {MAX_RESULT_BYTES / 2**30:g} GiB when it is decompressed, the most that is "
                "read. Select less, or store it in a file: WherobotsSqlOperator(store=...)"
            )
        data.write(piece)
    return data.getvalue()


def columns_of(table: pyarrow.Table) -> tuple[Column, ...]:
    return tuple((field.name, str(field.type), None, None, None, None, field.nullable) for field in table.schema)


def rows_of(table: pyarrow.Table) -> list[Row]:
    """The rows of a table as tuples of Python values. Names of columns may occur twice."""
    return list(zip(*(_values(column) for column in table.columns), strict=True))


def for_xcom(value: Any) -> Any:
    """A value as Airflow's XCom can hold it. It makes floats of decimals and timestamps, which lose digits, and cannot
    read timestamps with an offset or near the year 9999. So they are text.
    """
    match value:
        case Decimal():
            return f"{value:f}"
        case datetime():
            return value.isoformat()
        case list():
            return [for_xcom(one) for one in value]
        case dict():
            return {name: for_xcom(one) for name, one in value.items()}
    return value


def _values(column: pyarrow.ChunkedArray) -> list[Any]:
    import pyarrow

    kind = column.type
    # Python's own types end at microseconds.
    if pyarrow.types.is_timestamp(kind) and kind.unit == "ns":
        column = column.cast(pyarrow.timestamp("us", kind.tz), safe=False)
    values: list[Any] = column.to_pylist()
    return values
