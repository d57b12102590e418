"""A try finds the run of the try before: after a clear, and when the run has completed meanwhile."""

import pytest

from tests.e2e.world import Case, World


@pytest.mark.short
def test_a_clear_after_the_dag_runs_end_replaces_the_run_that_it_has_left_active(world: World) -> None:
    if not world.remembers:
        # There a task has no memory that a clear could keep.
        clear_and_warn(world)
        return
    case = left_active(world)
    case.clear(keep_task_state=True)
    case.end("success", try_number=2)
    case.wait_for_statuses("CANCELLED", "RUNNING")
    assert case.counts() == (2, 1)
    case.release()


def test_a_clear_after_the_dag_runs_end_discards_the_memory_and_the_active_run_is_named(world: World) -> None:
    if not world.clear_forgets:
        pytest.skip("a clear keeps the memory on 3.3, and below there is none")
    clear_and_warn(world)


def test_a_try_that_is_started_again_because_its_task_was_missing_takes_its_run_over(world: World) -> None:
    if not world.airflow.is_from("3.3"):
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
    assert "the job does not run again" in log


@pytest.mark.short
def test_a_worker_is_killed_between_the_runs_end_and_the_tasks_and_the_retry_takes_the_run_over(world: World) -> None:
    case = world.case("worker_retry").begin().wait_until_followed("running")
    case.kill_worker_after_the_runs_end()
    log = case.end("success", try_number=2)
    if not world.remembers:
        # There nothing tells a retry from a clear, so the job is repeated.
        assert case.statuses() == ["COMPLETED", "COMPLETED"]
        return
    assert case.counts() == (1, 0)
    assert "the job does not run again" in log
    assert log.count("the run is done") == 1


def left_active(world: World) -> Case:
    """A DAG run that has ended, and whose run has not."""
    case = world.case("left_active").begin()
    case.end("success")
    assert world.airflow.api.wait_for_run(case.way, case.dag_run) == "success"
    case.wait_for_statuses("RUNNING")
    return case


def clear_and_warn(world: World) -> None:
    """Nothing tells the cleared task of its run, which may be another deployment's: the DAG run has another start."""
    case = left_active(world)
    case.clear()
    log = case.end("success", try_number=2)
    assert case.statuses() == ["RUNNING", "RUNNING"]
    assert case.counts() == (2, 0)
    left = case.runs()[0]["id"]
    assert [line for line in log.splitlines() if f"active run {left} " in line and "WARNING" in line], log
    assert f"runs cancel --yes {left}" in log
    case.release()
