"""The example DAGs really run: on a real Airflow, with the local server as the service."""

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

from dev.airflow_instance import AirflowInstance
from dev.environments import Environment
from dev.local_server import LocalServer
from dev.processes import CHECKOUT, ProcessFamily

pytestmark = pytest.mark.e2e

EXAMPLES = CHECKOUT / "example_dags"
BUCKET = "wherobots-demo"
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
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    folder = tmp_path_factory.mktemp("server")
    shutil.copytree(EXAMPLES / "jobs", folder / "storage" / BUCKET / "jobs")
    family = ProcessFamily(f"test:{folder}")
    try:
        yield LocalServer(family, folder / "storage", folder / "server.log")
    finally:
        family.stop()


@pytest.fixture(scope="module")
def airflow(
    airflow_environment: Environment, server: LocalServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AirflowInstance]:
    instance = AirflowInstance(
        tmp_path_factory.mktemp(f"airflow-{airflow_environment.line}"),
        python=airflow_environment.python,
        dags_folder=EXAMPLES,
    )
    with instance:
        instance.api.set_connection("wherobots_default", "wherobots", host=server.url, password=server.api_key)
        yield instance


def run_to_success(airflow: AirflowInstance, dag_id: str, conf: dict[str, Any] | None = None) -> str:
    airflow.api.wait_for_dag(dag_id)
    run_id = airflow.api.trigger_dag(dag_id, conf)
    wait_for_success(airflow, dag_id, run_id)
    return run_id


def wait_for_success(airflow: AirflowInstance, dag_id: str, run_id: str) -> None:
    state = airflow.api.wait_for_run(dag_id, run_id, timeout=240)
    assert state == "success", "\n".join(
        airflow.api.task_log(dag_id, run_id, ti["task_id"], ti["try_number"], map_index=ti["map_index"]).text
        for ti in airflow.api.task_instances(dag_id, run_id)
        if ti["state"] == "failed"
    )


def results(server: LocalServer, country: str) -> dict[str, Any]:
    (path,) = (server.root / BUCKET / "results").glob(f"airport_neighbours_{country}_*.geojson")
    collection: dict[str, Any] = json.loads(path.read_text())
    return collection


def test_the_demo_finds_the_neighbours_of_a_countrys_airports(airflow: AirflowInstance, server: LocalServer) -> None:
    shutil.rmtree(server.root / BUCKET / "results", ignore_errors=True)

    run_id = run_to_success(airflow, "example_wherobots_demo", {"country": "IS", "radius_km": 60})

    found = {feature["properties"]["iata"]: feature["properties"] for feature in results(server, "IS")["features"]}
    assert found["KEF"]["nearest"] == "RKV"
    assert found["KEF"]["nearest_km"] == pytest.approx(great_circle_km(KEFLAVIK, REYKJAVIK), rel=0.01)
    log = airflow.api.task_log("example_wherobots_demo", run_id, "airport_neighbours").text
    assert "airports loaded" in log
    assert log.count("Joining: airports of IS with all others within 60 km") == 1
    assert "Ólafsfjörður Airport" in log
    assert server.api_key not in log


def test_the_mapped_example_makes_one_run_per_country(airflow: AirflowInstance, server: LocalServer) -> None:
    shutil.rmtree(server.root / BUCKET / "results", ignore_errors=True)

    run_id = run_to_success(airflow, "example_wherobots_mapped")

    assert all(results(server, country)["features"] for country in ("CH", "IS", "NZ"))
    runs = {
        airflow.api.xcom("example_wherobots_mapped", run_id, "airport_neighbours", map_index=index)
        for index in range(3)
    }
    assert len(runs - {None}) == 3


def test_the_examples_of_the_operators_guide(airflow: AirflowInstance, server: LocalServer) -> None:
    """All at once, as each is a few seconds of work and much waiting."""
    dag_ids = [
        f"example_wherobots_{name}" for name in ("python", "environment", "templates", "waiting", "fire_and_forget")
    ]
    for dag_id in dag_ids:
        airflow.api.wait_for_dag(dag_id)
    run_ids = {dag_id: airflow.api.trigger_dag(dag_id) for dag_id in dag_ids}
    for dag_id, run_id in run_ids.items():
        wait_for_success(airflow, dag_id, run_id)

    def log(dag_id: str, task_id: str) -> str:
        return airflow.api.task_log(dag_id, run_ids[dag_id], task_id).text

    switzerland = f"Switzerland: {box_km2(5.96, 45.82, 10.49, 47.81):.0f} km²"
    assert switzerland in log("example_wherobots_python", "bbox_area")
    assert switzerland in log("example_wherobots_templates", "from_a_task")
    assert switzerland in log("example_wherobots_waiting", "on_a_worker")
    assert switzerland in log("example_wherobots_waiting", "with_limits")
    assert f"Iceland: {box_km2(0, 0, 1, 1):.0f} km²" in log("example_wherobots_templates", "from_params")
    assert re.search(r"Iceland: [1-9]\d* airports", log("example_wherobots_environment", "airports_by_region"))
    (result,) = (server.root / BUCKET / "results").glob("Iceland_????-??-??.json")
    assert json.loads(result.read_text()) == {"name": "Iceland", "km2": round(box_km2(0, 0, 1, 1))}
    dag_id = "example_wherobots_fire_and_forget"
    assert "COST_USD" in str(airflow.api.xcom(dag_id, run_ids[dag_id], "usage"))


def test_the_jar_example_computes_a_distance(airflow: AirflowInstance, server: LocalServer, tmp_path: Path) -> None:
    if shutil.which("javac") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no javac: install a JDK, such as default-jdk-headless")
    jobs = server.root / BUCKET / "jobs"
    subprocess.run(["javac", "-d", str(tmp_path), str(jobs / "GreatCircle.java")], check=True)
    jar = ["jar", "--create", "--file", str(jobs / "great-circle.jar"), "-C", str(tmp_path), "GreatCircle.class"]
    subprocess.run(jar, check=True)

    run_id = run_to_success(airflow, "example_wherobots_jar")

    log = airflow.api.task_log("example_wherobots_jar", run_id, "great_circle").text
    assert "From 47.4582,8.5481 to 63.9850,-22.6056" in log
    assert f"{great_circle_km(ZURICH, KEFLAVIK):.1f} km" in log
