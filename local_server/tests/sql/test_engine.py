"""The engine with SedonaDB, really installed, in a child process."""

# ruff: noqa: S608 - the statements are made of the tests' own constants.

from __future__ import annotations

import asyncio
import datetime
import importlib.util
import json
import os
import re
import signal
import struct
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import psutil
import pyarrow
import pyarrow.parquet
import pytest

from local_server.tests.sql_support import SqlClient
from local_server.tests.support import KEY
from local_server.tests.vendor_clients.programs import vendor_client
from wherobots_local import LocalServer
from wherobots_local.execution.workspace import own_folder
from wherobots_local.sql.dialect.functions import EXPRESSED, RENAMED
from wherobots_local.sql.engine import (
    EngineDiedError,
    EngineError,
    Executed,
    ResultForm,
    Serialized,
    StoreTarget,
)
from wherobots_local.sql.sedona import child_process
from wherobots_local.sql.sedona.engine import SedonaEngine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

T = TypeVar("T")

ENDLESS = "SELECT sum(sqrt(a.id * b.id)) AS x FROM range(10000000) a JOIN range(10000000) b ON a.id <> b.id"
WGS84_POINT = "SRID=4326;POINT(1 2)"


class EngineDriver:
    """Drives the engine of one session from a test that is not asynchronous."""

    def __init__(self, session_id: str, root: Path) -> None:
        self._runner = asyncio.Runner()
        self.session_id = session_id
        self.root = root
        self.steps: list[tuple[int, int, int]] = []
        self._number = 0
        own_folder(root)
        self.engine = SedonaEngine(session_id, root)

    def wait(self, awaitable: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await awaitable

        return self._runner.run(awaited())

    def do(self, work: Callable[[], Awaitable[T]]) -> T:
        async def done() -> T:
            return await work()

        return self._runner.run(done())

    def new_id(self) -> str:
        self._number += 1
        return f"e{self._number}"

    def execution(self, statement: str, **options: Any) -> Awaitable[Executed]:
        """What executes a statement."""
        options = {"store": None, "max_rows": 1000, "execution_id": self.new_id(), **options}
        return self.engine.execute(
            options["execution_id"], statement, options["store"], options["max_rows"], self._progress
        )

    def execute(self, statement: str, **options: Any) -> Executed:
        return self.wait(self.execution(statement, **options))

    def retrieve(self, execution_id: str, **form: str) -> Serialized:
        return self.wait(self.engine.retrieve(execution_id, ResultForm(**form)))

    def table(self, statement: str, *, max_rows: int | None = 1000, geometry: str = "ewkt") -> Any:
        execution_id = self.new_id()
        assert self.execute(statement, execution_id=execution_id, max_rows=max_rows).has_columns
        form = {"compression": "none", "geometry": geometry}
        return pyarrow.ipc.open_stream(self.retrieve(execution_id, **form).data).read_all()

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.table(statement).to_pylist()]

    def value(self, expression: str) -> Any:
        ((value,),) = self.rows(f"SELECT {expression} AS x")
        return value

    def run(self, *statements: str) -> None:
        for statement in statements:
            assert not self.execute(statement).has_columns, statement

    def fails(self, statement: str, **options: Any) -> str:
        with pytest.raises(EngineError) as raised:
            self.execute(statement, **options)
        return str(raised.value)

    def close(self) -> None:
        self.wait(self.engine.kill())
        self._runner.close()

    def child(self) -> psutil.Process:
        """The process with SedonaDB."""
        (found,) = children_of(str(self.root / ".wherobots-local" / "sql" / "sessions" / self.session_id))
        return found

    def _progress(self, *step: int) -> None:
        total, completed, active = step
        self.steps.append((total, completed, active))


