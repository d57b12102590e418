"""A try finds the run of the try before: after a clear, and when the run has completed meanwhile."""

import pytest

from tests.e2e.world import TASK, World
from tests.support.waiting import wait_for


@pytest.mark.short
def test_a_clear_after_the_dag_runs_end_replaces_the_run_that_it_has_left_active(world: World) -> None:
    case = world.case("left_active").begin()
    case.end("success")
    assert world.airflow.api.wait_for_run(case.way, case.dag_run) == "success"
    case.wait_for_statuses("RUNNING")
    case.clear()
    case.end("success", try_number=2)
    case.wait_for_statuses("CANCELLED", "RUNNING")
    assert case.counts() == (2, 1)
    case.release()


def test_a_try_that_is_started_again_because_its_task_was_missing_takes_its_run_over(world: World) -> None:
    if not world.airflow.is_series("3.3"):
        pytest.skip("this Airflow fails such a task")
    case = world.case("renamed").begin().wait_until_followed("deferred")
    task_id = world.airflow.home / "renamed_task_id"
    task_id.write_text("renamed")
    try:
        case.release()
        case.wait_for_task("up_for_reschedule")
    finally:
        task_id.unlink()
    log = case.end("success", try_number=1)
    assert case.counts() == (1, 0)
    assert "has already ended (COMPLETED); it is not repeated" in log


@pytest.mark.short
def test_a_worker_is_killed_between_the_runs_end_and_the_tasks_and_the_retry_takes_the_run_over(world: World) -> None:
    case = world.case("worker_retry").begin().wait_until_followed("running")
    # The worker waits more than a minute for the response.
    case.fault("getJobRunLogs", {"type": "hang", "seconds": 600}, times=1)
    wait_for(lambda: any(call["fault"] for call in case.requests("getJobRunLogs")), what="the worker to read the log")
    case.release()
    case.wait_for_statuses("COMPLETED")
    world.airflow.kill_task(case.way, case.dag_run, TASK)
    log = case.end("success", try_number=2)
    assert case.counts() == (1, 0)
    assert "has already ended (COMPLETED); it is not repeated" in log
    assert log.count("the run is done") == 1
