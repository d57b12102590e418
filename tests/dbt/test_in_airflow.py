"""The example project of the page about dbt on a real Airflow, through Cosmos: it is built, and a kill ends it all."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.airflow_instance import AirflowInstance
from tests.support.dbt import EXAMPLE, install_dbt
from tests.support.local_server import LocalServerProcess
from tests.support.processes import ProcessFamily
from tests.support.waiting import wait_for
from wherobots_local import ControlClient

pytestmark = pytest.mark.timeout(2400)

DAG = "weather"
SLOW = """
-- depends_on: {{ ref('distances') }}, {{ ref('warmest') }}, {{ ref('appended') }}
-- depends_on: {{ ref('deleted_and_inserted') }}, {{ ref('history') }}
{{ config(materialized='table') }}
select sum(sqrt(id)) as total from range(1000000000000)
"""
"""A model that comes last, and takes hours."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServerProcess]:
    folder = tmp_path_factory.mktemp("server")
    family = ProcessFamily(f"test:{folder}")
    arguments = ("--make-certificate", str(folder / "certificate"))
    try:
        yield LocalServerProcess(family, folder / "storage", folder / "server.log", *arguments)
    finally:
        family.stop()


@pytest.fixture(scope="module")
def certificate(server: LocalServerProcess) -> str:
    return str(server.root.parent / "certificate" / "ca-bundle.pem")


@pytest.fixture(scope="module")
def control(server: LocalServerProcess, certificate: str) -> ControlClient:
    client = ControlClient(server.url, server.api_key, certificate=certificate)
    # A statement that ends was ended by somebody, and not by the service after two minutes.
    client.behaviour(sql_orphan_grace_seconds=None)
    return client


@pytest.fixture(scope="module")
def dbt(uv: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_dbt(uv, tmp_path_factory.mktemp("dbt") / "environment") / "dbt"


@pytest.fixture(scope="module")
def airflow(
    server: LocalServerProcess, certificate: str, dbt: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AirflowInstance]:
    project = shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("dags") / "weather")
    dag = project / "dag.py"
    dag.write_text(dag.read_text().replace("/opt/dbt/bin/dbt", str(dbt)))
    (project / "models" / "slow.sql").write_text(SLOW)
    subprocess.run([dbt, "parse"], cwd=project, env={"WHEROBOTS_API_KEY": "none"}, check=True)
    # It is of another profile, with which Cosmos would parse the project in each task.
    (project / "target" / "partial_parse.msgpack").unlink()
    home = tmp_path_factory.mktemp("airflow")
    instance = AirflowInstance(
        home,
        dags_folder=project.parent,
        env={
            "REQUESTS_CA_BUNDLE": certificate,
            "SSL_CERT_FILE": certificate,
            "AIRFLOW__COSMOS__CACHE_DIR": str(home / "cosmos"),
            "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
            # dbt keeps the machine busy for minutes.
            "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "240",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "300",
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        },
    )
    with instance:
        instance.api.set_connection("wherobots_default", "wherobots", host=server.url, password=server.api_key)
        instance.api.wait_for_dag(DAG, timeout=240)
        yield instance


def processes(program: Path) -> list[int]:
    """The ids of the living processes that run a program."""
    found = psutil.process_iter(["cmdline", "status"])
    return [
        one.pid
        for one in found
        if str(program) in (one.info["cmdline"] or []) and one.info["status"] != psutil.STATUS_ZOMBIE
    ]


def test_the_project_is_built_and_a_kill_ends_dbt_and_its_statement(
    airflow: AirflowInstance, server: LocalServerProcess, control: ControlClient, dbt: Path
) -> None:
    api, run_id = airflow.api, airflow.api.trigger_dag(DAG)

    def tasks() -> dict[str, Any]:
        return {task["task_id"]: task for task in api.task_instances(DAG, run_id)}

    def states() -> dict[str, str]:
        return {name: task["state"] for name, task in tasks().items()}

    def slow_statements() -> list[str]:
        executions = [execution for session in control.sql_sessions() for execution in session["executions"]]
        return [one["state"] for one in executions if "range(1000000000000)" in one["statement"]]

    def is_slow() -> bool:
        assert not {"failed", "upstream_failed"} & set(states().values()), failures()
        return slow_statements() == ["running"]

    def failures() -> str:
        failed = [task for task in tasks().values() if task["state"] == "failed"]
        return "\n".join(api.task_log(DAG, run_id, one["task_id"], one["try_number"]).text for one in failed)

    wait_for(is_slow, timeout=1800, interval=2, what="the last model", detail=lambda: str(states()))
    (slow,) = (name for name in states() if "slow" in name)
    assert processes(dbt)

    api.set_task_state(DAG, run_id, slow, "failed")

    wait_for(lambda: not processes(dbt), timeout=60, what="dbt to end")
    api.wait_for_task(DAG, run_id, "stop", "success")
    wait_for(lambda: slow_statements() == ["cancelled"], timeout=30, what="the statement to end")
    assert states() == {**dict.fromkeys(states(), "success"), slow: "failed"}
    # dbt, which requests a session in each task, got the session of the first task.
    (session,) = control.sql_sessions()
    assert session["status"] == "DESTROYED"
    assert session["apiPayload"]["shutdownAfterInactiveSeconds"] == 901
    logs = [api.task_log(DAG, run_id, name, task["try_number"]).text for name, task in tasks().items()]
    profiles = [path.read_text() for path in airflow.home.rglob("profiles.yml")]
    assert len(profiles) == 1
    assert not [text for text in (*logs, *profiles) if server.api_key in text]
