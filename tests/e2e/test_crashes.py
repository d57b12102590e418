"""Airflow's own processes die or restart: the run goes on and is followed on, never cancelled, never doubled."""

import os
import signal

import pytest

from tests.e2e.conftest import TASK, World

pytestmark = pytest.mark.e2e


def test_a_triggerer_is_killed_and_a_second_one_takes_over(world: World) -> None:
    world.airflow.start_component("triggerer", 2)
    world.airflow.kill_component("triggerer", signal.SIGKILL, 2)
    dag_run = world.begin("deferred", "wait.py", 40, state="deferred")
    world.airflow.start_component("triggerer", 2)
    world.airflow.kill_component("triggerer", signal.SIGKILL, 1)
    try:
        log = world.end("deferred", dag_run, "success")
    finally:
        world.airflow.start_component("triggerer", 1)
        world.airflow.kill_component("triggerer", signal.SIGTERM, 2)
    assert world.counts() == (1, 0)
    assert log.count("the run has started") == 1
    assert log.count("the run is done") == 1


def test_a_triggerer_is_restarted(world: World) -> None:
    dag_run = world.begin("deferred", "wait.py", 25, state="deferred")
    world.airflow.kill_component("triggerer", signal.SIGTERM)
    world.airflow.start_component("triggerer")
    log = world.end("deferred", dag_run, "success")
    assert world.counts() == (1, 0)
    assert log.count("the run is done") == 1


def test_a_worker_is_killed_while_it_waits_and_the_retry_re_attaches(world: World) -> None:
    dag_run = world.begin("worker_retry", "wait.py", 45, state="running")
    os.kill(world.airflow.task_pid("worker_retry", dag_run, TASK), signal.SIGKILL)
    log = world.end("worker_retry", dag_run, "success", try_number=2)
    (run,) = world.runs()
    assert f"Re-attached to run {run['id']}" in log
    assert world.counts() == (1, 0)
