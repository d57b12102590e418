"""The example DAGs really run: on a real Airflow, with the local server as the service."""

import ast
import csv
import json
import os
import re
import runpy
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import acos, cos, radians, sin
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.sql.hooks.handlers import fetch_all_handler

from airflow_provider_wherobots.hooks.sql import WherobotsSqlHook
from tests.support.airflow_instance import AirflowInstance
from tests.support.local_server import LocalServerProcess
from tests.support.places import TREE
from tests.support.processes import ProcessFamily
from tests.support.waiting import wait_for
from wherobots_local import ControlClient

pytestmark = pytest.mark.timeout(600)

EXAMPLES = TREE / "example_dags"
BUCKET = "wherobots-demo"
HAS_JDK = shutil.which("javac") is not None
SPARK = ("nightly", "production", "spark")
"""The examples that need Java, beside those that are not started with the others."""
LEFT_OUT = () if HAS_JDK else tuple(f"example_wherobots_{name}" for name in ("jar", *SPARK))
TILES = "example_wherobots_tiles"
SEDONA = "example_wherobots_sedona"
INCOMING = """
    CREATE DATABASE org_catalog.example_checks;
    CREATE TABLE org_catalog.example_checks.incoming AS
    SELECT * FROM VALUES (1, 19.0D, -97.80D, 30.30D), (2, 44.0D, -97.75D, 30.25D), (3, 25.0D, -97.60D, 30.10D)
        AS t(id, mm, lon, lat);
"""
HAIL = """
    CREATE OR REPLACE TEMPORARY VIEW reports AS SELECT mm, ST_GeomFromWKT(wkt) AS geometry FROM VALUES
        (44.0D, 'POINT (1 2)'), (25.0D, 'POINT (3 2)'), (19.0D, 'POINT (1 -2)') AS t(mm, wkt);
    CREATE OR REPLACE TEMPORARY VIEW counties AS SELECT name, ST_GeomFromWKT(wkt) AS geometry FROM VALUES
        ('North', 'POLYGON ((0 0, 4 0, 4 4, 0 4, 0 0))'), ('South', 'POLYGON ((0 -4, 4 -4, 4 0, 0 0, 0 -4))')
        AS t(name, wkt);
"""
ZURICH = (47.4582, 8.5481)
KEFLAVIK = (63.9850, -22.6056)
REYKJAVIK = (64.1300, -21.9406)


def great_circle_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The law of cosines, to check by another formula what the jobs compute."""
    (lat1, lon1), (lat2, lon2) = ((radians(lat), radians(lon)) for lat, lon in (one, other))
    return 6371.0088 * acos(sin(lat1) * sin(lat2) + cos(lat1) * cos(lat2) * cos(lon1 - lon2))


def box_km2(west: float, south: float, east: float, north: float) -> float:
    """A box's area as a sum over thin bands, to check by another formula what the job computes."""
    steps = 10_000
    height = (north - south) / steps
    degree_km = radians(1) * 6371.0088
    return sum(
        height * degree_km * (east - west) * degree_km * cos(radians(south + (step + 0.5) * height))
        for step in range(steps)
    )


def needs_a_jdk() -> None:
    if not HAS_JDK:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no javac: install a JDK, such as default-jdk-headless")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServerProcess]:
    folder = tmp_path_factory.mktemp("server")
    bucket = folder / "storage" / BUCKET
    shutil.copytree(EXAMPLES / "jobs", bucket / "jobs")
    # The last night that has begun may be today's or yesterday's.
    days = (datetime.now(UTC).date() - timedelta(days=ago) for ago in (0, 1, 1, 1, 2, 2, 2))
    lines = [f"S{number},{day},1.5" for number, day in enumerate(days)]
    for name in ("rain", "production"):
        (bucket / name).mkdir()
        (bucket / name / "readings.csv").write_text("\n".join(["station,day,mm", *lines]))
    family = ProcessFamily(f"test:{folder}")
    try:
        yield LocalServerProcess(family, folder / "storage", folder / "server.log")
    finally:
        family.stop()


