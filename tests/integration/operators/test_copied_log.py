"""A handler drops what the trigger writes; ``[wherobots] copy_log_on_resume`` brings the run's log back."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.exceptions import TaskDeferred

import airflow_provider_wherobots.hooks.wherobots as hook
from airflow_provider_wherobots.exceptions import (
    WherobotsArgumentException,
    WherobotsRunFailedException,
    WherobotsTaskKilledException,
    WherobotsUnavailableException,
)
from airflow_provider_wherobots.flows import copy_log
from airflow_provider_wherobots.flows.copy_log import begin_of_copy, end_of_copy
from airflow_provider_wherobots.logs.records import LogRecord
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from airflow_provider_wherobots.sensors.run import WherobotsRunSensor
from airflow_provider_wherobots.task_log import resume
from tests.integration.support import TaskInstance, context, deferral_of, follow
from wherobots_local.control.client import ControlClient

LINES = [f"line {number:05d}" for number in range(3)]
FAILS = {"uri": "s3://jobs/fail.py"}

Configure = Callable[[str], None]
Operator = Callable[..., WherobotsRunOperator]


@pytest.fixture(autouse=True)
def dropped(monkeypatch: pytest.MonkeyPatch) -> list[LogRecord]:
    """What the trigger writes: it is in no log."""
    records: list[LogRecord] = []
    monkeypatch.setattr(resume, "record_writer", lambda logger: records.append)
    return records


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[LogRecord]:
    """What the worker writes of the run's log."""
    records: list[LogRecord] = []
    monkeypatch.setattr(hook, "record_writer", lambda logger: records.append)
    return records


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Configure:
    return lambda value: monkeypatch.setenv("AIRFLOW__WHEROBOTS__COPY_LOG_ON_RESUME", value)


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


def test_all_copies_the_whole_log_with_its_own_times(
    operator: Operator, configure: Configure, written: list[LogRecord], dropped: list[LogRecord]
) -> None:
    configure("all")
    ti = TaskInstance()
    assert run(operator(), ti) == ti.xcoms["run_id"]
    assert [record.text for record in written] == [
        begin_of_copy(ti.xcoms["run_id"], "all"),
        *LINES,
        end_of_copy(ti.xcoms["run_id"]),
    ]
    assert written[1:-1] == dropped


def test_tail_copies_the_last_lines_without_another_call(
    operator: Operator,
    configure: Configure,
    control: ControlClient,
    written: list[LogRecord],
    said: Callable[[], str],
) -> None:
    configure("tail")
    task, ti = operator(), TaskInstance()
    deferred = deferral_of(task, ti)
    event = follow(deferred)
    assert event["log_tail"] == "\n".join(LINES)
    control.clear_requests()
    task.resume_execution("execute_complete", {**(deferred.kwargs or {}), "event": event}, context(ti))
    text = said()
    assert "copied when the task resumed (copy_log_on_resume = tail):\nline 00000\nline 00001\nline 00002\nEnd" in text
    assert (control.requests("getJobRunLogs"), written) == ([], [])


@pytest.mark.parametrize(("part", "is_copied"), [("tail", False), ("all", True)])
def test_the_exception_of_a_failed_run_has_the_end_of_the_log_so_only_all_copies_it(
    operator: Operator, configure: Configure, written: list[LogRecord], part: str, is_copied: bool
) -> None:
    configure(part)
    with pytest.raises(WherobotsRunFailedException, match="no such country: Atlantis"):
        run(operator(run_python=FAILS), TaskInstance())
    assert ("about to fail" in [record.text for record in written]) is is_copied


@pytest.mark.parametrize("part", ["tail", "all"])
def test_nothing_is_copied_without_a_deferral_or_without_poll_logs(
    operator: Operator, configure: Configure, written: list[LogRecord], said: Callable[[], str], part: str
) -> None:
    configure(part)
    run(operator(poll_logs=False), TaskInstance())
    assert written == []
    operator(deferrable=False).execute(context(TaskInstance()))
    assert [record.text for record in written] == LINES
    assert "copied when" not in said()


