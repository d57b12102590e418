"""The service misbehaves: one run, followed to its end."""

import itertools

import pytest

from tests.e2e.conftest import World, moment

pytestmark = pytest.mark.e2e


def test_a_lost_create_answer_makes_one_run(world: World) -> None:
    world.control.add_fault("createJobRun", "lose_answer", times=1)
    world.end("deferred", world.begin("deferred", "talk.py", 3), "success")
    assert world.counts() == (1, 0)
    assert world.statuses() == ["COMPLETED"]


def test_the_api_is_down_for_90_seconds(world: World) -> None:
    dag_run = world.begin("deferred", "wait.py", 20, state="deferred")
    world.control.add_fault("*", "reset", seconds=90)
    log = world.end("deferred", dag_run, "success", timeout=240)
    assert world.counts() == (1, 0)
    assert "The Runs API answers again" in log


def test_a_storm_of_429_is_waited_out_as_asked(world: World) -> None:
    dag_run = world.begin("deferred", "wait.py", 10, state="deferred")
    storm = {"type": "status", "status": 429, "headers": {"Retry-After": "5.2"}}
    world.control.add_fault("getJobRun", storm, times=4)
    world.end("deferred", dag_run, "success")
    times = [moment(entry["time"]) for entry in world.control.requests("getJobRun") if entry["status"] == 429]
    assert len(times) == 4
    assert all(later - earlier >= 5.2 for earlier, later in itertools.pairwise(times))
    assert world.counts() == (1, 0)


def test_a_rotated_key_is_picked_up_mid_run(world: World) -> None:
    dag_run = world.begin("deferred", "wait.py", 15, state="deferred")
    world.api_key = "end-to-end-key-2" if world.api_key.endswith("1") else "end-to-end-key-1"
    world.connect()
    world.control.rotate_api_key(world.api_key)
    world.end("deferred", dag_run, "success")
    assert world.counts() == (1, 0)


def test_a_failed_run_is_retried_with_a_second_one(world: World) -> None:
    dag_run = world.begin("deferred_retry", "talk.py", 1, code=1)
    world.end("deferred_retry", dag_run, "failed", try_number=2)
    assert world.statuses() == ["FAILED", "FAILED"]
    assert world.counts() == (2, 0)


def test_a_run_cancelled_on_the_service_is_not_retried(world: World) -> None:
    dag_run = world.begin("deferred_retry", "wait.py", 600, state="deferred")
    world.cancel(world.runs()[0]["id"])
    log = world.end("deferred_retry", dag_run, "failed", try_number=1)
    assert "was cancelled on the service's side" in log
    assert world.counts()[0] == 1