@pytest.fixture(scope="module")
def airflow(server: LocalServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowInstance]:
    instance = AirflowInstance(
        tmp_path_factory.mktemp("airflow"),
        dags_folder=EXAMPLES,
        # What the tiles are made of: on the service a folder of yours.
        env={"AIRFLOW_VAR_EXAMPLE_WHEROBOTS": f"s3://{BUCKET}/jobs"},
    )
    with instance:
        instance.api.set_connection("wherobots_default", "wherobots", host=server.url, password=server.api_key)
        instance.api.set_connection("wherobots_sql", "wherobots_sql", host=server.url, password=server.api_key)
        pool = {"name": "wherobots", "slots": 10, "include_deferred": True}
        instance.api.request("POST", "pools", json=pool)
        yield instance


class Runs:
    """A DAG run of almost every example, all started at once: each is a little work and much waiting."""

    def __init__(self, airflow: AirflowInstance) -> None:
        self._airflow = airflow
        self._run_ids: dict[str, str] = {}

    def start(self, dag_id: str) -> None:
        """Trigger a DAG; or, if it has a schedule, take the DAG run that Airflow starts when it sees the DAG."""
        summary = self._airflow.api.wait_for_dag(dag_id)["timetable_summary"]
        if not re.match(r"[\d*]", str(summary)):
            return self.trigger(dag_id)

        def scheduled() -> str | None:
            found = self._airflow.api.request("GET", f"dags/{dag_id}/dagRuns", params={"run_type": "scheduled"})
            return next((run["dag_run_id"] for run in found["dag_runs"]), None)

        self._run_ids[dag_id] = wait_for(scheduled, what=f"Airflow to start {dag_id}")

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> None:
        self._airflow.api.wait_for_dag(dag_id)
        self._run_ids[dag_id] = self._airflow.api.trigger_dag(dag_id, conf)

    def wait_for_end(self, dag_id: str) -> str:
        return self._airflow.api.wait_for_run(dag_id, self._run_ids[dag_id], timeout=400)

    def wait_for_success(self, dag_id: str) -> None:
        api, run_id = self._airflow.api, self._run_ids[dag_id]
        assert self.wait_for_end(dag_id) == "success", "\n".join(
            api.task_log(dag_id, run_id, ti["task_id"], ti["try_number"], map_index=ti["map_index"]).text
            for ti in api.task_instances(dag_id, run_id)
            if ti["state"] == "failed"
        )

    def log(self, dag_id: str, task_id: str, map_index: int = -1) -> str:
        """The log of the last attempt: on a busy machine Airflow may lose one, and repeat it."""
        api, run_id = self._airflow.api, self._run_ids[dag_id]
        attempt = api.task_instance(dag_id, run_id, task_id, map_index)["try_number"]
        return api.task_log(dag_id, run_id, task_id, attempt, map_index=map_index).text

    def xcom(self, dag_id: str, task_id: str, map_index: int = -1, key: str = "return_value") -> Any:
        return self._airflow.api.xcom(dag_id, self._run_ids[dag_id], task_id, key, map_index=map_index)

    def states(self, dag_id: str) -> dict[str, str]:
        tasks = self._airflow.api.task_instances(dag_id, self._run_ids[dag_id])
        return {task["task_id"]: task["state"] for task in tasks}