@pytest.mark.parametrize("part", ["tail", "all"])
def test_the_log_is_copied_after_the_trigger_has_failed_too(
    operator: Operator, configure: Configure, written: list[LogRecord], said: Callable[[], str], part: str
) -> None:
    configure(part)
    task, ti = operator(), TaskInstance()
    follow(deferral_of(task, ti))
    assert task.resume_execution("__fail__", {"error": "Trigger failed"}, context(ti)) == ti.xcoms["run_id"]
    assert [record.text for record in written[1:-1]] == (LINES if part == "all" else [])
    assert (begin_of_copy(ti.xcoms["run_id"], part) in said()) is (part == "tail")


def test_no_log_is_copied_once_the_execution_timeout_has_passed(
    operator: Operator, configure: Configure, written: list[LogRecord], said: Callable[[], str]
) -> None:
    configure("all")
    task, ti = operator(), TaskInstance()
    deferred = deferral_of(task, ti)
    task.execution_timeout = timedelta(seconds=1)
    ti.start_date -= timedelta(seconds=1)
    assert resume_task(task, ti, deferred) == ti.xcoms["run_id"]
    assert f"The log of run {ti.xcoms['run_id']} is not copied: execution_timeout has passed" in said()
    assert written == []


def test_a_run_that_was_given_up_is_ended_before_anything_else(
    operator: Operator, configure: Configure, control: ControlClient
) -> None:
    configure("all")
    event = {"ending": "gave_up", "run_id": "r1", "status": "RUNNING", "reason": "an outage", "ended_at": 1.0}
    with pytest.raises(WherobotsUnavailableException):
        operator().execute_complete(context(TaskInstance()), event)
    assert control.requests("getJobRunLogs") == []


def test_a_log_that_cannot_be_read_does_not_fail_the_task(
    operator: Operator,
    configure: Configure,
    control: ControlClient,
    monkeypatch: pytest.MonkeyPatch,
    said: Callable[[], str],
) -> None:
    configure("all")
    monkeypatch.setattr(copy_log, "UNREADABLE_SECONDS", 1.0)
    task, ti = operator(), TaskInstance()
    deferred = deferral_of(task, ti)
    event = follow(deferred)
    control.add_fault("getJobRunLogs", {"type": "status", "status": 500})
    kwargs = {**(deferred.kwargs or {}), "event": event}
    assert task.resume_execution("execute_complete", kwargs, context(ti)) == ti.xcoms["run_id"]
    assert f"The log of run {ti.xcoms['run_id']} could not be read" in said()


@pytest.mark.parametrize("error", [RuntimeError("no connection"), WherobotsTaskKilledException("killed")])
def test_an_unforeseen_error_or_a_kill_does_not_change_how_the_task_ends(
    operator: Operator,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    said: Callable[[], str],
    error: Exception,
) -> None:
    configure("all")
    task, ti = operator(), TaskInstance()
    deferred = deferral_of(task, ti)

    def fail(flow: Any) -> None:
        raise error

    monkeypatch.setattr(type(task._attempt), "run", lambda attempt, flow: fail(flow))
    assert resume_task(task, ti, deferred) == ti.xcoms["run_id"]
    assert f"The log of run {ti.xcoms['run_id']} could not be copied: " in said()


def test_a_sensor_copies_the_log_of_the_run_it_waits_for(
    operator: Operator, conn_id: str, configure: Configure, written: list[LogRecord], tmp_path: Path
) -> None:
    configure("all")
    over, ti = tmp_path / "over", TaskInstance(task_id="sensor")
    job = {"uri": "s3://jobs/until.py", "args": [str(over)]}
    run_id = operator(run_python=job, wait_for_completion=False).execute(context(TaskInstance()))
    sensor = WherobotsRunSensor(task_id="sensor", run_id=run_id, wherobots_conn_id=conn_id, poll_logs=True)
    deferred = deferral_of(sensor, ti)
    over.touch()
    assert resume_task(sensor, ti, deferred) == run_id
    assert [record.text for record in written] == [begin_of_copy(run_id, "all"), "started", end_of_copy(run_id)]


@pytest.mark.parametrize("make", [WherobotsRunOperator, WherobotsRunSensor])
def test_a_wrong_value_names_the_option_the_value_and_the_rule(make: Any, configure: Configure) -> None:
    configure("False")
    arguments = {"run_id": "r1"} if make is WherobotsRunSensor else {"run_python": FAILS}
    rule = r"^task: \[wherobots\] copy_log_on_resume='False': must be off, tail or all$"
    with pytest.raises(WherobotsArgumentException, match=rule):
        make(task_id="task", **arguments)
