"""Kills, timeouts and crashed triggers: what becomes of the run."""

import asyncio
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from airflow.exceptions import TaskDeferralError, TaskDeferred

from airflow_provider_wherobots import compat, task_memory
from airflow_provider_wherobots.compat import AirflowException
from airflow_provider_wherobots.exceptions import (
    WherobotsExecutionTimeoutException,
    WherobotsRunCancelledException,
    WherobotsTaskKilledException,
)
from airflow_provider_wherobots.tasks import run_attempt
from airflow_provider_wherobots.tasks.run_attempt import RunAttempt
from airflow_provider_wherobots.triggers import guarded
from tests.integration.calls import (
    RaisedInHandlerError,
    interrupt_first,
    kill_while_reading,
    once_answered,
    timeouts_of,
)
from tests.integration.signals import LogWithLock, signal_when
from tests.integration.support import (
    WAIT,
    Operator,
    StateStore,
    TaskInstance,
    context,
    deferral_of,
    follow,
    next_try,
    run_to_end,
    trigger_of,
)
from tests.support.waiting import wait_for
from wherobots_local.control.client import ControlClient

AIRFLOW_LEAVES_SECONDS = 5.0 if (3, 0) <= compat.AIRFLOW < (3, 4) else 60.0
"""How long Airflow waits after SIGTERM for the end of a task's process."""


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize("cancels", [True, False])
def test_the_deadline_times_out(operator: Operator, control: ControlClient, deferrable: bool, cancels: bool) -> None:
    limits = {"execution_timeout": timedelta(seconds=3), "timeout_seconds": 600}
    ti = TaskInstance()
    task = operator(run_python=WAIT, deferrable=deferrable, cancel_on_kill=cancels, **limits)
    with pytest.raises(WherobotsExecutionTimeoutException, match="execution_timeout was reached") as timed_out:
        run_to_end(task, ti)
    assert "the limit is 3 seconds; the run was " + ("cancelled" if cancels else "left alone") in str(timed_out.value)
    assert ti.xcoms["run_summary"]["run_id"] == ti.xcoms["run_id"]
    assert control.counts()["cancels_effective"] == cancels


@pytest.mark.parametrize("cancels", [True, False])
def test_a_kill_while_deferred_cancels_only_if_asked(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch, cancels: bool
) -> None:
    monkeypatch.setattr(guarded, "get_task_state", AsyncMock(return_value="failed"))
    ti = TaskInstance()
    deferred = deferral_of(operator(run_python=WAIT, cancel_on_kill=cancels), ti)
    asyncio.run(trigger_of(deferred).on_kill())
    assert control.counts()["cancels_effective"] == cancels


