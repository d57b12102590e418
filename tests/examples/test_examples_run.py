"""The example DAGs really run: on a real Airflow, with the local server as the service."""

import ast
import csv
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from math import acos, cos, radians, sin
from pathlib import Path
from typing import Any

import pytest

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
LEFT_OUT = () if HAS_JDK else ("example_wherobots_jar", "example_wherobots_spark")
TILES = "example_wherobots_tiles"
OPEN_DATA = """
    CREATE DATABASE wherobots_open_data.overture_maps_foundation;
    USE wherobots_open_data.overture_maps_foundation;
    CREATE TABLE divisions_division_area AS
    SELECT country, region, subtype, ST_GeomFromWKT(wkt) AS geometry FROM VALUES
        ('CH', 'CH-ZH', 'region', 'POLYGON ((8.3 47.2, 8.9 47.2, 8.9 47.7, 8.3 47.7, 8.3 47.2))'),
        ('CH', 'CH-BE', 'region', 'POLYGON ((7 46.4, 8 46.4, 8 47.1, 7 47.1, 7 46.4))'),
        ('CH', 'CH', 'country', 'POLYGON ((5.9 45.8, 10.5 45.8, 10.5 47.9, 5.9 47.9, 5.9 45.8))')
        AS t(country, region, subtype, wkt);
    CREATE TABLE places_place AS
    SELECT id, ST_Point(lon, lat) AS geometry FROM VALUES
        ('a', 8.55D, 47.46D), ('b', 8.54D, 47.37D), ('c', 7.44D, 46.95D), ('d', 6.11D, 46.24D)
        AS t(id, lon, lat);
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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServerProcess]:
    folder = tmp_path_factory.mktemp("server")
    shutil.copytree(EXAMPLES / "jobs", folder / "storage" / BUCKET / "jobs")
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
        # What the pipelines read and write: on the service a folder of yours.
        env={"AIRFLOW_VAR_EXAMPLE_WHEROBOTS": f"s3://{BUCKET}/jobs"},
    )
    with instance:
        instance.api.set_connection("wherobots_default", "wherobots", host=server.url, password=server.api_key)
        instance.api.set_connection("wherobots_sql", "wherobots_sql", host=server.url, password=server.api_key)
        yield instance


class Runs:
    """A DAG run of every example, all started at once: each is a little work and much waiting."""

    def __init__(self, airflow: AirflowInstance) -> None:
        self._airflow = airflow
        self._run_ids: dict[str, str] = {}

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> None:
        self._airflow.api.wait_for_dag(dag_id)
        self._run_ids[dag_id] = self._airflow.api.trigger_dag(dag_id, conf)

    def wait_for_success(self, dag_id: str) -> None:
        api, run_id = self._airflow.api, self._run_ids[dag_id]
        state = api.wait_for_run(dag_id, run_id, timeout=400)
        assert state == "success", "\n".join(
            api.task_log(dag_id, run_id, ti["task_id"], ti["try_number"], map_index=ti["map_index"]).text
            for ti in api.task_instances(dag_id, run_id)
            if ti["state"] == "failed"
        )

    def log(self, dag_id: str, task_id: str) -> str:
        return self._airflow.api.task_log(dag_id, self._run_ids[dag_id], task_id).text

    def xcom(self, dag_id: str, task_id: str, map_index: int = -1) -> Any:
        return self._airflow.api.xcom(dag_id, self._run_ids[dag_id], task_id, map_index=map_index)

    def states(self, dag_id: str) -> dict[str, str]:
        tasks = self._airflow.api.task_instances(dag_id, self._run_ids[dag_id])
        return {task["task_id"]: task["state"] for task in tasks}


@pytest.fixture(scope="module")
def runs(airflow: AirflowInstance, server: LocalServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    started = Runs(airflow)
    shutil.rmtree(server.root / BUCKET / "results", ignore_errors=True)
    confs: dict[str, dict[str, Any]] = {"example_wherobots_demo": {"country": "IS", "radius_km": 60}}
    if HAS_JDK:
        build_jar(server, tmp_path_factory.mktemp("classes"))
    make_open_data(server)
    for path in sorted(EXAMPLES.glob("example_*.py")):
        if path.stem not in (*LEFT_OUT, TILES):
            started.trigger(path.stem, confs.get(path.stem))
    return started


def build_jar(server: LocalServerProcess, classes: Path) -> None:
    jobs = server.root / BUCKET / "jobs"
    subprocess.run(["javac", "-d", str(classes), str(jobs / "GreatCircle.java")], check=True)
    jar = ["jar", "--create", "--file", str(jobs / "great-circle.jar"), "-C", str(classes), "GreatCircle.class"]
    subprocess.run(jar, check=True)


def make_open_data(server: LocalServerProcess) -> None:
    """Tables with the names, and some of the columns, of the service's open data."""
    connection = {"conn_type": "wherobots", "host": server.url, "password": server.api_key}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_WHEROBOTS_DEFAULT", json.dumps(connection))
        hook = WherobotsSqlHook()
        hook.run(OPEN_DATA, split_statements=True)
        hook.close()


