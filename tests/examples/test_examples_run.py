"""The example DAGs really run: on a real Airflow, with the local server as the service."""

import json
import os
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
    state = airflow.api.wait_for_run(dag_id, run_id, timeout=240)
    assert state == "success", "\n".join(
        airflow.api.task_log(dag_id, run_id, ti["task_id"], ti["try_number"], map_index=ti["map_index"]).text
        for ti in airflow.api.task_instances(dag_id, run_id)
        if ti["state"] == "failed"
    )
    return run_id


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
