"""A worker dies: the run goes on, and the retry follows it on; it is never cancelled, never doubled."""

import pytest

from tests.e2e.world import TASK, Case, World


@pytest.mark.short
def test_a_worker_is_killed_while_it_waits_and_the_retry_re_attaches(world: World) -> None:
    kill_and_re_attach(world.case("worker_retry").begin().wait_until_followed("running"))


def test_a_worker_is_killed_before_the_create_call_is_answered_and_the_retry_re_attaches(world: World) -> None:
    case = world.case("worker_retry").fault("createJobRun", {"type": "slow", "seconds": 600}, times=1).begin()
    case.wait_for_statuses("RUNNING")
    kill_and_re_attach(case)


def kill_and_re_attach(case: Case) -> None:
    world = case.world
    world.airflow.kill_task(case.way, case.dag_run, TASK)
    world.airflow.api.wait_for_task(case.way, case.dag_run, TASK, "running", try_number=2)
    log = case.follow_on(state="running", try_number=2)
    (run,) = case.runs()
    assert f"Re-attached to run {run['id']}" in log
