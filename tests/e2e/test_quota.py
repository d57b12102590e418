"""The organisation is full: the task waits, on the worker at first, then deferred; in the end there is one run."""

from typing import Any

import pytest

from tests.e2e.world import Case, World

pytestmark = pytest.mark.e2e

FULL: dict[str, Any] = {
    "type": "status",
    "status": 403,
    "body": {
        "errors": [{"code": "INSUFFICIENT_QUOTA_ERROR", "message": "Insufficient quota", "details": "RUNS is 2"}],
        "requestId": "req-1",
    },
}
FULL_FOR_LONG = {**FULL, "headers": {"Retry-After": "185"}}
"""Longer than a worker waits itself."""


@pytest.fixture(scope="module")
def soon(world: World) -> Case:
    return world.case("deferred").fault("createJobRun", FULL, times=2).begin("talk.py", 3)


@pytest.fixture(scope="module")
def later(world: World) -> Case:
    return world.case("full").fault("createJobRun", FULL_FOR_LONG, times=1).begin("talk.py", 3)


@pytest.fixture(scope="module")
def killed(world: World) -> Case:
    return world.case("full").fault("createJobRun", FULL_FOR_LONG).begin("talk.py", 3)


@pytest.fixture(scope="module", autouse=True)
def all_begun(later: Case, killed: Case, soon: Case) -> None:
    """Side by side: most of each case is waiting."""


def wait_until_waiting(case: Case) -> None:
    case.world.airflow.api.wait_for_task(case.way, case.dag_run, "run", "deferred", timeout=180)
    assert case.counts() == (0, 0)


def test_a_full_organisation_is_waited_for_on_the_worker(soon: Case) -> None:
    log = soon.end("success")
    assert "quota is used up" in log
    assert "RUNS is 2" in log
    assert len(soon.requests("createJobRun")) == 3
    assert soon.counts() == (1, 0)


def test_a_kill_during_the_deferred_wait_ends_it_and_no_run_is_ever_created(killed: Case) -> None:
    wait_until_waiting(killed)
    killed.mark("failed")
    assert killed.end("failed")
    assert killed.counts() == (0, 0)


def test_a_long_wait_is_deferred_and_then_the_worker_creates_the_run(later: Case) -> None:
    wait_until_waiting(later)
    log = later.end("success", timeout=400)
    assert "quota is used up" in log
    assert len(later.requests("createJobRun")) == 2
    assert later.counts() == (1, 0)
    assert later.statuses() == ["COMPLETED"]
