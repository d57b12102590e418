"""A real Airflow of each line, connected to a local server that runs the jobs and counts what reaches it."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_wherobots.local import LocalServer
from airflow_provider_wherobots.local.control_client import ControlClient
from dev.airflow_instance import AirflowInstance
from dev.environments import Environment
from dev.waiting import wait_for

HERE = Path(__file__).parent
CONN_ID = "wherobots_default"
TASK = "run"


def moment(text: str) -> float:
    """A time of the local server's journal in epoch seconds."""
    return datetime.fromisoformat(text).timestamp()


@dataclass
class World:
    """Airflow and the service, and what tests do with both."""

    airflow: AirflowInstance
    server: LocalServer
    control: ControlClient
    api_key: str

    def connect(self) -> None:
        """Store the connection with the present key."""
        self.airflow.api.set_connection(CONN_ID, "wherobots", host=self.server.url, password=self.api_key)

    def begin(self, way: str, script: str, arg: object = "", code: int = 0, state: str | None = None) -> str:
        """Start a DAG run; with a ``state``, wait until its task is in it, its job is running, and it is followed.

        :returns: id of the DAG run.
        """
        dag_run = self.airflow.api.trigger_dag(way, {"script": script, "arg": str(arg), "code": str(code)})
        if state is not None:
            self.airflow.api.wait_for_task(way, dag_run, TASK, state)
            wait_for(lambda: self.statuses() == ["RUNNING"], timeout=60, what="the job to be running")
            wait_for(lambda: self.control.requests("getJobRun"), timeout=60, what="the run to be followed")
        return dag_run

    def end(self, way: str, dag_run: str, state: str, *, try_number: int | None = None, timeout: float = 180) -> str:
        """Wait for the task's end in a state, and return the task's log."""
        ended = self.airflow.api.wait_for_task(way, dag_run, TASK, state, try_number=try_number, timeout=timeout)
        return self.log(way, dag_run, ended["try_number"])

    def log(self, way: str, dag_run: str, try_number: int = 1) -> str:
        """The task's log as Airflow serves it."""
        return self.airflow.api.task_log(way, dag_run, TASK, try_number).text

    def runs(self) -> list[dict[str, Any]]:
        """The service's runs since the test began, oldest first."""
        ids = [entry["run_id"] for entry in self.control.requests("createJobRun") if entry["effective"]]
        # Listed, not got one by one: who gets a run in the journal is Airflow alone.
        answer = requests.get(f"{self.server.url}/runs?size=100", headers=self._headers, timeout=10)
        answer.raise_for_status()
        found = {run["id"]: run for run in answer.json()["items"]}
        return [found[run_id] for run_id in ids]

    def statuses(self) -> list[str]:
        """Their statuses."""
        return [run["status"] for run in self.runs()]

    def wait_for_statuses(self, *statuses: str, timeout: float = 60) -> None:
        """Wait until the service's runs have these statuses."""
        wait_for(
            lambda: self.statuses() == list(statuses),
            timeout=timeout,
            what=f"the runs to be {statuses}",
            detail=lambda: f"They are {self.statuses()}.",
        )

    def counts(self) -> tuple[int, int]:
        """Creates and cancels that took effect since the test began."""
        counts = self.control.counts()
        return counts["creates_effective"], counts["cancels_effective"]

    def cancel(self, run_id: str) -> None:
        """Cancel a run as somebody in the console would."""
        url = f"{self.server.url}/runs/{run_id}/cancel"
        requests.post(url, headers=self._headers, timeout=10).raise_for_status()

    @property
    def _headers(self) -> dict[str, str]:
        return {"X-API-Key": self.api_key}


@pytest.fixture(scope="session")
def running_world(airflow_environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("storage")
    shutil.copytree(HERE / "jobs", root / "jobs")
    instance = AirflowInstance(
        tmp_path_factory.mktemp(f"airflow-{airflow_environment.line}"),
        python=airflow_environment.python,
        dags_folder=HERE / "dags",
        env={"PYTHONPATH": str(HERE / "modules")},
        progress=print,
    )
    key = "end-to-end-key-1"
    with LocalServer(root, api_key=key) as server, instance:
        found = World(instance, server, ControlClient(server.url, key), key)
        found.connect()
        for way in ("deferred", "worker", "crashing"):
            instance.api.wait_for_dag(way)
        yield found


@pytest.fixture
def world(running_world: World) -> Iterator[World]:
    running_world.control.clear_requests()
    yield running_world
    running_world.control.clear_faults()
