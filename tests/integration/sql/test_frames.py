"""Results as data frames of pandas: what is exact, and what Parquet, and so XCom, can hold."""

import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy
import pandas
import pyarrow as pa
import pytest
from pyarrow import parquet

from airflow_provider_wherobots.sql.results import for_frames, read_parquet, to_pandas

CELL = 617700169958293503
"""A cell of H3: no float has this value."""


def test_a_bigint_with_null_is_exact() -> None:
    frame = to_pandas(pa.table({"cell": [CELL, None], "whole": [1, 2], "share": [0.5, None]}))
    assert [str(kind) for kind in frame.dtypes] == ["Int64", "int64", "float64"]
    assert frame["cell"].iloc[0] == CELL
    assert frame["cell"].iloc[1] is pandas.NA
    assert next(row["cell"] for _, row in frame.iterrows()) == CELL
    assert list(frame[frame["cell"] > 1]["whole"]) == [1]
    assert str(CELL) in frame.T.to_string()


VALUES = {
    "bigint": (pa.int64(), CELL),
    "int": (pa.int32(), 7),
    "decimal": (pa.decimal128(38, 18), Decimal("12345678901234567890.123456789012345678")),
    "timestamp": (pa.timestamp("us", "UTC"), datetime(2026, 5, 1, 12, 30, 0, 123456, tzinfo=UTC)),
    "timestamp_ntz": (pa.timestamp("us"), datetime(2026, 5, 1, 12, 30, 0, 123456)),
}


def nested(kind: pa.DataType, value: Any) -> dict[str, pa.Array]:
    struct = pa.struct({"v": kind})
    return {
        "array": pa.array([[value, None], None, [value]], pa.list_(kind)),
        "struct": pa.array([{"v": value}, {"v": None}], struct),
        "null struct": pa.array([{"v": value}, None], struct),
        "map": pa.array([[("a", value), ("b", None)], None], pa.map_(pa.string(), kind)),
        "array of structs": pa.array([[{"v": value}, None], [{"v": None}]], pa.list_(struct)),
        "struct of arrays": pa.array([{"v": [value, None]}, {"v": None}], pa.struct({"v": pa.list_(kind)})),
        "array of arrays": pa.array([[[value, None], None]], pa.list_(pa.list_(kind))),
    }


def through_xcom(frame: pandas.DataFrame) -> pandas.DataFrame:
    """As Airflow sends it: its own code cannot be told how to read integers."""
    sent = io.BytesIO()
    parquet.write_table(pa.Table.from_pandas(frame), sent)
    pulled: pandas.DataFrame = parquet.read_table(sent).to_pandas()
    return pulled


def plain(value: Any) -> Any:
    """A value as Python has it, with None for what is missing. A list has instants without their zone, in UTC."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | numpy.ndarray):
        return [plain(each) for each in (value if isinstance(value, list) else value.astype(object))]
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    return None if value is None or value != value else value


@pytest.mark.parametrize("name", VALUES)
def test_values_in_arrays_structs_and_maps_are_exact_beside_null(name: str) -> None:
    for shape, column in nested(*VALUES[name]).items():
        table, _ = for_frames(pa.table({"c": column}))
        frame = to_pandas(table)
        for found in (frame, through_xcom(frame)):
            assert plain(list(found["c"])) == plain(table["c"].to_pylist()), shape


def test_bigints_in_arrays_without_null_are_integers() -> None:
    frame = to_pandas(pa.table({"c": pa.array([[CELL], None], pa.list_(pa.int64()))}))
    assert through_xcom(frame)["c"].iloc[0].dtype == "int64"


def test_timestamps_that_spark_stores_are_exact_and_in_utc() -> None:
    """Spark's default is INT96, in UTC."""
    moments = [datetime(9999, 12, 31), datetime(1500, 1, 1), datetime(2024, 5, 6, 7, 8, 9, 123456)]
    kind = pa.timestamp("us")
    nested = pa.array([[{"at": moment}] for moment in moments], pa.list_(pa.struct([("at", kind)])))
    stored = io.BytesIO()
    table = pa.table({"at": pa.array(moments, kind), "nested": nested, "n": [1, 2, 3]})
    parquet.write_table(table, stored, use_deprecated_int96_timestamps=True, store_schema=False)
    stored.seek(0)
    frame, _ = read_parquet(stored)
    expected = [moment.replace(tzinfo=UTC) for moment in moments]
    assert [moment.to_pydatetime() for moment in frame["at"]] == expected
    assert [row[0]["at"] for row in frame["nested"]] == expected
    assert list(frame["n"]) == [1, 2, 3]