def results(server: LocalServerProcess, country: str) -> dict[str, Any]:
    (path,) = (server.root / BUCKET / "results").glob(f"airport_neighbours_{country}_*.geojson")
    collection: dict[str, Any] = json.loads(path.read_text())
    return collection


def test_the_demo_finds_the_neighbours_of_a_countrys_airports(runs: Runs, server: LocalServerProcess) -> None:
    runs.wait_for_success("example_wherobots_demo")

    found = {feature["properties"]["iata"]: feature["properties"] for feature in results(server, "IS")["features"]}
    assert found["KEF"]["nearest"] == "RKV"
    assert found["KEF"]["nearest_km"] == pytest.approx(great_circle_km(KEFLAVIK, REYKJAVIK), rel=0.01)
    log = runs.log("example_wherobots_demo", "airport_neighbours")
    assert "airports loaded" in log
    assert log.count("Joining: airports of IS with all others within 60 km") == 1
    assert "Ólafsfjörður Airport" in log
    assert server.api_key not in log


def test_the_mapped_example_makes_one_run_per_country(runs: Runs, server: LocalServerProcess) -> None:
    runs.wait_for_success("example_wherobots_mapped")

    assert all(results(server, country)["features"] for country in ("CH", "IE", "NZ"))
    run_ids = {runs.xcom("example_wherobots_mapped", "airport_neighbours", map_index) for map_index in range(3)}
    assert len(run_ids - {None}) == 3


@pytest.mark.parametrize(
    ("dag_id", "task_id"),
    [
        ("example_wherobots_python", "bbox_area"),
        ("example_wherobots_templates", "from_a_task"),
        ("example_wherobots_waiting", "on_a_worker"),
        ("example_wherobots_waiting", "with_limits"),
    ],
)
def test_an_example_measures_switzerland(runs: Runs, dag_id: str, task_id: str) -> None:
    runs.wait_for_success(dag_id)

    assert f"Switzerland: {box_km2(5.96, 45.82, 10.49, 47.81):.0f} km²" in runs.log(dag_id, task_id)


def test_the_decorated_function_runs_with_its_packages_and_its_value_reaches_the_next_task(
    runs: Runs, server: LocalServerProcess
) -> None:
    dag_id = "example_wherobots_decorator"
    runs.wait_for_success(dag_id)

    nearest = runs.xcom(dag_id, "nearest_airports")
    assert [airport["iata"] for airport in nearest] == ["ZRH", "EML", "BXO"]
    assert nearest[0]["km"] == pytest.approx(great_circle_km((47.4647, 8.5492), (47.37, 8.55)), rel=0.01)
    assert runs.xcom(dag_id, "report").startswith(f"Zurich Airport is {nearest[0]['km']:.0f} km away, Emmen Airport is")
    log = runs.log(dag_id, "nearest_airports")
    assert "Zurich Airport" in log
    assert re.search(r"Uploaded \S*example_wherobots_decorator\.py to s3://managed-storage/", log)
    assert server.api_key not in log


def test_the_example_of_a_result_makes_one_run_per_tile(runs: Runs) -> None:
    runs.wait_for_success("example_wherobots_result")

    tiles = runs.xcom("example_wherobots_result", "tiles")
    assert tiles == ["5.96,45.82,7.47,47.81", "7.47,45.82,8.98,47.81", "8.98,45.82,10.49,47.81"]
    run_ids = {runs.xcom("example_wherobots_result", "area", map_index) for map_index in range(3)}
    assert len(run_ids - {None}) == 3


def test_the_body_of_the_loop_is_repeated_until_nothing_changes(runs: Runs) -> None:
    """Here by another DAG run, as Airflow 3.3 has no loops."""
    dag_id = "example_wherobots_loop"
    changed: list[int] = []
    runs.wait_for_success(dag_id)
    while not changed or changed[-1]:
        if changed:
            runs.trigger(dag_id)
            runs.wait_for_success(dag_id)
        changed.append(runs.xcom(dag_id, "one_pass.pass_labels_on"))
        assert len(changed) < 10
    assert changed == [5, 4, 2, 0]