@pytest.mark.parametrize("state", ["failed", "success", "skipped", "restarting"])
def test_a_task_that_was_ended_before_its_process_noticed_is_not_deferred(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(compat, "get_task_state_on_worker", Mock(return_value=state))
    with pytest.raises(WherobotsTaskKilledException):
        operator(run_python=WAIT).execute(context(TaskInstance()))
    assert control.counts()["cancels_effective"] == 1


def test_a_pass_of_a_loop_is_deferred_in_any_state(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow 3.4 reports the state of the latest pass. A pass that is cleared alone sees that another succeeded."""
    monkeypatch.setattr(compat, "get_task_state_on_worker", Mock(return_value="success"))
    told = SimpleNamespace(loop=SimpleNamespace(index=0))
    task, ti = operator(run_python=WAIT), TaskInstance(_ti_context_from_server=told)
    assert deferral_of(task, ti).method_name == "execute_complete"


@pytest.mark.parametrize("answer", [{"return_value": "running"}, {"side_effect": ConnectionError("no supervisor")}])
def test_a_running_task_defers(operator: Operator, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]) -> None:
    monkeypatch.setattr(compat, "get_task_state_on_worker", Mock(**answer))
    task, ti = operator(run_python=WAIT), TaskInstance()
    assert deferral_of(task, ti).method_name == "execute_complete"


@pytest.mark.parametrize("seconds", [0, 60])
def test_after_a_failed_trigger_an_ended_run_counts(operator: Operator, control: ControlClient, seconds: int) -> None:
    task, ti = operator(run_python={"uri": "s3://jobs/wait.py", "args": [seconds]}), TaskInstance()
    deferred = deferral_of(task, ti)
    if seconds:
        with pytest.raises(TaskDeferralError, match="Trigger failure"):
            task.resume_execution("__fail__", {"error": "Trigger failure"}, context(ti))
        assert control.counts()["cancels_effective"] == 1
    else:
        follow(deferred)
        assert task.resume_execution("__fail__", {"error": "Trigger timeout"}, context(ti)) == ti.xcoms["run_id"]
        assert control.counts()["cancels_received"] == 0


def test_a_run_that_its_trigger_cancelled_is_not_the_cause(operator: Operator, control: ControlClient) -> None:
    task, ti = operator(run_python=WAIT), TaskInstance()
    deferral_of(task, ti)
    task.hook.cancel_run(ti.xcoms["run_id"])
    wait_for(lambda: control.runs()[-1]["status"] == "CANCELLED", what="the cancel")
    with pytest.raises(AirflowException, match=r"^Trigger timeout$"):
        task.resume_execution("__fail__", {"error": "Trigger timeout"}, context(ti))
    with pytest.raises(WherobotsRunCancelledException):
        task.resume_execution("__fail__", {"error": "Trigger failure"}, context(ti))


def test_a_kill_before_the_connection_is_read_neither_reads_it_nor_loses_the_run(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, ti = operator(run_python=WAIT), TaskInstance()
    deferral_of(first, ti)
    task = operator(run_python=WAIT)
    reads = kill_while_reading(task, monkeypatch)
    with pytest.raises(WherobotsTaskKilledException):
        task.resume_execution("__fail__", {"error": "Trigger failure"}, context(ti))
    assert len(reads) == 1, "the kill read the connection inside the signal handler"
    assert control.counts()["cancels_effective"] == 1


def test_a_kill_whose_key_is_refused_does_not_read_the_connection_again(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, ti = operator(run_python=WAIT, deferrable=False), TaskInstance()
    reading = Mock(wraps=task.hook.get_connection)
    monkeypatch.setattr(task.hook, "get_connection", reading)
    monkeypatch.setattr(time, "sleep", lambda seconds: task.on_kill())
    control.add_fault("cancelJobRun", {"type": "status", "status": 401}, times=1)
    with pytest.raises(WherobotsTaskKilledException):
        task.execute(context(ti))
    assert control.counts()["cancels_effective"] == 1
    assert reading.call_count == 1


@pytest.mark.parametrize("arguments", [{}, {"wait_for_completion": False}], ids=["deferred", "not awaited"])
def test_a_kill_while_the_runs_id_is_pushed_is_not_lost(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any]
) -> None:
    """On Airflow 3 a signal calls on_kill, and the interrupted code goes on."""
    task, ti = operator(run_python=WAIT, **arguments), TaskInstance()

    def push(key: str, value: Any) -> None:
        ti.xcoms[key] = value
        if key == "run_id":
            task.on_kill()

    monkeypatch.setattr(ti, "xcom_push", push)
    with pytest.raises(WherobotsTaskKilledException):
        task.execute(context(ti))
    counts = control.counts()
    assert (counts["cancels_effective"], counts["cancels_received"]) == (1, 1)


@pytest.mark.parametrize("cancels", [True, False])
def test_a_kill_stops_the_flow_for_good_and_cancels_the_run_only_if_asked(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch, cancels: bool
) -> None:
    task, ti = operator(run_python=WAIT, deferrable=False, cancel_on_kill=cancels), TaskInstance()
    # As a signal handler would: on top of the flow, in the middle of its sleep.
    monkeypatch.setattr(time, "sleep", lambda seconds: task.on_kill())
    with pytest.raises(WherobotsTaskKilledException):
        task.execute(context(ti))
    counts = control.counts()
    assert (counts["creates_received"], counts["cancels_received"], counts["cancels_effective"]) == (
        1,
        cancels,
        cancels,
    )


@pytest.mark.usefixtures("prompt_kills")
def test_a_kill_ends_in_time(operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    control.add_fault("cancelJobRun", {"type": "hang", "seconds": 3_600})
    ti, task = TaskInstance(), operator(run_python=WAIT, deferrable=False)
    allowed = timeouts_of("cancelJobRun", monkeypatch)
    kill = signal_when(lambda: control.requests("getJobRun"), lambda *_: task.on_kill())
    with kill, pytest.raises(WherobotsTaskKilledException):
        task.execute(context(ti))
    assert control.requests("cancelJobRun"), "its kill went through"
    assert AIRFLOW_LEAVES_SECONDS / 4 < sum(allowed) < AIRFLOW_LEAVES_SECONDS


@pytest.mark.parametrize("cancels", [True, False])
def test_a_kill_while_the_create_call_is_under_way_finds_the_run_by_its_name(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch, cancels: bool
) -> None:
    control.behaviour(list_delay_seconds=1)
    task = operator(run_python=WAIT, deferrable=False, name="kill-in-post", cancel_on_kill=cancels)
    once_answered(lambda operation: task.on_kill() if operation == "createJobRun" else None, monkeypatch)
    with pytest.raises(WherobotsTaskKilledException):
        task.execute(context(TaskInstance()))
    control.behaviour(list_delay_seconds=0)
    counts = control.counts()
    assert (counts["creates_effective"], counts["cancels_received"]) == (1, cancels)
    assert counts["cancels_effective"] == cancels


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_kill_while_a_run_is_created_in_place_of_a_cancelled_one_finds_the_new_run(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    """The second submission of one process. An earlier try has cancelled the run that it re-attached to."""
    first = TaskInstance()
    deferral_of(operator(run_python=WAIT, retries=1), first)
    task, second = operator(run_python=WAIT, retries=1, deferrable=deferrable), next_try(first)

    def cancel_and_kill(operation: str) -> None:
        if operation == "listJobRuns" and control.counts()["cancels_received"] == 0:
            task.hook.cancel_run(first.xcoms["run_id"])
        if operation == "createJobRun":
            assert StateStore(second.store).get(task_memory.KEY)["is_create_unanswered"], "a retry looks for its run"
            task.on_kill()

    once_answered(cancel_and_kill, monkeypatch)
    with pytest.raises(WherobotsTaskKilledException):
        run_to_end(task, second)
    counts = control.counts()
    assert (counts["creates_effective"], counts["cancels_effective"]) == (2, 2)


@pytest.mark.parametrize(("arguments", "creates"), [({}, 2), ({"cancel_on_kill": False}, 1)])
def test_a_cancel_soon_after_a_retry_has_re_attached_is_that_of_an_earlier_try_if_tries_cancel(
    operator: Operator, control: ControlClient, arguments: dict[str, Any], creates: int
) -> None:
    first = TaskInstance()
    deferral_of(operator(run_python=WAIT, retries=1, **arguments), first)
    second, task = next_try(first), operator(run_python=WAIT, retries=1, **arguments)
    deferred = deferral_of(task, second)
    task.hook.cancel_run(first.xcoms["run_id"])
    with pytest.raises((TaskDeferred, WherobotsRunCancelledException)):
        task.execute_complete(context(second), follow(deferred), **(deferred.kwargs or {}))
    assert control.counts()["creates_received"] == creates


@pytest.mark.parametrize("moment", ["before the try", "while the try is made"])
def test_a_kill_before_the_create_call_is_not_lost(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    task = operator(deferrable=False)

    class KilledWhileMade(RunAttempt):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            task.on_kill()
            super().__init__(*args, **kwargs)

    if moment == "before the try":
        task.on_kill()
    else:
        monkeypatch.setattr(run_attempt, "RunAttempt", KilledWhileMade)
    with pytest.raises(WherobotsTaskKilledException):
        task.execute(context(TaskInstance()))
    assert control.counts()["creates_received"] == 0


def test_a_kill_of_2_11_while_a_retry_is_made_cancels_the_earlier_run(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its signal handler raises, for instance while ``execute`` imports what it needs."""
    first = TaskInstance()
    deferral_of(operator(run_python=WAIT, retries=1), first)
    task = operator(run_python=WAIT, retries=1)

    class KilledWhileMade(RunAttempt):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            monkeypatch.setattr(run_attempt, "RunAttempt", RunAttempt)
            task.on_kill()
            raise RaisedInHandlerError

    monkeypatch.setattr(run_attempt, "RunAttempt", KilledWhileMade)
    with pytest.raises(RaisedInHandlerError):
        task.execute(context(next_try(first)))
    assert control.counts()["cancels_effective"] == 1


def test_a_kill_waits_for_no_line(operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    task = operator(run_python=WAIT, deferrable=False, retries=1, poll_logs=False)
    log = LogWithLock()
    log.take_the_place_of_those_of(task, task.hook, monkeypatch=monkeypatch)

    def kill_in_a_line(*_: Any) -> None:
        with log.being_written():
            task.on_kill()
            assert control.counts()["cancels_effective"] == 1

    kill, ti = signal_when(lambda: control.requests("getJobRun"), kill_in_a_line), TaskInstance()
    with kill, pytest.raises(WherobotsTaskKilledException):
        task.execute(context(ti))
    wait_for(lambda: any("was accepted" in line for line in log.lines), what="the line of the kill")


@pytest.mark.parametrize("again", ["a second SIGTERM", "a timeout"])
def test_a_kill_that_is_itself_interrupted_still_cancels_the_run(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch, again: str
) -> None:
    """Airflow 2.11 gets SIGTERM from Kubernetes or Celery in each of its processes, and sends one itself."""
    task, is_timeout = operator(run_python=WAIT, deferrable=False, retries=1), again == "a timeout"
    interrupt_first("cancelJobRun", (lambda: None) if is_timeout else task.on_kill, monkeypatch)
    monkeypatch.setattr(time, "sleep", lambda seconds: task.on_kill())
    with pytest.raises(RaisedInHandlerError):
        task.execute(context(TaskInstance()))
    if is_timeout:
        # Airflow calls it once the exception has left the task.
        task.on_kill()
    counts = control.counts()
    assert (counts["creates_effective"], counts["cancels_effective"]) == (1, 1)


@pytest.mark.parametrize("first", [True, False])
def test_a_kill_while_a_try_reads_its_connection_does_not_read_it_in_the_signal_handler(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    ti = TaskInstance()
    if not first:
        deferral_of(operator(run_python=WAIT, retries=1), ti)
        ti = next_try(ti)
    task = operator(run_python=WAIT, deferrable=False, retries=1)
    reads = kill_while_reading(task, monkeypatch)
    with pytest.raises(WherobotsTaskKilledException):
        task.execute(context(ti))
    assert len(reads) == 1
    counts = control.counts()
    assert (counts["creates_effective"], counts["cancels_effective"]) == ((0, 0) if first else (1, 1))
