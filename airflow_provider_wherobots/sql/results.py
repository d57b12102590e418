"""The result of an execution: as a table, as rows, and as a data frame of pandas.

PyArrow is imported where it is used: a DAG file that names the hook does not need it.

Whole numbers beside NULL stay exact, where pandas, and Airflow when it reads an XCom, would make floats of them.
Columns of the same name and maps, which Airflow's XCom cannot hold, are changed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from airflow_provider_wherobots.api.sql.messages import Results

if TYPE_CHECKING:
    import pandas
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


HOW_TO_INSTALL = "install the extra sql of airflow-provider-wherobots, from where you got the provider"
PACKAGES = ("pyarrow", "cbor2")


def missing(*, frames: bool = False) -> str:
    """What is not installed, and how to install it; empty if all is. Imports nothing."""
    absent = [name for name in (*PACKAGES, *(("pandas",) if frames else ())) if find_spec(name) is None]
    return f"SQL needs {' and '.join(absent)}: {HOW_TO_INSTALL}" if absent else ""


def for_frames(table: pyarrow.Table) -> tuple[pyarrow.Table, list[str]]:
    """Make a table that a data frame and a Parquet file can hold. Returns one sentence about each kind of change too.

    Columns of the same name get a number: ``n``, ``n_2``, ``n_3``. A map becomes the list of its entries, as by Spark's
    ``map_entries``: ``[{"key": …, "value": …}]``.
    """
    import pyarrow

    names = _distinct(table.column_names)
    kinds = [_with_values(kind) for kind in table.schema.types]
    renamed = [new for old, new in zip(table.column_names, names, strict=True) if old != new]
    listed = [name for name, old, new in zip(names, table.schema.types, kinds, strict=True) if old != new]
    changes = []
    if renamed:
        changes.append(f"Columns of the same name are renamed: {', '.join(renamed)}")
    if listed:
        changes.append(f"Maps are lists of their entries (key, value): {', '.join(listed)}")
    columns = [column.cast(kind) for column, kind in zip(table.columns, kinds, strict=True)]
    return (pyarrow.Table.from_arrays(columns, names=names) if changes else table), changes


def to_pandas(table: pyarrow.Table) -> pandas.DataFrame:
    """Make a pandas DataFrame. A BIGINT column with NULL has pandas' nullable type ``Int64``. BIGINTs beside NULL in
    arrays and structs are ``Decimal``: no type of pandas for them survives Airflow's XCom.
    """
    import pandas
    import pyarrow

    frame: pandas.DataFrame = table.to_pandas()
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.type == pyarrow.int64() and column.null_count:
            frame[name] = column.to_pandas(types_mapper={pyarrow.int64(): pandas.Int64Dtype()}.get)
        elif pyarrow.types.is_nested(column.type):
            is_exact = not _has_bigint_beside_null(column.combine_chunks())
            exact = column if is_exact else column.cast(_with_values(column.type, _exact))
            frame[name] = exact.to_pandas(integer_object_nulls=True)
    return frame


def read_parquet(file: IO[bytes] | None) -> tuple[pandas.DataFrame, list[str]]:
    """Make a pandas DataFrame of a stored result, with the changes of :func:`for_frames`. Without a file, the result
    has no rows.
    """
    import pyarrow
    from pyarrow import parquet

    if file is None:
        return to_pandas(pyarrow.table({})), []
    # Spark stores timestamps as INT96 by default. pyarrow reads them as nanoseconds by default, in which the year 9999
    # becomes 1816, and without a time zone.
    stored = parquet.ParquetFile(file, coerce_int96_timestamp_unit="us")
    table, changes = for_frames(stored.read())
    leaves = [stored.schema.column(number) for number in range(len(stored.schema))]
    int96 = [leaf.path for leaf in leaves if leaf.physical_type == "INT96"]
    for index, name in enumerate(stored.schema_arrow.names):
        if any(path == name or path.startswith(f"{name}.") for path in int96):
            column = table.column(index)
            table = table.set_column(index, table.column_names[index], column.cast(_with_values(column.type, _in_utc)))
    return to_pandas(table), changes


def _distinct(names: list[str]) -> list[str]:
    distinct: list[str] = []
    for name in names:
        new, number = name, 1
        while new in distinct or (new != name and new in names):
            number += 1
            new = f"{name}_{number}"
        distinct.append(new)
    return distinct


def _has_bigint_beside_null(array: pyarrow.Array) -> bool:
    """Whether BIGINTs in the array are beside NULL. Those of a struct that is NULL are NULL too."""
    import pyarrow
    from pyarrow import types

    if types.is_list(array.type):
        return _has_bigint_beside_null(array.flatten())
    if types.is_struct(array.type):
        return any(map(_has_bigint_beside_null, array.flatten()))
    return bool(array.type == pyarrow.int64() and array.null_count)


def _with_values(
    kind: pyarrow.DataType, changed: Callable[[pyarrow.DataType], pyarrow.DataType] = lambda kind: kind
) -> pyarrow.DataType:
    """The type with other types of its values, also of those in lists and structs. Maps become lists of entries."""
    import pyarrow
    from pyarrow import types

    if types.is_map(kind):
        entry = {"key": _with_values(kind.key_type, changed), "value": _with_values(kind.item_type, changed)}
        return pyarrow.list_(pyarrow.struct(entry))
    if types.is_list(kind):
        return pyarrow.list_(kind.value_field.with_type(_with_values(kind.value_type, changed)))
    if types.is_struct(kind):
        return pyarrow.struct([field.with_type(_with_values(field.type, changed)) for field in kind])
    return changed(kind)


def _exact(kind: pyarrow.DataType) -> pyarrow.DataType:
    """Decimals for BIGINTs, the longest of which has 19 digits."""
    import pyarrow

    return pyarrow.decimal128(19) if kind == pyarrow.int64() else kind


def _in_utc(kind: pyarrow.DataType) -> pyarrow.DataType:
    """Spark stores timestamps in UTC."""
    import pyarrow

    return pyarrow.timestamp("us", "UTC") if pyarrow.types.is_timestamp(kind) else kind
