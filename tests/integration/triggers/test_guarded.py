"""A killed trigger, without a triggerer around it: what it still does, and how it speaks with its supervisor."""

import asyncio
import gc
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest

from airflow_provider_wherobots import compat
from airflow_provider_wherobots.io.base import Io
from airflow_provider_wherobots.triggers import guarded, run
from airflow_provider_wherobots.triggers.run import WherobotsRunTrigger
from tests.integration.support import events_of
from tests.support.waiting import wait_for
from wherobots_local.control.client import ControlClient

TI = SimpleNamespace(dag_id="dag", task_id="task", run_id="manual__1", map_index=3)
Make = Callable[..., Any]


@pytest.fixture
def make(conn_id: str) -> Make:
    """Makes the trigger of a run, as the triggerer has it."""

    def trigger_of(run_id: str = "r1", *, trigger_id: int | None = 1, **follow: Any) -> Any:
        trigger: Any = WherobotsRunTrigger(conn_id, {"run_id": run_id, "started_at": time.time(), **follow})
        trigger.trigger_id, trigger.task_instance = trigger_id, TI
        return trigger

    return trigger_of


async def killed_anew_until_it_ends(task: asyncio.Task[Any]) -> None:
    """Cancel a trigger as Airflow 3 does: again at each of the triggerer's rounds, until it has ended."""
    while not task.done():
        task.cancel()
        await asyncio.sleep(0.05)
    with suppress(asyncio.CancelledError):
        await task


async def through_run(trigger: WherobotsRunTrigger, control: ControlClient) -> None:
    task = asyncio.ensure_future(anext(trigger.run()))
    await asyncio.to_thread(wait_for, lambda: control.requests("getJobRun"), what="the first poll")
    await killed_anew_until_it_ends(task)


async def through_on_kill(trigger: WherobotsRunTrigger, control: ControlClient) -> None:
    task = asyncio.create_task(trigger.on_kill())
    await asyncio.sleep(0.05)
    await killed_anew_until_it_ends(task)


@pytest.mark.parametrize("way", [through_run, through_on_kill])
@pytest.mark.parametrize(
    ("state", "answers"), [("failed", [503, 200]), ("success", [503, 200]), (None, [503, 200]), ("deferred", [])]
)
def test_a_kill_that_is_repeated_does_not_cut_the_cancel_short(
    make: Make,
    control: ControlClient,
    monkeypatch: pytest.MonkeyPatch,
    way: Callable[[WherobotsRunTrigger, ControlClient], Coroutine[Any, Any, None]],
    state: str | None,
    answers: list[int],
) -> None:
    async def get_task_state(task_instance: Any) -> str | None:
        await asyncio.sleep(0.2)
        return state

    monkeypatch.setattr(guarded, "get_task_state", get_task_state)
    monkeypatch.setattr(guarded, "TRIGGER_HAS_ON_KILL", way is through_on_kill)
    created = control.create_run("killed-run")
    control.add_fault("cancelJobRun", {"type": "status", "status": 503}, times=1)
    trigger = make(created["id"])
    written = texts_of(trigger, monkeypatch)
    asyncio.run(way(trigger, control))
    assert [entry["status"] for entry in control.requests("cancelJobRun")] == answers
    left = [f"info: Not cancelling run {created['id']} (the task's state: deferred)"]
    cancelled = [
        f"info: Cancelling run {created['id']}: the task is no longer deferred (state: {state})",
        f"{logging.INFO}: Cancel of run {created['id']} was accepted",
    ]
    assert [text for text in written if "ancel" in text] == (cancelled if answers else left)


@pytest.mark.parametrize(("failures", "cancels"), [(2, 1), (3, 0)])
def test_a_slow_airflow_is_asked_again_before_a_run_is_left_alone(
    make: Make, conn_id: str, control: ControlClient, monkeypatch: pytest.MonkeyPatch, failures: int, cancels: int
) -> None:
    asked: list[Any] = []

    async def get_task_state(task_instance: Any) -> str | None:
        asked.append(task_instance)
        if len(asked) in (1, 3) and len(asked) <= failures:
            await asyncio.sleep(3_600)
        if len(asked) <= failures:
            raise ConnectionError("the supervisor is busy")
        return "failed"

    monkeypatch.setattr(guarded, "get_task_state", get_task_state)
    monkeypatch.setattr(guarded, "STATE_TIMEOUT_SECONDS", 0.2)
    created = control.create_run("killed-run")
    trigger = make(created["id"])
    written = texts_of(trigger, monkeypatch)
    asyncio.run(trigger.on_kill())
    assert asked == [TI] * 3
    assert len(control.requests("cancelJobRun")) == cancels
    if not cancels:
        assert written == [
            f"warning: Not cancelling run {created['id']}: Airflow did not report the task's state (TimeoutError). "
            f"To end it, if its task has ended: python -m airflow_provider_wherobots orphans --cancel --conn {conn_id}"
        ]


