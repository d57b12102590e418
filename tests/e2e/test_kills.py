"""A user ends the task: the run is cancelled, whether the task is on a worker or deferred."""

import time

import pytest

from tests.e2e.conftest import TASK, World, moment

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(("way", "state"), [("deferred", "deferred"), ("worker", "running")])
def test_marked_failed(world: World, way: str, state: str) -> None:
    dag_run = world.begin(way, "wait.py", 600, state=state)
    marked_at = time.time()
    world.airflow.api.set_task_state(way, dag_run, TASK, "failed")
    world.wait_for_statuses("CANCELLED")
    (cancel,) = world.control.requests("cancelJobRun")
    print(f"{way}: the cancel reached the service {moment(cancel['time']) - marked_at:.1f} s after the mark")
    assert world.counts() == (1, 1)
    assert world.airflow.api.task_instance(way, dag_run, TASK)["state"] == "failed"


def test_cleared_while_deferred_the_old_run_is_cancelled_and_the_new_try_has_its_own(world: World) -> None:
    dag_run = world.begin("deferred", "wait.py", 20, state="deferred")
    world.airflow.api.clear_task("deferred", dag_run, TASK)
    world.end("deferred", dag_run, "success", try_number=2)
    world.wait_for_statuses("CANCELLED", "COMPLETED")
    assert world.counts() == (2, 1)


def test_execution_timeout_while_deferred(world: World) -> None:
    dag_run = world.begin("deferred_deadline", "wait.py", 600)
    log = world.end("deferred_deadline", dag_run, "failed")
    world.wait_for_statuses("CANCELLED")
    assert world.counts()[0] == 1
    assert "execution_timeout" in log


def test_a_crashed_trigger(world: World) -> None:
    dag_run = world.begin("crashing", "wait.py", 600)
    world.end("crashing", dag_run, "failed")
    world.wait_for_statuses("CANCELLED")
    assert world.counts() == (1, 1)
