"""A user ends the task: the run is cancelled, whether the task is on a worker or deferred."""

import signal
from typing import Literal

import pytest

from tests.e2e.world import TASK, Case, World
from tests.support.waiting import wait_for

STATES = {"deferred": "deferred", "worker": "running"}


def mark(case: Case, state: Literal["success", "failed"]) -> None:
    case.mark(state)
    case.wait_for_statuses("CANCELLED")
    assert case.counts() == (1, 1)
    assert case.task()["state"] == state


@pytest.mark.short
@pytest.mark.parametrize(("way", "state"), [("deferred", "success"), ("worker", "failed")])
def test_a_task_is_marked(world: World, way: str, state: Literal["success", "failed"]) -> None:
    mark(world.case(way).begin().wait_until_followed(STATES[way]), state)


@pytest.mark.parametrize("way", STATES)
def test_a_task_is_marked_failed_while_the_service_is_in_trouble(world: World, way: str) -> None:
    case = world.case(way).begin().wait_until_followed(STATES[way])
    # The cancel is repeated after 1, 2 and 4 s. Airflow 3.0 to 3.3 leave a worker's process 5 s, 2.11 and 3.4 60 s.
    has_time = any(map(world.airflow.is_series, ("2.11", "3.4")))
    failures = 2 if way == "deferred" else 3 if has_time else 1
    case.fault("cancelJobRun", {"type": "status", "status": 503}, times=failures)
    mark(case, "failed")
    assert len(case.requests("cancelJobRun")) == failures + 1


def test_a_task_is_marked_between_its_create_call_and_its_deferral(world: World) -> None:
    """Airflow 3 refuses the deferral, ends the process, and calls no on_kill, unless a heartbeat comes between."""
    if world.airflow.is_series("2.11"):
        pytest.skip("The mark takes longer there than a short create request")
    case = world.case("deferred").fault("createJobRun", {"type": "slow", "seconds": 1}, times=1).begin()
    wait_for(case.creates_received, what="the create request")
    mark(case, "failed")


@pytest.mark.short
@pytest.mark.parametrize("way", STATES)
def test_a_task_is_cleared_the_old_run_is_cancelled_and_the_new_try_has_its_own(world: World, way: str) -> None:
    # The process of the next try may end at once on 2.11: it stores the id of a trigger that was deleted meanwhile.
    has_retry = way == "deferred" and world.airflow.is_series("2.11")
    case = world.case("deferred_retry" if has_retry else way).begin().wait_until_followed(STATES[way])
    case.clear()
    if world.airflow.is_series("3.0"):
        if way == "deferred":
            # If the next try is quicker than the triggerer, it re-attaches: it looks like a retry.
            world.airflow.api.wait_for_task(case.way, case.dag_run, TASK, "deferred", try_number=2)
            case.wait_until_deferred()
            case.release()
            case.end("success", try_number=2)
            assert case.counts() in ((2, 1), (1, 0))
            return
        # The task stays "restarting" there, until it is cleared once more.
        case.wait_for_statuses("CANCELLED")
        case.clear()
    case.wait_for_new_run(STATES[way])
    case.release()
    case.end("success")
    assert case.statuses() == ["CANCELLED", "COMPLETED"]
    assert case.counts() == (2, 1)


def test_a_workers_process_gets_a_sigterm_though_no_user_has_ended_the_task(world: World) -> None:
    """As of a pod that is evicted. The task cannot find out, and cancels: the retry has a run of its own."""
    case = world.case("worker_retry").begin().wait_until_followed("running")
    world.airflow.kill_task(case.way, case.dag_run, TASK, sig=signal.SIGTERM)
    case.wait_for_statuses("CANCELLED", "RUNNING")
    case.release()
    case.end("success", try_number=2)
    assert case.statuses() == ["CANCELLED", "COMPLETED"]
    assert case.counts() == (2, 1)


def test_a_crashed_trigger(world: World) -> None:
    crashed = world.case("crashing").begin()
    crashed.wait_until_deferred()
    crashed.wait_for_statuses("RUNNING")
    crashed.crash()
    crashed.end("failed")
    crashed.wait_for_statuses("CANCELLED")
    assert crashed.counts() == (1, 1)


def test_execution_timeout_while_deferred(world: World) -> None:
    late = world.case("deferred_deadline").begin()
    log = late.end("failed")
    late.wait_for_statuses("CANCELLED")
    assert late.counts() == (1, 1)
    assert "Deferred. Polling run" in log
    assert "execution_timeout" in log
