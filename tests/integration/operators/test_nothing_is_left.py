"""What becomes of a run when nobody follows it any more: after the last try, after Ctrl-C, and after its own end."""

import asyncio
import signal
import threading
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from airflow_provider_wherobots.exceptions import (
    WherobotsException,
    WherobotsExecutionTimeoutException,
    WherobotsRunFailedException,
    WherobotsUnavailableException,
)
from airflow_provider_wherobots.flows.cancel import cancel_run
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from airflow_provider_wherobots.runs.outcome import Ending, Outcome
from airflow_provider_wherobots.tasks import run_attempt
from tests.integration.calls import RaisedInHandlerError, interrupt_first_read, once_answered
from tests.integration.signals import signal_when
from tests.integration.support import WAIT, Operator, Said, TaskInstance, context, deferral_of, follow, resume
from tests.support.waiting import wait_for
from wherobots_local import LocalServer
from wherobots_local.control.client import ControlClient

TALK = {"uri": "s3://jobs/talk.py", "args": ["1"]}


@pytest.fixture
def failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user has marked the task."""
    monkeypatch.setattr("airflow_provider_wherobots.triggers.guarded.get_task_state", AsyncMock(return_value="failed"))


@pytest.mark.parametrize(
    ("try_number", "arguments", "cancels", "words"),
    [
        (1, {}, 0, "It stays active; a retry of the task re-attaches to it"),
        (1, {"durable": False}, 0, r"It stays active; a retry will not find it \(durable=False\)"),
        (2, {}, 1, "It was cancelled, because no retry follows"),
        (2, {"cancel_on_kill": False}, 0, "cancel_on_kill=False leaves it alone"),
    ],
    ids=["a retry follows", "a retry without a look-up", "the last try", "left alone"],
)
def test_a_run_that_the_last_try_gives_up_is_cancelled(
    operator: Operator, control: ControlClient, try_number: int, arguments: dict[str, Any], cancels: int, words: str
) -> None:
    task, ti = operator(run_python=WAIT, retries=1, **arguments), TaskInstance(try_number)
    deferral_of(task, ti)
    run_id = ti.xcoms["run_id"]
    control.add_fault("getJobRun", {"type": "status", "status": 403})
    with pytest.raises(WherobotsUnavailableException, match=words) as given_up:
        task.execute_complete(context(ti), event_of_a_given_up_run(run_id))
    assert control.counts()["cancels_effective"] == cancels
    command = f"python -m airflow_provider_wherobots runs cancel --yes {run_id} --conn {task.wherobots_conn_id}"
    assert (f"To cancel it: {command}" in str(given_up.value)) == (not cancels)


def test_a_refused_cancel_is_said(operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    task, ti = operator(run_python=WAIT), TaskInstance(2)
    deferral_of(task, ti)
    for operation in ("getJobRun", "cancelJobRun"):
        control.add_fault(operation, {"type": "status", "status": 403})
    monkeypatch.setattr(run_attempt, "cancel_run", partial(cancel_run, budget_seconds=0.1))
    with pytest.raises(WherobotsUnavailableException, match="It could not be cancelled, and no retry follows"):
        task.execute_complete(context(ti), event_of_a_given_up_run(ti.xcoms["run_id"]))


def event_of_a_given_up_run(run_id: str, **more: Any) -> dict[str, Any]:
    return Outcome(Ending.GAVE_UP, run_id, "RUNNING", "the key was refused", ended_at=time.time(), **more).to_event()


def test_after_an_outage_a_trigger_follows_it_on(operator: Operator, control: ControlClient, said: Said) -> None:
    task, ti = operator(run_python=TALK), TaskInstance(max_tries=0)
    deferred, run_id = deferral_of(task, ti), ti.xcoms["run_id"]
    again = deferral_of(task, ti, deferred, event_of_a_given_up_run(run_id, outage_seconds=600.0))
    assert f"Run {run_id} was given up (the key was refused), but this worker can read it" in said()
    assert again.kwargs is not None
    assert again.kwargs["reattached"] is False, "a cancel from now on is no earlier try's"
    assert resume(task, ti, again, follow(again)) == run_id
    assert control.counts()["creates_received"] == 1
    assert control.counts()["cancels_received"] == 0


@pytest.mark.parametrize("retries", [0, 1])
def test_a_run_whose_trigger_failed_is_followed_on_by_the_worker_if_it_can_read_it(
    operator: Operator, control: ControlClient, said: Said, tmp_path: Path, retries: int
) -> None:
    over = tmp_path / "over"
    job = {"uri": "s3://jobs/until.py", "args": [str(over)]}
    task, ti = operator(run_python=job, retries=retries), TaskInstance(max_tries=retries)
    deferred = deferral_of(task, ti)
    polls = len(control.requests("getJobRun"))

    def end() -> None:
        # The first poll is the look whether it can be read.
        wait_for(lambda: len(control.requests("getJobRun")) >= polls + 3, what="the run to be followed")
        over.touch()

    ending = threading.Thread(target=end)
    ending.start()
    assert resume(task, ti, deferred, event_of_a_given_up_run(ti.xcoms["run_id"])) == ti.xcoms["run_id"]
    ending.join()
    assert control.counts()["cancels_received"] == 0
    assert f"Run {ti.xcoms['run_id']} was given up (the key was refused), but this worker can read it" in said()


def test_what_fails_the_trigger_and_the_worker_does_not_keep_the_run_from_being_cancelled(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, ti = operator(run_python=WAIT), TaskInstance(2)
    deferred = deferral_of(task, ti)
    monkeypatch.setattr("airflow_provider_wherobots.tasks.run_attempt.follow_run", Mock(side_effect=KeyError))
    with pytest.raises(WherobotsUnavailableException, match="It was cancelled, because no retry follows"):
        resume(task, ti, deferred, event_of_a_given_up_run(ti.xcoms["run_id"]))
    assert control.counts()["cancels_effective"] == 1


def test_a_run_of_another_organization_is_not_said_to_be_cancelled(
    operator: Operator, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection was changed: the host that it names now does not know the run."""
    monkeypatch.setattr("airflow_provider_wherobots.flows.cancel.UNKNOWN_RUN_SECONDS", 0.0)
    with pytest.raises(WherobotsUnavailableException, match=f"It was not cancelled: {server.url} has no such run"):
        operator().execute_complete(context(TaskInstance(2)), event_of_a_given_up_run("r1234567890abc"))


