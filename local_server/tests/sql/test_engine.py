"""The engine with DuckDB, in a process of its own."""

# ruff: noqa: S608 - the statements are made of the tests' own constants.

from __future__ import annotations

import asyncio
import datetime
import importlib.util
import json
import multiprocessing
import signal
import struct
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pyarrow
import pyarrow.parquet
import pytest

from local_server.tests.sql.answer_files import read_rows
from local_server.tests.sql.driver import EngineDriver, processes_of
from local_server.tests.sql_support import SqlClient
from local_server.tests.support import KEY
from local_server.tests.vendor_clients.programs import vendor_client
from wherobots_local import LocalServer
from wherobots_local.execution.workspace import own_folder
from wherobots_local.sql.database import process
from wherobots_local.sql.database.engine import Database
from wherobots_local.sql.engine import EngineDiedError, EngineError, Executed, ResultForm, StoreTarget

ENDLESS = "SELECT sum(sqrt(a.id * b.id)) AS x FROM range(10000000) a JOIN range(10000000) b ON a.id <> b.id"


def EWKB(x: float, y: float) -> bytes:
    return struct.pack("<BIIdd", 1, 0x20000001, 4326, x, y)


WGS84_POINT = "SRID=4326;POINT (1 2)"


def test_the_current_names_are_those_of_the_session(other: EngineDriver) -> None:
    names = "SELECT current_catalog(), current_schema(), current_database()"
    assert other.rows(names) == [("spark_catalog", "default", "default")]
    other.run("CREATE SCHEMA IF NOT EXISTS org_catalog.here", "USE org_catalog.here")
    assert other.rows(names) == [("org_catalog", "here", "here")]


def test_types_are_those_that_clients_know(engine: EngineDriver) -> None:
    found = engine.table(
        "SELECT 1 AS i, CAST(1 AS INT) AS n, 'x' AS s, CAST(5 AS STRING) AS v, 1.5 AS d, true AS b,"
        " CAST('2.5' AS DECIMAL(10, 2)) AS c, DATE '2024-05-06' AS day, TIMESTAMP '2024-05-06 07:08:09.123456' AS ts,"
        " now() AS t, X'01ff' AS bin,"
        " array(1, 2) AS l, named_struct('a', CAST('y' AS STRING)) AS st, NULL AS none,"
        " ST_SRID(ST_Point(1, 2)) AS u, size(array('a')) AS z"
    )
    assert {column.name: str(column.type) for column in found.schema} == {
        **{"i": "int32", "n": "int32", "s": "string", "v": "string", "d": "decimal128(2, 1)", "c": "decimal128(10, 2)"},
        **{"b": "bool", "day": "date32[day]", "ts": "timestamp[us]", "t": "timestamp[us]", "bin": "binary"},
        **{"l": "list<l: int32>", "st": "struct<a: string>", "none": "int32", "u": "int32", "z": "int64"},
    }
    row = found.drop_columns(["t"]).to_pylist()[0]
    assert row["ts"] == datetime.datetime(2024, 5, 6, 7, 8, 9, 123456)
    assert (row["c"], row["bin"], row["l"], row["st"]) == (Decimal("2.50"), b"\x01\xff", [1, 2], {"a": "y"})


def test_types_that_spark_has_not_are_not_sent_or_stored(engine: EngineDriver) -> None:
    query = "SELECT named_struct('HUGEINT', sum(id), 'made', array(now())) AS s FROM range(3)"
    types = {"s": "struct<HUGEINT: int64, made: list<l: timestamp[us]>>"}
    assert {column.name: str(column.type) for column in engine.table(query).schema} == types
    engine.run(f"CREATE OR REPLACE TABLE plain AS {query}")
    assert engine.rows("DESCRIBE plain") == [("s", "struct<hugeint:bigint,made:array<timestamp>>", None)]
    engine.execute("SELECT sum(id) AS n FROM range(3)", store=StoreTarget("parquet", True, "s3://bucket/stored/sum"))
    assert pyarrow.parquet.read_table(engine.root / "bucket" / "stored" / "sum.parquet").to_pylist() == [{"n": 3}]


def test_columns_are_named_as_the_service_names_them(engine: EngineDriver) -> None:
    found = engine.table("SELECT 1, 'two', count(*), MAX(Id) AS TheMax, min(id) FROM VALUES (1) AS t(Id)")
    assert found.column_names == ["1", "two", "count(1)", "TheMax", "min(id)"]


NAMES = {
    "ID": "ID",
    "t.Name": "Name",
    "CAST(t.ID AS STRING)": "ID",
    "TRY_CAST(name AS INT)": "name",
    "id::STRING": "id",
    "CAST(CAST(id AS STRING) AS INT)": "CAST(CAST(id AS STRING) AS INT)",
    "CAST('1' AS INT)": "CAST(1 AS INT)",
    "true": "true",
    "- id": "(- id)",
    "-1.5": "-1.5",
    "NOT true": "(NOT true)",
    "id <> 1": "(NOT (id = 1))",
    "id IS NULL": "(id IS NULL)",
    "id IS NOT NULL": "(id IS NOT NULL)",
    "id IN (1, 2)": "(id IN (1, 2))",
    "id NOT IN (1)": "(NOT (id IN (1)))",
    "id BETWEEN 1 AND 2": "between(id, 1, 2)",
    "name LIKE 'a%'": "name LIKE a%",
    "name NOT LIKE 'b'": "(NOT name LIKE b)",
    "name RLIKE 'a'": "RLIKE(name, a)",
    "name ILIKE 'A'": "ilike(name, A)",
    "id <=> 1": "(id <=> 1)",
    "CAST(id + 1 AS DECIMAL(10, 2))": "CAST((id + 1) AS DECIMAL(10,2))",
    "current_date": "current_date()",
    "(id + 1) * 2": "((id + 1) * 2)",
    "id DIV 2": "(id div 2)",
    "CASE id WHEN 1 THEN 'x' END": "CASE WHEN (id = 1) THEN x END",
    "CASE WHEN id = 1 THEN 'a' ELSE 'b' END": "CASE WHEN (id = 1) THEN a ELSE b END",
    "IF(id = 1, 2, 3)": "(IF((id = 1), 2, 3))",
    "name || 'x' || 'y'": "concat(concat(name, x), y)",
    "DATE '2024-01-01'": "DATE '2024-01-01'",
    "EXTRACT(YEAR FROM DATE '2024-01-01')": "extract(YEAR FROM DATE '2024-01-01')",
    "(SELECT max(id) FROM range(2))": "scalarsubquery()",
    "EXISTS (SELECT 1)": "exists()",
}
"""Expressions, and the names that Spark 4.1 gives them."""


def test_expressions_are_named_as_spark_names_them(engine: EngineDriver) -> None:
    rows = "FROM VALUES (1, '1') AS t(id, name)"
    found = engine.table(f"SELECT {', '.join(NAMES)} {rows}").column_names
    assert dict(zip(NAMES, found, strict=True)) == NAMES
    assert engine.table(f"SELECT sum(id) FILTER (WHERE id > 0) {rows}").column_names == [
        "sum(id) FILTER (WHERE (id > 0))"
    ]
    assert engine.table(f"SELECT * FROM (SELECT count(*), ID {rows} GROUP BY id)").column_names == ["count(1)", "ID"]
    assert engine.table(f"WITH q AS (SELECT NAME {rows}) SELECT * FROM q").column_names == ["NAME"]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("ewkt", [WGS84_POINT, None, "SRID=4326;POINT (3 4)"]),
        ("wkt", ["POINT (1 2)", None, "POINT (3 4)"]),
        ("wkb", [struct.pack("<BIdd", 1, 1, 1, 2), None, struct.pack("<BIdd", 1, 1, 3, 4)]),
        ("ewkb", [EWKB(1, 2), None, EWKB(3, 4)]),
        ("geojson", [{"type": "Point", "coordinates": [1, 2]}, None, {"type": "Point", "coordinates": [3, 4]}]),
    ],
)
def test_geometries(engine: EngineDriver, form: str, expected: list[Any]) -> None:
    execution_id = engine.new_id()
    engine.execute(
        "SELECT 1 AS id, ST_GeomFromEWKT('SRID=4326;POINT(1 2)') AS Geom UNION ALL SELECT 2, NULL"
        " UNION ALL SELECT 3, ST_GeomFromEWKT('SRID=4326;POINT(3 4)') ORDER BY id",
        execution_id=execution_id,
    )
    found = engine.retrieve(execution_id, compression="none", geometry=form)
    assert found.geo_columns == ("Geom",)
    values = pyarrow.ipc.open_stream(found.data).read_all().column("Geom").to_pylist()
    assert [json.loads(value) if form == "geojson" and value else value for value in values] == expected


