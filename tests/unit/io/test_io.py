"""Each ``Io`` does what a flow asks for, in its order, and neither does more."""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from airflow_provider_wherobots.api.call import Call, Response
from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.errors import (
    NotFoundError,
    RateLimitedError,
    ResponseLostError,
    UnreadableResponseError,
)
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.flows.submit import UnclearCreateError, submit_run
from airflow_provider_wherobots.io import event_loop as asynchronous
from airflow_provider_wherobots.io.base import (
    CONNECT_TIMEOUT_SECONDS,
    READ_TIMEOUT_SECONDS,
    Callbacks,
    Clock,
    Flow,
    Io,
    Reloaded,
)
from airflow_provider_wherobots.io.event_loop import ROOM, EventLoopIo, size_of
from airflow_provider_wherobots.io.worker import FlowStoppedError, WorkerIo
from airflow_provider_wherobots.logs.records import LogRecord
from tests.unit.io.stopping import stop_from
from tests.unit.io.virtual_loop import moment, run

CALL = calls.get_run("r1")
NOT_FOUND = Response(404, {}, b'{"errors": [], "requestId": "r"}')
GOOD = Response(200, {}, json.dumps({"id": "r1", "status": "RUNNING"}).encode())


class FakeTransport:
    """Answers from a list and keeps what it was given.

    :param answers: responses, errors to raise, or things to do first that return a response.
    """

    def __init__(self, *answers: Response | Exception | Callable[[], Response]) -> None:
        self._answers = list(answers)
        self.endpoint = Endpoint("https://api.example.com", "key-1")
        self.sent: list[tuple[str, float, float]] = []

    def send(self, call: Call[object], connect_timeout: float, read_timeout: float) -> Response:
        self.sent.append((call.operation, connect_timeout, read_timeout))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Response) else answer()


class FakeAsyncTransport(FakeTransport):
    async def send(self, *arguments: Any) -> Response:  # type: ignore[override]
        await asyncio.sleep(0)
        return super().send(*arguments)


class Driven:
    """An ``Io`` of either kind over a fake transport, and what came out of it.

    :param kind: ``sync`` or ``async``; the latter runs on a virtual clock.
    :param monotonic: the clock that does not jump, of the latter.
    """

    def __init__(
        self,
        kind: str,
        *answers: Response | Exception | Callable[[], Response],
        monotonic: Callable[[], float] = moment,
    ) -> None:
        self.notes: list[tuple[int, str]] = []
        self.records: list[LogRecord] = []
        self.reloads = 0
        self.published: list[tuple[str, str]] = []
        self._kind = kind
        self.transport: FakeTransport = (FakeTransport if kind == "sync" else FakeAsyncTransport)(*answers)
        transport: Any = self.transport
        self.sync = WorkerIo(transport, Callbacks(self._note, self.records.append, self._reload, self._publish))
        self.asynchronous = EventLoopIo(
            transport,
            Callbacks(self._note, self.records.append, self._reload_async, self._publish_async),
            clock=Clock(asyncio.sleep, monotonic=monotonic),
        )

    def run(self, flow: Flow[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._kind == "sync":
            return self.sync.run(flow, *args, **kwargs)
        return run(flow(self.asynchronous, *args, **kwargs))

    def _note(self, level: int, text: str) -> None:
        self.notes.append((level, text))

    def _reload(self) -> Reloaded:
        self.reloads += 1
        return Reloaded(True, "connection 'test'")

    async def _reload_async(self) -> Reloaded:
        return self._reload()

    def _publish(self, key: str, value: str) -> None:
        self.published.append((key, value))

    async def _publish_async(self, key: str, value: str) -> None:
        self._publish(key, value)


both = pytest.mark.parametrize("kind", ["sync", "async"])


@both
def test_everything_that_a_flow_asks_for_is_done_and_its_result_handed_back(kind: str) -> None:
    records = [LogRecord(1, logging.INFO, "a"), LogRecord(None, logging.ERROR, "b")]

    async def flow(io: Io) -> list[Any]:
        await io.note(logging.INFO, "hello")
        await io.forward(records)
        await io.sleep(0.001, 1.0)
        began = io.monotonic()
        await io.sleep(0.01)
        assert io.monotonic() - began >= 0.01
        await io.publish("key", "value")
        return [io.now(), await io.send_once(CALL), await io.reload()]

    driven = Driven(kind, GOOD)
    before = time.time()
    moment, run, changed = driven.run(flow)
    assert before <= moment <= time.time()
    assert isinstance(run, Run)
    assert changed == Reloaded(True, "connection 'test'")
    assert driven.notes == [(logging.INFO, "hello")]
    assert driven.records == records
    assert driven.reloads == 1
    assert driven.published == [("key", "value")]


@both
def test_what_is_said_can_be_written_whatever_the_service_said(kind: str) -> None:
    async def flow(io: Io) -> None:
        await io.note(logging.INFO, "\x1b[2Kerror \ud800 é")

    driven = Driven(kind)
    driven.run(flow)
    assert driven.notes == [(logging.INFO, "\\x1b[2Kerror \\ud800 é")]


@both
@pytest.mark.parametrize(
    ("answer", "kind_of_error"),
    [
        (ResponseLostError("getJobRun", "reset"), ResponseLostError),
        (NOT_FOUND, NotFoundError),
        (Response(200, {}, b"<html>"), UnreadableResponseError),
    ],
)
def test_an_api_error_can_be_handled(kind: str, answer: Response | Exception, kind_of_error: type[Exception]) -> None:
    async def flow(io: Io) -> tuple[str, str]:
        try:
            await io.send_once(CALL)
        except kind_of_error as error:
            return type(error).__name__, (await io.send_once(CALL)).status
        raise AssertionError("no error came")

    driven = Driven(kind, answer, GOOD)
    assert driven.run(flow) == (kind_of_error.__name__, "RUNNING")


@both
def test_any_other_error_ends_the_flow_and_closes_it(kind: str) -> None:
    closed = []

    async def flow(io: Io) -> None:
        try:
            await io.send_once(CALL)
        except ResponseLostError:
            raise AssertionError("this is no error of the API") from None
        finally:
            closed.append(True)

    with pytest.raises(ZeroDivisionError):
        Driven(kind, ZeroDivisionError()).run(flow)
    assert closed == [True]


def test_a_flow_that_awaits_something_else_is_refused_on_a_worker() -> None:
    async def flow(io: Io) -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="has awaited something that is not of its Io"):
        Driven("sync").run(flow)


def test_a_large_response_is_parsed_outside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asynchronous, "LARGE_BODY_BYTES", 10)
    threads: list[bool] = []

    def parse(document: Any) -> str:
        threads.append(threading.current_thread() is threading.main_thread())
        return "parsed"

    async def flow(io: Io) -> str:
        parsed: str = await io.send_once(Call("getJobRun", "GET", "/runs/r1", parse))
        return parsed

    assert Driven("async", GOOD).run(flow) == "parsed"
    assert threads == [False]


