"""What a statement must not reach: files outside the root, settings of the engine, more memory than it may have."""

# ruff: noqa: S608 - the statements are made of the tests' own constants.

from __future__ import annotations

import asyncio
import contextlib
import re
from datetime import date
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_server.tests.disks import file_system, fill
from local_server.tests.sql.answer_files import read_rows
from local_server.tests.sql.driver import EngineDriver
from wherobots_local.execution.workspace import own_folder
from wherobots_local.sql.database.engine import Database
from wherobots_local.sql.dialect.errors import StatementError
from wherobots_local.sql.dialect.parser import read
from wherobots_local.sql.engine import EngineError, StoreTarget

SPARK_SHAPE = re.compile(r"\[[A-Z0-9_.]+\] .+", re.DOTALL)

ESCAPES = [statement for (statement,) in read_rows("ways_out.sql", {})]


@pytest.fixture(scope="module", autouse=True)
def _table(engine: EngineDriver) -> None:
    engine.run("CREATE TABLE t AS SELECT 1 AS a", "CREATE TEMPORARY VIEW seen AS SELECT 1 AS a")


@pytest.mark.parametrize("statement", ESCAPES)
def test_a_way_out_is_refused_in_the_shape_of_spark(engine: EngineDriver, statement: str) -> None:
    said = engine.fails(statement)
    assert SPARK_SHAPE.fullmatch(said)
    assert "INTERNAL_ERROR" not in said
    assert "root:" not in said
    assert engine.rows("SELECT a FROM t") == [(1,)]


def test_set_changes_no_setting_of_duckdb(engine: EngineDriver) -> None:
    for option in ("memory_limit = '1KB'", "batch_size = 0", "enable_external_access = true", "threads = 100000"):
        engine.rows(f"SET {option}")
    assert engine.rows("SELECT sum(id) FROM range(100000)") == [(4_999_950_000,)]
    assert engine.fails("SELECT * FROM parquet.`/etc/passwd`").startswith("[UNSUPPORTED_FEATURE]")


def test_files_that_links_lead_to_are_not_read(engine: EngineDriver, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    file = tmp_path / "secret" / "data.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"a": ["secret"]}), file)
    folder = engine.root / "bucket" / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "data.parquet").symlink_to(file)
    for address in ("s3://bucket/folder/link", "s3://bucket/folder/data.parquet", "s3://bucket/folder"):
        assert engine.fails(f"SELECT * FROM parquet.`{address}`")


@pytest.mark.parametrize("levels", [2_000, 30_000])
@pytest.mark.parametrize(
    "parts", [("(", "1", ")"), ("f(", "1", ")"), ("CASE WHEN true THEN ", "1", " END"), ("-", "1", "")]
)
def test_a_statement_that_is_nested_deeply_is_refused(
    engine: EngineDriver, levels: int, parts: tuple[str, str, str]
) -> None:
    opened, inner, closed = parts
    said = engine.fails(f"SELECT {opened * levels}{inner}{closed * levels}")
    assert said.startswith(("[UNSUPPORTED_FEATURE]", "[PARSE_SYNTAX_ERROR]"))
    assert engine.rows("SELECT 1") == [(1,)]


def test_a_statement_that_is_too_long_is_refused(engine: EngineDriver) -> None:
    assert "4,000,000 are allowed" in engine.fails(f"SELECT '{'x' * 4_000_000}'")


@pytest.mark.parametrize(
    "statement",
    [
        "{}SELECT 1",
        "-- a\n{}\n{}-- b\nSELECT 1",
        "INSERT OVERWRITE{}x",
        "SELECT 1,{}2",
        "SHOW TABLES{}x",
        "DESCRIBE t{}x",
        "CACHE TABLE{}x",
        "SET a{}",
    ],
)
def test_a_statement_of_much_white_space_is_read_at_once(engine: EngineDriver, statement: str) -> None:
    engine.wait(_ended(engine, statement.replace("{}", " " * 200_000)))


async def _ended(engine: EngineDriver, statement: str) -> None:
    with contextlib.suppress(EngineError):
        await engine.execution(statement)


