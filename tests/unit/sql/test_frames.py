"""Results as data frames: what is exact, what is renamed, and what Parquet, and so XCom, can hold."""

import io

import pyarrow as pa
import pytest
from pyarrow import parquet

from airflow_provider_wherobots.sql.frames import for_frames, to_pandas

CELL = 617700169958293503
"""A cell of H3: no float has this value."""


def test_a_bigint_with_null_is_exact() -> None:
    pandas = pytest.importorskip("pandas", reason="the unit environment has no pandas")
    frame = to_pandas(pa.table({"cell": [CELL, None], "whole": [1, 2], "share": [0.5, None]}))
    assert [str(kind) for kind in frame.dtypes] == ["Int64", "int64", "float64"]
    assert frame["cell"].iloc[0] == CELL
    assert frame["cell"].iloc[1] is pandas.NA
    assert next(row["cell"] for _, row in frame.iterrows()) == CELL
    assert list(frame[frame["cell"] > 1]["whole"]) == [1]
    assert str(CELL) in frame.T.to_string()


@pytest.mark.parametrize(
    ("names", "distinct"),
    [
        (["n", "m"], ["n", "m"]),
        (["n", "n"], ["n", "n_2"]),
        (["n", "n", "n"], ["n", "n_2", "n_3"]),
        (["n", "n_2", "n"], ["n", "n_2", "n_3"]),
        (["n", "n", "n_2"], ["n", "n_3", "n_2"]),
    ],
)
def test_columns_of_the_same_name_are_renamed_and_no_other(names: list[str], distinct: list[str]) -> None:
    table, changes = for_frames(pa.Table.from_arrays([pa.array([index]) for index in range(len(names))], names=names))
    assert table.column_names == distinct
    assert [column[0].as_py() for column in table.columns] == list(range(len(names)))
    assert bool(changes) is (names != distinct)


def test_a_rename_is_said() -> None:
    _, changes = for_frames(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["n", "n"]))
    assert changes == ["Columns of the same name are renamed in the data frame: n_2"]


def test_a_map_is_the_list_of_its_entries() -> None:
    tags = pa.map_(pa.string(), pa.int64())
    outer = pa.struct({"tags": tags, "n": pa.int32()})
    table, changes = for_frames(
        pa.table(
            {
                "tags": pa.array([[("a", 1), ("b", None)], None, []], tags),
                "in_list": pa.array([[[("a", 1)]], None, []], pa.list_(tags)),
                "in_struct": pa.array([{"tags": [("a", 1)], "n": 2}, None, None], outer),
            }
        )
    )
    assert table.to_pydict() == {
        "tags": [[{"key": "a", "value": 1}, {"key": "b", "value": None}], None, []],
        "in_list": [[[{"key": "a", "value": 1}]], None, []],
        "in_struct": [{"tags": [{"key": "a", "value": 1}], "n": 2}, None, None],
    }
    assert changes == ["Maps are lists of their entries (key, value) in the data frame: tags, in_list, in_struct"]


def test_a_table_that_needs_no_change_is_the_same() -> None:
    table = pa.table({"n": [1], "list": [[1]], "struct": [{"a": 1}]})
    assert for_frames(table) == (table, [])
    assert for_frames(table)[0] is table


def test_what_a_frame_gets_goes_through_parquet_as_xcom_sends_it() -> None:
    pytest.importorskip("pandas", reason="the unit environment has no pandas")
    tags = pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64()))
    table, _ = for_frames(pa.Table.from_arrays([tags, pa.array([CELL, None]), pa.array([1, 2])], names=["t", "n", "n"]))
    sent = io.BytesIO()
    parquet.write_table(pa.Table.from_pandas(to_pandas(table)), sent)
    frame = parquet.read_table(sent).to_pandas()
    assert frame["n"].iloc[0] == CELL
    assert list(frame["n_2"]) == [1, 2]
    assert list(frame["t"].iloc[0]) == [{"key": "a", "value": 1}]
