"""Results as columns, rows and data frames, and what they need installed."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy
import pyarrow as pa
import pytest

from airflow_provider_wherobots.api.sql.messages import Results
from airflow_provider_wherobots.sql import results as module
from airflow_provider_wherobots.sql import results as requirements
from airflow_provider_wherobots.sql.results import (
    ResultTooLargeError,
    UnreadableResultError,
    columns_of,
    for_frames,
    for_xcom,
    read_table,
    rows_of,
)

TABLE = pa.table({"n": pa.array([1, None], pa.int64()), "place": ["POINT (1 2)", None]})


def stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def sent(table: pa.Table, compression: str = "zstd") -> Results:
    data = stream(table)
    return Results(
        data if compression == "none" else pa.compress(data, compression, asbytes=True), compression=compression
    )


def table_of(results: Results) -> pa.Table:
    table = read_table(results)
    assert table is not None
    return table


@pytest.mark.parametrize("compression", ["zstd", "brotli", "gzip", "none"])
def test_every_compression_of_the_protocol_is_read(compression: str) -> None:
    assert table_of(sent(TABLE, compression)).equals(TABLE)


def test_lz4_is_read() -> None:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "lz4") as out:
        out.write(stream(TABLE))
    assert table_of(Results(sink.getvalue().to_pybytes(), compression="lz4")).equals(TABLE)


@pytest.mark.parametrize("results", [None, Results(b""), sent(pa.table({}))])
def test_a_statement_without_a_result_set_has_no_table(results: Results | None) -> None:
    assert read_table(results) is None


def test_an_empty_result_set_has_columns_and_no_rows() -> None:
    table = table_of(sent(TABLE.slice(0, 0)))
    assert rows_of(table) == []
    assert [column[0] for column in columns_of(table)] == ["n", "place"]


@pytest.mark.parametrize(
    ("results", "says"),
    [
        (Results(b"nonsense", compression="none"), r"no Arrow stream \(none\)"),
        (Results(b"nonsense", compression="zstd"), r"no Arrow stream \(zstd\)"),
        (Results(b"x", compression="snappy"), r"no Arrow stream \(snappy\)"),
        (Results(b"x", compression="new"), r"no Arrow stream \(new\)"),
        (Results(b"{}", format="json"), "in the format 'json', but arrow was requested"),
    ],
)
def test_what_cannot_be_read_is_told(results: Results, says: str) -> None:
    with pytest.raises(UnreadableResultError, match=says):
        read_table(results)


def test_a_result_over_the_limit_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(stream(TABLE))
    for compression in ("zstd", "none"):
        monkeypatch.setattr(module, "MAX_RESULT_BYTES", size)
        assert table_of(sent(TABLE, compression)).equals(TABLE)
        monkeypatch.setattr(module, "MAX_RESULT_BYTES", size - 1)
        with pytest.raises(ResultTooLargeError, match=r"larger than .* GiB when .*store=") as caught:
            read_table(sent(TABLE, compression))
        assert isinstance(caught.value, UnreadableResultError)


def test_the_limit_is_1_gib() -> None:
    assert module.MAX_RESULT_BYTES == 2**30


def test_memory_is_bounded_while_a_result_is_decompressed(tmp_path: Path) -> None:
    """A quarter of a gigabyte is sent as some kilobytes."""
    table = pa.table({"zeros": pa.array(numpy.zeros(2**25, numpy.int64))})
    (tmp_path / "sent").write_bytes(sent(table).data)
    grown = subprocess.check_output([sys.executable, "-c", READ, str(tmp_path / "sent")])
    assert int(grown) < 100 * 2**20


READ = """
import sys
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import pyarrow.ipc
from airflow_provider_wherobots.api.sql.messages import Results
from airflow_provider_wherobots.sql import results

results.MAX_RESULT_BYTES = 16 * 2**20
sent = Results(Path(sys.argv[1]).read_bytes(), compression="zstd")
before = getrusage(RUSAGE_SELF).ru_maxrss
try:
    results.read_table(sent)