@pytest.mark.parametrize("is_accepted", [True, False])
def test_a_cancel_that_failed_at_the_deadline_is_repeated_when_the_task_resumes(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch, is_accepted: bool
) -> None:
    task = operator(run_python=WAIT, execution_timeout=timedelta(seconds=3), timeout_seconds=600)
    ti = TaskInstance()
    deferred = deferral_of(task, ti)
    control.add_fault("cancelJobRun", {"type": "status", "status": 401})
    event = follow(deferred)
    command = (
        f"python -m airflow_provider_wherobots runs cancel --yes {ti.xcoms['run_id']} --conn {task.wherobots_conn_id}"
    )
    says = f"cancelling the run failed. To cancel it: {command}"
    if is_accepted:
        control.clear_faults()
        says = "cancelling the run failed at first, and succeeded when it was repeated"
    monkeypatch.setattr(run_attempt, "LAST_LOOK_SECONDS", 60.0 if is_accepted else 0.1)
    with pytest.raises(WherobotsExecutionTimeoutException, match=says):
        resume(task, ti, deferred, event)
    assert control.counts()["cancels_effective"] == is_accepted


def test_a_cancel_that_fails_again_does_not_hide_a_timeout(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    task, ti = operator(run_python=WAIT), TaskInstance()
    late = Outcome(Ending.DEADLINE, "r1", "RUNNING", "too late", summary={"run_id": "r1"}, cancel_failed=True)
    monkeypatch.setattr(task.hook, "get_connection", unreadable)
    with pytest.raises(WherobotsExecutionTimeoutException, match="too late"):
        task.execute_complete(context(ti), late.to_event())
    assert ti.xcoms["run_summary"] == {"run_id": "r1"}


def test_that_it_could_not_be_cancelled_is_said(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    task, ti = operator(run_python=WAIT), TaskInstance(2)
    deferral_of(task, ti)
    run_id = ti.xcoms["run_id"]
    broken = operator(run_python=WAIT)
    monkeypatch.setattr(broken.hook, "get_connection", unreadable)
    with pytest.raises(WherobotsUnavailableException, match="could not be cancelled, and no retry follows"):
        broken.execute_complete(context(ti), Outcome(Ending.GAVE_UP, run_id, "RUNNING").to_event())
    assert f"Run {run_id} could not be cancelled: ConnectionError: the secrets backend is away" in said()


def unreadable(conn_id: str) -> Any:
    raise ConnectionError("the secrets backend is away")


def fail_looks_after_the_first(
    control: ControlClient, monkeypatch: pytest.MonkeyPatch, times: int | None = None
) -> None:
    def fail_next(operation: str) -> None:
        if operation == "listJobRuns" and not control.requests("createJobRun"):
            control.add_fault("listJobRuns", {"type": "status", "status": 503}, times=times)

    once_answered(fail_next, monkeypatch)


@pytest.mark.parametrize(("retries", "left"), [(1, 1), (0, 0)], ids=["a retry follows", "the last try"])
def test_what_the_last_try_may_have_created_is_cancelled(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch, retries: int, left: int
) -> None:
    """The answer to the create is lost, and List Runs fails until the try has given up."""
    control.add_fault("createJobRun", "lose_answer", times=1)
    fail_looks_after_the_first(control, monkeypatch, times=1)
    task = operator(run_python=WAIT, retries=retries, max_outage_seconds=0)
    with pytest.raises(WherobotsException):
        task.execute(context(TaskInstance(max_tries=retries)))
    assert control.counts()["creates_effective"] == 1
    assert control.counts()["creates_effective"] - control.counts()["cancels_effective"] == left


@pytest.mark.parametrize(
    ("retries", "arguments", "says"),
    [
        (1, {}, r"\. The run may exist and be active; a retry of the task looks it up by its name first$"),
        (1, {"durable": False}, r"; a retry of the task creates a new one \(durable=False\)$"),
        (0, {"cancel_on_kill": False}, r"and no retry will look it up. To look: python -m \S+ orphans --conn .+$"),
    ],
)
def test_what_becomes_of_a_run_that_may_exist_is_said(
    operator: Operator,
    control: ControlClient,
    monkeypatch: pytest.MonkeyPatch,
    retries: int,
    arguments: dict[str, Any],
    says: str,
) -> None:
    control.add_fault("createJobRun", "lose_answer")
    fail_looks_after_the_first(control, monkeypatch)
    task = operator(run_python=WAIT, retries=retries, max_outage_seconds=0, **arguments)
    with pytest.raises(WherobotsUnavailableException, match=says):
        task.execute(context(TaskInstance(max_tries=retries)))
    assert control.counts()["cancels_received"] == 0


@pytest.mark.parametrize(("retries", "arguments", "cancels"), [(0, {}, 1), (0, {"durable": False}, 1), (1, {}, 0)])
def test_a_foreign_error_after_the_create_leaves_no_run_without_a_retry(
    operator: Operator,
    control: ControlClient,
    monkeypatch: pytest.MonkeyPatch,
    retries: int,
    arguments: dict[str, Any],
    cancels: int,
) -> None:
    monkeypatch.setattr(run_attempt.RunAttempt, "announce", Mock(side_effect=OSError("No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        operator(run_python=WAIT, retries=retries, **arguments).execute(context(TaskInstance(max_tries=retries)))
    assert control.counts()["cancels_effective"] == cancels


@pytest.mark.parametrize(("retries", "cancels"), [(0, 1), (1, 0)])
def test_a_failed_trigger_whose_run_is_only_in_the_state_store_leaves_none_without_a_retry(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch, retries: int, cancels: int
) -> None:
    task, ti = operator(run_python=WAIT, retries=retries), TaskInstance(max_tries=retries)
    deferral_of(task, ti)
    monkeypatch.setattr(ti, "xcom_pull", Mock(side_effect=ConnectionError("the XCom backend is away")))
    with pytest.raises(ConnectionError, match="the XCom backend is away"):
        operator(run_python=WAIT, retries=retries).resume_execution(
            "__fail__", {"error": "Trigger failure"}, context(ti)
        )
    assert control.counts()["cancels_effective"] == cancels


def test_a_subclass_completes_a_run_whose_trigger_failed_too(operator: Operator, conn_id: str) -> None:
    class Subclass(WherobotsRunOperator):
        def execute_complete(self, context: Any, event: Any, **stored: Any) -> Any:
            return {"run": super().execute_complete(context, event, **stored)}

    ti = TaskInstance()
    follow(deferral_of(operator(run_python=TALK), ti))
    task = Subclass(task_id="task", run_python=TALK, wherobots_conn_id=conn_id)
    found = task.resume_execution("__fail__", {"error": "Trigger failure"}, context(ti))
    assert found == {"run": ti.xcoms["run_id"]}


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("resumes", ["after a failed trigger", "after it was given up"])
def test_a_kill_of_2_11_while_a_resumed_task_reads_its_connection(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch, resumes: str, durable: bool
) -> None:
    """Its signal handler raises. A person has marked the task, so no retry follows, whatever ``retries`` says."""
    ti = TaskInstance(max_tries=1)
    deferred = deferral_of(operator(run_python=WAIT, retries=1, durable=durable), ti)
    task = operator(run_python=WAIT, retries=1, durable=durable)
    interrupt_first_read(task, task.on_kill, monkeypatch)
    given_up = {"event": event_of_a_given_up_run(ti.xcoms["run_id"]), **(deferred.kwargs or {})}
    has_failed = resumes == "after a failed trigger"
    method, arguments = ("__fail__", {"error": "Trigger failure"}) if has_failed else ("execute_complete", given_up)
    with pytest.raises(RaisedInHandlerError):
        task.resume_execution(method, arguments, context(ti))
    assert control.counts()["cancels_effective"] == 1


def test_a_timeout_while_the_last_try_reads_its_connection(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow calls ``on_kill`` after the interruption."""
    ti = TaskInstance(max_tries=0)
    deferred = deferral_of(operator(run_python=WAIT), ti)
    task = operator(run_python=WAIT)
    interrupt_first_read(task, lambda: None, monkeypatch)
    with pytest.raises(RaisedInHandlerError):
        resume(task, ti, deferred, event_of_a_given_up_run(ti.xcoms["run_id"]))
    task.on_kill()
    assert (control.counts()["cancels_effective"], control.counts()["cancels_received"]) == (1, 1)


@pytest.mark.parametrize("ending", [Ending.COMPLETED, Ending.FAILED])
def test_an_outcome_needs_no_connection(operator: Operator, monkeypatch: pytest.MonkeyPatch, ending: Ending) -> None:
    task = operator(run_python=TALK)
    monkeypatch.setattr(task.hook, "get_connection", unreadable)
    event = Outcome(ending, "r1", ending.name, "exit code 7").to_event()
    if ending is Ending.COMPLETED:
        assert task.execute_complete(context(TaskInstance()), event) == "r1"
        return
    with pytest.raises(WherobotsRunFailedException, match="exit code 7"):
        task.execute_complete(context(TaskInstance()), event)


def test_a_run_whose_id_cannot_be_pushed_is_followed_all_the_same(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, ti = operator(run_python=TALK), TaskInstance()

    def fail(key: str, value: Any) -> None:
        raise ConnectionError("the database is away")

    monkeypatch.setattr(ti, "xcom_push", fail)
    event = follow(deferral_of(task, ti))
    assert task.execute_complete(context(ti), event) == event["run_id"]
    assert control.counts()["creates_received"] == 1


def test_ctrl_c_on_a_worker_cancels_the_run(operator: Operator, control: ControlClient) -> None:
    task = operator(run_python=WAIT, deferrable=False)
    interrupt = signal_when(lambda: control.requests("getJobRun"), signal.default_int_handler)
    with interrupt, pytest.raises(KeyboardInterrupt):
        task.execute(context(TaskInstance()))
    assert control.counts()["cancels_effective"] == 1


@pytest.mark.parametrize("cancels", [True, False])
def test_ctrl_c_in_a_trigger_of_dag_test_cancels(operator: Operator, control: ControlClient, cancels: bool) -> None:
    task, ti = operator(run_python=WAIT, cancel_on_kill=cancels), TaskInstance()
    trigger = deferral_of(task, ti).trigger

    def interrupt() -> None:
        wait_for(lambda: control.requests("getJobRun"), what="the first poll")
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    async def first_event() -> Any:
        return await anext(trigger.run(), None)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    pressing = threading.Thread(target=interrupt)
    pressing.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(first_event())
    finally:
        pressing.join()
        signal.signal(signal.SIGINT, before)
    assert control.counts()["cancels_effective"] == int(cancels)
