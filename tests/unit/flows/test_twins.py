"""A second run of a try: its create was not answered, and it shows only after the create was sent again."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_wherobots.flows.cancel import cancel_run_and_twin, cancel_runs_by_suffix
from airflow_provider_wherobots.flows.follow import FollowOptions, follow_run
from airflow_provider_wherobots.flows.outcome import Ending
from airflow_provider_wherobots.flows.submit import Submission, submit_run
from airflow_provider_wherobots.flows.twins import CHECKS, LATEST_SECONDS
from tests.unit.flows.fake_service import FakeService, Fault
from tests.unit.flows.script import START, Script

SUFFIX = "-0123456789ab"
PAYLOAD: dict[str, Any] = {"name": f"hail_stats{SUFFIX}", "runPython": {"uri": "s3://b/j.py"}}


def submit_and_follow(service: FakeService, **options: Any) -> tuple[Submission, Ending, Script]:
    script = Script(service)
    submission = script.run(submit_run(PAYLOAD))
    assert isinstance(submission, Submission)
    twin = SUFFIX if submission.may_have_twin else ""
    outcome = script.run(
        follow_run(FollowOptions(submission.run.id, script.now, poll_logs=False, twin_suffix=twin, **options))
    )
    return submission, outcome.ending, script


@pytest.mark.parametrize("lag", [15.0, 25.0, 38.0])
@pytest.mark.parametrize("seconds", [5.0, 40.0, 300.0])
def test_a_run_that_shows_late_is_cancelled_and_the_other_one_is_kept(lag: float, seconds: float) -> None:
    service = FakeService(list_lag=lag, plan=((0.0, "PENDING"), (1.0, "RUNNING"), (seconds, "COMPLETED")))
    service.fault("createJobRun", Fault.LOST_AFTER_EFFECT)
    submission, ending, script = submit_and_follow(service)
    assert (len(service.runs), submission.run.id, ending) == (2, "run1", Ending.COMPLETED)
    first = service.runs[0]
    is_active_when_seen = seconds > 30.0 + 11.0
    assert (first.cancelled_at is not None) == is_active_when_seen
    if is_active_when_seen:
        assert service.cancels == [("run0", first.cancelled_at)]
        assert script.said("was started by a create call of this task whose response was lost. Cancelling it")


def test_a_run_that_ends_early_is_kept_waiting_until_the_other_one_may_show() -> None:
    service = FakeService(list_lag=20.0)
    run, twin = (service.add_run(f"hail_stats{SUFFIX}", START) for _ in range(2))
    run.plan = ((0.0, "PENDING"), (5.0, "COMPLETED"))
    Script(service).run(follow_run(FollowOptions(run.id, START, poll_logs=False, twin_suffix=SUFFIX)))
    assert twin.cancelled_at == pytest.approx(START + CHECKS[0], abs=1.0)


def test_at_the_deadline_it_is_looked_for_too() -> None:
    service = FakeService(list_lag=15.0)
    service.fault("createJobRun", Fault.LOST_AFTER_EFFECT)
    _, ending, script = submit_and_follow(service, deadline=START + 25.0)
    assert ending is Ending.DEADLINE
    assert service.kept(script.now) == []
    assert script.elapsed < 27.0, "the task has no time to wait for a second look"


def test_after_a_create_that_was_answered_nothing_is_looked_for() -> None:
    service = FakeService(plan=((0.0, "PENDING"), (200.0, "COMPLETED")))
    submission, _, script = submit_and_follow(service)
    assert not submission.may_have_twin
    assert script.sent_of("listJobRuns") == []


def test_a_run_that_was_found_has_no_twin() -> None:
    service = FakeService(plan=((0.0, "PENDING"), (200.0, "COMPLETED")))
    service.fault("createJobRun", Fault.LOST_AFTER_EFFECT)
    submission, _, _ = submit_and_follow(service)
    assert not submission.may_have_twin


def test_of_two_unanswered_creates_one_may_still_show() -> None:
    service = FakeService(list_lag=12.0, plan=((0.0, "PENDING"), (500.0, "COMPLETED")))
    service.fault("createJobRun", Fault.LOST_AFTER_EFFECT, Fault.LOST_AFTER_EFFECT)
    _, ending, script = submit_and_follow(service)
    assert ending is Ending.COMPLETED
    assert [run.id for run in service.runs if run.status(script.now) == "COMPLETED"] == ["run0"]


def test_looking_fails_without_failing_the_task() -> None:
    service = FakeService(list_lag=15.0, plan=((0.0, "PENDING"), (200.0, "COMPLETED")))
    service.fault("createJobRun", Fault.LOST_BEFORE_EFFECT)
    service.fault("listJobRuns", *[None] * 6, *[Fault.ERROR_500] * 9)
    _, ending, script = submit_and_follow(service)
    assert ending is Ending.COMPLETED
    assert len(script.said("Could not check that run run0 is this task's only run")) == len(CHECKS) + 1


def test_the_run_of_the_next_try_is_no_twin() -> None:
    """After a clear, an old trigger may go on for a while."""
    service = FakeService(plan=((0.0, "PENDING"), (300.0, "COMPLETED")))
    run = service.add_run(f"hail_stats{SUFFIX}", START)
    next_run = service.add_run(f"hail_stats{SUFFIX}", START + 100)
    Script(service).run(follow_run(FollowOptions(run.id, START, poll_logs=False, twin_suffix=SUFFIX)))
    assert next_run.cancelled_at is None


@pytest.mark.parametrize("kill", [cancel_run_and_twin, None])
def test_a_kill_leaves_the_run_alone_that_the_next_try_creates_meanwhile(kill: Any) -> None:
    service = FakeService()
    run = service.add_run(f"hail_stats{SUFFIX}", START - 100)
    later = service.add_run(f"hail_stats{SUFFIX}", START + 3)
    flow = (
        kill(run.id, SUFFIX, 13.0) if kill else cancel_runs_by_suffix(SUFFIX, 13.0, find_all=True, created_until=START)
    )
    Script(service).run(flow)
    assert run.cancelled_at is not None
    assert later.cancelled_at is None


def test_a_kill_leaves_the_run_alone_that_the_next_try_has_created_before_the_trigger_is_stopped() -> None:
    service = FakeService()
    run, twin = (service.add_run(f"hail_stats{SUFFIX}", START - ago) for ago in (1_000, 950))
    of_next_try = service.add_run(f"hail_stats{SUFFIX}", START - 10)
    Script(service).run(cancel_run_and_twin(run.id, SUFFIX, 13.0, created_until=START - 1_000 + LATEST_SECONDS))
    assert None not in (run.cancelled_at, twin.cancelled_at)
    assert of_next_try.cancelled_at is None
