"""Tries that Airflow 3 starts twice, or resumes with the event of another try."""

import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.exceptions import TaskDeferred

from airflow_provider_wherobots.compat import AIRFLOW, retry_resumes_deferral
from airflow_provider_wherobots.exceptions import WherobotsRunFailedException
from airflow_provider_wherobots.runs.outcome import Ending, Outcome
from airflow_provider_wherobots.tasks import attempt
from tests.integration.support import (
    RESULT,
    WAIT,
    Operator,
    TaskInstance,
    context,
    deferral_of,
    follow,
    next_try,
    run_to_end,
)
from wherobots_local.control.client import ControlClient

EXECUTE_COMPLETE = "execute_complete"
FAIL = {"uri": "s3://jobs/fail.py"}

pytestmark = pytest.mark.skipif(AIRFLOW < (3, 0), reason="2.11 starts each try once")


def deferred(ti: TaskInstance, begin: Any) -> dict[str, Any]:
    """The arguments that Airflow keeps for the resumption."""
    with pytest.raises(TaskDeferred) as caught:
        begin()
    return {"event": follow(caught.value), **(caught.value.kwargs or {})}


@pytest.mark.parametrize("has_event", [True, False], ids=["with its event", "killed while it was deferred"])
def test_a_retry_on_3_0_begins_afresh(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch, has_event: bool
) -> None:
    monkeypatch.setattr(attempt, "RETRY_RESUMES_DEFERRAL", True)
    task, ti = operator(run_python=FAIL), TaskInstance(try_number=1, store=None)
    first = deferred(ti, lambda: task.execute(context(ti)))
    with pytest.raises(WherobotsRunFailedException):
        task.resume_execution(EXECUTE_COMPLETE, first, context(ti))
    failed = ti.xcoms["run_id"]
    ti.try_number = 2
    kept = first if has_event else {key: value for key, value in first.items() if key != "event"}
    second = deferred(ti, lambda: task.resume_execution(EXECUTE_COMPLETE, kept, context(ti)))
    assert ti.xcoms["run_id"] != failed
    with pytest.raises(WherobotsRunFailedException, match=ti.xcoms["run_id"]):
        task.resume_execution(EXECUTE_COMPLETE, second, context(ti))
    assert control.counts()["creates_effective"] == 2


def test_a_try_that_starts_over_has_its_whole_execution_timeout(operator: Operator, control: ControlClient) -> None:
    """Also after it has deferred once more."""
    task, first = operator(run_python=FAIL, execution_timeout=timedelta(hours=1), retries=1), TaskInstance()
    kept = deferred(first, lambda: task.execute(context(first)))
    second = next_try(first)
    # Airflow 3.0 keeps the start of the first try.
    second.start_date -= timedelta(days=1)
    with pytest.raises(TaskDeferred) as caught:
        operator(run_python=WAIT, execution_timeout=timedelta(hours=1)).resume_execution(
            EXECUTE_COMPLETE, {**kept, "memory": {**kept["memory"], "is_over": True}}, context(second)
        )
    deadline = caught.value.trigger.options.deadline
    assert deadline > time.time() + 3_000
    given_up_run = Outcome(Ending.GAVE_UP, second.xcoms["run_id"], "RUNNING", "an outage", outage_seconds=600.0)
    given_up = {"event": given_up_run.to_event(), **(caught.value.kwargs or {})}
    with pytest.raises(TaskDeferred) as caught:
        operator(run_python=WAIT, execution_timeout=timedelta(hours=1)).resume_execution(
            EXECUTE_COMPLETE, given_up, context(second)
        )
    assert caught.value.trigger.options.deadline == deadline


@pytest.mark.parametrize("has_store", [True, False])
def test_a_try_that_starts_again_follows_its_run(operator: Operator, control: ControlClient, has_store: bool) -> None:
    """Its DAG file was missing when a worker resumed it."""
    task, first = operator(run_python=WAIT, retries=1), TaskInstance(store={} if has_store else None)
    deferral_of(task, first)
    told = SimpleNamespace(task_reschedule_count=1)
    again = TaskInstance(store=first.store, _ti_context_from_server=told)
    deferral_of(task, again)
    assert again.xcoms["run_id"] == first.xcoms["run_id"]
    task.hook.cancel_run(first.xcoms["run_id"])
    counts = control.counts()
    assert (counts["creates_received"], counts["cancels_effective"]) == (1, 1)


@pytest.mark.parametrize(("script", "creates"), [(RESULT, 1), (FAIL, 2)], ids=["completed", "failed"])
def test_a_try_that_is_started_again_returns_only_a_run_that_has_completed(
    operator: Operator, control: ControlClient, script: dict[str, Any], creates: int
) -> None:
    task, first = operator(run_python=script, retries=1), TaskInstance()
    follow(deferral_of(task, first))
    again = TaskInstance(store=first.store)
    if script is FAIL:
        with pytest.raises(WherobotsRunFailedException):
            run_to_end(task, again)
    else:
        assert run_to_end(task, again) == first.xcoms["run_id"]
    assert control.counts()["creates_received"] == creates


@pytest.mark.parametrize("try_number", [2, 3], ids=["the next try", "the one after it, which never began"])
@pytest.mark.parametrize("has_store", [True, False])
def test_a_task_that_is_cleared_while_a_worker_resumes_it_starts_over(
    operator: Operator, control: ControlClient, try_number: int, has_store: bool
) -> None:
    task, first = operator(run_python=RESULT, retries=1), TaskInstance(store={} if has_store else None)
    kept = deferral_of(task, first)
    event = follow(kept)
    cleared = TaskInstance(try_number, max_tries=try_number, xcoms=first.xcoms, store=first.store)
    old = first.xcoms["run_id"]
    deferral_of(operator(run_python=RESULT, retries=1), cleared, kept, event)
    assert cleared.xcoms["run_id"] != old


def test_a_retry_resumes_with_its_own_event(operator: Operator, control: ControlClient) -> None:
    task, first = operator(run_python=FAIL, retries=1), TaskInstance()
    with pytest.raises(WherobotsRunFailedException):
        run_to_end(task, first)
    second = next_try(first)
    kept = deferral_of(operator(run_python=RESULT, retries=1), second)
    event = follow(kept)
    stored = {"event": event, **(kept.kwargs or {})}
    assert operator(run_python=RESULT).resume_execution(EXECUTE_COMPLETE, stored, context(second)) == event["run_id"]
    assert control.counts()["creates_received"] == 2


@pytest.mark.parametrize(
    ("version", "resumes"),
    [
        ("2.11.2", False),
        ("3.0.0", True),
        ("3.0.6", True),
        ("3.1.0", True),
        ("3.1.1", False),
        ("3.1.8", False),
        ("3.3.1", False),
    ],
)
def test_the_versions_whose_retries_resume_the_deferral(version: str, resumes: bool) -> None:
    assert retry_resumes_deferral(version) is resumes