def test_a_geometry_with_a_type_for_all_rows_has_its_srid(engine: EngineDriver) -> None:
    assert engine.value("ST_SetSRID(ST_Point(1, 2), 3857)") == "SRID=3857;POINT (1 2)"
    assert engine.value("ST_Transform(ST_SetSRID(ST_Point(0, 0), 4326), 'EPSG:3857')") == "SRID=3857;POINT (0 0)"
    assert engine.value("ST_AsEWKT(ST_PointZ(1, 2, 3))") == "POINT Z(1 2 3)"
    points = engine.table("SELECT ST_SetSRID(ST_PointZ(1, 2, 3), 4326) AS g", geometry="ewkb").column("g")
    assert points.to_pylist() == [struct.pack("<BIIddd", 1, 0xA0000001, 4326, 1, 2, 3)]


@pytest.mark.parametrize("compression", ["brotli", "gzip", "zstd", "lz4"])
def test_compressions(engine: EngineDriver, compression: str) -> None:
    execution_id = engine.new_id()
    engine.execute("SELECT id AS v FROM range(100) ORDER BY id", execution_id=execution_id)
    data = engine.retrieve(execution_id, compression=compression).data
    stream = pyarrow.CompressedInputStream(pyarrow.BufferReader(data), compression)
    assert pyarrow.ipc.open_stream(stream).read_all().column("v").to_pylist() == list(range(100))


def test_json(engine: EngineDriver) -> None:
    execution_id = engine.new_id()
    engine.execute("SELECT 1 AS id, DATE '2024-01-02' AS day, ST_Point(1, 2) AS g", execution_id=execution_id)
    found = engine.retrieve(execution_id, format="json", compression="none", geometry="wkt")
    assert json.loads(found.data) == [{"id": 1, "day": "2024-01-02", "g": "POINT (1 2)"}]


@pytest.mark.parametrize(("rows", "kept"), [(999, 999), (1000, 1000), (1001, 1000)])
def test_results_are_cut_at_the_limit(engine: EngineDriver, rows: int, kept: int) -> None:
    execution_id = engine.new_id()
    executed = engine.execute(f"SELECT id AS v FROM range({rows}) ORDER BY id DESC", execution_id=execution_id)
    assert executed == Executed(has_columns=True)
    found = pyarrow.ipc.open_stream(engine.retrieve(execution_id, compression="none").data).read_all()
    assert found.column("v").to_pylist() == list(range(rows - 1, rows - 1 - kept, -1))


def test_what_changes_something_has_no_columns(engine: EngineDriver) -> None:
    for statement in ("CREATE OR REPLACE TABLE ddl AS SELECT 1 AS a", "INSERT INTO ddl VALUES (2)", "DROP TABLE ddl"):
        execution_id = engine.new_id()
        assert engine.execute(statement, execution_id=execution_id) == Executed(has_columns=False)
        found = engine.retrieve(execution_id, compression="none")
        assert pyarrow.ipc.open_stream(found.data).read_all().num_columns == 0


def test_what_is_empty_or_nested_has_a_name(engine: EngineDriver) -> None:
    assert engine.rows("SELECT '', p.x.y FROM (SELECT named_struct('x', named_struct('y', 1)) AS p)") == [("", 1)]


def test_rows_that_were_forgotten_are_gone(engine: EngineDriver) -> None:
    execution_id = engine.new_id()
    engine.execute("SELECT 1", execution_id=execution_id)
    engine.engine.forget(execution_id)
    with pytest.raises(EngineError, match="gone"):
        engine.retrieve(execution_id)


def test_the_life_of_a_table(engine: EngineDriver) -> None:
    engine.run(
        "CREATE DATABASE IF NOT EXISTS org.gis",
        "CREATE TABLE IF NOT EXISTS org.gis.places (Id BIGINT NOT NULL, name STRING, geom GEOMETRY, at TIMESTAMP,"
        " price DECIMAL(10, 2), tags ARRAY<STRING>) USING havasu.iceberg PARTITIONED BY (id)",
        "CREATE TABLE IF NOT EXISTS org.gis.places (other INT)",
        "INSERT INTO org.gis.places VALUES (1, 'one', ST_SetSRID(ST_Point(1, 2), 4326), NULL, 1.25, array('a'))",
        "INSERT INTO org.gis.places (name, id) VALUES ('two', 2), ('three', 3)",
        "INSERT INTO org.gis.places SELECT id + 10, name, geom, TIMESTAMP '2024-01-01 00:00:00', price, tags"
        " FROM org.gis.places WHERE id = 1",
    )
    everything = "SELECT id, name, ST_AsEWKT(geom) AS g, at, price, tags FROM org.gis.places ORDER BY id"
    new_year = datetime.datetime(2024, 1, 1)
    assert engine.rows(everything) == [
        (1, "one", WGS84_POINT, None, Decimal("1.25"), ["a"]),
        (2, "two", None, None, None, None),
        (3, "three", None, None, None, None),
        (11, "one", WGS84_POINT, new_year, Decimal("1.25"), ["a"]),
    ]
    engine.run(
        "UPDATE org.gis.places SET name = upper(name), geom = ST_SetSRID(ST_Point(id, id), 4326)"
        " WHERE id IN (SELECT 2)",
        "DELETE FROM org.gis.places p WHERE p.id = 3 OR p.at IS NOT NULL",
    )
    assert engine.rows(everything) == [
        (1, "one", WGS84_POINT, None, Decimal("1.25"), ["a"]),
        (2, "TWO", "SRID=4326;POINT (2 2)", None, None, None),
    ]
    engine.run("DELETE FROM org.gis.places WHERE price > 1000")
    assert len(engine.rows(everything)) == 2  # A condition that is NULL keeps the row.
    engine.run("INSERT OVERWRITE org.gis.places (id) SELECT 9", "DROP TABLE IF EXISTS org.gis.nothing")
    assert engine.rows(everything) == [(9, None, None, None, None, None)]
    engine.run("TRUNCATE TABLE org.gis.places")
    assert engine.rows(everything) == []
    engine.run("DROP TABLE org.gis.places", "DROP SCHEMA org.gis")
    assert engine.fails(everything).startswith("[TABLE_OR_VIEW_NOT_FOUND]")


def test_properties_have_no_effect(engine: EngineDriver) -> None:
    properties = "USING havasu.iceberg COMMENT 'all of them' TBLPROPERTIES ('format-version' = '2', a.b = true)"
    engine.run(
        f"CREATE OR REPLACE TABLE tuned (a INT) {properties}",
        f"CREATE OR REPLACE TABLE tuned_too {properties} AS SELECT 1 AS a",
        "CREATE OR REPLACE VIEW tuned_view TBLPROPERTIES ('x' = 'y') AS SELECT a FROM tuned_too",
    )
    assert engine.rows("DESCRIBE tuned") == [("a", "int", None)]
    assert engine.rows("SELECT a FROM tuned_view") == [(1,)]


