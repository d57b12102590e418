"""A task whose organization is full waits for quota, and then there is exactly one run."""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from airflow.exceptions import TaskDeferralError, TaskDeferred

from airflow_provider_wherobots.compat import AirflowFailException
from airflow_provider_wherobots.exceptions import (
    WherobotsExecutionTimeoutException,
    WherobotsQuotaException,
)
from airflow_provider_wherobots.flows import quota
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from airflow_provider_wherobots.runs.outcome import Ending, Outcome
from airflow_provider_wherobots.triggers import guarded
from airflow_provider_wherobots.triggers.quota import WherobotsQuotaTrigger
from tests.integration import support
from tests.integration.support import WAIT, Operator, TaskInstance, context, deferral_of, next_try
from wherobots_local.control.client import ControlClient

NO_DISK = {"code": "INSUFFICIENT_QUOTA_ERROR", "message": "Insufficient quota", "details": "DISK_PER_NODE_GB is 500"}


def fill(control: ControlClient, times: int | None = None, status: int = 403) -> None:
    body = {"errors": [NO_DISK], "requestId": "req-1"}
    control.add_fault("createJobRun", {"type": "status", "status": status, "body": body}, times=times)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "FIRST_QUOTA_RETRY_SECONDS", 0.2)


@pytest.mark.parametrize(("limit", "creates"), [(0, 1), (1, 2)])
def test_a_limit_that_is_never_met(operator: Operator, control: ControlClient, limit: float, creates: int) -> None:
    fill(control)
    with pytest.raises(WherobotsQuotaException, match="DISK_PER_NODE_GB is 500") as caught:
        operator(max_quota_wait_seconds=limit).execute(context(TaskInstance()))
    assert not isinstance(caught.value, AirflowFailException)
    counts = control.counts()
    assert counts["creates_received"] >= creates
    assert counts["creates_effective"] == 0


def test_execution_timeout_holds_during_the_wait(operator: Operator, control: ControlClient) -> None:
    fill(control)
    with pytest.raises(WherobotsExecutionTimeoutException, match="execution_timeout"):
        operator(execution_timeout=timedelta(seconds=4)).execute(context(TaskInstance()))


def test_a_long_wait_is_deferred(operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "HOLD_SECONDS", 0.5)
    fill(control, times=4)
    ti, waits = TaskInstance(), 0
    resume: Callable[[WherobotsRunOperator], str] = lambda task: task.execute(context(ti))  # noqa: E731
    while True:
        with pytest.raises(TaskDeferred) as deferral:
            resume(operator(execution_timeout=timedelta(minutes=5)))
        deferred = deferral.value
        if deferred.method_name != "execute_after_quota_wait":
            break
        waits += 1
        assert deferred.timeout is not None
        path, arguments = deferred.trigger.serialize()
        assert path == "airflow_provider_wherobots.triggers.quota.WherobotsQuotaTrigger"
        [event] = asyncio.run(events(WherobotsQuotaTrigger(**json.loads(json.dumps(arguments)))))
        kwargs: dict[str, Any] = json.loads(json.dumps(deferred.kwargs))
        resume = partial(WherobotsRunOperator.execute_after_quota_wait, context=context(ti), event=event, **kwargs)
    assert waits >= 1
    counts = control.counts()
    assert (counts["creates_received"], counts["creates_effective"]) == (5, 1)


@pytest.mark.parametrize("operation", ["listJobRuns", "createJobRun"])
def test_a_key_that_is_refused_for_a_moment_after_the_wait_delays_the_run(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    monkeypatch.setattr(quota, "HOLD_SECONDS", 0.0)
    fill(control, times=1)
    ti = TaskInstance()
    deferred = deferral_of(operator(), ti)
    control.add_fault(operation, {"type": "status", "status": 401}, times=1)
    with pytest.raises(TaskDeferred) as followed:
        operator().execute_after_quota_wait(context(ti), {}, **(deferred.kwargs or {}))
    assert followed.value.method_name == "execute_complete"
    assert control.counts()["creates_effective"] == 1


def test_after_a_wait_that_failed_the_run_of_the_unanswered_create_is_cancelled_and_not_the_replaced_one(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "HOLD_SECONDS", 0.0)
    task, first = operator(run_python=WAIT, retries=1), TaskInstance()
    deferral_of(task, first)
    retry = next_try(first)
    followed = deferral_of(task, retry)
    task.hook.cancel_run(first.xcoms["run_id"])
    control.add_fault("createJobRun", "reset", times=1)
    fill(control)
    cancelled = Outcome(Ending.CANCELLED, first.xcoms["run_id"], "CANCELLED", ended_at=time.time())
    assert deferral_of(task, retry, followed, cancelled.to_event()).method_name == "execute_after_quota_wait"
    control.clear_faults()
    appeared = task.hook.create_run(
        {"name": control.requests("createJobRun")[-1]["name"], "runPython": task.run_python}
    )
    with pytest.raises(TaskDeferralError):
        task.resume_execution("__fail__", {"error": "Trigger failure"}, context(retry))
    assert control.requests("cancelJobRun")[-1]["run_id"] == appeared.id


def test_a_left_run_is_found(operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "HOLD_SECONDS", 0.0)
    fill(control, times=1)
    ti = TaskInstance()
    deferred = deferral_of(operator(), ti)
    (asked,) = control.requests("createJobRun")
    run = control.create_run(asked["name"])
    # A clear after the DAG run's end changes what the suffix would be now.
    monkeypatch.setattr(support, "dag_run_start", datetime.now(UTC))
    with pytest.raises(TaskDeferred):
        operator().execute_after_quota_wait(context(ti), {}, **(deferred.kwargs or {}))
    assert ti.xcoms["run_id"] == run["id"]
    assert len(control.requests("createJobRun")) == 1


def test_an_event_comes_no_sooner_than_airflow_can_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded, "EARLIEST_EVENT_SECONDS", 3_600.0)
    trigger = WherobotsQuotaTrigger(time.time() - 1)
    assert asyncio.run(events(trigger)) == [{}], "airflow dags test has no triggerer"
    trigger.trigger_id = 1
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(events(trigger), 0.05))


async def events(trigger: WherobotsQuotaTrigger) -> list[Any]:
    return [event.payload async for event in trigger.run()]


def test_a_wait_on_the_worker_is_not_deferred_where_the_task_is_not_deferrable(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "HOLD_SECONDS", 0.1)
    fill(control, times=2)
    ti = TaskInstance()
    assert operator(deferrable=False).execute(context(ti)) == ti.xcoms["run_id"]