@pytest.fixture(scope="module")
def runs(airflow: AirflowInstance, server: LocalServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    started = Runs(airflow)
    if HAS_JDK:
        build_jar(server, tmp_path_factory.mktemp("classes"))
    execute(server, INCOMING)
    # It is started by an asset's event, which does not wait for it.
    airflow.api.wait_for_dag("example_wherobots_asset_report")
    for path in sorted(EXAMPLES.glob("example_*.py")):
        if path.stem not in (*LEFT_OUT, TILES, SEDONA):
            started.start(path.stem)
    started.trigger("example_wherobots_canary")
    return started


def build_jar(server: LocalServerProcess, classes: Path) -> None:
    jobs = server.root / BUCKET / "jobs"
    subprocess.run(["javac", "-d", str(classes), str(jobs / "GreatCircle.java")], check=True)
    jar = ["jar", "--create", "--file", str(jobs / "great-circle.jar"), "-C", str(classes), "GreatCircle.class"]
    subprocess.run(jar, check=True)


def execute(server: LocalServerProcess, sql: str) -> list[Any]:
    """Execute statements on the server, and return the rows of the last one."""
    connection = {"conn_type": "wherobots", "host": server.url, "password": server.api_key}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_WHEROBOTS_DEFAULT", json.dumps(connection))
        hook = WherobotsSqlHook()
        rows: list[Any] = hook.run(sql, split_statements=True, handler=fetch_all_handler)
        hook.close()
    return rows


@pytest.mark.parametrize(("name", "folder"), [("nightly", "rain"), ("production", "production")])
def test_a_nightly_dag_reads_the_day_before(runs: Runs, server: LocalServerProcess, name: str, folder: str) -> None:
    needs_a_jdk()
    runs.wait_for_success(f"example_wherobots_{name}")

    (day,) = re.findall(r"(\d{4}-\d\d-\d\d): 3 readings", runs.log(f"example_wherobots_{name}", "rain_of_day"))
    assert list((server.root / BUCKET / folder / "rain_by_day" / f"day={day}").glob("*.parquet"))


def test_the_canary_defers_and_comes_back(runs: Runs) -> None:
    runs.wait_for_success("example_wherobots_canary")


def test_the_doctor_runs_in_a_task(runs: Runs, server: LocalServerProcess) -> None:
    dag_id = "example_wherobots_doctor"
    runs.wait_for_success(dag_id)

    assert "Nothing failed." in runs.log(dag_id, "doctor")
    assert server.api_key not in runs.log(dag_id, "doctor")
    assert re.fullmatch(r"3\.\d+\.\d+", runs.xcom(dag_id, "first_run"))


@pytest.mark.parametrize(
    ("name", "number", "dag_id", "task_id"),
    [
        ("nightly-script", 0, "nightly", "rain_of_day"),
        ("moving", 0, "nightly", "rain_of_day"),
        ("decorator", 0, "decorator", "nearest_airports"),
        ("sql-checks", 0, "sql_checks", "columns"),
        ("why-a-task-failed", 0, "failure", "airports_by_region"),
        ("production", 0, "production", "rain_of_day"),
        ("production", 1, "canary", "defer"),
        ("install", 1, "doctor", "doctor"),
        ("install", 2, "doctor", "first_run"),
    ],
)
def test_a_guide_shows_what_its_task_logs(runs: Runs, name: str, number: int, dag_id: str, task_id: str) -> None:
    if dag_id in SPARK:
        needs_a_jdk()
    runs.wait_for_end(f"example_wherobots_{dag_id}")

    assert lines_that_differ(name, number, runs.log(f"example_wherobots_{dag_id}", task_id)) == []


def lines_that_differ(name: str, number: int, log: str) -> list[str]:
    """What a block of text on a page has, and a log has not. An ellipsis stands for anything."""
    page = (TREE / "docs" / f"{name}.md").read_text()
    shown = re.findall(r"^```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[number]
    log = alike(log)
    pattern = {line: re.escape(alike(line.strip())).replace("…", ".*") for line in shown.splitlines()}
    return [line for line in pattern if not re.search(pattern[line], log)]


def alike(text: str) -> str:
    """A log without what differs from run to run: ids, numbers, times."""
    text = re.sub(r"less than a second|\d+ (hour|minute|second)s?( \d+ (minute|second)s?)?", "TIME", text)
    return re.sub(r"\d+", "N", re.sub(r"\b[a-z0-9]{14}\b", "ID", text))


def test_the_asset_starts_the_dag_that_reports_it(runs: Runs, airflow: AirflowInstance) -> None:
    runs.wait_for_success("example_wherobots_asset")
    report = "example_wherobots_asset_report"
    expected = f"3 tiles by run {runs.xcom('example_wherobots_asset', 'tiles', key='run_id')}"

    def reported() -> bool:
        found = airflow.api.request("GET", f"dags/{report}/dagRuns")["dag_runs"]
        return expected in [airflow.api.xcom(report, run["dag_run_id"], "report") for run in found]

    wait_for(reported, what=f"a DAG run of {report} to return {expected!r}")


def test_the_mapped_example_makes_one_run_per_country(runs: Runs, server: LocalServerProcess) -> None:
    dag_id = "example_wherobots_mapped"
    runs.wait_for_success(dag_id)

    run_ids = {runs.xcom(dag_id, "airport_neighbours", map_index) for map_index in range(3)}
    assert len(run_ids - {None}) == 3
    logs = [runs.log(dag_id, "airport_neighbours", map_index) for map_index in range(3)]
    countries = ("CH", "IE", "NZ")
    assert [f"airports of {name} with" in log for name, log in zip(countries, logs, strict=True)] == [True] * 3
    assert not any(server.api_key in log for log in logs)


@pytest.mark.parametrize(
    ("dag_id", "task_id"),
    [
        ("example_wherobots_python", "bbox_area"),
        ("example_wherobots_templates", "from_a_task"),
        ("example_wherobots_timeouts", "on_a_worker"),
        ("example_wherobots_timeouts", "with_limits"),
    ],
)
def test_an_example_measures_switzerland(runs: Runs, dag_id: str, task_id: str) -> None:
    runs.wait_for_success(dag_id)

    assert f"Switzerland: {box_km2(5.96, 45.82, 10.49, 47.81):.0f} km²" in runs.log(dag_id, task_id)


def test_the_decorated_functions_value_reaches_the_next_task(runs: Runs, server: LocalServerProcess) -> None:
    dag_id = "example_wherobots_decorator"
    runs.wait_for_success(dag_id)

    nearest = runs.xcom(dag_id, "nearest_airports")
    assert [airport["iata"] for airport in nearest] == ["ZRH", "EML", "BXO"]
    assert nearest[0]["km"] == pytest.approx(great_circle_km((47.4647, 8.5492), (47.37, 8.55)), rel=0.01)
    assert runs.xcom(dag_id, "report").startswith(f"Zurich Airport is {nearest[0]['km']:.0f} km away, Emmen Airport is")
    log = runs.log(dag_id, "nearest_airports")
    assert re.search(r"Uploaded \S*example_wherobots_decorator\.py to s3://managed-storage/", log)
    assert server.api_key not in log


def test_the_example_of_a_result_makes_one_run_per_tile(runs: Runs) -> None:
    runs.wait_for_success("example_wherobots_result")

    tiles = runs.xcom("example_wherobots_result", "tiles")
    assert tiles == ["5.96,45.82,7.47,47.81", "7.47,45.82,8.98,47.81", "8.98,45.82,10.49,47.81"]
    run_ids = {runs.xcom("example_wherobots_result", "area", map_index) for map_index in range(3)}
    assert len(run_ids - {None}) == 3


def test_only_a_changed_tile_starts_its_dag(runs: Runs, airflow: AirflowInstance, server: LocalServerProcess) -> None:
    dag_id, bucket = "example_wherobots_partitions", server.root / BUCKET
    runs.wait_for_success(dag_id)
    first = runs.xcom(dag_id, "write_tiles")["partitions"]
    assert len(first) == len(set(first)) == 6
    assert wait_for_tiles(airflow, len(first)) == sorted(first)
    total = sum(json.loads(path.read_text())["mm"] for path in bucket.glob("results/rain_by_tile/*/total.json"))
    assert total == pytest.approx(sum(mm for _, mm in rain_by_region(EXAMPLES / "jobs").values()))

    readings = (bucket / "jobs" / "rain.csv").read_text()
    (bucket / "jobs" / "rain_later.csv").write_text(f"{readings.rstrip()}\nGVA,2026-12-01,7.5\n")
    runs.trigger(dag_id, {"readings": f"{BUCKET}/jobs/rain_later.csv"})
    runs.wait_for_success(dag_id)
    [later] = runs.xcom(dag_id, "write_tiles")["partitions"]
    assert wait_for_tiles(airflow, len(first) + 1) == sorted([*first, later])
    assert f"1 of {len(first)} tiles have changed" in runs.log(dag_id, "write_tiles")


def wait_for_tiles(airflow: AirflowInstance, count: int) -> list[str]:
    """Wait for the success of so many DAG runs of tiles, and return the tile of each."""

    def succeeded() -> list[str] | None:
        found = airflow.api.request("GET", "dags/example_wherobots_partitions_tile/dagRuns", params={"limit": 100})
        tiles = [run["partition_key"] for run in found["dag_runs"] if run["state"] == "success"]
        return tiles if len(tiles) >= count else None

    return sorted(wait_for(succeeded, what=f"{count} DAG runs of tiles"))


def test_the_example_of_templates_takes_its_params(runs: Runs) -> None:
    runs.wait_for_success("example_wherobots_templates")

    said = rf"Iceland on \d{{4}}-\d\d-\d\d: {box_km2(0, 0, 1, 1):.0f} km²"
    assert re.search(said, runs.log("example_wherobots_templates", "from_params"))


def test_the_example_of_an_environment_has_its_package_and_its_file(runs: Runs) -> None:
    runs.wait_for_success("example_wherobots_environment")

    assert re.search(r"Iceland: [1-9]\d* airports", runs.log("example_wherobots_environment", "airports_by_region"))


def test_the_example_of_an_upload_runs_the_script_beside_it(runs: Runs, server: LocalServerProcess) -> None:
    runs.wait_for_success("example_wherobots_upload")

    log = runs.log("example_wherobots_upload", "airports_by_region")
    assert re.search(r"Iceland: [1-9]\d* airports", log)
    (address,) = re.findall(r"Uploaded jobs/airports_by_region\.py to (s3://\S+)", log)
    uploaded = server.root / address.removeprefix("s3://")
    assert uploaded.read_bytes() == (EXAMPLES / "jobs" / "airports_by_region.py").read_bytes()


def test_the_example_of_sensors_waits_for_the_run_by_its_id_and_by_its_name(runs: Runs) -> None:
    dag_id = "example_wherobots_sensor"
    runs.wait_for_success(dag_id)

    run_ids = {runs.xcom(dag_id, task_id) for task_id in ("start", "by_id", "by_name")}
    assert len(run_ids - {None}) == 1
    line = f"Switzerland: {box_km2(5.96, 45.82, 10.49, 47.81):.0f} km²"
    assert [runs.log(dag_id, task_id).count(line) for task_id in ("start", "by_id", "by_name")] == [0, 1, 0]
    (run_id,) = run_ids
    for task_id in ("by_id", "by_name"):
        assert runs.log(dag_id, task_id).count(f"Run {run_id} COMPLETED: queued for ") == 1
    assert "COST_USD" in str(runs.xcom(dag_id, "usage"))


def test_the_sql_example_joins_and_stores(runs: Runs, server: LocalServerProcess) -> None:
    import pyarrow.parquet

    dag_id = "example_wherobots_sql"
    runs.wait_for_success(dag_id)

    address = runs.xcom(dag_id, "join")
    rows = pyarrow.parquet.read_table(server.root / address.removeprefix("s3://")).to_pylist()
    assert {row["id"]: row["name"] for row in rows} == {2: "Barton Creek", 3: "Onion Creek", 4: "Barton Creek"}
    assert runs.xcom(dag_id, "report") == f"Barton Creek: 3 reports, up to 44 mm; all of them are in {address}"


def test_sql_checks_pass_and_a_wrong_row_raises_an_alert(runs: Runs, server: LocalServerProcess) -> None:
    dag_id = "example_wherobots_sql_checks"
    runs.wait_for_success(dag_id)

    passed = dict.fromkeys(("wait", "load", "columns", "places"), "success")
    assert runs.states(dag_id) == {**passed, "publish": "success", "alert": "skipped"}
    # UNION ALL has no order: any of the checks may come first.
    [record] = re.findall(r"Record: (\[.*\])", runs.log(dag_id, "columns"))
    assert sorted(ast.literal_eval(record)) == [
        ("id", "null_check", 0),
        ("id", "unique_check", 0),
        ("mm", "max", 44.0),
        ("mm", "min", 19.0),
    ]

    execute(server, "INSERT INTO org_catalog.example_checks.incoming VALUES (4, 2.0D, -97.0D, 30.0D)")
    runs.trigger(dag_id)
    assert runs.wait_for_end(dag_id) == "failed"
    assert runs.states(dag_id) == {**passed, "columns": "failed", "publish": "upstream_failed", "alert": "success"}
    assert "not published" in runs.log(dag_id, "alert")
    assert lines_that_differ("sql-checks", 1, runs.log(dag_id, "columns")) == []
    assert execute(server, "SELECT COUNT(*) FROM org_catalog.example_checks.reports") == [(3,)]


def test_the_sql_session_is_shared_and_its_teardown_stops_it(runs: Runs, server: LocalServerProcess) -> None:
    dag_id = "example_wherobots_sql_session"
    runs.wait_for_success(dag_id)

    session_id = runs.xcom(dag_id, "start")
    control = ControlClient(server.url, server.api_key)
    (session,) = (session for session in control.sql_sessions() if session["id"] == session_id)
    assert session["status"].startswith("DESTROY")
    sent = [entry for entry in control.requests("executeSql") if entry["session_id"] == session_id]
    assert len(sent) == 3
    assert runs.xcom(dag_id, "overlaps") is not None
    assert re.search(r"\b1 statement in .*, rows 1,", runs.log(dag_id, "overlaps"))


def test_the_jar_example_computes_a_distance(runs: Runs) -> None:
    needs_a_jdk()
    runs.wait_for_success("example_wherobots_jar")

    log = runs.log("example_wherobots_jar", "great_circle")
    assert "From 47.4582,8.5481 to 63.9850,-22.6056" in log
    assert f"{great_circle_km(ZURICH, KEFLAVIK):.1f} km" in log


def test_the_spark_example_joins_and_writes_parquet(runs: Runs, server: LocalServerProcess) -> None:
    needs_a_jdk()
    import pyarrow.dataset

    runs.wait_for_success("example_wherobots_spark")

    written = pyarrow.dataset.dataset(server.root / BUCKET / "results" / "rain_by_region", partitioning="hive")
    found = {(row["region"], row["month"]): (row["stations"], row["mm"]) for row in written.to_table().to_pylist()}
    assert found == rain_by_region(EXAMPLES / "jobs")
    assert "INFO SparkContext: Running Spark version" in runs.log("example_wherobots_spark", "rain_by_region")


def test_the_pipeline_of_tiles_fills_a_range(runs: Runs, airflow: AirflowInstance, server: LocalServerProcess) -> None:
    needs_a_jdk()
    import pyarrow.dataset

    airflow.api.wait_for_dag(TILES)
    days = {"from_date": "2026-03-26T00:00:00Z", "to_date": "2026-03-27T00:00:00Z"}
    airflow.api.request("POST", "backfills", json={"dag_id": TILES, "max_active_runs": 1, **days})

    def ended() -> list[str] | None:
        found = airflow.api.request("GET", f"dags/{TILES}/dagRuns", params={"run_type": "backfill"})["dag_runs"]
        states = [run["state"] for run in found]
        return states if len(states) == 2 and {*states} <= {"success", "failed"} else None

    assert wait_for(ended, timeout=400, what="the backfill to end") == ["success", "success"]
    written = server.root / BUCKET / "jobs" / "rain_by_tile"
    expected = {}
    for row in csv.DictReader((EXAMPLES / "jobs" / "rain.csv").open()):
        if row["day"] in ("2026-03-26", "2026-03-27"):
            west = "5" if row["station"] in ("GVA", "SIR") else "7.4"
            expected[row["day"], west, row["station"]] = float(row["mm"])
    found = {}
    for folder in written.glob("day=*/west=*"):
        for row in pyarrow.dataset.dataset(folder).to_table().to_pylist():
            day, west = folder.parent.name.removeprefix("day="), folder.name.removeprefix("west=")
            found[day, west, row["station"]] = row["mm"]
    # A scheduled DAG run, of a day without readings, may have run beside the backfill.
    assert found == expected
    events = airflow.api.request("GET", "assets/events", params={"source_dag_id": TILES})["asset_events"]
    partitions = {event["partition_key"] for event in events}
    assert partitions >= {f"day={day}/west={west}" for day, west, _ in expected}


def test_the_query_of_the_sedona_example_finds_the_county_of_each_report(server: LocalServerProcess) -> None:
    """With the server's own SQL, which needs no JARs."""
    join = runpy.run_path(str(EXAMPLES / "jobs" / "hail_by_county.py"))["JOIN"]
    assert {row[:3] for row in execute(server, f"{HAIL} {join}")} == {("North", 2, 44.0), ("South", 1, 19.0)}


def test_the_sedona_example_reads_and_writes_geoparquet(runs: Runs, server: LocalServerProcess) -> None:
    needs_a_jdk()
    settings = Path(os.environ.get("SPARK_CONF_DIR", ""), "spark-defaults.conf")
    if not settings.is_file() or "sedona" not in settings.read_text():
        pytest.skip("no Sedona: the spark-defaults.conf in SPARK_CONF_DIR has to name its JARs")
    import pyarrow
    import pyarrow.dataset
    import pyarrow.parquet

    folder = server.root / BUCKET / "hail"
    folder.mkdir()
    geometry = {"encoding": "WKB", "geometry_types": []}
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": geometry}}
    for name, column, query in (
        ("reports", "mm", "SELECT mm, ST_AsBinary(geometry) FROM reports"),
        ("counties", "name", "SELECT name, ST_AsBinary(geometry) FROM counties"),
    ):
        rows = execute(server, f"{HAIL} {query}")
        values, places = zip(*rows, strict=True)
        table = pyarrow.table({column: values, "geometry": places})
        pyarrow.parquet.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), folder / f"{name}.parquet")
    runs.trigger(SEDONA)
    runs.wait_for_success(SEDONA)
    written = pyarrow.dataset.dataset(folder / "hail_by_county").to_table()
    assert b"geo" in written.schema.metadata
    found = {(row["name"], row["reports"], row["mm"]) for row in written.to_pylist()}
    assert found == {("North", 2, 44.0), ("South", 1, 19.0)}


def rain_by_region(folder: Path) -> dict[tuple[str, str], tuple[int, float]]:
    """What the Spark job computes, computed here from the same files."""
    with (folder / "stations.csv").open() as stations, (folder / "rain.csv").open() as readings:
        regions = {row["station"]: row["region"] for row in csv.DictReader(stations)}
        rows = [
            (regions[row["station"]], row["day"][:7], row["station"], row["mm"]) for row in csv.DictReader(readings)
        ]
    keys = {(region, month) for region, month, _, _ in rows}
    return {
        key: (
            len({station for *place, station, _ in rows if tuple(place) == key}),
            round(sum(float(mm) for *place, _, mm in rows if tuple(place) == key), 1),
        )
        for key in keys
    }
