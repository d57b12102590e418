"""A run that does not start in time is cancelled, and the retry gets another one."""

from tests.e2e.world import World


def test_a_run_that_stays_pending_is_cancelled_and_the_retry_runs_the_job(world: World) -> None:
    world.control.behaviour(start_delay_seconds=3600)
    try:
        case = world.case("pending").begin("talk.py", 3)
        case.wait_for_statuses("CANCELLED")
    finally:
        world.control.behaviour(start_delay_seconds=0)
    case.end("success", try_number=2)
    log = case.log(1)
    assert "cancelling it (max_pending_seconds=20)" in log
    assert "did not start within the task's max_pending_seconds: it waited " in log
    assert case.statuses() == ["CANCELLED", "COMPLETED"]
