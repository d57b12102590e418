"""The result of an execution as a data frame of pandas.

Whole numbers beside NULL stay exact, where pandas, and Airflow when it reads an XCom, would make floats of them.
Columns of the same name and maps, which Airflow's XCom cannot hold, are changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import pandas
    import pyarrow


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