class Supervisor:
    """Answers when it may, and notices when nobody reads the answer."""

    def __init__(self) -> None:
        self.read = 0
        self.may_answer = threading.Event()
        self.may_answer.set()

    async def ask(self, *question: Any) -> None:
        await asyncio.to_thread(self.may_answer.wait)
        self.read += 1


def test_an_abandoned_failure_is_no_error_of_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, told = Supervisor(), []

    async def fail(*question: Any) -> None:
        await asked.ask(*question)
        raise LookupError

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
        await given_up(compat.get_async_connection("any"), asked)
        await asyncio.sleep(0.05)
        gc.collect()

    monkeypatch.setattr(compat.BaseHook, "aget_connection", fail, raising=False)
    asyncio.run(main())
    assert told == []


async def given_up(question: Any, supervisor: Supervisor) -> None:
    supervisor.may_answer.clear()
    try:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(question, 0.05)
    finally:
        supervisor.may_answer.set()
    await asyncio.to_thread(wait_for, lambda: supervisor.read, what="somebody to read the answer")


def test_an_xcom_is_pushed_whole_although_it_is_waited_for_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    task_runner = pytest.importorskip("airflow.sdk.execution_time.task_runner", reason="2.11 has no supervisor")
    asked: list[Any] = []

    class Listening(Supervisor):
        async def ask(self, *question: Any) -> None:
            asked.extend(question)
            await super().ask(*question)

    supervisor = Listening()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", SimpleNamespace(asend=supervisor.ask), raising=False)
    asyncio.run(given_up(compat.push_text(TI, "spark_ui_url", "https://spark/"), supervisor))
    (message,) = asked
    assert type(message).__name__ == "SetXCom"
    assert (message.dag_id, message.task_id, message.run_id, message.map_index) == ("dag", "task", "manual__1", 3)
    assert (message.key, message.value) == ("spark_ui_url", "https://spark/")