def test_only_a_tile_that_has_changed_starts_the_dag_of_the_tiles(
    runs: Runs, airflow: AirflowInstance, server: LocalServerProcess
) -> None:
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


def test_the_example_of_templates_takes_its_params(runs: Runs, server: LocalServerProcess) -> None:
    runs.wait_for_success("example_wherobots_templates")

    assert f"Iceland: {box_km2(0, 0, 1, 1):.0f} km²" in runs.log("example_wherobots_templates", "from_params")
    (result,) = (server.root / BUCKET / "results").glob("Iceland_????-??-??.json")
    assert json.loads(result.read_text()) == {"name": "Iceland", "km2": round(box_km2(0, 0, 1, 1))}


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


def test_the_example_that_does_not_wait_asks_later_what_was_used(runs: Runs) -> None:
    runs.wait_for_success("example_wherobots_fire_and_forget")

    assert "COST_USD" in str(runs.xcom("example_wherobots_fire_and_forget", "usage"))
    assert "Switzerland" not in runs.log("example_wherobots_fire_and_forget", "start")


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


def test_the_sql_example_joins_and_stores(runs: Runs, server: LocalServerProcess) -> None:
    import pyarrow.parquet

    dag_id = "example_wherobots_sql"
    runs.wait_for_success(dag_id)

    address = runs.xcom(dag_id, "join")
    rows = pyarrow.parquet.read_table(server.root / address.removeprefix("s3://")).to_pylist()
    assert {row["id"]: row["name"] for row in rows} == {2: "Barton Creek", 3: "Onion Creek", 4: "Barton Creek"}
    assert runs.xcom(dag_id, "report") == f"Barton Creek: 3 reports, up to 44 mm; all of them are in {address}"


def test_airflows_own_checks_of_sql_work_on_the_connection(runs: Runs) -> None:
    dag_id = "example_wherobots_sql_checks"
    runs.wait_for_success(dag_id)

    assert runs.states(dag_id) == {
        **dict.fromkeys(("load", "wait", "columns", "places", "is_large", "alert"), "success"),
        "nothing": "skipped",
    }
    # UNION ALL has no order: any of the checks may come first.
    [record] = re.findall(r"Record: (\[.*\])", runs.log(dag_id, "columns"))
    assert sorted(ast.literal_eval(record)) == [
        ("id", "null_check", 0),
        ("id", "unique_check", 0),
        ("mm", "max", 44.0),
        ("mm", "min", 19.0),
    ]


def test_the_sql_session_is_shared_by_its_tasks_and_stopped_by_its_teardown(
    runs: Runs, server: LocalServerProcess
) -> None:
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
    if not HAS_JDK:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no javac: install a JDK, such as default-jdk-headless")
    runs.wait_for_success("example_wherobots_jar")

    log = runs.log("example_wherobots_jar", "great_circle")
    assert "From 47.4582,8.5481 to 63.9850,-22.6056" in log
    assert f"{great_circle_km(ZURICH, KEFLAVIK):.1f} km" in log


def test_the_spark_example_joins_and_writes_parquet(runs: Runs, server: LocalServerProcess) -> None:
    if not HAS_JDK:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no javac: install a JDK, such as default-jdk-headless")
    import pyarrow.dataset

    runs.wait_for_success("example_wherobots_spark")

    written = pyarrow.dataset.dataset(server.root / BUCKET / "results" / "rain_by_region", partitioning="hive")
    found = {(row["region"], row["month"]): (row["stations"], row["mm"]) for row in written.to_table().to_pylist()}
    assert found == rain_by_region(EXAMPLES / "jobs")
    assert "INFO SparkContext: Running Spark version" in runs.log("example_wherobots_spark", "rain_by_region")


def test_the_pipeline_over_open_data_joins_and_publishes(runs: Runs, airflow: AirflowInstance) -> None:
    dag_id, table = "example_wherobots_sql_open_data", "org_catalog.example_open_data.places_by_region"
    runs.wait_for_success(dag_id)

    assert runs.xcom(dag_id, "report") == f"{table}: CH-ZH has 2, CH-BE has 1"
    events = airflow.api.request("GET", "assets/events", params={"source_dag_id": dag_id})["asset_events"]
    assert [event["uri"] for event in events] == [f"wherobots://{table.replace('.', '/')}"]


def test_the_pipeline_of_tiles_fills_a_range_of_days(
    runs: Runs, airflow: AirflowInstance, server: LocalServerProcess
) -> None:
    if not HAS_JDK:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no javac: install a JDK, such as default-jdk-headless")
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
