"""A round has one run: from a task's start or its clear to its end, whatever dies or fails between its tries."""

import pytest

from tests.e2e.world import TASK, World
from tests.support.waiting import wait_for

NOTHING = {"type": "status", "status": 200, "body": {"items": [], "total": 0}}


@pytest.mark.parametrize("trouble", ["raises", pytest.param("hangs", marks=pytest.mark.slow)])
def test_a_try_ends_before_it_has_begun_and_the_next_one_re_attaches(world: World, trouble: str) -> None:
    """Also after a clear of an ended DAG run, which gives it another start."""
    needs_memory(world)
    case = world.case("worker_retries_troubled").begin(trouble={"3": trouble}).wait_until_followed("running")
    case.release()
    case.end("success")
    assert world.airflow.api.wait_for_run(case.way, case.dag_run) == "success"
    case.hold()
    case.clear()
    case.wait_for_statuses("COMPLETED", "RUNNING")
    polls = len(case.requests("getJobRun"))
    wait_for(lambda: len(case.requests("getJobRun")) > polls, what="the new run to be followed")
    case.kill_worker()
    if trouble == "hangs":
        case.wait_until_template_hangs().kill_worker()
    world.airflow.api.wait_for_task(case.way, case.dag_run, TASK, "running", try_number=4)
    polls = len(case.requests("getJobRun"))
    wait_for(lambda: len(case.requests("getJobRun")) > polls, what="the fourth try to follow a run")
    assert case.statuses() == ["COMPLETED", "RUNNING"]
    case.release()
    case.end("success", try_number=4)
    assert case.statuses() == ["COMPLETED", "COMPLETED"]


@pytest.mark.parametrize("trouble", ["raises", pytest.param("hangs", marks=pytest.mark.slow)])
def test_a_try_ends_before_it_has_begun_and_the_next_one_does_not_repeat_the_job(world: World, trouble: str) -> None:
    needs_memory(world)
    case = world.case("worker_retries_troubled").begin(trouble={"2": trouble}).wait_until_followed("running")
    case.kill_worker_after_the_runs_end()
    if trouble == "hangs":
        case.wait_until_template_hangs().kill_worker()
    log = case.end("success", try_number=3)
    (run,) = case.runs()
    assert run["id"] in log
    assert case.xcom() == run["id"]
    assert case.counts() == (1, 0)


@pytest.mark.parametrize(
    ("way", "trouble"),
    [("worker_retry_troubled", "raises"), ("worker_retries_troubled", "names it wrongly")],
    ids=["last", "not_retried"],
)
def test_a_try_after_which_none_follows_fails_before_it_has_looked_and_cancels(
    world: World, way: str, trouble: str
) -> None:
    case = world.case(way).begin(trouble={"2": trouble}).wait_until_followed("running")
    case.kill_worker()
    log = case.end("failed", try_number=2)
    case.wait_for_statuses("CANCELLED")
    (run,) = case.runs()
    assert case.counts() == (1, 1)
    assert run["id"] in log
    assert "because no retry follows" in log


def test_a_worker_is_killed_before_the_create_call_is_answered_and_the_run_shows_late_in_the_list(world: World) -> None:
    needs_memory(world)
    case = world.case("worker_retry").fault("createJobRun", {"type": "slow", "seconds": 600}, times=1)
    world.control.add_fault("listJobRuns", NOTHING)
    case.begin()
    wait_for(lambda: case.counts() == (1, 0), what="the create to arrive")
    looks = len(world.control.requests("listJobRuns"))
    case.kill_worker()

    def has_gone_on() -> bool:
        """Whether the retry has looked twice, or has created a run although it found none at its first look."""
        return len(world.control.requests("listJobRuns")) >= looks + 2 or case.counts() != (1, 0)

    wait_for(has_gone_on, what="the retry to look for the run")
    world.control.clear_faults()
    case.follow_on(state="running", try_number=2)


def test_retries_are_edited_and_the_task_is_cleared_before_the_file_is_parsed(world: World) -> None:
    """The worker knows the new number, and Airflow's database the old one."""
    case = world.case("worker_edited")
    case.talk(1, "success")
    assert world.airflow.api.wait_for_run(case.way, case.dag_run) == "success"
    retries = world.airflow.home / "edited_retries"
    retries.write_text("2")
    try:
        case.clear()
        case.end("success", try_number=2)
    finally:
        retries.unlink()
    assert case.statuses() == ["COMPLETED", "COMPLETED"]
    assert case.xcom() == case.runs()[1]["id"]


@pytest.mark.alone
@pytest.mark.slow
def test_a_task_is_cleared_while_its_node_is_dead(world: World) -> None:
    """Airflow makes it look like a retry, so the run counts as that of the round. Airflow 3.4 has discarded what the
    task remembers, so a run that has completed may be one from before the clear: the job runs again.
    """
    needs_memory(world)
    active, completed = (world.case("worker_retry").begin().wait_until_followed("running") for _ in range(2))
    world.airflow.kill_component("scheduler")
    completed.release()
    completed.wait_for_statuses("COMPLETED")
    for case in (active, completed):
        case.clear()
    world.airflow.start_component("scheduler")
    log = completed.end("success", try_number=2)
    active.follow_on(state="running", try_number=2)
    if world.clear_forgets:
        assert completed.statuses() == ["COMPLETED", "COMPLETED"]
        assert completed.xcom() == completed.runs()[1]["id"]
        return
    (run,) = completed.runs()
    assert run["id"] in log
    assert "the job does not run again" in log


def needs_memory(world: World) -> None:
    """Skip the test on an Airflow where a try cannot remember what those before it have done."""
    if not world.remembers:
        pytest.skip("this Airflow has no task state store")