@pytest.mark.parametrize("levels", [2, 12, 40])
def test_functions_that_are_nested_do_not_grow(engine: EngineDriver, levels: int) -> None:
    """A macro that repeats its argument would double the statement at each level."""
    nested = "'a,b'"
    for _ in range(levels):
        nested = f"substring_index({nested}, ',', 1)"
    if levels == 2:
        assert engine.value(nested) == "a"
    else:
        assert engine.fails(f"SELECT {nested}").startswith("[UNSUPPORTED_FEATURE]")


def test_nested_functions_of_dates_repeat_nothing(engine: EngineDriver) -> None:
    nested = "'2024-01-01'"
    for _ in range(12):
        nested = f"date_add({nested}, 1)"
    assert engine.value(nested) == date(2024, 1, 13)


def test_nested_aggregates_of_arrays_repeat_nothing(engine: EngineDriver) -> None:
    nested = "0"
    for _ in range(12):
        nested = f"aggregate(array(1), {nested}, (a, x) -> a + x)"
    assert engine.value(nested) == 12


def test_rows_that_are_nested_do_not_grow(engine: EngineDriver) -> None:
    nested = "1"
    for _ in range(12):
        nested = f"(1, {nested}) IN ((1, 1), (2, 2))"
    assert engine.fails(f"SELECT {nested}").startswith("[UNSUPPORTED_FEATURE]")


def test_what_a_macro_repeats_through_another_one_counts_too(engine: EngineDriver) -> None:
    """The macro of ``try_divide`` has its arguments once, and gives them to one that repeats them."""
    nested = "1"
    for _ in range(8):
        nested = f"try_divide({nested}, 1)"
    assert "nested this deeply" in engine.fails(f"SELECT {nested}")


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("made", "size"),
    [("collect_set(id % 200000)", 200_000), ("array_union(collect_list(id), collect_list(id + 1))", 300_001)],
)
def test_values_are_not_compared_with_all_others(engine: EngineDriver, made: str, size: int) -> None:
    """DuckDB cannot interrupt the functions of one long array."""
    assert engine.rows(f"SELECT size({made}) FROM range(300000)") == [(size,)]


def test_on_a_full_disk_statements_are_refused_and_later_ones_work(tmp_path: Path) -> None:
    with file_system(tmp_path, "64m"), asyncio.Runner() as runner:
        own_folder(tmp_path)
        engine = EngineDriver("session", Database(tmp_path), runner)
        engine.wait(engine.engine.start())
        engine.run("CREATE TABLE t AS SELECT id FROM range(1000)")
        fill(filler := tmp_path / "filler")
        for statement in ("SELECT 1", "SELECT * FROM t", "INSERT INTO t SELECT id FROM range(1000000)"):
            assert engine.fails(statement) == "[DISK_FULL] The disk of the local server is full. SQLSTATE: 53100"
        store = StoreTarget("csv", True, "s3://bucket/result")
        assert engine.fails("SELECT * FROM range(100000)", store=store).startswith("[DISK_FULL]")
        filler.unlink()
        engine.run("INSERT INTO t VALUES (7)")
        assert engine.rows("SELECT count(*) FROM t") == [(1001,)]
        engine.close()


WORDS = st.sampled_from(
    """
    SELECT FROM WHERE GROUP BY ORDER LIMIT ( ) , . * 1 'x' `t` t a b AS JOIN ON AND NOT NULL CASE WHEN THEN END + - / =
    < [ ] INSERT INTO VALUES CREATE OR REPLACE TABLE VIEW TEMPORARY DROP IF EXISTS ALTER ADD COLUMN MERGE USING MATCHED
    UPDATE SET DELETE WITH UNION ALL SHOW TABLES DESCRIBE USE EXPLAIN ; : ? @ # $ { } -> => :: \\ " ' ` -- /*
    """.split()  # noqa: SIM905 - words are read more easily without quotes
)


@given(st.lists(WORDS, max_size=12))
def test_any_text_is_read_or_refused(words: list[str]) -> None:
    said = ""
    try:
        read(" ".join(words))
    except StatementError as error:
        said = str(error)
    assert not said or SPARK_SHAPE.fullmatch(said)