@both
def test_each_request_has_its_timeouts(kind: str) -> None:
    async def flow(io: Io) -> None:
        await io.send_once(CALL)
        await io.send_once(CALL, 3.0)
        await io.send_once(CALL, 100.0)
        await io.send_once(CALL, 0.0)

    driven = Driven(kind, GOOD, GOOD, GOOD, GOOD)
    driven.run(flow)
    assert driven.transport.sent == [
        ("getJobRun", CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
        ("getJobRun", 1.0, 2.0),
        ("getJobRun", 10.0, 90.0),
        ("getJobRun", 0.0, 0.0),
    ]


@both
def test_an_api_error_still_says_what_it_came_from(kind: str) -> None:
    def lose() -> Response:
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            raise ResponseLostError("getJobRun", "reset")  # noqa: B904 - the context is what is tested

    with pytest.raises(ResponseLostError) as caught:
        Driven(kind, lose).run(Io.send, CALL)
    assert isinstance(caught.value.__context__, ZeroDivisionError)
    assert not caught.value.__suppress_context__


@both
def test_after_a_429_nothing_is_sent_with_that_key_but_a_cancel(kind: str) -> None:
    async def flow(io: Io) -> list[str]:
        said = []
        asked: tuple[Call[Any], ...] = (calls.get_run_logs("r1"), CALL, calls.cancel_run("r1"), CALL)
        for call in asked:
            try:
                await io.send_once(call)
            except RateLimitedError as error:
                said.append(f"{type(error).__name__} {error.retry_after:.0f}")
        driven.transport.endpoint = Endpoint("https://api.example.com", "key-2")
        said.append((await io.send_once(CALL)).status)
        return said

    driven = Driven(kind, Response(429, {"Retry-After": "60.4"}, b""), Response(200, {}, b""), GOOD)
    assert driven.run(flow) == ["RateLimitedError 60", "KeyLimitedError 60", "KeyLimitedError 60", "RUNNING"]
    assert [operation for operation, _, _ in driven.transport.sent] == ["getJobRunLogs", "cancelJobRun", "getJobRun"]


ASKED: tuple[Flow[[], object], ...] = (
    lambda io: io.send_once(CALL),
    lambda io: io.sleep(60.0),
    lambda io: io.publish("key", "value"),
    lambda io: io.reload(),
)


@pytest.mark.parametrize("flow", ASKED)
def test_a_stopped_io_refuses_to_send_to_wait_to_publish_and_to_reload(flow: Flow[[], object]) -> None:
    driven = Driven("sync", GOOD)
    driven.sync.stopped = True
    with pytest.raises(FlowStoppedError):
        driven.run(flow)
    assert driven.transport.sent == []
    assert driven.published == []
    assert driven.reloads == 0


def test_a_stopped_io_still_says_and_forwards_and_tells_the_time() -> None:
    async def flow(io: Io) -> float:
        await io.note(logging.INFO, "stopping")
        await io.forward([LogRecord(None, logging.INFO, "last")])
        moment: float = io.now()
        return moment

    driven = Driven("sync")
    driven.sync.stopped = True
    assert driven.run(flow) > 0
    assert driven.notes == [(logging.INFO, "stopping")]
    assert [record.text for record in driven.records] == ["last"]


@pytest.mark.parametrize(
    "answer", [ResponseLostError("createJobRun", "reset"), Response(503, {}, b""), Response(429, {}, b"")]
)
def test_an_io_stopped_during_a_create_never_creates_again(answer: Response | Exception) -> None:
    def stop_and_answer() -> Response:
        driven.sync.stopped = True
        if isinstance(answer, Exception):
            raise answer
        return answer

    driven = Driven("sync", stop_and_answer)
    # With durable=False a lost response is the end at once.
    with pytest.raises((FlowStoppedError, UnclearCreateError)):
        driven.run(submit_run, {"name": "hail_stats"})
    assert [operation for operation, _, _ in driven.transport.sent] == ["createJobRun"]


def test_a_create_that_succeeds_while_the_io_is_stopped_gives_its_run() -> None:
    def stop_and_answer() -> Response:
        driven.sync.stopped = True
        return GOOD

    driven = Driven("sync", stop_and_answer)
    assert driven.run(submit_run, {"name": "hail_stats"}).run.id == "r1"


async def test_forwarding_many_lines_gives_the_event_loop_back_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asynchronous, "SLICE_SECONDS", -1.0)
    driven = Driven("async")
    written_at_each_turn: list[int] = []

    async def others() -> None:
        while True:
            written_at_each_turn.append(len(driven.records))
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    records = [LogRecord(None, logging.INFO, str(number)) for number in range(50)]
    await driven.asynchronous.forward(records)
    task.cancel()
    assert [record.text for record in driven.records] == [str(number) for number in range(50)]
    assert set(range(1, 50)) <= set(written_at_each_turn)


