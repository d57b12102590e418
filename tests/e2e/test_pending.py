"""A run that does not start in time is cancelled, and the retry gets another one, though triggerers are killed."""

import signal
from datetime import UTC, datetime

import pytest

from tests.e2e.world import World, moment
from tests.support.waiting import wait_for

LIMIT = 60
"""The ``max_pending_seconds`` of the DAG ``pending``."""


@pytest.mark.alone
@pytest.mark.slow
def test_the_limit_counts_from_the_create_request_though_triggerers_are_killed_before_and_after_the_cancel(
    world: World,
) -> None:
    airflow = world.airflow
    world.control.behaviour(start_delay_seconds=3_600)
    try:
        case = world.case("pending").begin()
        case.wait_until_deferred()
        airflow.kill_component("triggerer", signal.SIGKILL)
        (create,) = case.requests("createJobRun")
        over = moment(create["time"]) + LIMIT
        # It is read once the run is cancelled.
        case.fault("getJobRunMetrics", {"type": "hang", "seconds": 600}, times=1)
        wait_for(lambda: datetime.now(UTC).timestamp() > over, what="the limit")
        assert case.statuses() == ["PENDING"], "nothing follows the run"
        polls = len(case.requests("getJobRun"))
        airflow.start_component("triggerer")
        wait_for(lambda: case.requests("getJobRunMetrics"), what="the cancel")
        airflow.kill_component("triggerer", signal.SIGKILL)
        first = case.requests("getJobRun")[polls]
        (cancel,) = case.requests("cancelJobRun")
        assert moment(cancel["time"]) - moment(first["time"]) < 5, "the first poll has seen that it is too late"
    finally:
        world.control.behaviour(start_delay_seconds=0)
        if not airflow.is_running("triggerer"):
            airflow.start_component("triggerer")
    case.release()
    case.end("success", try_number=2)
    log = case.log(1)
    assert f"cancelling it (max_pending_seconds={LIMIT})" in log
    assert "did not start within the task's max_pending_seconds: it waited 1 minute" in log
    assert case.statuses() == ["CANCELLED", "COMPLETED"]
    assert case.counts() == (2, 1)
