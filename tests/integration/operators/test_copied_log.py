"""A handler drops what the trigger writes; ``[wherobots] copy_log_on_resume`` brings the run's log back."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.exceptions import TaskDeferred

import airflow_provider_wherobots.hooks.wherobots as hook
from airflow_provider_wherobots.exceptions import (
    WherobotsRunFailedException,
    WherobotsTaskKilledException,
    WherobotsUnavailableException,
)
from airflow_provider_wherobots.logs.records import LogRecord
from airflow_provider_wherobots.sensors.run import WherobotsRunSensor
from airflow_provider_wherobots.task_log import resume
from airflow_provider_wherobots.tasks.run_attempt import RunAttempt
from tests.integration.support import Operator, Said, TaskInstance, context, deferral_of, follow
from wherobots_local.control.client import ControlClient

LINES = [f"line {number:05d}" for number in range(3)]
FAILS = {"uri": "s3://jobs/fail.py"}


@pytest.fixture
def dropped() -> list[LogRecord]:
    """What the trigger writes: it is in no log."""
    return []


@pytest.fixture
def written() -> list[LogRecord]:
    """What the worker writes of the run's log."""
    return []


@pytest.fixture(autouse=True)
def writers(monkeypatch: pytest.MonkeyPatch, dropped: list[LogRecord], written: list[LogRecord]) -> None:
    def writer(logger: Any) -> Callable[[LogRecord], None]:
        # Only the trigger runs in an event loop.
        return written.append if asyncio._get_running_loop() is None else dropped.append

    monkeypatch.setattr(hook, "record_writer", writer)
    monkeypatch.setattr(resume, "record_writer", writer)


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WHEROBOTS__COPY_LOG_ON_RESUME", "True")


def resume_task(task: Any, ti: TaskInstance, deferred: TaskDeferred) -> Any:
    return task.resume_execution(
        "execute_complete", {**(deferred.kwargs or {}), "event": follow(deferred)}, context(ti)
    )


def run(task: Any, ti: TaskInstance) -> Any:
    return resume_task(task, ti, deferral_of(task, ti))


def test_off_by_default_the_log_is_lost(operator: Operator, written: list[LogRecord], dropped: list[LogRecord]) -> None:
    run(operator(), TaskInstance())
    assert [record.text for record in dropped] == LINES
    assert written == []


@pytest.mark.usefixtures("configured")
def test_the_whole_log_is_copied_with_its_own_times(
    operator: Operator, written: list[LogRecord], dropped: list[LogRecord], said: Said
) -> None:
    ti = TaskInstance()
    assert run(operator(), ti) == ti.xcoms["run_id"]
    assert [record.text for record in written] == LINES
    assert written == dropped
    assert f"Copied the log of run {ti.xcoms['run_id']}" in said()


@pytest.mark.usefixtures("configured")
def test_the_log_of_a_failed_run_is_copied_too(operator: Operator, written: list[LogRecord]) -> None:
    with pytest.raises(WherobotsRunFailedException, match="no such country: Atlantis"):
        run(operator(run_python=FAILS), TaskInstance())
    assert "about to fail" in [record.text for record in written]


@pytest.mark.usefixtures("configured")
def test_nothing_is_copied_if_unasked(operator: Operator, written: list[LogRecord], said: Said) -> None:
    run(operator(poll_logs=False), TaskInstance())
    assert written == []
    operator(deferrable=False).execute(context(TaskInstance()))
    assert [record.text for record in written] == LINES
    assert "Copied the log" not in said()


@pytest.mark.usefixtures("configured")
def test_the_log_is_copied_after_the_trigger_has_failed_too(operator: Operator, written: list[LogRecord]) -> None:
    task, ti = operator(), TaskInstance()
    follow(deferral_of(task, ti))
    assert task.resume_execution("__fail__", {"error": "Trigger failed"}, context(ti)) == ti.xcoms["run_id"]
    assert [record.text for record in written] == LINES


@pytest.mark.usefixtures("configured")
def test_no_log_is_copied_once_the_execution_timeout_has_passed(
    operator: Operator, written: list[LogRecord], said: Said
) -> None:
    task, ti = operator(), TaskInstance()
    deferred = deferral_of(task, ti)
    task.execution_timeout = timedelta(seconds=1)
    ti.start_date -= timedelta(seconds=1)
    assert resume_task(task, ti, deferred) == ti.xcoms["run_id"]
    assert f"Not copying the log of run {ti.xcoms['run_id']}: execution_timeout has passed" in said()
    assert written == []


@pytest.mark.usefixtures("configured")
def test_a_run_that_was_given_up_is_ended_before_anything_else(operator: Operator, control: ControlClient) -> None:
    event = {"ending": "gave_up", "run_id": "r1", "status": "RUNNING", "reason": "an outage", "ended_at": 1.0}
    with pytest.raises(WherobotsUnavailableException):
        operator().execute_complete(context(TaskInstance()), event)
    assert control.requests("getJobRunLogs") == []


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("error", [RuntimeError("no connection"), WherobotsTaskKilledException("killed")])
def test_an_unforeseen_error_or_a_kill_does_not_change_how_the_task_ends(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, said: Said, error: Exception
) -> None:
    task, ti = operator(), TaskInstance()
    deferred = deferral_of(task, ti)

    def fail(*given: Any) -> None:
        raise error

    monkeypatch.setattr(RunAttempt, "run", fail)
    assert resume_task(task, ti, deferred) == ti.xcoms["run_id"]
    assert f"The log of run {ti.xcoms['run_id']} could not be copied: " in said()


@pytest.mark.usefixtures("configured")
def test_a_sensor_copies_the_log(operator: Operator, conn_id: str, written: list[LogRecord], tmp_path: Path) -> None:
    over, ti = tmp_path / "over", TaskInstance(task_id="sensor")
    job = {"uri": "s3://jobs/until.py", "args": [str(over)]}
    run_id = operator(run_python=job, wait_for_completion=False).execute(context(TaskInstance()))
    sensor = WherobotsRunSensor(task_id="sensor", run_id=run_id, wherobots_conn_id=conn_id, poll_logs=True)
    deferred = deferral_of(sensor, ti)
    over.touch()
    assert resume_task(sensor, ti, deferred) == run_id
    assert [record.text for record in written] == ["started"]