def test_a_merge_assigns_by_name(engine: EngineDriver) -> None:
    engine.run(
        "CREATE OR REPLACE TABLE target AS SELECT 1 AS id, 'a' AS name",
        "CREATE OR REPLACE TABLE source AS SELECT * FROM VALUES ('A', 1, true), ('B', 2, true) AS v(NAME, id, more)",
        "MERGE INTO target t USING source s ON t.id = s.id"
        " WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *",
    )
    assert engine.rows("SELECT id, name FROM target ORDER BY id") == [(1, "A"), (2, "B")]
    lacking = "MERGE INTO target USING (SELECT 1 AS id) s ON target.id = s.id WHEN MATCHED THEN UPDATE SET *"
    assert engine.fails(lacking).startswith("[UNRESOLVED_COLUMN.WITHOUT_SUGGESTION] The source has no column `name`")


@pytest.mark.parametrize("statement", [statement for (statement,) in read_rows("left_out.sql", {})])
def test_what_the_translation_would_leave_out_is_refused(engine: EngineDriver, statement: str) -> None:
    engine.run("CREATE OR REPLACE TABLE fields AS SELECT 1 AS x, named_struct('x', 2) AS s")
    assert engine.fails(statement).startswith(("[UNSUPPORTED_FEATURE]", "[PARSE_SYNTAX_ERROR]"))
    assert engine.rows("SELECT * FROM fields") == [(1, {"x": 2})]


def test_a_table_has_no_column_rowid(engine: EngineDriver) -> None:
    engine.run("CREATE OR REPLACE TABLE plain_rows AS SELECT 1 AS id")
    for statement in (
        "SELECT rowid FROM plain_rows",
        "SELECT id FROM plain_rows ORDER BY plain_rows.rowid",
        "UPDATE plain_rows SET id = rowid",
        "DELETE FROM plain_rows WHERE rowid = 0",
    ):
        assert engine.fails(statement).startswith("[UNRESOLVED_COLUMN.WITH_SUGGESTION]")
    assert engine.rows("SELECT * FROM plain_rows") == [(1,)]


def test_a_doubled_column_is_refused(engine: EngineDriver) -> None:
    engine.run("CREATE OR REPLACE TABLE doubled (a INT)")
    for statement in ("INSERT INTO doubled (a, A) VALUES (1, 2)", "UPDATE doubled SET a = 1, a = 2"):
        assert engine.fails(statement).startswith("[COLUMN_ALREADY_EXISTS]")


@pytest.mark.parametrize(
    "values", ["1.7, 'x', DATE '2024-01-01'", "'12', 'x', DATE '2024-01-01'", "1, 1.5D, now()", "1, 'x', '2024-01-01'"]
)
def test_a_value_that_would_be_cast_in_another_way_is_refused(engine: EngineDriver, values: str) -> None:
    engine.run("CREATE OR REPLACE TABLE strict (n INT, s STRING, d DATE)")
    said = engine.fails(f"INSERT INTO strict VALUES ({values})")
    assert said.startswith("[INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_SAFELY_CAST]")


@pytest.mark.parametrize(
    "values", ["1, NULL, NULL", "CAST(NULL AS INT), NULL, NULL", "NULL, true, NULL", "NULL, NULL, true"]
)
def test_numbers_and_booleans_do_not_become_each_other(engine: EngineDriver, values: str) -> None:
    engine.run("CREATE OR REPLACE TABLE flags (yes BOOLEAN, n BIGINT, d DECIMAL(5, 2), s STRING)")
    said = engine.fails(f"INSERT INTO flags (yes, n, d) VALUES ({values})")
    assert said.startswith("[INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_SAFELY_CAST]")
    engine.run("INSERT INTO flags VALUES (NULL, NULL, NULL, true)", "UPDATE flags SET yes = NULL")
    assert engine.rows("SELECT * FROM flags") == [(None, None, None, "true")]
    assert engine.fails("UPDATE flags SET n = yes").startswith("[INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_SAFELY_CAST]")


def test_a_double_becomes_the_decimal_that_its_digits_say(engine: EngineDriver) -> None:
    engine.run(
        "CREATE OR REPLACE TABLE prices (id INT, price DECIMAL(10, 2))",
        "INSERT INTO prices VALUES (1, 1.005D), (2, 2.675D)",
        "INSERT INTO prices (price, id) SELECT CAST(8.345 AS DOUBLE), 3",
        "UPDATE prices SET price = 1.115D WHERE id = 2",
        "MERGE INTO prices p USING (SELECT * FROM VALUES (3, 1.255D), (4, 0.145D), (5, NULL) AS v(id, price)) s"
        " ON p.id = s.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *",
    )
    expected = [(1, "1.01"), (2, "1.12"), (3, "1.26"), (4, "0.15")]
    assert engine.rows("SELECT * FROM prices ORDER BY id") == [*((n, Decimal(x)) for n, x in expected), (5, None)]
    assert engine.fails("INSERT INTO prices VALUES (6, 1e9D)").startswith("[CAST_")


def test_schemas_that_are_created_at_the_same_time_are_there_once(engine: EngineDriver) -> None:
    async def many() -> None:
        await asyncio.gather(*[engine.execution("CREATE SCHEMA IF NOT EXISTS at_once") for _ in range(8)])

    engine.wait(many())
    assert ("at_once",) in engine.rows("SHOW SCHEMAS")


def test_what_was_committed_is_never_reported_as_cancelled(engine: EngineDriver) -> None:
    engine.run("CREATE OR REPLACE TABLE acknowledged (n INT)")

    async def insert(number: int) -> bool:
        running = asyncio.ensure_future(engine.execution(f"INSERT INTO acknowledged VALUES ({number})"))
        await asyncio.sleep(number / 1000)
        running.cancel()
        try:
            await running
        except asyncio.CancelledError:
            return False
        return True

    async def many() -> list[int]:
        return [number for number in range(60) if await insert(number)]

    written = engine.wait(many())
    assert engine.rows("SELECT n FROM acknowledged ORDER BY n") == [(number,) for number in written]


