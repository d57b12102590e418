"""The service misbehaves: one run, followed to its end."""

from tests.e2e.world import Case, World
from tests.support.airflow_api import Json
from tests.support.waiting import wait_for


def test_a_failed_run_is_retried_with_a_second_one(world: World) -> None:
    failing = world.case("deferred_retry").begin("talk.py", 1, code=1)
    failing.wait_until_deferred()
    failing.release()
    failing.end("failed", try_number=2)
    assert failing.statuses() == ["FAILED", "FAILED"]
    assert failing.counts() == (2, 0)


def test_a_rotated_key_is_picked_up_mid_run(world: World) -> None:
    rotated = world.case("deferred").begin().wait_until_followed("deferred")
    old, polls = world.api_key, len(rotated.requests("getJobRun"))
    world.rotate_key()
    assert world.api_key != old
    rotated.release()
    rotated.end("success")
    assert len(rotated.requests("getJobRun")) > polls
    assert rotated.counts() == (1, 0)


def polls_that_failed(case: Case) -> list[Json]:
    return [request for request in case.requests("getJobRun") if request["fault"] == "reset"]


def test_the_api_is_down_for_a_while(world: World) -> None:
    down = world.case("deferred").begin().wait_until_followed("deferred")
    down.fault("*", "reset")
    down.release()
    wait_for(lambda: len(polls_that_failed(down)) >= 6, what="six failed polls")
    world.control.clear_faults()
    log = down.end("success")
    assert down.counts() == (1, 0)
    assert log.count("the run is not affected; polling continues") == 1, log
    assert log.count("The Runs API responds again") == 1, log


def test_a_run_whose_create_was_not_answered_is_found_once_the_list_shows_it(world: World) -> None:
    case = world.case("deferred").fault("createJobRun", "lose_answer", times=1)
    nothing = {"type": "status", "status": 200, "body": {"items": [], "total": 0}}
    world.control.add_fault("listJobRuns", nothing)
    looks = len(world.control.requests("listJobRuns"))
    case.begin()
    # The first look comes before the create.
    wait_for(lambda: len(world.control.requests("listJobRuns")) >= looks + 3, what="the try to look for its run")
    world.control.clear_faults()
    case.wait_until_followed("deferred").release()
    log = case.end("success")
    assert case.counts() == (1, 0)
    assert "the create request had succeeded, only its response was lost" in log
