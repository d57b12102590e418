"""Tries that Airflow 3 starts twice, resumes before they have begun, or never starts."""

import time
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from airflow.exceptions import TaskDeferred

from airflow_provider_wherobots.compat import AIRFLOW, retry_resumes_deferral
from airflow_provider_wherobots.exceptions import WherobotsRunCancelledException, WherobotsRunFailedException
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from airflow_provider_wherobots.tasks import task_try
from tests.integration.support import TaskInstance, context, deferral_of, follow, next_try, run_to_end
from wherobots_local.control.client import ControlClient

EXECUTE_COMPLETE = "execute_complete"
RESULT = {"uri": "s3://jobs/result.py", "args": ["1", "0"]}
WAIT = {"uri": "s3://jobs/wait.py", "args": ["60"]}

pytestmark = pytest.mark.skipif(AIRFLOW < (3, 0), reason="2.11 starts each try once")


@pytest.fixture
def task(conn_id: str) -> WherobotsRunOperator:
    fail = {"uri": "s3://jobs/fail.py"}
    return WherobotsRunOperator(task_id="task", run_python=fail, wait_post_run_logs_timeout_seconds=1)


def deferred(ti: TaskInstance, begin: Any) -> dict[str, Any]:
    """The arguments that Airflow keeps for the resumption."""
    with pytest.raises(TaskDeferred) as caught:
        begin()
    return {"event": follow(caught.value), **(caught.value.kwargs or {})}


@pytest.mark.parametrize(
    ("method", "kept"),
    [
        (EXECUTE_COMPLETE, None),
        # The try before was killed while it was deferred, so there was no event.
        (EXECUTE_COMPLETE, {"suffix": "0123456789ab"}),
        ("__fail__", {"error": "Trigger failure"}),
    ],
)
def test_a_retry_on_3_0_begins_afresh(
    task: WherobotsRunOperator,
    control: ControlClient,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    kept: dict[str, Any] | None,
) -> None:
    monkeypatch.setattr(task_try, "RETRY_RESUMES_DEFERRAL", True)
    ti = TaskInstance(try_number=1)
    first = deferred(ti, lambda: task.execute(context(ti)))
    with pytest.raises(WherobotsRunFailedException):
        task.resume_execution(EXECUTE_COMPLETE, first, context(ti))
    failed = ti.xcoms["run_id"]
    ti.try_number = 2
    second = deferred(ti, lambda: task.resume_execution(method, kept or first, context(ti)))
    assert ti.xcoms["run_id"] != failed
    with pytest.raises(WherobotsRunFailedException, match=ti.xcoms["run_id"]):
        task.resume_execution(EXECUTE_COMPLETE, second, context(ti))
    assert control.counts()["creates_effective"] == 2


def test_on_3_0_a_retry_has_a_start_and_xcoms_of_its_own(conn_id: str, control: ControlClient) -> None:
    task = WherobotsRunOperator(
        task_id="task",
        run_python={"uri": "s3://jobs/talk.py", "args": [1]},
        execution_timeout=timedelta(hours=1),
        wait_post_run_logs_timeout_seconds=1,
    )
    ti = TaskInstance(try_number=2)
    # Airflow 3.0 keeps the start of the first try.
    ti.start_date -= timedelta(days=1)
    old = {"run_id": "old", "run_url": "old", "run_summary": {"run_id": "old"}, "spark_ui_url": "old", "result": "old"}
    ti.xcoms.update(old, **{"begun_try-1": True})
    with pytest.raises(TaskDeferred) as caught:
        task.resume_execution(EXECUTE_COMPLETE, {"event": {}}, context(ti))
    assert caught.value.trigger.options.deadline > time.time() + 3_000
    assert not {key for key, value in old.items() if ti.xcoms[key] == value}
    assert (ti.xcoms["run_summary"], ti.xcoms["spark_ui_url"], ti.xcoms["result"]) == ("", "", "")
    assert follow(caught.value)["ending"] == "completed"


def started_again(ti: TaskInstance) -> TaskInstance:
    """The same try: its DAG file was missing when a worker resumed it."""
    told = SimpleNamespace(xcom_keys_to_clear=list(ti.xcoms), task_reschedule_count=1)
    return TaskInstance(ti.try_number, ti.max_tries, _ti_context_from_server=told)


@pytest.mark.parametrize("reuse_completed", [True, False])
def test_a_try_that_is_started_again_takes_its_run_that_has_completed(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient, reuse_completed: bool
) -> None:
    task, first = operator(run_python=RESULT, retries=1, reuse_completed=reuse_completed), TaskInstance()
    follow(deferral_of(task, first))
    again = started_again(first)
    assert run_to_end(task, again) == first.xcoms["run_id"]
    assert control.counts()["creates_received"] == 1


