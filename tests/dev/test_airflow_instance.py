"""The harness on each real Airflow: deferral, logs, marks, kills, and a clean end. More of it in ``tests/e2e``."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dev.airflow_instance import AirflowInstance, AirflowInstanceError
from dev.environments import Environment
from dev.places import TREE
from dev.processes import is_alive
from dev.waiting import wait_for

pytestmark = pytest.mark.e2e

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def airflow(airflow_environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowInstance]:
    home = tmp_path_factory.mktemp(f"airflow-{airflow_environment.line}")
    instance = AirflowInstance(
        home,
        python=airflow_environment.python,
        dags_folder=HERE / "dags",
        env={"PYTHONPATH": str(HERE / "modules")},
        progress=print,
    )
    with instance:
        for dag_id in ("gate_deferred", "gate_worker"):
            instance.api.wait_for_dag(dag_id)
        yield instance


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


def begin(airflow: AirflowInstance, dag_id: str, gate: Path, *states: str) -> str:
    run_id = airflow.api.trigger_dag(dag_id, {"gate": str(gate)})
    airflow.api.wait_for_task(dag_id, run_id, "gate", *states)
    return run_id


def wait_until_scheduler_has_seen(airflow: AirflowInstance, run_id: str) -> None:
    """Wait until the executor's report that the task has deferred is dealt with.

    If the trigger fires before, Airflow takes the report for one of the task that is queued again, and ends it.
    """
    output = airflow.output("scheduler")
    wait_for(
        lambda: any("TaskInstance Finished" in line and run_id in line for line in output.read_text().splitlines()),
        what="the scheduler to see the deferral",
    )


def test_a_deferred_task_ends_with_its_log_and_xcoms(airflow: AirflowInstance, gate: Path) -> None:
    run_id = begin(airflow, "gate_deferred", gate, "deferred")
    wait_until_scheduler_has_seen(airflow, run_id)
    gate.touch()

    assert airflow.api.wait_for_run("gate_deferred", run_id) == "success"

    log = airflow.api.task_log("gate_deferred", run_id, "gate").text
    told = ["heading for the gate", "waiting at the gate", "through the gate, which was open"]
    assert [log.count(line) for line in told] == [1, 1, 1], log
    assert log.index(told[0]) < log.index(told[1]) < log.index(told[2])
    assert airflow.api.xcom("gate_deferred", run_id, "gate") == "open"
    assert airflow.api.xcom("gate_deferred", run_id, "gate", "gate") == {"path": str(gate)}
    assert airflow.api.xcom("gate_deferred", run_id, "gate", "nothing") is None


def test_the_components_run_the_code_of_this_checkout(airflow: AirflowInstance) -> None:
    path = psutil.Process(airflow.pid("scheduler")).environ()["PYTHONPATH"]
    assert path.split(os.pathsep) == [str(TREE), str(HERE / "modules")]


def test_a_killed_component_is_gone_with_all_its_processes(airflow: AirflowInstance) -> None:
    first = airflow.pids("triggerer")
    if airflow.is_airflow_3:
        assert len(first) > 1, "the supervisor and its runner"

    airflow.kill_component("triggerer", signal.SIGKILL)

    assert not any(is_alive(pid) for pid in first)
    assert not airflow.is_running("triggerer")
    airflow.start_component("triggerer")
    assert airflow.is_running("triggerer")


def test_tasks_are_marked_and_cleared(airflow: AirflowInstance, gate: Path) -> None:
    run_id = begin(airflow, "gate_deferred", gate, "deferred")

    airflow.api.set_task_state("gate_deferred", run_id, "gate", "failed")
    # Cleared earlier, a run that the scheduler is about to find failed would end for good.
    assert airflow.api.wait_for_run("gate_deferred", run_id) == "failed"
    airflow.api.clear_task("gate_deferred", run_id, "gate")
    airflow.api.wait_for_task("gate_deferred", run_id, "gate", "deferred")
    gate.touch()

    assert airflow.api.wait_for_run("gate_deferred", run_id) == "success"


def test_a_running_task_that_is_marked_failed_ends(airflow: AirflowInstance, gate: Path) -> None:
    run_id = begin(airflow, "gate_worker", gate, "running")
    pid = airflow.task_pid("gate_worker", run_id, "gate")

    airflow.api.set_task_state("gate_worker", run_id, "gate", "failed")

    wait_for(lambda: not is_alive(pid), timeout=60, what="the task's process to end")
    assert airflow.api.wait_for_run("gate_worker", run_id) == "failed"


def test_connections_are_stored_and_replaced(airflow: AirflowInstance) -> None:
    for host in ("one.example", "two.example"):
        airflow.api.set_connection("probe", "http", host=host, password="secret", extra={"a": 1})
        stored = airflow.api.connection("probe")
        assert stored is not None
        assert stored["host"] == host
    assert airflow.api.connection("unknown") is None


def test_a_folder_has_one_owner(airflow: AirflowInstance, airflow_environment: Environment) -> None:
    code = (
        "import sys; from pathlib import Path; from dev.airflow_instance import AirflowInstance\n"
        "AirflowInstance(Path(sys.argv[1]), python=Path(sys.argv[2]), dags_folder=Path(sys.argv[1])).start()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, airflow.home, airflow_environment.python],
        cwd=HERE.parent.parent,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert f"Process {os.getpid()} runs an Airflow in {airflow.home} already." in done.stderr
    assert airflow.is_running("scheduler")


def test_a_component_that_cannot_start_is_reported_and_nothing_stays(
    airflow_environment: Environment, tmp_path: Path
) -> None:
    broken = AirflowInstance(
        tmp_path / "home",
        python=airflow_environment.python,
        dags_folder=HERE / "dags",
        env={"AIRFLOW__CORE__EXECUTOR": "NoSuchExecutor"},
    )
    with pytest.raises(AirflowInstanceError, match=r"NoSuchExecutor"):
        broken.start()
    assert not any(broken.is_running(name) for name in ("scheduler", "triggerer"))


def test_stop_leaves_no_process(airflow: AirflowInstance, gate: Path) -> None:
    """The last one, as it ends the Airflow of the others."""
    run_id = begin(airflow, "gate_worker", gate, "running")
    pids = {airflow.task_pid("gate_worker", run_id, "gate")}
    names = ["scheduler", "triggerer", airflow.web_component]
    pids.update(pid for name in names for pid in airflow.pids(name))

    airflow.stop()

    assert {pid for pid in pids if is_alive(pid)} == set()
