"""A user ends the task: the run is cancelled, whether the task is on a worker or deferred."""

import time

import pytest

from tests.e2e.world import Case, World, moment

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def marked(world: World) -> Case:
    return world.case("deferred").begin()


@pytest.fixture(scope="module")
def marked_in_trouble(world: World) -> Case:
    return world.case("deferred").begin()


@pytest.fixture(scope="module")
def cleared(world: World) -> Case:
    return world.case("deferred").begin()


@pytest.fixture(scope="module")
def late(world: World) -> Case:
    return world.case("deferred_deadline").begin()


@pytest.fixture(scope="module")
def crashed(world: World) -> Case:
    return world.case("crashing").begin()


@pytest.fixture(scope="module", autouse=True)
def all_begun(late: Case, marked: Case, marked_in_trouble: Case, cleared: Case, crashed: Case) -> None:
    """Side by side: most of each case is waiting."""


def mark_failed(case: Case) -> None:
    marked_at = time.time()
    case.mark("failed")
    case.wait_for_statuses("CANCELLED")
    cancel = case.requests("cancelJobRun")[-1]
    print(f"{case.way}: the cancel took effect {moment(cancel['time']) - marked_at:.1f} s after the mark")
    assert case.counts() == (1, 1)
    assert case.task()["state"] == "failed"


def new_try_has_its_own(case: Case) -> None:
    case.wait_for_statuses("CANCELLED", "RUNNING", timeout=120)
    case.release()
    case.end("success", try_number=2)
    assert case.statuses() == ["CANCELLED", "COMPLETED"]
    assert case.counts() == (2, 1)


def test_marked_failed_while_deferred(marked: Case) -> None:
    mark_failed(marked.wait_until_followed("deferred"))
    assert len(marked.requests("cancelJobRun")) == 1


def test_marked_failed_while_deferred_and_the_service_is_in_trouble(marked_in_trouble: Case) -> None:
    marked_in_trouble.wait_until_followed("deferred")
    marked_in_trouble.fault("cancelJobRun", {"type": "status", "status": 503}, times=2)
    mark_failed(marked_in_trouble)
    assert len(marked_in_trouble.requests("cancelJobRun")) == 3


def test_cleared_while_deferred_the_old_run_is_cancelled_and_the_new_try_has_its_own(cleared: Case) -> None:
    cleared.wait_until_followed("deferred")
    cleared.clear()
    new_try_has_its_own(cleared)


def test_a_crashed_trigger(crashed: Case) -> None:
    crashed.end("failed")
    crashed.wait_for_statuses("CANCELLED")
    assert crashed.counts() == (1, 1)


def test_execution_timeout_while_deferred(late: Case) -> None:
    log = late.end("failed")
    late.wait_for_statuses("CANCELLED")
    assert late.counts()[0] == 1
    assert "is followed by the triggerer" in log
    assert "execution_timeout" in log


def test_marked_failed_on_a_worker(world: World) -> None:
    mark_failed(world.case("worker").begin().wait_until_followed("running"))


def test_cleared_on_a_worker_the_old_run_is_cancelled_and_the_new_try_has_its_own(world: World) -> None:
    case = world.case("worker").begin().wait_until_followed("running")
    case.clear()
    if world.airflow.is_line("3.0"):
        # The task stays "restarting" there, until it is cleared once more.
        case.wait_for_statuses("CANCELLED")
        case.clear()
    new_try_has_its_own(case)
