"""Results as data frames: what is renamed, and what becomes of maps."""

import pyarrow as pa
import pytest

from airflow_provider_wherobots.sql.results import for_frames


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
    assert changes == ["Columns of the same name are renamed: n_2"]


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
    assert changes == ["Maps are lists of their entries (key, value): tags, in_list, in_struct"]


def test_a_table_that_needs_no_change_is_the_same() -> None:
    table = pa.table({"n": [1], "list": [[1]], "struct": [{"a": 1}]})
    assert for_frames(table) == (table, [])
    assert for_frames(table)[0] is table