def test_an_unpushed_xcom_ends_nothing(make: Make, control: ControlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def push_text(task_instance: Any, key: str, value: str) -> None:
        raise RuntimeError("the supervisor is away")

    monkeypatch.setattr(run, "push_text", push_text)
    created = control.create_run("spark-run")
    control.patch_run(created["id"], status="COMPLETED", kubeApp={"spark_ui_url": "https://spark/"})
    event = events_of(make(created["id"], wait_post_run_logs_timeout_seconds=0))
    assert event["ending"] == "completed"
    assert event["summary"]["spark_ui_url"] == "https://spark/"


@pytest.mark.parametrize(("trigger_id", "waits"), [(1, True), (None, False)])
def test_an_event_leaves_the_scheduler_time_to_handle_the_deferral(
    make: Make, control: ControlClient, monkeypatch: pytest.MonkeyPatch, trigger_id: int | None, waits: bool
) -> None:
    # "airflow dags test" has no scheduler, and gives the trigger no id.
    created = control.create_run("short-run")
    control.patch_run(created["id"], status="COMPLETED")
    trigger = make(created["id"], trigger_id=trigger_id, poll_logs=False)
    monkeypatch.setattr(guarded, "EARLIEST_EVENT_SECONDS", 3_600.0)
    pauses, sleep = [], asyncio.sleep

    async def note_and_sleep(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(min(seconds, 0.05))

    monkeypatch.setattr(asyncio, "sleep", note_and_sleep)

    async def events() -> list[Any]:
        async with asyncio.timeout(60):
            return [event async for event in trigger.run()]

    (event,) = asyncio.run(events())
    assert any(3_500 < seconds <= 3_600 for seconds in pauses) is waits
    assert event.payload["ending"] == "completed"


@pytest.mark.parametrize("has_on_kill", [True, False])
@pytest.mark.parametrize(("state", "cancels"), [("failed", 1), ("deferred", 0)], ids=["a kill", "a shutdown"])
def test_while_it_holds_its_event_a_kill_still_cancels_and_a_shutdown_does_not(
    make: Make, control: ControlClient, monkeypatch: pytest.MonkeyPatch, has_on_kill: bool, state: str, cancels: int
) -> None:
    """The trigger has given up, and a worker would follow the run on."""
    monkeypatch.setattr(guarded, "EARLIEST_EVENT_SECONDS", 3_600.0)
    monkeypatch.setattr(guarded, "TRIGGER_HAS_ON_KILL", has_on_kill)
    monkeypatch.setattr(guarded, "get_task_state", AsyncMock(return_value=state))
    created = control.create_run("given-up")
    control.add_fault("getJobRun", {"type": "status", "status": 500})
    trigger = make(created["id"], max_outage_seconds=0)
    holding = asyncio.Event()
    sleep = asyncio.sleep

    async def note_and_sleep(seconds: float) -> None:
        if seconds > 3_000:
            holding.set()
        await sleep(seconds)

    async def kill() -> None:
        task = asyncio.create_task(anext(trigger.run()))
        await holding.wait()
        if has_on_kill:
            await trigger.on_kill()
        await killed_anew_until_it_ends(task)

    monkeypatch.setattr(asyncio, "sleep", note_and_sleep)
    asyncio.run(kill())
    assert len(control.requests("cancelJobRun")) == cancels


def texts_of(trigger: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the trigger logs from now on, as it is written, each with its level."""
    written: list[str] = []

    def writer(level: str) -> Callable[..., None]:
        return lambda text, *values, **_: written.append(f"{level}: {text % values if values else text}")

    log: Any = SimpleNamespace(**{level: writer(level) for level in ("info", "warning", "error", "debug")})
    log.log = lambda level, text: writer(str(level))(text)
    log.isEnabledFor = log.is_enabled_for = lambda level: True
    monkeypatch.setattr(type(trigger), "log", log)
    return written


def test_unforeseen_errors_are_told(make: Make, control: ControlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def follow_run(io: Io, options: Any) -> Any:
        raise RuntimeError("http://user:secret@proxy/ is away")

    monkeypatch.setattr(run, "follow_run", follow_run)
    trigger = make()
    written = texts_of(trigger, monkeypatch)
    event = events_of(trigger)
    reason = "RuntimeError: http://***@proxy/ is away"
    assert (event["ending"], event["run_id"], event["reason"]) == ("gave_up", "r1", reason)
    told = "\n".join(written)
    assert f"error: The trigger of run r1 failed: {reason}\n" in told
    assert "in follow_run" in told
    assert not control.requests("cancelJobRun")


def test_a_failed_cancel_is_told_and_no_failure(make: Make, conn_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    budgets: list[float] = []

    async def cancel_run(io: Io, run_id: str, budget_seconds: float) -> Any:
        budgets.append(budget_seconds)
        raise RuntimeError("http://user:secret@proxy/ is away")

    monkeypatch.setattr(guarded, "get_task_state", AsyncMock(return_value="failed"))
    monkeypatch.setattr(run, "cancel_run", cancel_run)
    trigger = make()
    written = texts_of(trigger, monkeypatch)
    asyncio.run(trigger.on_kill())
    assert written[-1].startswith(
        "error: Could not cancel run r1, which may stay active: RuntimeError: http://***@proxy/ is away. To end it, if "
        f"its task has ended: python -m airflow_provider_wherobots orphans --cancel --conn {conn_id}\n  File "
    )
    assert "in cancel_run" in written[-1]
    assert 0 < budgets[0] <= guarded.ON_KILL_SECONDS


def test_a_kill_reads_no_connection(make: Make, control: ControlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded, "get_task_state", AsyncMock(return_value="failed"))
    monkeypatch.setattr(guarded, "TRIGGER_HAS_ON_KILL", True)
    trigger = make(control.create_run("killed-run")["id"])

    async def kill() -> None:
        await through_run(trigger, control)
        monkeypatch.delenv("AIRFLOW_CONN_WHEROBOTS_DEFAULT")
        await trigger.on_kill()

    asyncio.run(kill())
    assert [entry["status"] for entry in control.requests("cancelJobRun")] == [200]


@pytest.mark.parametrize(("trigger_id", "asked"), [(1, 1), (None, 0)], ids=["in a triggerer", "in dags test"])
def test_the_first_request_of_a_triggerer_is_not_that_of_a_kill(
    make: Make, control: ControlClient, monkeypatch: pytest.MonkeyPatch, trigger_id: int | None, asked: int
) -> None:
    if compat.AIRFLOW < (3, 0):
        pytest.skip("2.11 has no supervisor")
    questions: list[Any] = []

    async def get_task_state(task_instance: Any) -> str | None:
        questions.append(task_instance)
        raise RuntimeError("the supervisor is away")

    monkeypatch.setattr(compat, "_is_warm", False)
    monkeypatch.setattr(compat, "get_task_state", get_task_state)
    created = control.create_run("followed-run")
    control.patch_run(created["id"], status="COMPLETED")

    async def follow_two() -> None:
        for _ in range(2):
            trigger = make(created["id"], trigger_id=trigger_id, wait_post_run_logs_timeout_seconds=0)
            assert [event.payload["ending"] async for event in trigger.run()] == ["completed"]

    asyncio.run(follow_two())
    assert questions == [TI] * asked
