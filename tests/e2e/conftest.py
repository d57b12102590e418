"""A real Airflow of each line, connected to a local server that runs the jobs and counts what reaches it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.airflow_instance import AirflowInstance
from dev.environments import Environment
from tests.e2e.world import KEY_STEM, World
from wherobots_local import LocalServer
from wherobots_local.control.client import ControlClient

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def world(airflow_environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("storage")
    shutil.copytree(HERE / "jobs", root / "jobs")
    instance = AirflowInstance(
        tmp_path_factory.mktemp(f"airflow-{airflow_environment.line}"),
        python=airflow_environment.python,
        dags_folder=HERE / "dags",
        env={"PYTHONPATH": str(HERE / "modules")},
        progress=print,
    )
    key = KEY_STEM + "1"
    with LocalServer(root, api_key=key) as server, instance:
        found = World(instance, server, ControlClient(server.url, key), key, tmp_path_factory.mktemp("releases"))
        found.connect()
        for way in ("deferred", "worker", "crashing"):
            instance.api.wait_for_dag(way)
        yield found