async def test_what_took_long_gives_the_event_loop_back_before_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asynchronous, "SLICE_SECONDS", -1.0)
    driven = Driven("async")
    turns = 0

    async def flow(io: Io) -> None:
        for _ in range(50):
            await io.forward([])

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    await flow(driven.asynchronous)
    task.cancel()
    assert turns >= 50


async def test_an_event_loops_io_that_is_cancelled_writes_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asynchronous, "SLICE_SECONDS", -1.0)
    driven = Driven("async")

    async def flow(io: Io) -> None:
        await io.forward([LogRecord(None, logging.INFO, str(number)) for number in range(50)])

    task = asyncio.create_task(flow(driven.asynchronous))
    for _ in range(10):
        await asyncio.sleep(0)
    assert 0 < len(driven.records) < 50
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [record.text for record in driven.records] == [str(number) for number in range(50)]


def test_few_lines_are_forwarded_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asynchronous, "SLICE_SECONDS", 3_600.0)
    turns: list[str] = []

    async def flow(io: Io) -> None:
        await io.forward([LogRecord(None, logging.INFO, str(number)) for number in range(50)])

    async def main() -> None:
        asyncio.get_running_loop().call_soon(turns.append, "others")
        await flow(driven.asynchronous)
        turns.append("forwarded")

    driven = Driven("async")
    run(main())
    assert turns == ["forwarded", "others"]
    assert len(driven.records) == 50


class Room:
    """Room in a task log, which comes when :meth:`make` is called."""

    def __init__(self) -> None:
        self.waits = 0
        self._made = asyncio.Event()

    def make(self) -> None:
        self._made.set()
        self._made = asyncio.Event()

    async def wait(self) -> None:
        self.waits += 1
        await self._made.wait()