def children_of(place: str) -> list[psutil.Process]:
    """The processes with SedonaDB that work below a folder."""
    mine = psutil.Process().children(recursive=True)
    return [found for found in mine if str(child_process.CHILD) in _arguments(found)[1:2] and place in found.cwd()]


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root whose name has characters that mean something in SQL, in a folder that is too long for a socket."""
    root = tmp_path_factory.mktemp("a" * 100) / 'it\'s 50% "data"'
    (root / "bucket").mkdir(parents=True)
    return root


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[EngineDriver]:
    driver = EngineDriver("first", folder)
    driver.wait(driver.engine.start())
    yield driver
    driver.close()


@pytest.fixture
def other(folder: Path) -> Iterator[EngineDriver]:
    """Another session on the same root."""
    driver = EngineDriver("second", folder)
    driver.wait(driver.engine.start())
    yield driver
    driver.close()


def test_types_are_those_that_clients_know(engine: EngineDriver) -> None:
    found = engine.table(
        "SELECT 1 AS i, CAST(1 AS INT) AS n, 'x' AS s, CAST(5 AS STRING) AS v, 1.5 AS d, true AS b,"
        " CAST('2.5' AS DECIMAL(10, 2)) AS c, DATE '2024-05-06' AS day, TIMESTAMP '2024-05-06 07:08:09.123456' AS ts,"
        " now() AS t, X'01ff' AS bin,"
        " array(1, 2) AS l, named_struct('a', CAST('y' AS STRING)) AS st, NULL AS none,"
        " ST_SRID(ST_Point(1, 2)) AS u, size(array('a')) AS z"
    )
    assert {column.name: str(column.type) for column in found.schema} == {
        **{"i": "int64", "n": "int32", "s": "string", "v": "string", "d": "double", "c": "decimal128(10, 2)"},
        **{"b": "bool", "day": "date32[day]", "ts": "timestamp[us]", "t": "timestamp[us]", "bin": "binary"},
        **{"l": "list<item: int64>", "st": "struct<a: string>", "none": "string", "u": "int64", "z": "int64"},
    }
    row = found.drop_columns(["t"]).to_pylist()[0]
    assert row["ts"] == datetime.datetime(2024, 5, 6, 7, 8, 9, 123456)
    assert (row["c"], row["bin"], row["l"], row["st"]) == (Decimal("2.50"), b"\x01\xff", [1, 2], {"a": "y"})


def test_literals_are_read_as_spark_reads_them(engine: EngineDriver) -> None:
    assert engine.rows(r"SELECT 'it\'s', 'O''Brien', 'a\\b', '\u00fc\n', 'a_b' LIKE 'a\_b', 'axb' LIKE 'a\_b'") == [
        ("it's", "OBrien", "a\\b", "ü\n", True, False)
    ]


def test_columns_are_named_as_the_service_names_them(engine: EngineDriver) -> None:
    found = engine.table("SELECT 1, 'two', count(*), MAX(Id) AS TheMax, min(id) FROM VALUES (1) AS t(Id)")
    assert found.column_names == ["1", "two", "count(1)", "TheMax", "min(id)"]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("ewkt", [WGS84_POINT, None, "POINT(3 4)"]),
        ("wkt", ["POINT(1 2)", None, "POINT(3 4)"]),
        ("wkb", [struct.pack("<BIdd", 1, 1, 1, 2), None, struct.pack("<BIdd", 1, 1, 3, 4)]),
        ("ewkb", [struct.pack("<BIIdd", 1, 0x20000001, 4326, 1, 2), None, struct.pack("<BIdd", 1, 1, 3, 4)]),
        ("geojson", [{"type": "Point", "coordinates": [1, 2]}, None, {"type": "Point", "coordinates": [3, 4]}]),
    ],
)
def test_geometries(engine: EngineDriver, form: str, expected: list[Any]) -> None:
    execution_id = engine.new_id()
    engine.execute(
        "SELECT 1 AS id, ST_GeomFromEWKT('SRID=4326;POINT(1 2)') AS Geom UNION ALL SELECT 2, NULL"
        " UNION ALL SELECT 3, ST_GeomFromEWKT('POINT(3 4)') ORDER BY id",
        execution_id=execution_id,
    )
    found = engine.retrieve(execution_id, compression="none", geometry=form)
    assert found.geo_columns == ("Geom",)
    values = pyarrow.ipc.open_stream(found.data).read_all().column("Geom").to_pylist()
    assert [json.loads(value) if form == "geojson" and value else value for value in values] == expected


def test_a_geometry_with_a_type_for_all_rows_has_its_srid(engine: EngineDriver) -> None:
    assert engine.value("ST_SetSRID(ST_Point(1, 2), 3857)") == "SRID=3857;POINT(1 2)"
    assert engine.value("ST_Transform(ST_SetSRID(ST_Point(0, 0), 4326), 'EPSG:3857')").startswith("SRID=3857;POINT(")
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
    assert json.loads(found.data) == [{"id": 1, "day": "2024-01-02", "g": "POINT(1 2)"}]


@pytest.mark.parametrize(("rows", "kept", "is_cut"), [(999, 999, False), (1000, 1000, False), (1001, 1000, True)])
def test_results_are_cut_at_the_limit(engine: EngineDriver, rows: int, kept: int, is_cut: bool) -> None:
    execution_id = engine.new_id()
    executed = engine.execute(f"SELECT id AS v FROM range({rows}) ORDER BY id DESC", execution_id=execution_id)
    assert executed == Executed(has_columns=True, is_cut=is_cut)
    found = pyarrow.ipc.open_stream(engine.retrieve(execution_id, compression="none").data).read_all()
    assert found.column("v").to_pylist() == list(range(rows - 1, rows - 1 - kept, -1))


def test_without_a_limit_all_rows_come_back_in_order(engine: EngineDriver) -> None:
    found = engine.table("SELECT id AS v, ST_Point(id, id) AS g FROM range(50000) ORDER BY id DESC", max_rows=None)
    assert found.column("v").to_pylist() == list(range(49_999, -1, -1))
    assert found.column("g").to_pylist()[:2] == ["POINT(49999 49999)", "POINT(49998 49998)"]


def test_an_empty_result_has_its_columns(engine: EngineDriver) -> None:
    found = engine.table("SELECT 1 AS id, ST_Point(1, 2) AS g WHERE false")
    assert (found.column_names, found.num_rows) == (["id", "g"], 0)


def test_what_changes_something_has_no_columns(engine: EngineDriver) -> None:
    for statement in ("CREATE OR REPLACE TABLE ddl AS SELECT 1 AS a", "INSERT INTO ddl VALUES (2)", "DROP TABLE ddl"):
        execution_id = engine.new_id()
        assert engine.execute(statement, execution_id=execution_id) == Executed(has_columns=False)
        found = engine.retrieve(execution_id, compression="none")
        assert pyarrow.ipc.open_stream(found.data).read_all().num_columns == 0


def test_null_is_the_smallest_value(engine: EngineDriver) -> None:
    rows = "SELECT a FROM VALUES (1), (NULL), (0) AS v(a) ORDER BY a"
    assert engine.rows(rows) == [(None,), (0,), (1,)]
    assert engine.rows(f"{rows} DESC") == [(1,), (0,), (None,)]


def test_a_plan_is_one_row(engine: EngineDriver) -> None:
    ((plan,),) = engine.rows("EXPLAIN SELECT 1")
    assert "physical_plan" in plan


def test_columns_of_a_table_are_named_as_the_service_names_them(engine: EngineDriver) -> None:
    engine.run("CREATE OR REPLACE TABLE named AS SELECT 1, count(*) FROM range(3)")
    assert engine.table("SELECT * FROM named").column_names == ["1", "count(1)"]


def test_progress_is_one_task(engine: EngineDriver) -> None:
    engine.steps.clear()
    engine.rows("SELECT 1")
    assert engine.steps == [(1, 0, 1), (1, 1, 0)]


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
        "INSERT INTO org.gis.places (name, id) VALUES ('two', '2'), ('three', 3)",
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
        (2, "TWO", "SRID=4326;POINT(2 2)", None, None, None),
    ]
    engine.run("DELETE FROM org.gis.places WHERE price > 1000")
    assert len(engine.rows(everything)) == 2  # A condition that is NULL keeps the row.
    engine.run("INSERT OVERWRITE org.gis.places (id) SELECT 9", "DROP TABLE IF EXISTS org.gis.nothing")
    assert engine.rows(everything) == [(9, None, None, None, None, None)]
    engine.run("TRUNCATE TABLE org.gis.places")
    assert engine.rows(everything) == []
    engine.run("DROP TABLE org.gis.places", "DROP SCHEMA org.gis")
    assert engine.fails(everything).startswith("[TABLE_OR_VIEW_NOT_FOUND]")


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


def test_nothing_but_a_query_is_carried_out_for_its_rows(engine: EngineDriver, tmp_path: Path) -> None:
    place = tmp_path / "out.csv"
    for explain in ("EXPLAIN ANALYZE", "EXPLAIN ANALYZE VERBOSE", "EXPLAIN", "EXPLAIN (ANALYZE)", "("):
        assert engine.fails(f"{explain} COPY (SELECT 1 AS a) TO '{place}'")
    assert not place.exists()
    place.write_text("a\n1\n")
    for text in (f"SELECT * FROM `{place}`", f"SELECT * FROM t, c.s.`file://{place}`", f"TABLE `{place}`"):
        assert engine.fails(text).startswith("not supported by the local server: the name"), text
    for text in (f"SELECT * FROM t UNION TABLE `{place}`", f"SELECT 1 IN (TABLE `{place}`)", f"TABLE '{place}'"):
        assert engine.fails(text), text
    assert engine.fails("SELECT 1 AS a INTO lost").startswith("not supported by the local server: SELECT ... INTO")
    assert engine.fails("SELECT * FROM lost").startswith("[TABLE_OR_VIEW_NOT_FOUND]")


def test_a_table_without_a_name_harms_no_other(engine: EngineDriver) -> None:
    engine.run("CREATE OR REPLACE TABLE unharmed AS SELECT 1 AS a")
    for text in ("ALTER TABLE unharmed RENAME TO ``", "CREATE TABLE `` AS SELECT 1 AS b", "DROP SCHEMA ``", "USE ``"):
        assert "a name is empty" in engine.fails(text)
    assert engine.rows("SELECT a FROM unharmed") == [(1,)]


def test_merge_of_geometries(engine: EngineDriver) -> None:
    engine.run(
        "CREATE OR REPLACE TABLE shapes AS SELECT 1 AS id, ST_SetSRID(ST_Point(1, 1), 3857) AS g",
        "MERGE INTO shapes USING (SELECT 1 AS id, ST_SetSRID(ST_Point(2, 2), 3857) AS g UNION ALL"
        " SELECT 2, ST_SetSRID(ST_Point(3, 3), 3857)) s ON shapes.id = s.id"
        " WHEN MATCHED THEN UPDATE SET g = s.g WHEN NOT MATCHED THEN INSERT (id, g) VALUES (s.id, s.g)",
    )
    assert engine.rows("SELECT g FROM shapes ORDER BY id") == [("SRID=3857;POINT(2 2)",), ("SRID=3857;POINT(3 3)",)]


def test_changes_of_columns(engine: EngineDriver) -> None:
    engine.run(
        "CREATE OR REPLACE TABLE altered AS SELECT 1 AS a, 'x' AS b",
        "ALTER TABLE altered ADD COLUMNS (c INT COMMENT 'new', g GEOMETRY)",
        "ALTER TABLE altered RENAME COLUMN a TO id",
        "ALTER TABLE altered DROP COLUMN b",
        "DROP TABLE IF EXISTS renamed",
        "ALTER TABLE altered RENAME TO renamed",
        "INSERT INTO renamed VALUES (2, 3, ST_SetSRID(ST_Point(1, 2), 4326))",
    )
    assert engine.rows("DESCRIBE TABLE renamed") == [
        ("id", "bigint", None),
        ("c", "int", None),
        ("g", "geometry", None),
    ]
    assert engine.rows("SELECT * FROM renamed ORDER BY id") == [(1, None, None), (2, 3, WGS84_POINT)]
    assert engine.fails("SELECT * FROM altered").startswith("[TABLE_OR_VIEW_NOT_FOUND]")
    assert "Did you mean one of the following? [id, c, g]" in engine.fails("ALTER TABLE renamed DROP COLUMN b")


def test_a_table_with_one_geometry_keeps_its_type(engine: EngineDriver) -> None:
    """SedonaDB loses it where all geometries of a file are equal, unless its statistics are off."""
    engine.run("CREATE OR REPLACE TABLE one AS SELECT ST_Point(1, 2) AS g UNION ALL SELECT ST_Point(1, 2)")
    assert engine.rows("SELECT ST_X(g) AS x, ST_AsEWKT(g) AS w FROM one WHERE ST_X(g) = 1 LIMIT 1") == [
        (1.0, "POINT(1 2)")
    ]


def test_a_column_has_one_srid(engine: EngineDriver) -> None:
    engine.run("CREATE OR REPLACE TABLE srids AS SELECT 1 AS id, ST_SetSRID(ST_Point(1, 2), 3857) AS g")
    assert engine.rows("SELECT ST_SRID(g) AS s FROM srids") == [(3857,)]
    assert "the column g has the SRID 3857, and these rows have 4326" in engine.fails(
        "INSERT INTO srids VALUES (2, ST_SetSRID(ST_Point(1, 2), 4326))"
    )
    assert "several SRIDs in the column g (0, 3857)" in engine.fails(
        "CREATE TABLE mixed AS SELECT ST_GeomFromEWKT('SRID=3857;POINT(1 2)') AS g UNION ALL"
        " SELECT ST_GeomFromEWKT('POINT(1 2)')"
    )
    engine.run("UPDATE srids SET g = ST_SetSRID(g, 4326)")
    assert engine.rows("SELECT g FROM srids") == [(WGS84_POINT,)]


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
    assert engine.rows("SHOW COLUMNS IN listed.one.tab") == [("a",)]
    assert engine.fails("SHOW SCHEMAS IN nowhere").startswith("[CATALOG_NOT_FOUND]")
    assert engine.fails("SHOW TABLES IN nowhere.s").startswith("[SCHEMA_NOT_FOUND]")


def test_tables_and_views_are_seen_by_other_sessions(engine: EngineDriver, other: EngineDriver) -> None:
    engine.run(
        "CREATE OR REPLACE TABLE shared AS SELECT 1 AS a",
        "CREATE OR REPLACE VIEW seen AS SELECT a + 1 AS b FROM shared",
    )
    assert other.rows("SELECT * FROM seen") == [(2,)]
    other.run("INSERT INTO shared VALUES (10)")
    assert engine.rows("SELECT b FROM seen ORDER BY b") == [(2,), (11,)]
    engine.run("DROP TABLE shared")
    assert other.fails("SELECT * FROM shared").startswith("[TABLE_OR_VIEW_NOT_FOUND]")


def test_temporary_views_and_settings_belong_to_the_session(engine: EngineDriver, other: EngineDriver) -> None:
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
    assert engine.rows("SET spark.sql.x = 5") == [("spark.sql.x", "5")]
    assert other.rows("SET spark.sql.x") == [("spark.sql.x", "<undefined>")]
    engine.run("DROP VIEW mine")
    assert engine.fails("SELECT * FROM mine").startswith("[TABLE_OR_VIEW_NOT_FOUND]")


def test_a_cancel_ends_the_process_and_nothing_is_lost(engine: EngineDriver) -> None:
    engine.run(
        "CREATE OR REPLACE TABLE kept AS SELECT 1 AS a", "CREATE OR REPLACE TEMP VIEW kept_view AS SELECT a FROM kept"
    )
    engine.rows("SET spark.sql.y = kept")
    rows = engine.new_id()
    engine.execute("SELECT 5 AS five", execution_id=rows)
    process = engine.child()

    async def cancel() -> None:
        long = asyncio.ensure_future(engine.execution(ENDLESS))
        change = asyncio.ensure_future(engine.execution(f"UPDATE kept SET a = ({ENDLESS})"))
        await asyncio.sleep(1.5)
        assert not long.done()
        long.cancel()
        with pytest.raises(asyncio.CancelledError):
            await long
        with pytest.raises(EngineError, match="another statement of the same session was cancelled"):
            await change

    engine.do(cancel)
    assert not process.is_running()
    assert engine.rows("SELECT a FROM kept_view") == [(1,)]
    assert engine.rows("SET spark.sql.y") == [("spark.sql.y", "kept")]
    found = pyarrow.ipc.open_stream(engine.retrieve(rows, compression="none").data).read_all()
    assert found.to_pylist() == [{"five": 5}]
    assert engine.child().pid != process.pid


def test_a_cancel_while_the_process_starts_anew_loses_no_view(
    engine: EngineDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.run("CREATE OR REPLACE TEMP VIEW resumed AS SELECT 7 AS a")

    async def cancel_twice() -> None:
        long = asyncio.ensure_future(engine.execution(ENDLESS))
        await asyncio.sleep(0.3)
        long.cancel()
        with pytest.raises(asyncio.CancelledError):
            await long
        asked = asyncio.Event()

        async def never(*_: Any) -> Any:
            asked.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(child_process.ChildProcess, "ask", never)
        following = asyncio.ensure_future(engine.execution("SELECT 1"))
        await asked.wait()
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following
        monkeypatch.undo()

    engine.do(cancel_twice)
    assert engine.rows("SELECT a FROM resumed") == [(7,)]


def test_rows_are_retrieved_while_another_statement_is_cancelled(
    engine: EngineDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = engine.new_id()
    engine.execute("SELECT 5 AS five", execution_id=rows)
    ask = child_process.ChildProcess.ask

    async def retrieve() -> Serialized:
        long = asyncio.ensure_future(engine.execution(ENDLESS))
        await asyncio.sleep(0.3)

        async def asked_late(child: child_process.ChildProcess, *request: Any) -> Any:
            long.cancel()
            await asyncio.wait([long])
            return await ask(child, *request)

        monkeypatch.setattr(child_process.ChildProcess, "ask", asked_late)
        return await engine.engine.retrieve(rows, ResultForm(compression="none"))

    assert pyarrow.ipc.open_stream(engine.do(retrieve).data).read_all().to_pylist() == [{"five": 5}]


def test_executions_at_the_same_time_lose_no_change(engine: EngineDriver, other: EngineDriver) -> None:
    engine.run("CREATE OR REPLACE TABLE counted (n INT, by STRING)", "CREATE OR REPLACE TABLE total AS SELECT 0 AS n")

    async def many() -> None:
        changes = [engine.execution(f"INSERT INTO counted VALUES ({n}, 'x')") for n in range(8)]
        updates = [engine.execution("UPDATE total SET n = n + 1") for _ in range(8)]
        await asyncio.gather(*changes, *updates)

    engine.do(many)
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
        assert geo["columns"] == {"Geom": {"encoding": "WKB", "geometry_types": []}}
    elif file_format == "csv":
        lines = files[0].read_text().splitlines()
        assert (lines[0], lines[1999 + 1], len(lines)) == ("Id,Geom", '1999,"SRID=4326;POINT(1999 2)"', 2001)
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
    assert (engine.root / "bucket" / "stored" / "options.csv").read_text() == '1;"[1, 2]";\n'
    wrong = StoreTarget("parquet", True, "s3://bucket/stored/wrong", {"compression": "rar"})
    assert "compression is 'rar', but must be one of snappy" in engine.fails("SELECT 1 AS a", store=wrong)
    plain = StoreTarget("geojson", True, "s3://bucket/stored/plain")
    assert "without a geometry cannot be stored as geojson" in engine.fails("SELECT 1 AS a", store=plain)
    outside = StoreTarget("csv", True, "s3://bucket/../../outside")
    assert "'..'" in engine.fails("SELECT 1 AS a", store=outside)


def test_files_of_the_storage_are_read(engine: EngineDriver, tmp_path: Path) -> None:
    bucket = engine.root / "bucket"
    (bucket / "in.csv").write_text("id,name\n1,Ada\n2,Grace\n")
    engine.execute("SELECT 1 AS Id, ST_Point(1, 2) AS g", store=StoreTarget("parquet", False, "s3://bucket/folder"))
    assert engine.rows("SELECT name FROM csv.`s3://bucket/in.csv` WHERE id = 2") == [("Grace",)]
    # A file that says that its reference system is unknown has SRID 0.
    assert engine.rows("SELECT `Id`, g FROM geoparquet.`s3://bucket/folder`") == [(1, "POINT(1 2)")]
    engine.run("CREATE OR REPLACE VIEW over_file AS SELECT count(*) AS n FROM csv.`s3://bucket/in.csv`")
    assert engine.rows("SELECT * FROM over_file") == [(2,)]
    assert engine.fails("SELECT * FROM csv.`s3://bucket/gone.csv`").startswith("[PATH_NOT_FOUND]")
    (tmp_path / "secret.csv").write_text("a\n1\n")
    (bucket / "link.csv").symlink_to(tmp_path / "secret.csv")
    assert "outside the server's root" in engine.fails("SELECT * FROM csv.`s3://bucket/link.csv`")


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        (
            "SELECT * FROM gone",
            "[TABLE_OR_VIEW_NOT_FOUND] The table or view spark_catalog.default.gone cannot be found",
        ),
        ("INSERT INTO gone VALUES (1)", "[TABLE_OR_VIEW_NOT_FOUND]"),
        ("UPDATE a.b.gone SET x = 1", "[TABLE_OR_VIEW_NOT_FOUND]"),
        ("DROP TABLE gone", "[TABLE_OR_VIEW_NOT_FOUND]"),
        ("DROP TABLE nowhere.gone", "[TABLE_OR_VIEW_NOT_FOUND]"),
        (
            "SELECT b FROM VALUES (1) AS t(a)",
            "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter",
        ),
        ("SELECT h3_cell(1)", "not supported by the local server: the function h3_cell"),
        ("SELECT 1 +", "[PARSE_SYNTAX_ERROR]"),
        ("SELECT CAST('x' AS INT) AS a", "[CAST_INVALID_INPUT] The value 'x'"),
        ("CREATE TABLE nowhere.t AS SELECT 1 AS a", "[SCHEMA_NOT_FOUND]"),
        ("SELECT 1 AS a, 3 AS A", "not supported by the local server: two columns with the same name"),
        ("CREATE TABLE twice AS SELECT a.id, b.id FROM range(1) a, range(1) b", "[COLUMN_ALREADY_EXISTS]"),
        ("CREATE DATABASE default", "[SCHEMA_ALREADY_EXISTS]"),
        ("USE nowhere", "[SCHEMA_NOT_FOUND]"),
        ("DROP SCHEMA nowhere", "[SCHEMA_NOT_FOUND]"),
        ("DROP SCHEMA default CASCADE", "not supported by the local server, nor by the service"),
        ("CREATE VIEW broken AS SELECT * FROM gone", "[TABLE_OR_VIEW_NOT_FOUND]"),
        ("SELECT 1; SELECT 2", "[PARSE_SYNTAX_ERROR] Syntax error at or near 'SELECT'"),
    ],
)
def test_failures_are_of_the_kind_of_the_service(engine: EngineDriver, statement: str, text: str) -> None:
    assert engine.fails(statement).startswith(text)


def test_a_table_that_cannot_be_read_does_not_harm_others(engine: EngineDriver) -> None:
    engine.run("CREATE OR REPLACE TABLE damaged AS SELECT 1 AS a", "CREATE OR REPLACE TABLE sound AS SELECT 1 AS a")
    (place,) = (engine.root / ".wherobots-local" / "sql" / "warehouse").glob("*/*/damaged")
    for path in place.glob("*.parquet"):
        path.write_bytes(b"damaged")
    (place / "definition.json").touch()
    assert engine.rows("SELECT * FROM sound") == [(1,)]
    assert engine.fails("SELECT * FROM damaged").startswith("[TABLE_OR_VIEW_NOT_FOUND]")
    engine.run("CREATE OR REPLACE TABLE damaged AS SELECT 2 AS a")
    assert engine.rows("SELECT * FROM damaged") == [(2,)]


def test_tables_and_views_are_not_taken_for_each_other(engine: EngineDriver) -> None:
    engine.run(
        "CREATE OR REPLACE TABLE kind_t AS SELECT 1 AS a",
        "CREATE OR REPLACE VIEW kind_v AS SELECT 1 AS a",
        "DROP VIEW kind_t",
        "DROP TABLE kind_v",
    )
    assert engine.rows("SELECT * FROM kind_t") == engine.rows("SELECT * FROM kind_v") == [(1,)]
    assert engine.fails("INSERT INTO kind_v VALUES (1)").startswith("[EXPECT_TABLE_NOT_VIEW]")
    assert engine.fails("CREATE TABLE kind_t AS SELECT 1 AS a").startswith("[TABLE_OR_VIEW_ALREADY_EXISTS]")
    assert engine.fails("CREATE OR REPLACE VIEW kind_t AS SELECT 1 AS a").startswith("[TABLE_OR_VIEW_ALREADY_EXISTS]")
    assert engine.fails("INSERT INTO kind_t VALUES (1, 2)").startswith("[INSERT_COLUMN_ARITY_MISMATCH]")


DAY = "DATE '2024-03-03'"
TIME = "TIMESTAMP '2024-03-03 04:05:06'"
ROWS = "FROM VALUES (1, 30), (2, 20), (2, 10) AS t(a, b)"
FUNCTIONS: list[tuple[str, Any]] = [
    ("any_value(5)", 5),
    ("approx_count_distinct(5)", 1),
    ("array(1, 2)", [1, 2]),
    ("array_contains(array(1, 2), 2)", True),
    ("array_size(array(1, 2))", 2),
    ("bool_any(true)", True),
    ("ceiling(1.5)", 2),
    ("char(65)", "A"),
    (f"(SELECT collect_list(b) {ROWS} WHERE a = 1)", [30]),
    (f"(SELECT collect_set(a) {ROWS} WHERE a = 2)", [2]),
    (f"(SELECT count_if(a > 1) {ROWS})", 2),
    ("concat('a', 1, NULL)", None),
    ("array(5, 6)[0]", 5),
    ("named_struct('k', 7)['k']", 7),
    ("concat('a', 1, 2.5)", "a12.5"),
    ("(SELECT collect_list(x) FROM VALUES (1), (NULL) AS v(x))", [1]),
    ("ST_AsText(ST_PolygonFromEnvelope(0, 0, 1, 1)) LIKE 'POLYGON((0 0%'", True),
    ("(SELECT sum(id) FROM range(4))", 6),
    ("current_date() = current_date", True),
    ("date('2024-01-02')", datetime.date(2024, 1, 2)),
    ("date_add('2024-01-30', 3)", datetime.date(2024, 2, 2)),
    (f"date_sub({DAY}, 3)", datetime.date(2024, 2, 29)),
    (f"datediff({DAY}, '2024-03-01')", 2),
    (f"day({DAY})", 3),
    (f"dayofmonth({DAY})", 3),
    (f"dayofweek({DAY})", 1),
    (f"dayofyear({DAY})", 63),
    ("endswith('abc', 'bc')", True),
    ("every(true)", True),
    ("(SELECT max(x) FROM (SELECT explode(array(1, 7)) AS x) e)", 7),
    ("first(5)", 5),
    (f"hour({TIME})", 4),
    ("if(1 > 2, 'a', 'b')", "b"),
    ("iff(2 > 1, 'a', 'b')", "a"),
    ("isnotnull(NULL)", False),
    ("isnull(NULL)", True),
    ("last(5)", 5),
    ("lcase('A')", "a"),
    ("listagg('a', ',')", "a"),
    ("locate('b', 'abc')", 2),
    (f"(SELECT max_by(b, a) {ROWS} WHERE b <> 10)", 20),
    (f"(SELECT mean(a) {ROWS} WHERE a = 1)", 1.0),
    (f"(SELECT min_by(b, a) {ROWS})", 30),
    (f"minute({TIME})", 5),
    ("mod(-7, 3)", -1),
    (f"month({DAY})", 3),
    ("pmod(-7, 3)", 2),
    (f"quarter({DAY})", 1),
    ("rand() < 1", True),
    (f"second({TIME})", 6),
    ("sequence(1, 3)", [1, 2, 3]),
    ("sign(-3.0)", -1.0),
    ("size(array(1, 2))", 2),
    ("some(true)", True),
    ("sort_array(array(2, 1))", [1, 2]),
    ("ST_AsEWKT(ST_SetSRID(ST_Point(1, 2), 4326))", WGS84_POINT),
    ("ST_AsEWKT(ST_Point(1, 2))", "POINT(1 2)"),
    ("round(ST_DistanceSphere(ST_Point(0, 0), ST_Point(0, 1)) / 1000) BETWEEN 110 AND 112", True),
    ("ST_AsText(ST_Envelope_Aggr(ST_Point(1, 2)))", "POINT(1 2)"),
    ("startswith('abc', 'ab')", True),
    (f"round((SELECT std(b) {ROWS}), 3)", 10.0),
    ("substr('abcdef', 3)", "cdef"),
    ("substring('abcdef', 2, 3)", "bcd"),
    ("substring('abcdef', -2)", "ef"),
    ("substring('abcdef', 0, 2)", "ab"),
    ("substr('abc', 9, 2)", ""),
    ("ucase('a')", "A"),
    ("unix_timestamp() > 1700000000", True),
    (f"(SELECT variance(b) {ROWS})", 100.0),
    (f"weekofyear({DAY})", 9),
    (f"year({DAY})", 2024),
    ("1 / 2", 0.5),
    ("7 / 2 * 2", 7.0),
    ("'abc' RLIKE '^a'", True),
    ("'abc' NOT RLIKE '^a'", False),
    ("NULL <=> NULL", True),
    ("EXTRACT(month FROM DATE '2024-03-03')", 3),
    ("TRY_CAST('x' AS DATE)", None),
    ("round(log(10), 3)", 2.303),
    ("log(10, 100)", 2.0),
    ("regexp_replace('aXbXc', 'X', '-')", "a-b-c"),
    ("regexp_replace('a1', '([a-z])([0-9])', '$2$1')", "1a"),
    ("ltrim('x', 'xxax')", "ax"),
    ("rtrim('x', 'xaxx')", "xa"),
    ("trim('x', 'xax')", "a"),
    ("trim(LEADING '0' FROM '0070')", "70"),
    ("EXTRACT(dow FROM DATE '2024-05-05')", 1),
    ("EXTRACT(dayofweek_iso FROM DATE '2024-05-05')", 7),
    ("date_part('DOW', DATE '2024-05-06')", 2),
    ("1 <=> 1 AND true <=> false", False),
    ("1 IS NOT DISTINCT FROM 1 AND false", False),
    ("'a' IS DISTINCT FROM 'b'", True),
]


@pytest.mark.parametrize(("expression", "value"), FUNCTIONS, ids=[expression for expression, _ in FUNCTIONS])
def test_functions(engine: EngineDriver, expression: str, value: Any) -> None:
    assert engine.value(expression) == value


def test_every_function_of_the_tables_is_tried() -> None:
    tried = " ".join(expression.lower() for expression, _ in FUNCTIONS)
    assert [name for name in {*RENAMED, *(name for name, _ in EXPRESSED)} if f"{name}(" not in tried] == []


def test_a_process_that_ends_by_itself_ends_the_engine(other: EngineDriver) -> None:
    async def lose_it() -> None:
        running = asyncio.ensure_future(other.execution(ENDLESS))
        await asyncio.sleep(1)
        other.child().send_signal(signal.SIGKILL)
        with pytest.raises(EngineDiedError, match=r"the SQL engine ended by itself\. .*signal 9 \(SIGKILL\)"):
            await running

    other.do(lose_it)
    with pytest.raises(EngineDiedError):
        other.execute("SELECT 1")


def test_an_engine_that_was_killed_leaves_nothing(folder: Path) -> None:
    driver = EngineDriver("third", folder)
    driver.wait(driver.engine.start())
    process = driver.child()
    driver.wait(driver.engine.kill())
    driver.wait(driver.engine.kill())
    assert not process.is_running()
    assert not (folder / ".wherobots-local" / "sql" / "sessions" / "third").exists()
    assert "has ended" in driver.fails("SELECT 1")
    driver.close()


def test_without_the_extra_the_session_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in an environment that really lacks it: ``test_bare_install.py``."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    driver = EngineDriver("none", tmp_path)
    with pytest.raises(EngineError, match=r"\(sedonadb, pyarrow, pyproj\): pip install 'wherobots-local\[sql\]'"):
        driver.wait(driver.engine.start())
    driver.close()


@pytest.mark.parametrize("name", ["short", "x" * 100])
def test_the_socket_is_in_the_folder_of_temporary_files_unless_its_path_is_too_long(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere the server may not be allowed to write."""
    with tempfile.TemporaryDirectory() as short:
        temporary = Path(short) / name
        temporary.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        driver = EngineDriver("fourth", folder)
        with patch.object(tempfile, "mkdtemp", wraps=tempfile.mkdtemp) as made:
            driver.wait(driver.engine.start())
        driver.wait(driver.engine.kill())
        driver.close()
    assert made.call_args.kwargs["dir"] == (None if name == "short" else "/tmp")  # noqa: S108


def test_the_child_and_the_server_agree_on_messages() -> None:
    """The child imports nothing of the package, so it has the same numbers once more."""
    spec = importlib.util.spec_from_file_location("child_frames", child_process.CHILD / "frames.py")
    assert spec is not None
    assert spec.loader is not None
    frames = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(frames)
    for name in ("MAX_HEADER_BYTES", "MAX_BODY_BYTES"):
        assert getattr(frames, name) == getattr(child_process, name)
    assert frames.LENGTHS.format == child_process.LENGTHS.format
    for path in child_process.CHILD.glob("*.py"):
        assert not re.search(r"(from|import) wherobots_local", path.read_text())


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
            assert stored.read_text() == f'id,geom\n1,"{WGS84_POINT}"\n'
            assert state["size"] == stored.stat().st_size
            execution_id = socket.begin(ENDLESS)
            socket.send("cancel", execution_id)
            assert socket.receive() == {"kind": "state_updated", "execution_id": execution_id, "state": "cancelled"}
            assert socket.rows("SELECT id FROM spots") == [{"id": 1}]
        assert children_of(str(server.root))
    assert not children_of(str(tmp_path))
    assert os.listdir(tmp_path / ".wherobots-local" / "sql" / "sessions") == []


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