def test_a_long_statement_is_cancelled_while_it_is_read_and_no_other_ends(
    engine: EngineDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_CANCEL_SECONDS", 3.0)
    engine.run("CREATE OR REPLACE TABLE long (n INT)")
    values = ", ".join(f"({number})" for number in range(100_000))

    async def cancel() -> None:
        running = asyncio.ensure_future(engine.execution(f"INSERT INTO long VALUES {values}"))
        await engine.execution("SELECT 1")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    engine.wait(cancel())
    assert engine.rows("SELECT count(*) FROM long") == [(0,)]


def test_merge(engine: EngineDriver) -> None:
    engine.run(
        "CREATE OR REPLACE TABLE target AS SELECT * FROM VALUES (1, 'a'), (2, 'b'), (3, 'c'), (9, 'z') AS v(id, name)",
        "CREATE OR REPLACE TABLE source AS SELECT * FROM VALUES (1, 'A'), (2, NULL), (4, 'D'), (5, NULL)"
        " AS v(id, name)",
        "MERGE INTO target AS t USING source AS s ON t.id = s.id"
        " WHEN MATCHED AND s.name IS NULL THEN DELETE"
        " WHEN MATCHED THEN UPDATE SET t.name = concat(t.name, s.name)"
        " WHEN NOT MATCHED AND s.name IS NOT NULL THEN INSERT (id, name) VALUES (s.id, s.name)"
        " WHEN NOT MATCHED BY SOURCE AND t.id > 5 THEN UPDATE SET name = 'left'",
    )
    assert engine.rows("SELECT * FROM target ORDER BY id") == [(1, "aA"), (3, "c"), (4, "D"), (9, "left")]
    engine.run(
        "MERGE INTO target USING source ON target.id = source.id WHEN MATCHED THEN UPDATE SET *"
        " WHEN NOT MATCHED THEN INSERT *"
    )
    assert engine.rows("SELECT * FROM target ORDER BY id") == [
        *[(1, "A"), (2, None), (3, "c"), (4, "D"), (5, None), (9, "left")]
    ]
    doubled = engine.fails(
        "MERGE INTO target USING (SELECT 1 AS id UNION ALL SELECT 1) s ON target.id = s.id WHEN MATCHED THEN DELETE"
    )
    assert doubled.startswith("[MERGE_CARDINALITY_VIOLATION]")
    assert engine.rows("SELECT count(*) FROM target") == [(6,)]


def test_rows_that_match_several_of_the_source_stay_once(engine: EngineDriver) -> None:
    engine.run(
        "CREATE OR REPLACE TABLE target AS SELECT * FROM VALUES (1, 'a'), (2, 'b'), (3, 'c') AS v(id, name)",
        "CREATE OR REPLACE TABLE source AS SELECT * FROM VALUES (1, 'A'), (1, 'B'), (4, 'D') AS v(id, name)",
        "MERGE INTO target USING source ON target.id <=> source.id AND target.id > 0"
        " WHEN NOT MATCHED THEN INSERT * WHEN NOT MATCHED BY SOURCE AND target.id = 3 THEN DELETE"
        " WHEN NOT MATCHED BY SOURCE THEN UPDATE SET name = 'left'",
    )
    assert engine.rows("SELECT * FROM target ORDER BY id") == [(1, "a"), (2, "left"), (4, "D")]
    engine.run("MERGE INTO target USING source ON target.id = source.id WHEN NOT MATCHED THEN INSERT *")
    assert engine.rows("SELECT * FROM target ORDER BY id") == [(1, "a"), (2, "left"), (4, "D")]


def test_a_name_of_four_parts_is_refused(engine: EngineDriver) -> None:
    for statement in ("SELECT * FROM org.gis.places.snapshots", "INSERT INTO org.gis.places.snapshots VALUES (1)"):
        assert engine.fails(statement).startswith(("[UNSUPPORTED_FEATURE]", "[PARSE_SYNTAX_ERROR]"))


def test_a_table_without_a_name_harms_no_other(engine: EngineDriver) -> None:
    engine.run("CREATE OR REPLACE TABLE unharmed AS SELECT 1 AS a")
    for text in ("CREATE TABLE `` AS SELECT 1 AS b", "DROP SCHEMA ``", "USE ``"):
        assert "a name is empty" in engine.fails(text)
    assert engine.rows("SELECT a FROM unharmed") == [(1,)]


DAYS = "VALUES (TIMESTAMP '2026-01-01 10:00:00', 'b'), (TIMESTAMP '2026-01-03 10:00:00', 'b')"


@pytest.mark.parametrize(
    ("by", "overwrite", "kept"),
    [
        ("at", f"INSERT OVERWRITE parts {DAYS}", []),
        ("days(at)", f"INSERT OVERWRITE TABLE parts WITH ('overwrite-mode' = 'dynamic') {DAYS}", ["2026-01-02 09"]),
        (
            "at",
            f"INSERT OVERWRITE parts WITH ('overwrite-mode' = 'dynamic') {DAYS}",
            ["2026-01-01 09", "2026-01-02 09"],
        ),
    ],
)
def test_which_rows_an_overwrite_replaces(engine: EngineDriver, by: str, overwrite: str, kept: list[str]) -> None:
    engine.run(
        f"CREATE OR REPLACE TABLE parts PARTITIONED BY ({by}) AS SELECT * FROM VALUES"
        " (TIMESTAMP '2026-01-01 09:00:00', 'a'), (TIMESTAMP '2026-01-02 09:00:00', 'a') AS v(at, name)",
        overwrite,
    )
    found = engine.rows("SELECT at, name FROM parts ORDER BY at, name")
    assert [f"{at:%Y-%m-%d %H}" for at, name in found if name == "a"] == kept
    assert len([name for _, name in found if name == "b"]) == 2


def test_partitions_that_cannot_be_overwritten_are_no_obstacle_before(engine: EngineDriver) -> None:
    engine.run(
        "CREATE OR REPLACE TABLE buckets (n INT) PARTITIONED BY (bucket(4, n))", "INSERT OVERWRITE buckets SELECT 1"
    )
    dynamic = "INSERT OVERWRITE buckets WITH ('overwrite-mode' = 'dynamic') SELECT 2"
    assert "overwriting partitions by bucket(...)" in engine.fails(dynamic)
    assert engine.rows("SELECT * FROM buckets") == [(1,)]


def test_a_change_of_columns_while_rows_are_written_loses_none(engine: EngineDriver) -> None:
    engine.run("CREATE OR REPLACE TABLE written (a BIGINT, b STRING)")

    async def both() -> None:
        rows = "SELECT id, concat('row ', id) FROM range(2000000)"
        # With names of columns, as the engine may begin with either statement.
        insert = asyncio.ensure_future(engine.execution(f"INSERT INTO written (a, b) {rows}"))
        add = asyncio.ensure_future(engine.execution("ALTER TABLE written ADD COLUMN c INT"))
        await asyncio.gather(insert, add)

    engine.wait(both())
    assert engine.rows("SELECT count(*), count(a), count(c) FROM written") == [(2_000_000, 2_000_000, 0)]


def test_columns_with_one_name_keep_their_values(engine: EngineDriver) -> None:
    engine.run("CREATE OR REPLACE TABLE named (x INT, y INT)", "INSERT INTO named SELECT 3, 3")
    pair = "SELECT ST_Point(x, y) AS g, x AS a, y + 1 AS a, ST_Point(y, x) AS g FROM named"
    found = engine.table(pair)
    assert found.column_names == ["g", "a", "a", "g"]
    assert [column.to_pylist() for column in found.columns] == [["POINT (3 3)"], [3], [4], ["POINT (3 3)"]]
    engine.execute(pair, store=StoreTarget("csv", True, "s3://bucket/stored/pair"))
    assert (engine.root / "bucket" / "stored" / "pair.csv").read_text() == "g,a,a_1,g_1\nPOINT (3 3),3,4,POINT (3 3)\n"


def test_a_view_refers_neither_to_itself_nor_to_a_temporary_one(engine: EngineDriver) -> None:
    engine.run("CREATE OR REPLACE VIEW circle AS SELECT 1 AS a", "CREATE OR REPLACE TEMP VIEW brief AS SELECT 1 AS a")
    assert engine.fails("CREATE OR REPLACE VIEW circle AS SELECT * FROM circle").startswith("[RECURSIVE_VIEW]")
    assert engine.fails("CREATE VIEW lasting AS SELECT * FROM brief").startswith("[INVALID_TEMP_OBJ_REFERENCE]")
    assert engine.rows("SELECT * FROM circle") == [(1,)]
    engine.run("DROP VIEW brief")
    for text in (
        "CREATE TEMPORARY TABLE brief AS SELECT 1 AS a",
        "CREATE TEMPORARY VIEW default.brief AS SELECT 1 AS a",
    ):
        assert engine.fails(text).startswith("[UNSUPPORTED_FEATURE]")


def test_the_case_of_a_name_does_not_matter(engine: EngineDriver) -> None:
    engine.run("CREATE OR REPLACE TABLE `Ünï` (c INT)", "INSERT INTO `ünï` VALUES (1)")
    assert engine.rows("SELECT C FROM `ÜNÏ`") == [(1,)]


def test_changes_of_columns(engine: EngineDriver) -> None:
    engine.run(
        "CREATE OR REPLACE TABLE altered AS SELECT 1 AS a, 'x' AS b",
        "ALTER TABLE altered ADD COLUMNS (c INT COMMENT 'new', g GEOMETRY)",
        "ALTER TABLE altered DROP COLUMN b",
        "INSERT INTO altered VALUES (2, 3, ST_SetSRID(ST_Point(1, 2), 4326))",
    )
    assert engine.rows("DESCRIBE TABLE altered") == [("a", "int", None), ("c", "int", None), ("g", "geometry", None)]
    assert engine.rows("SELECT * FROM altered ORDER BY a") == [(1, None, None), (2, 3, WGS84_POINT)]
    assert engine.fails("ALTER TABLE altered DROP COLUMN b").startswith("[UNRESOLVED_COLUMN.WITHOUT_SUGGESTION]")


def test_types_of_columns_become_wider(engine: EngineDriver) -> None:
    engine.run(
        "CREATE OR REPLACE TABLE wide (id INT NOT NULL, share FLOAT, price DECIMAL(5, 2), name STRING)",
        "INSERT INTO wide VALUES (1, 1.5, 2.25, 'x')",
        "ALTER TABLE wide ALTER COLUMN id TYPE BIGINT",
        "ALTER TABLE wide ALTER COLUMN share TYPE DOUBLE",
        "ALTER TABLE wide ALTER COLUMN PRICE TYPE DECIMAL(9, 2)",
        "ALTER TABLE wide ALTER COLUMN id DROP NOT NULL",
        "ALTER TABLE wide ALTER COLUMN name COMMENT 'its name'",
        "INSERT INTO wide VALUES (NULL, 1e300, 1234567.25, 'y')",
    )
    assert [row[1] for row in engine.rows("DESCRIBE wide")] == ["bigint", "double", "decimal(9,2)", "string"]
    assert engine.rows("SELECT * FROM wide ORDER BY name") == [
        (1, 1.5, Decimal("2.25"), "x"),
        (None, 1e300, Decimal("1234567.25"), "y"),
    ]
    for change in ("name TYPE INT", "id TYPE INT", "price TYPE DECIMAL(9, 3)"):
        assert engine.fails(f"ALTER TABLE wide ALTER COLUMN {change}").startswith("[NOT_SUPPORTED_CHANGE_COLUMN]")
    assert engine.fails("ALTER TABLE wide ALTER COLUMN gone TYPE INT").startswith("[UNRESOLVED_COLUMN")
    assert engine.fails("ALTER TABLE wide ALTER COLUMN id SET NOT NULL").startswith("[UNSUPPORTED_FEATURE]")


def test_a_cached_query_is_a_view_of_its_session(engine: EngineDriver, other: EngineDriver) -> None:
    engine.run("CACHE LAZY TABLE cached AS SELECT 1 AS a", "CACHE TABLE cached")
    assert engine.rows("SELECT * FROM cached") == [(1,)]
    assert engine.fails("CACHE TABLE cached AS SELECT 2 AS a").startswith("[TABLE_OR_VIEW_ALREADY_EXISTS]")
    assert other.fails("CACHE TABLE cached").startswith("[TABLE_OR_VIEW_NOT_FOUND]")
    assert other.fails("UNCACHE TABLE cached").startswith("[TABLE_OR_VIEW_NOT_FOUND]")
    other.run("UNCACHE TABLE IF EXISTS cached", "CLEAR CACHE")
    engine.run("UNCACHE TABLE cached", "DROP VIEW cached")


def test_names_of_columns_and_tables_change(engine: EngineDriver) -> None:
    engine.run(
        "CREATE OR REPLACE TABLE called (a INT, day STRING) PARTITIONED BY (day)",
        "ALTER TABLE called RENAME COLUMN day TO since",
        "ALTER TABLE called RENAME TO recalled",
        "INSERT INTO recalled VALUES (1, 'x'), (2, 'y')",
        "INSERT OVERWRITE recalled PARTITION (since = 'x') SELECT 3",
    )
    assert engine.rows("SELECT * FROM recalled ORDER BY a") == [(2, "y"), (3, "x")]
    assert engine.fails("SELECT * FROM called").startswith("[TABLE_OR_VIEW_NOT_FOUND]")
    assert engine.fails("ALTER TABLE recalled RENAME TO recalled").startswith("[TABLE_OR_VIEW_ALREADY_EXISTS]")
    assert engine.fails("ALTER TABLE recalled RENAME TO elsewhere.recalled").startswith("[UNSUPPORTED_FEATURE]")
    engine.run("DROP TABLE recalled")


def test_a_text_fits_into_its_column(engine: EngineDriver) -> None:
    engine.run(
        "CREATE OR REPLACE TABLE short (id INT, code VARCHAR(3))",
        "INSERT INTO short VALUES (1, 'abc'), (2, 'ab   ')",
        "ALTER TABLE short ADD COLUMN more VARCHAR(1)",
    )
    assert engine.rows("SELECT code FROM short ORDER BY id") == [("abc",), ("ab ",)]
    for statement in ("INSERT INTO short VALUES (3, 'abcd', 'x')", "UPDATE short SET more = 'xy'"):
        assert engine.fails(statement).startswith("[EXCEED_LIMIT_LENGTH]")
    assert engine.rows("DESCRIBE short")[1:] == [("code", "varchar(3)", None), ("more", "varchar(1)", None)]


def test_rows_are_inserted_by_the_names_of_their_columns(engine: EngineDriver) -> None:
    engine.run(
        "CREATE OR REPLACE TABLE by_name (a INT, b STRING)", "INSERT INTO by_name BY NAME SELECT 'x' AS B, 1 AS a"
    )
    assert engine.rows("SELECT * FROM by_name") == [(1, "x")]
    assert engine.fails("INSERT INTO by_name BY NAME SELECT 1 AS a, 'x' AS c").startswith(
        "[INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_FIND_DATA]"
    )


def test_a_partition_of_an_insert(engine: EngineDriver) -> None:
    engine.run(
        "CREATE OR REPLACE TABLE parts (a INT, d DATE, n INT) PARTITIONED BY (d, n)",
        "INSERT INTO parts PARTITION (d = '2024-01-01', n = 1) VALUES (1)",
        "INSERT INTO parts PARTITION (d = DATE '2024-01-02', n) SELECT 2, 5",
        "INSERT OVERWRITE parts PARTITION (d = '2024-01-01', n = 1) SELECT 9",
    )
    days = [datetime.date(2024, 1, day) for day in (1, 2)]
    assert engine.rows("SELECT a, d, n FROM parts ORDER BY a") == [(2, days[1], 5), (9, days[0], 1)]
    assert engine.fails("INSERT INTO parts PARTITION (a = 1) SELECT 1, 2").startswith("[NON_PARTITION_COLUMN]")


def test_what_shows_a_table_and_a_plan(engine: EngineDriver) -> None:
    engine.run("CREATE OR REPLACE TABLE shown (id INT NOT NULL, t VARCHAR(5), d DATE) PARTITIONED BY (days(d))")
    assert engine.rows("SHOW COLUMNS IN shown") == [("id",), ("t",), ("d",)]
    ((text,),) = engine.rows("SHOW CREATE TABLE shown")
    assert text == (
        "CREATE TABLE spark_catalog.default.shown (\n  id INT NOT NULL,\n  t VARCHAR(5),\n  d DATE)\n"
        "USING iceberg\nPARTITIONED BY (days(d))"
    )
    engine.run("DROP TABLE shown", text, "INSERT INTO shown VALUES (2, NULL, NULL)")
    assert engine.rows("DESCRIBE shown")[1] == ("t", "varchar(5)", None)
    ((plan,),) = engine.rows("EXPLAIN SELECT id FROM shown WHERE id > 1")
    assert "shown" in plan
    assert engine.fails("EXPLAIN DELETE FROM shown").startswith("[UNSUPPORTED_FEATURE]")


def test_a_column_has_one_srid(engine: EngineDriver) -> None:
    engine.run("CREATE OR REPLACE TABLE srids AS SELECT 1 AS id, ST_SetSRID(ST_Point(1, 2), 3857) AS g")
    assert engine.rows("SELECT ST_SRID(g) AS s FROM srids") == [(3857,)]
    assert "the column g has the SRID 3857, and these rows have 4326" in engine.fails(
        "INSERT INTO srids VALUES (2, ST_SetSRID(ST_Point(1, 2), 4326))"
    )
    mixed = engine.fails(
        "CREATE TABLE mixed AS SELECT ST_GeomFromEWKT('SRID=3857;POINT(1 2)') AS g UNION ALL"
        " SELECT ST_GeomFromEWKT('SRID=4326;POINT(1 2)')"
    )
    assert mixed.startswith("[UNSUPPORTED_FEATURE]")
    assert "several SRIDs" in engine.fails("UPDATE srids SET g = ST_SetSRID(g, 4326)")
    engine.run("INSERT INTO srids VALUES (3, CAST(NULL AS GEOMETRY))")
    assert engine.rows("SELECT g FROM srids ORDER BY id") == [("SRID=3857;POINT (1 2)",), (None,)]
    engine.run("CREATE OR REPLACE TABLE declared (g GEOMETRY(3857))")
    engine.run("INSERT INTO declared VALUES (ST_SetSRID(ST_Point(1, 2), 3857))")
    assert engine.rows("SELECT ST_SRID(g) AS s FROM declared") == [(3857,)]


def test_lists(engine: EngineDriver) -> None:
    engine.run(
        "CREATE DATABASE IF NOT EXISTS listed.one",
        "CREATE SCHEMA IF NOT EXISTS listed.`two.2`",
        "CREATE TABLE IF NOT EXISTS listed.one.tab (a INT)",
        "CREATE OR REPLACE VIEW listed.one.vue AS SELECT a AS b FROM listed.one.tab",
    )
    assert engine.table("SHOW SCHEMAS IN listed").to_pydict() == {"namespace": ["one", "two.2"]}
    assert engine.rows("SHOW DATABASES IN listed LIKE 'ON*|x'") == [("one",)]
    assert {"listed", "spark_catalog"} <= {name for (name,) in engine.rows("SHOW CATALOGS")}
    assert engine.table("SHOW TABLES IN listed.one").to_pylist() == [
        {"namespace": "one", "tableName": "tab", "isTemporary": False}
    ]
    assert engine.table("SHOW VIEWS IN listed.one").to_pylist() == [
        {"namespace": "one", "viewName": "vue", "isTemporary": False}
    ]
    assert engine.rows("DESCRIBE listed.one.vue") == [("b", "int", None)]
    engine.run(
        "CREATE OR REPLACE TABLE listed.one.tab AS SELECT current_timestamp() AS t, array(named_struct('x', 1)) AS s"
    )
    assert engine.rows("DESC TABLE EXTENDED listed.one.tab") == [
        ("t", "timestamp", None),
        ("s", "array<struct<x:int>>", None),
    ]
    engine.run("DROP TABLE listed.one.tab", "CREATE TABLE listed.one.tab (a INT)")
    assert engine.fails("SHOW TABLES IN a.b.c").startswith("[UNSUPPORTED_FEATURE]")
    assert engine.fails("SHOW SCHEMAS IN nowhere").startswith("[CATALOG_NOT_FOUND]")
    assert engine.fails("SHOW TABLES IN nowhere.s").startswith("[SCHEMA_NOT_FOUND]")


def test_temporary_views_belong_to_the_session(engine: EngineDriver, other: EngineDriver) -> None:
    engine.run(
        "CREATE OR REPLACE TABLE base AS SELECT 1 AS a",
        "CREATE OR REPLACE TEMPORARY VIEW mine AS SELECT a FROM base",
        "CREATE DATABASE IF NOT EXISTS elsewhere",
        "USE elsewhere",
    )
    assert engine.rows("SELECT * FROM mine") == [(1,)]
    assert engine.fails("SELECT * FROM base").startswith("[TABLE_OR_VIEW_NOT_FOUND]")
    assert ("", "mine", True) in engine.rows("SHOW VIEWS")
    engine.run("USE spark_catalog.default", "INSERT INTO base VALUES (2)")
    assert engine.rows("SELECT count(*) FROM mine") == [(2,)]
    assert other.fails("SELECT * FROM mine").startswith("[TABLE_OR_VIEW_NOT_FOUND]")
    engine.run("DROP VIEW mine")
    assert engine.fails("SELECT * FROM mine").startswith("[TABLE_OR_VIEW_NOT_FOUND]")


def test_a_cancel_interrupts_one_statement_and_no_other(engine: EngineDriver) -> None:
    engine.run("CREATE OR REPLACE TABLE kept AS SELECT 1 AS a")

    async def cancel() -> None:
        long = asyncio.ensure_future(engine.execution(ENDLESS))
        change = asyncio.ensure_future(engine.execution(f"UPDATE kept SET a = CAST(({ENDLESS}) AS INT)"))
        waiting = asyncio.ensure_future(engine.execution(f"UPDATE kept SET a = CAST(2 + ({ENDLESS}) AS INT)"))
        beside = engine.new_id()
        await engine.execution("SELECT 5 AS five", execution_id=beside)
        for statement in (long, waiting, change):
            assert not statement.done()
            statement.cancel()
            with pytest.raises(asyncio.CancelledError):
                await statement
        await engine.engine.retrieve(beside, ResultForm())

    engine.wait(cancel())
    assert engine.rows("SELECT a FROM kept") == [(1,)]
    engine.run("UPDATE kept SET a = 3")
    assert engine.rows("SELECT a FROM kept") == [(3,)]


def test_a_statement_that_cannot_be_interrupted_ends_the_process(
    apart: EngineDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_CANCEL_SECONDS", 0.0)

    async def cancel() -> None:
        long = asyncio.ensure_future(apart.execution(ENDLESS))
        await asyncio.sleep(0)
        long.cancel()
        with pytest.raises(asyncio.CancelledError):
            await long
        with pytest.raises(EngineDiedError):
            await apart.execution(ENDLESS)

    apart.wait(cancel())


def test_a_process_that_does_not_answer_is_ended_and_the_next_session_has_its_tables(
    apart: EngineDriver, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart.run("CREATE TABLE kept AS SELECT 1 AS a")
    apart.close()
    monkeypatch.setattr(process, "_PING_SECONDS", 0.05)
    monkeypatch.setattr(process, "_SILENCE_SECONDS", 3.0)
    stuck = EngineDriver("stuck", apart.database, runner)
    stuck.wait(stuck.engine.start())
    (found,) = processes_of(apart.root)
    found.suspend()
    with pytest.raises(EngineDiedError, match="has ended"):
        stuck.execute("SELECT 1")
    following = EngineDriver("following", apart.database, runner)
    following.wait(following.engine.start())
    assert following.rows("SELECT * FROM kept") == [(1,)]
    following.close()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT repeat('x', 5000000) AS a FROM range(2000)",
        # The memory of geometries is not DuckDB's.
        "SELECT ST_Buffer(ST_Collect(array_agg(ST_Point(id, id % 7))), 1, false, 'quad_segs=2000') FROM range(20000)",
    ],
)
def test_a_statement_that_needs_more_memory_than_there_may_be_fails_alone(
    apart: EngineDriver, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    apart.close()
    monkeypatch.setattr(process, "_MEMORY", 256 * 1024 * 1024)
    small = EngineDriver("small", apart.database, runner)
    small.wait(small.engine.start())
    small.execute("SELECT 5 AS kept", execution_id="kept")
    assert small.fails(statement).startswith("[OUT_OF_MEMORY]")
    assert pyarrow.ipc.open_stream(small.retrieve("kept", compression="none").data).read_all().to_pylist() == [
        {"kept": 5}
    ]
    small.close()


def test_a_process_that_has_no_memory_to_stop_is_killed(runner: asyncio.Runner) -> None:
    ours, its = multiprocessing.Pipe()
    running = subprocess.Popen(["sleep", "60"])
    its.send((0, None, None))
    started = process.DatabaseProcess(running, ours)

    async def stop() -> None:
        stopping = asyncio.ensure_future(started.stop())
        number, *_ = await asyncio.to_thread(its.recv)
        its.send((number, None, "[OUT_OF_MEMORY] no memory for another statement"))
        await stopping

    runner.run(stop())
    assert running.returncode == -signal.SIGKILL
    its.close()


def test_executions_at_the_same_time_lose_no_change(engine: EngineDriver, other: EngineDriver) -> None:
    engine.run("CREATE OR REPLACE TABLE counted (n INT, by STRING)", "CREATE OR REPLACE TABLE total AS SELECT 0 AS n")

    async def many() -> None:
        changes = [engine.execution(f"INSERT INTO counted VALUES ({n}, 'x')") for n in range(8)]
        updates = [engine.execution("UPDATE total SET n = n + 1") for _ in range(8)]
        await asyncio.gather(*changes, *updates)

    engine.wait(many())
    assert engine.rows("SELECT count(*), sum(n) FROM counted") == [(8, 28)]
    assert other.rows("SELECT n FROM total") == [(8,)]


@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize("file_format", ["parquet", "csv", "geojson"])
def test_stores(engine: EngineDriver, single: bool, file_format: str) -> None:
    address = f"s3://bucket/stored/{file_format}-{single}"
    target = StoreTarget(file_format, single, address)
    statement = "SELECT id AS Id, ST_SetSRID(ST_Point(id, 2), 4326) AS Geom FROM range(2000) ORDER BY id"
    for _ in range(2):  # The second replaces the first.
        executed = engine.execute(statement, store=target)
    assert executed.result_uri == (f"{address}.{file_format}" if single else f"{address}/")
    place = engine.root / executed.result_uri.removeprefix("s3://")
    files = [place] if single else list(place.iterdir())
    assert [path.name for path in files] == [
        f"{file_format}-True.{file_format}" if single else f"part-00000.{file_format}"
    ]
    assert executed.size == files[0].stat().st_size
    assert [path for path in place.parent.iterdir() if path.name.startswith(".")] == []
    if file_format == "parquet":
        found = pyarrow.parquet.ParquetFile(files[0])
        assert (found.schema_arrow.names, found.metadata.num_rows) == (["Id", "Geom"], 2000)
        geo = json.loads(found.metadata.metadata[b"geo"])
        assert geo["columns"]["Geom"]["geometry_types"] == ["Point"]
        assert geo["columns"]["Geom"]["crs"]["id"] == {"authority": "EPSG", "code": 4326}
    elif file_format == "csv":
        lines = files[0].read_text().splitlines()
        assert (lines[0], lines[1999 + 1], len(lines)) == ("Id,Geom", "1999,SRID=4326;POINT (1999 2)", 2001)
    else:
        features = [json.loads(line) for line in files[0].read_text().splitlines()]
        assert len(features) == 2000
        assert features[7] == {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [7.0, 2.0]},
            "properties": {"Id": 7},
        }


def test_a_store_without_rows_has_no_address(engine: EngineDriver) -> None:
    target = StoreTarget("parquet", True, "s3://bucket/stored/nothing")
    assert engine.execute("SELECT 1 AS a WHERE false", store=target) == Executed(has_columns=True)
    assert not list((engine.root / "bucket" / "stored").glob("*nothing*"))


def test_options_of_a_store(engine: EngineDriver) -> None:
    target = StoreTarget("csv", True, "s3://bucket/stored/options", {"header": "false", "sep": ";"})
    engine.execute("SELECT 1 AS a, array(1, 2) AS l, NULL AS n", store=target)
    assert (engine.root / "bucket" / "stored" / "options.csv").read_text() == "1;[1,2];\n"
    wrong = StoreTarget("parquet", True, "s3://bucket/stored/wrong", {"compression": "rar"})
    assert "compression is 'rar', but must be one of snappy" in engine.fails("SELECT 1 AS a", store=wrong)
    plain = StoreTarget("geojson", True, "s3://bucket/stored/plain")
    assert "without a geometry cannot be stored as geojson" in engine.fails("SELECT 1 AS a", store=plain)
    outside = StoreTarget("csv", True, "s3://bucket/../../outside")
    assert "'..'" in engine.fails("SELECT 1 AS a", store=outside)


def test_files_of_the_storage_are_read(engine: EngineDriver) -> None:
    engine.execute("SELECT 1 AS Id, ST_Point(1, 2) AS g", store=StoreTarget("parquet", False, "s3://bucket/folder"))
    # A GeoParquet file that does not name its reference system has that of WGS 84.
    assert engine.rows("SELECT `Id`, g FROM geoparquet.`s3://bucket/folder`") == [(1, WGS84_POINT)]
    # A view would keep the list of its files.
    for kind in ("VIEW", "TEMPORARY VIEW"):
        assert "a view over files" in engine.fails(
            f"CREATE {kind} over_file AS SELECT * FROM parquet.`s3://bucket/folder`"
        )
    assert engine.fails("SELECT * FROM parquet.`s3://bucket/gone`").startswith("[PATH_NOT_FOUND]")


def test_geometries_of_a_file_without_a_reference_system_are_of_wgs_84(engine: EngineDriver) -> None:
    engine.execute("SELECT ST_Point(1, 2) AS g", store=StoreTarget("parquet", True, "s3://bucket/stored/unnamed"))
    file = "geoparquet.`s3://bucket/stored/unnamed.parquet`"
    point = "ST_SetSRID(ST_Point(1, 2), 4326)"
    assert engine.rows(f"SELECT ST_Distance(g, {point}) AS d FROM {file}") == [(0,)]
    engine.run(
        f"CREATE OR REPLACE TABLE unnamed AS SELECT * FROM {file}",
        f"INSERT INTO unnamed SELECT {point}",
        f"INSERT INTO unnamed SELECT * FROM {file}",
    )
    assert engine.rows("SELECT g FROM unnamed") == [(WGS84_POINT,)] * 3


def test_geometries_of_a_file_are_bytes_if_it_is_read_as_parquet(engine: EngineDriver) -> None:
    query = "SELECT ST_SetSRID(ST_Point(1, 2), 4326) AS g"
    engine.execute(query, store=StoreTarget("parquet", True, "s3://bucket/stored/bytes"))
    file = "parquet.`s3://bucket/stored/bytes.parquet`"
    assert engine.rows(f"SELECT g FROM {file}") == [(struct.pack("<BIdd", 1, 1, 1, 2),)]
    assert engine.rows(f"SELECT ST_AsText(ST_GeomFromWKB(g)) AS t FROM {file}") == [("POINT (1 2)",)]


KEYED = {
    "z=1/a=x": (1, "x"),
    "z=01/a=b%20c": (1, "b c"),
    "z=__HIVE_DEFAULT_PARTITION__/a=[é]*": (None, "[é]*"),
    "z=3/a=2024-01/more": (3, "2024-01"),
}


def _write_files(folder: Path, *places: str) -> None:
    for number, place in enumerate(places):
        (folder / place).mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(pyarrow.table({"n": [number]}), folder / place / "f[1]?.parquet")


def test_the_keys_in_the_names_of_folders_are_columns(engine: EngineDriver) -> None:
    """Spark's answers."""
    _write_files(engine.root / "bucket" / "above=1" / "keyed", *KEYED)
    found = engine.table("SELECT * FROM parquet.`s3://bucket/above=1/keyed` ORDER BY n")
    assert {column.name: str(column.type) for column in found.schema} == {"n": "int64", "z": "int32", "a": "string"}
    assert [(row["z"], row["a"]) for row in found.to_pylist()] == list(KEYED.values())
    below = "SELECT * FROM parquet.`s3://bucket/above=1/keyed/z=01`"
    assert engine.table(below).to_pylist() == [{"n": 1, "a": "b c"}]


@pytest.mark.parametrize(
    ("places", "kind"),
    [
        (["k=1", "k=-2"], "int32"),
        (["k=1", "k=3000000000"], "int64"),
        (["k=2024-01-02", "k=2024-12-31"], "date32[day]"),
        (["k=1", "k=x"], "string"),
        (["x/k=true", "x/k=10%3A00"], "string"),
        (["k=1.5", "k=2"], ""),
        (["k=2024-01-02 10%3A00%3A00"], ""),
        (["k=1", "j=2"], ""),
        (["k=1", ""], ""),
        (["x/k=1", "y/k=2"], ""),
        (["k=1/K=2"], ""),
        (["N=1"], ""),
    ],
)
def test_a_key_has_the_type_that_spark_gives_it_or_is_refused(
    engine: EngineDriver, tmp_path_factory: pytest.TempPathFactory, places: list[str], kind: str
) -> None:
    name = tmp_path_factory.mktemp("keys").name
    _write_files(engine.root / "bucket" / name, *places)
    read = f"SELECT * FROM parquet.`s3://bucket/{name}`"
    if kind:
        assert str(engine.table(read).schema.field("k").type) == kind
    else:
        assert engine.fails(read).startswith("[UNSUPPORTED_FEATURE]")


@pytest.mark.parametrize(("statement", "text"), list(read_rows("failures.tsv", {})))
def test_failures_are_of_the_kind_of_the_service(engine: EngineDriver, statement: str, text: str) -> None:
    assert engine.fails(statement).startswith(text)


def test_tables_and_views_are_not_taken_for_each_other(engine: EngineDriver) -> None:
    engine.run("CREATE OR REPLACE TABLE kind_t AS SELECT 1 AS a", "CREATE OR REPLACE VIEW kind_v AS SELECT 1 AS a")
    assert engine.fails("DROP VIEW kind_t").startswith("[EXPECT_VIEW_NOT_TABLE]")
    assert engine.fails("DROP TABLE IF EXISTS kind_v").startswith("[EXPECT_TABLE_NOT_VIEW]")
    assert engine.rows("SELECT * FROM kind_t") == engine.rows("SELECT * FROM kind_v") == [(1,)]
    assert engine.fails("INSERT INTO kind_v VALUES (1)").startswith("[EXPECT_TABLE_NOT_VIEW]")
    assert engine.fails("CREATE TABLE kind_t AS SELECT 1 AS a").startswith("[TABLE_OR_VIEW_ALREADY_EXISTS]")
    assert engine.fails("CREATE OR REPLACE VIEW kind_t AS SELECT 1 AS a").startswith("[TABLE_OR_VIEW_ALREADY_EXISTS]")
    assert engine.fails("INSERT INTO kind_t VALUES (1, 2)").startswith("[INSERT_COLUMN_ARITY_MISMATCH]")


def test_a_process_that_ends_by_itself_ends_its_sessions_and_keeps_what_was_committed(
    apart: EngineDriver, runner: asyncio.Runner
) -> None:
    apart.run(
        "CREATE TABLE kept AS SELECT 1 AS a, ST_SetSRID(ST_Point(1, 2), 4326) AS g",
        "CREATE TABLE declared (g GEOMETRY(3857))",
        "CREATE TABLE late (id INT NOT NULL, g GEOMETRY) PARTITIONED BY (id)",
        "INSERT INTO late VALUES (1, ST_SetSRID(ST_Point(1, 2), 4326))",
        "CREATE TABLE short (code VARCHAR(3), day DATE) PARTITIONED BY (day)",
        "ALTER TABLE short RENAME COLUMN day TO since",
        "ALTER TABLE short RENAME TO renamed",
        "CREATE TEMPORARY VIEW gone AS SELECT 1 AS a",
    )

    async def lose_it() -> None:
        running = asyncio.ensure_future(apart.execution(f"INSERT INTO kept (a) {ENDLESS}"))
        await asyncio.sleep(0)
        (process,) = processes_of(apart.root)
        process.kill()
        with pytest.raises(EngineDiedError, match="the SQL engine has ended, with code -9"):
            await running

    apart.wait(lose_it())
    with pytest.raises(EngineDiedError):
        apart.execute("SELECT 1")
    apart.close()
    following = EngineDriver("fourth", apart.database, runner)
    following.wait(following.engine.start())
    assert following.rows("SELECT * FROM kept") == [(1, WGS84_POINT)]
    following.run("INSERT INTO kept VALUES (2, ST_SetSRID(ST_Point(1, 2), 4326))")
    assert "the column g has the SRID 4326" in following.fails(
        "INSERT INTO kept VALUES (3, ST_SetSRID(ST_Point(1, 2), 3857))"
    )
    following.run("INSERT INTO declared VALUES (ST_Point(1, 2))")
    assert following.rows("SELECT g FROM declared") == [("SRID=3857;POINT (1 2)",)]
    assert following.rows("SELECT g, ST_SRID(g) FROM late") == [(WGS84_POINT, 4326)]
    assert following.fails("INSERT INTO late VALUES (NULL, NULL)").startswith("[NOT_NULL_CONSTRAINT_VIOLATION")
    assert following.fails("INSERT INTO renamed VALUES ('abcd', NULL)").startswith("[EXCEED_LIMIT_LENGTH]")
    following.run("INSERT OVERWRITE renamed PARTITION (since = '2024-01-01') SELECT 'abc'")
    assert following.fails("SELECT * FROM gone").startswith("[TABLE_OR_VIEW_NOT_FOUND]")
    following.close()


def test_the_process_ends_with_the_last_session_and_the_next_one_finds_the_tables(
    apart: EngineDriver, runner: asyncio.Runner
) -> None:
    apart.run("CREATE TABLE kept AS SELECT ST_SetSRID(ST_Point(1, 2), 4326) AS g")
    (process,) = processes_of(apart.root)
    apart.close()
    apart.close()
    assert not process.is_running()
    with pytest.raises(EngineDiedError, match="the session has ended"):
        apart.execute("SELECT 1")
    following = EngineDriver("next", apart.database, runner)
    following.wait(following.engine.start())
    assert following.rows("SELECT g FROM kept") == [(WGS84_POINT,)]
    following.close()


def test_a_session_that_is_ended_while_it_starts_leaves_no_process(tmp_path: Path, runner: asyncio.Runner) -> None:
    own_folder(tmp_path)
    driver = EngineDriver("brief", Database(tmp_path), runner)

    async def end() -> list[psutil.Process]:
        starting = asyncio.ensure_future(driver.engine.start())
        while not (found := processes_of(tmp_path)):  # noqa: ASYNC110 - nothing tells that a process has begun
            await asyncio.sleep(0.01)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        return found

    (process,) = driver.wait(end())
    driver.close()
    process.wait(60)
    assert not process.is_running()


def test_without_the_extra_the_session_says_what_to_install(
    tmp_path: Path, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same in an environment that really lacks it: ``test_bare_install.py``."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    driver = EngineDriver("none", Database(tmp_path), runner)
    with pytest.raises(EngineError, match=r"\(duckdb, .*\): pip install 'wherobots-local\[sql\]'"):
        driver.wait(driver.engine.start())


def test_a_client_of_the_server_gets_rows_and_stores(tmp_path: Path) -> None:
    own_folder(tmp_path)
    with LocalServer(tmp_path, api_key=KEY) as server:
        client = SqlClient(server.url, server.root)
        with client.open(client.ready()) as socket:
            _, state = socket.run("CREATE TABLE spots AS SELECT 1 AS id, ST_SetSRID(ST_Point(1, 2), 4326) AS geom")
            assert state["state"] == "succeeded"
            assert socket.rows("SELECT * FROM spots") == [{"id": 1, "geom": WGS84_POINT}]
            _, state = socket.run("SELECT * FROM spots", store={"format": "csv", "single": True})
            stored = server.root / state["result_uri"].removeprefix("s3://")
            assert stored.read_text() == f"id,geom\n1,{WGS84_POINT}\n"
            assert state["size"] == stored.stat().st_size
            execution_id = socket.begin(ENDLESS)
            socket.send("cancel", execution_id)
            assert socket.receive() == {"kind": "state_updated", "execution_id": execution_id, "state": "cancelled"}
            assert socket.rows("SELECT id FROM spots") == [{"id": 1}]
        assert processes_of(server.root)
    assert not processes_of(tmp_path)


def test_the_vendors_client_works_with_tables(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    own_folder(tmp_path)
    certfile, keyfile = certificate
    with LocalServer(tmp_path, api_key=KEY, certfile=certfile, keyfile=keyfile) as server:
        found = vendor_client("vendor_client_uses_sedona.py", server.url.removeprefix("https://"), certificate[0])
    assert found["changed"] == []
    assert found["places"] == [{"id": 1, "name": "O'Hare", "geom": WGS84_POINT}]
    assert (found["cut"], found["stored"]) == (1000, "1499")
    assert found["tables"] == [{"namespace": "gis", "tableName": "places", "isTemporary": False}]
    assert found["failed"].startswith("OperationalError: [TABLE_OR_VIEW_NOT_FOUND]")
