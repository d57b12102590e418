"""The organization is full: the task waits deferred, and in the end there is one run."""

from typing import Any

from tests.e2e.world import World

FULL_FOR_LONG: dict[str, Any] = {
    "type": "status",
    "status": 403,
    "body": {
        "errors": [{"code": "INSUFFICIENT_QUOTA_ERROR", "message": "Insufficient quota", "details": "RUNS is 2"}],
        "requestId": "req-1",
    },
    "headers": {"Retry-After": "35"},
}
"""Longer than a worker waits itself; the DAG's file says how long that is."""


def test_a_kill_during_the_deferred_wait_ends_it_and_no_run_is_ever_created(world: World) -> None:
    killed = world.case("full").fault("createJobRun", FULL_FOR_LONG).begin("talk.py", 3)
    after = world.case("full").fault("createJobRun", FULL_FOR_LONG, times=1).begin("talk.py", 3)
    killed.wait_for_task("deferred")
    killed.mark("failed")
    killed.end("failed")
    # Its wait would be over before that of one that was refused later.
    after.wait_until_deferred(times=2)
    after.release()
    log = after.end("success")
    assert "quota is used up" in log
    assert "RUNS is 2" in log
    assert len(after.requests("createJobRun")) == 2
    assert after.counts() == (1, 0)
    assert after.statuses() == ["COMPLETED"]
    assert len(killed.requests("createJobRun")) == 1
    assert killed.counts() == (0, 0)
