"""Airflow's own processes die or restart: the run goes on and is followed on, never cancelled, never doubled."""

import signal

import pytest

from tests.e2e.world import TASK, Case, World

pytestmark = pytest.mark.e2e


def follow_on(case: Case, *, state: str = "deferred", try_number: int = 1) -> str:
    """Wait until the run is asked for again, only then let it end."""
    case.wait_until_followed(state, requests=len(case.requests("getJobRun")) + 1)
    case.release()
    log = case.end("success", try_number=try_number)
    assert case.counts() == (1, 0)
    assert log.count("the run is done") == 1
    return log


def test_a_triggerer_is_restarted(world: World) -> None:
    case = world.case("deferred").begin().wait_until_followed("deferred")
    world.airflow.kill_component("triggerer", signal.SIGTERM)
    world.airflow.start_component("triggerer")
    follow_on(case)


def test_a_worker_is_killed_while_it_waits_and_the_retry_re_attaches(world: World) -> None:
    kill_and_re_attach(world.case("worker_retry").begin().wait_until_followed("running"))


def test_a_worker_is_killed_before_the_create_call_is_answered_and_the_retry_re_attaches(world: World) -> None:
    case = world.case("worker_retry").fault("createJobRun", {"type": "slow", "seconds": 600}, times=1).begin()
    case.wait_for_statuses("RUNNING", timeout=180)
    kill_and_re_attach(case)


def kill_and_re_attach(case: Case) -> None:
    world = case.world
    world.airflow.kill_task(case.way, case.dag_run, TASK)
    world.airflow.api.wait_for_task(case.way, case.dag_run, TASK, "running", try_number=2, timeout=180)
    log = follow_on(case, state="running", try_number=2)
    (run,) = case.runs()
    assert f"Re-attached to run {run['id']}" in log


def test_a_triggerer_is_killed_and_a_second_one_takes_over(world: World) -> None:
    case = world.case("deferred").begin().wait_until_followed("deferred")
    world.airflow.start_component("triggerer", 2)
    world.airflow.kill_component("triggerer", signal.SIGKILL)
    try:
        log = follow_on(case)
    finally:
        world.airflow.start_component("triggerer")
        world.airflow.kill_component("triggerer", signal.SIGKILL, 2)
    assert log.count("the run has started") == 1