async def driven_in_a_task(flow: Flow[[], None]) -> tuple[asyncio.Task[None], list[str], Room]:
    """Begin a flow, and return its task, what is written, and the room for that."""
    written: list[str] = []
    room = Room()

    async def reload() -> Reloaded:
        return Reloaded(False, "")

    def note(level: int, text: str) -> None:
        written.append(text)

    def write(record: LogRecord) -> None:
        written.append(record.text)

    transport: Any = FakeAsyncTransport()
    # No time passes, so no slice of the event loop ends.
    clock: Clock[Awaitable[None]] = Clock(asyncio.sleep, monotonic=lambda: 0.0)
    io = EventLoopIo(transport, Callbacks(note, write, reload, room=room.wait), clock=clock)
    task = asyncio.create_task(flow(io))
    await asyncio.sleep(0.01)
    return task, written, room


async def test_lines_are_written_when_there_is_room_and_never_more_than_fits() -> None:
    lines = [str(number) for number in range(100)]
    records = [LogRecord(None, logging.INFO, line) for line in lines]
    task, written, room = await driven_in_a_task(lambda io: io.forward(records))
    most, before = 0, 0
    while not task.done():
        room.make()
        await asyncio.sleep(0.01)
        most, before = max(most, len(written) - before), len(written)
    assert written == lines
    assert 0 < most * size_of("99") <= ROOM + size_of("99")
    # However long the wait was, it uses the room that came.
    assert most * size_of("99") > ROOM - size_of("99")
    assert room.waits == -(-len(lines) // most)


async def test_a_message_waits_for_room_only_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asynchronous, "MESSAGE_WAIT_SECONDS", 0.05)
    task, written, room = await driven_in_a_task(lambda io: io.note(logging.INFO, "Run r1 is cancelled"))
    assert (room.waits, written) == (1, [])
    await task
    assert written == ["Run r1 is cancelled"]


async def test_a_message_that_is_interrupted_while_it_waits_is_written_when_there_is_room() -> None:
    task, written, room = await driven_in_a_task(lambda io: io.note(logging.INFO, "Run r1 is RUNNING"))
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.01)
        assert written == []
    room.make()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert written == ["Run r1 is RUNNING"]


async def writing_when_interrupted(io: Io) -> None:
    """Writes a line, and when it is interrupted, a line and a message that it still has."""
    try:
        await io.forward([LogRecord(None, logging.INFO, "a")])
    finally:
        await io.forward([LogRecord(None, logging.INFO, "b")])
        await io.note(logging.INFO, "c")


async def test_an_interrupted_flow_waits_for_room_only_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asynchronous, "LAST_WAIT_SECONDS", 0.05)
    task, written, room = await driven_in_a_task(writing_when_interrupted)
    task.cancel()
    # A kill cancels the run only after this, and there never is room.
    await asyncio.wait({task}, timeout=5)
    assert (task.cancelled(), room.waits, written) == (True, 2, ["a", "b", "c"])


async def test_after_the_last_line_there_is_no_wait_for_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asynchronous, "SLICE_SECONDS", -1.0)
    task, written, room = await driven_in_a_task(lambda io: io.forward([LogRecord(None, logging.INFO, "a")]))
    room.make()
    await asyncio.sleep(0.01)
    assert (task.done(), room.waits, written) == (True, 1, ["a"])


async def test_an_interrupted_flow_writes_when_there_is_room_and_another_interruption_changes_nothing() -> None:
    task, written, room = await driven_in_a_task(writing_when_interrupted)
    while not task.done():
        before = list(written)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0.001)
        assert written == before
        room.make()
        await asyncio.sleep(0.001)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert written == ["a", "b", "c"]


@pytest.mark.parametrize("turns", range(14))
async def test_an_interruption_between_two_effects_loses_nothing(turns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # The event loop gets a turn between any two effects and after each line.
    monkeypatch.setattr(asynchronous, "SLICE_SECONDS", -1.0)
    left = [[LogRecord(None, logging.INFO, line) for line in lines] for lines in ("ab", "c", "def", "gh")]
    asked: list[str] = []

    async def write_all(io: Io) -> None:
        while left:
            asked.extend(record.text for record in left[0])
            await io.forward(left.pop(0))

    async def flow(io: Io) -> None:
        try:
            await write_all(io)
            asked.append("done")
            await io.note(logging.INFO, "done")
            await io.sleep(60)
        except asyncio.CancelledError:
            await write_all(io)
            raise

    driven = Driven("async")
    await stop_from(turns, flow(driven.asynchronous))
    assert [record.text for record in driven.records] + [text for _, text in driven.notes] == asked
    assert "".join(asked[:8]) == ("abcdefgh" if turns else "")
