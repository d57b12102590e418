"""Results as data frames of pandas: what is exact, and what Parquet, and so XCom, can hold."""

import io

import pandas
import pyarrow as pa
from pyarrow import parquet

from airflow_provider_wherobots.sql.frames import for_frames, to_pandas

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


def test_a_bigint_beside_null_is_exact_in_lists_and_structs_too() -> None:
    struct = pa.array([{"cell": CELL}, {"cell": None}], pa.struct({"cell": pa.int64()}))
    frame = to_pandas(pa.table({"cells": [[CELL, None], None], "struct": struct}))
    assert list(frame["cells"].iloc[0]) == [CELL, None]
    assert frame["struct"].iloc[0] == {"cell": CELL}


def test_what_a_frame_gets_goes_through_parquet_as_xcom_sends_it() -> None:
    tags = pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64()))
    table, _ = for_frames(pa.Table.from_arrays([tags, pa.array([CELL, None]), pa.array([1, 2])], names=["t", "n", "n"]))
    sent = io.BytesIO()
    parquet.write_table(pa.Table.from_pandas(to_pandas(table)), sent)
    frame = parquet.read_table(sent).to_pandas()
    assert frame["n"].iloc[0] == CELL
    assert list(frame["n_2"]) == [1, 2]
    assert list(frame["t"].iloc[0]) == [{"key": "a", "value": 1}]