def test_a_try_that_is_started_again_fails_if_its_run_has_failed(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient
) -> None:
    """It has no retry, so its job is not repeated."""
    task, first = operator(run_python={"uri": "s3://jobs/fail.py"}), TaskInstance(max_tries=0)
    follow(deferral_of(task, first))
    with pytest.raises(WherobotsRunFailedException):
        run_to_end(task, started_again(first))
    assert control.counts()["creates_received"] == 1


@pytest.mark.parametrize("max_tries", [1, 2], ids=["a retry", "after a clear"])
def test_a_try_that_is_started_again_before_it_had_a_run_does_not_take_an_earlier_one(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient, max_tries: int
) -> None:
    """It waited for quota."""
    task, first = operator(run_python=RESULT, retries=1), TaskInstance()
    run_to_end(task, first)
    second = TaskInstance(2, max_tries, xcoms={key: True for key in first.xcoms if key.startswith("run_suffix")})
    second.xcoms["begun_try-2"] = True
    again = started_again(second)
    run_to_end(task, again)
    assert again.xcoms["run_id"] != first.xcoms["run_id"]


def test_a_try_that_is_started_again_fails_if_its_run_was_cancelled(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient
) -> None:
    task, first = operator(run_python=WAIT, retries=1), TaskInstance()
    deferred = deferral_of(task, first)
    task.hook.cancel_run(first.xcoms["run_id"])
    follow(deferred)
    with pytest.raises(WherobotsRunCancelledException):
        run_to_end(task, started_again(first))
    assert control.counts()["creates_received"] == 1


def test_airflow_tasks_test_repeats_the_run(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient
) -> None:
    """It keeps the number of the try, and reports the keys of its XComs."""
    task, first = operator(run_python=RESULT), TaskInstance()
    run_to_end(task, first)
    told = SimpleNamespace(xcom_keys_to_clear=list(first.xcoms), task_reschedule_count=0)
    run_to_end(task, TaskInstance(_ti_context_from_server=told))
    assert control.counts()["creates_received"] == 2


@pytest.mark.parametrize(("try_number", "max_tries"), [(1, 1), (2, 2)], ids=["the first", "the first after a clear"])
def test_a_try_that_is_started_again_follows_its_active_run(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient, try_number: int, max_tries: int
) -> None:
    task, first = operator(run_python=WAIT, retries=1), TaskInstance(try_number, max_tries)
    deferral_of(task, first)
    again = started_again(first)
    deferral_of(task, again)
    assert again.xcoms["run_id"] == first.xcoms["run_id"]
    task.hook.cancel_run(first.xcoms["run_id"])
    counts = control.counts()
    assert (counts["creates_received"], counts["cancels_effective"]) == (1, 1)


def test_a_cleared_task_repeats_its_run_if_its_next_try_never_began(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient
) -> None:
    task, first = operator(run_python=RESULT, retries=1), TaskInstance()
    run_to_end(task, first)
    # Its third try still gets the keys of the first.
    told = SimpleNamespace(xcom_keys_to_clear=list(first.xcoms))
    third = TaskInstance(3, max_tries=2, _ti_context_from_server=told)
    run_to_end(task, third)
    assert third.xcoms["run_id"] != first.xcoms["run_id"]


@pytest.mark.parametrize("script", ["result.py", "fail.py"])
@pytest.mark.parametrize("try_number", [2, 3], ids=["the next try", "the one after it, which never began"])
def test_a_task_that_is_cleared_while_a_worker_resumes_it_starts_over(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient, script: str, try_number: int
) -> None:
    task, first = operator(run_python={"uri": f"s3://jobs/{script}", "args": ["1", "0"]}, retries=1), TaskInstance()
    deferred = deferral_of(task, first)
    event = follow(deferred)
    cleared = TaskInstance(try_number, max_tries=try_number, xcoms=first.xcoms)
    old = first.xcoms["run_id"]
    deferral_of(operator(run_python=RESULT, retries=1), cleared, deferred, event)
    assert cleared.xcoms["run_id"] != old


@pytest.mark.parametrize("is_readable", [True, False])
def test_a_retry_resumes_with_its_own_event(
    operator: Callable[..., WherobotsRunOperator],
    control: ControlClient,
    monkeypatch: pytest.MonkeyPatch,
    is_readable: bool,
) -> None:
    task, first = operator(run_python={"uri": "s3://jobs/fail.py"}, retries=1), TaskInstance()
    with pytest.raises(WherobotsRunFailedException):
        run_to_end(task, first)
    second = next_try(first)
    deferred = deferral_of(operator(run_python=RESULT, retries=1), second)
    event = follow(deferred)
    kept = {"event": event, **(deferred.kwargs or {})}
    if not is_readable:
        monkeypatch.setattr(second, "xcom_pull", Mock(side_effect=ConnectionError("the XCom backend is away")))
    assert operator(run_python=RESULT).resume_execution(EXECUTE_COMPLETE, kept, context(second)) == event["run_id"]
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