except results.UnreadableResultError as error:
    assert "larger than 0.015625 GiB" in str(error), error
else:
    raise AssertionError("it was read")
print((getrusage(RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def test_a_text_that_is_none_is_told() -> None:
    """Spark lets any bytes be a text."""
    texts = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff\xfe"]).buffers())
    with pytest.raises(UnreadableResultError, match=r"Column 0: .* Invalid UTF8"):
        read_table(sent(pa.table({"a": texts})))


def test_what_points_out_of_its_buffer_is_told_instead_of_read() -> None:
    offsets = pa.array([0, 2**30, 2], pa.int32()).buffers()[1]
    texts = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"ab")])
    with pytest.raises(UnreadableResultError):
        read_table(sent(pa.table({"a": texts})))


def test_rows_are_tuples_of_pythons_own_types() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 6)
    table = pa.table(
        {
            "text": ["a"],
            "view": pa.array(["b"], pa.string_view()),
            "number": pa.array([1], pa.int32()),
            "share": [0.5],
            "exact": pa.array([Decimal("1.50")], pa.decimal128(10, 2)),
            "flag": [True],
            "bytes": [b"x"],
            "day": pa.array([date(2026, 1, 2)]),
            "moment": pa.array([moment], pa.timestamp("ns")),
            "instant": pa.array([moment.replace(tzinfo=UTC)], pa.timestamp("ns", "UTC")),
            "wait": pa.array([timedelta(seconds=1)], pa.duration("us")),
            "list": [[1, 2]],
            "struct": [{"a": 1}],
            "nothing": pa.nulls(1),
        }
    )
    (row,) = rows_of(table_of(sent(table)))
    assert row == (
        "a", "b", 1, 0.5, Decimal("1.50"), True, b"x", date(2026, 1, 2), moment, moment.replace(tzinfo=UTC),
        timedelta(seconds=1), [1, 2], {"a": 1}, None,
    )  # fmt: skip
    assert type(row[8]) is datetime
    assert type(row[10]) is timedelta


@pytest.mark.parametrize(
    ("value", "carried"),
    [
        (Decimal("1E+3"), "1000"),
        (Decimal("0.00000001"), "0.00000001"),
        (datetime(2026, 1, 2, 3, tzinfo=UTC), "2026-01-02T03:00:00+00:00"),
        ([{"at": datetime.max, "n": 1}, None], [{"at": "9999-12-31T23:59:59.999999", "n": 1}, None]),
        (date(2026, 1, 2), date(2026, 1, 2)),
    ],
)
def test_decimals_and_timestamps_are_text_for_xcom(value: object, carried: object) -> None:
    assert for_xcom(value) == carried


def test_nanoseconds_beyond_pythons_are_cut() -> None:
    ((at,),) = rows_of(pa.table({"at": pa.array([1_001], pa.timestamp("ns"))}))
    assert at.microsecond == 1


def test_columns_of_the_same_name_stay_apart() -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    assert rows_of(table) == [(1, 2)]
    assert columns_of(table) == (("a", "int64", None, None, None, None, True),) * 2


def test_pyarrow_is_imported_where_it_is_used() -> None:
    assert not {"pyarrow", "pandas"} & set(vars(module))
    assert "pyarrow" in sys.modules


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


INSTALL = "install the extra sql of airflow-provider-wherobots, from where you got the provider"


@pytest.mark.parametrize(
    ("absent", "frames", "told"),
    [
        ((), True, ""),
        (("pandas",), False, ""),
        (("pandas",), True, f"SQL needs pandas: {INSTALL}"),
        (("pyarrow", "cbor2"), True, f"SQL needs pyarrow and cbor2: {INSTALL}"),
        (("pyarrow", "cbor2", "pandas"), False, f"SQL needs pyarrow and cbor2: {INSTALL}"),
    ],
)
def test_what_is_missing(monkeypatch: pytest.MonkeyPatch, absent: tuple[str, ...], frames: bool, told: str) -> None:
    monkeypatch.setattr(requirements, "find_spec", lambda name: None if name in absent else name)
    assert requirements.missing(frames=frames) == told
