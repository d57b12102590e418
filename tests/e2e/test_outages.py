"""The service misbehaves: one run, followed to its end."""

import itertools

import pytest

from tests.e2e.world import Case, World, moment

pytestmark = pytest.mark.e2e

OUTAGE_SECONDS = 90


@pytest.fixture(scope="module")
def lost(world: World) -> Case:
    return world.case("deferred").fault("createJobRun", "lose_answer", times=1).begin("talk.py", 3)


@pytest.fixture(scope="module")
def down(world: World) -> Case:
    return world.case("deferred").begin()


@pytest.fixture(scope="module")
def throttled(world: World) -> Case:
    return world.case("deferred").begin()


@pytest.fixture(scope="module")
def rotated(world: World) -> Case:
    return world.case("deferred").begin()


@pytest.fixture(scope="module")
def failing(world: World) -> Case:
    return world.case("deferred_retry").begin("talk.py", 1, code=1)


@pytest.fixture(scope="module")
def cancelled(world: World) -> Case:
    return world.case("deferred_retry").begin()


@pytest.fixture(scope="module", autouse=True)
def all_begun(down: Case, throttled: Case, cancelled: Case, rotated: Case, lost: Case, failing: Case) -> None:
    """Side by side: most of each case is waiting. The longest outage begins first and is looked at last."""
    down.wait_until_followed("deferred").fault("*", "reset", seconds=OUTAGE_SECONDS)


def test_a_storm_of_429_is_waited_out_as_asked(throttled: Case) -> None:
    throttled.wait_until_followed("deferred")
    throttled.fault("getJobRun", {"type": "status", "status": 429, "headers": {"Retry-After": "5.2"}}, times=4)
    throttled.release()
    throttled.end("success")
    times = [moment(entry["time"]) for entry in throttled.requests("getJobRun") if entry["status"] == 429]
    assert len(times) == 4
    assert all(later - earlier >= 5.2 for earlier, later in itertools.pairwise(times))
    assert throttled.counts() == (1, 0)


def test_a_run_cancelled_on_the_service_is_not_retried(cancelled: Case) -> None:
    cancelled.wait_until_followed("deferred")
    cancelled.cancel()
    log = cancelled.end("failed", try_number=1)
    assert "was cancelled on the service's side" in log
    assert cancelled.counts()[0] == 1


def test_a_lost_create_answer_makes_one_run(lost: Case) -> None:
    lost.end("success")
    assert lost.counts() == (1, 0)
    assert lost.statuses() == ["COMPLETED"]


def test_a_failed_run_is_retried_with_a_second_one(failing: Case) -> None:
    failing.end("failed", try_number=2)
    assert failing.statuses() == ["FAILED", "FAILED"]
    assert failing.counts() == (2, 0)


def test_a_rotated_key_is_picked_up_mid_run(world: World, rotated: Case) -> None:
    rotated.wait_until_followed("deferred")
    world.rotate_key()
    rotated.release()
    rotated.end("success")
    assert rotated.counts() == (1, 0)


def test_the_api_is_down_for_90_seconds(down: Case) -> None:
    down.release()
    log = down.end("success", timeout=240)
    times = [moment(entry["time"]) for entry in down.requests("getJobRun") if entry["fault"] == "reset"]
    assert times[-1] - times[0] > OUTAGE_SECONDS / 2
    assert down.counts() == (1, 0)
    assert "the run is not affected and is polled again" in log
    # On a busy machine the trigger may have moved since: the new one has seen no outage.
    assert "The Runs API answers again" in log or log.count("Following run") > 1
