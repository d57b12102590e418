"""A flow may be stopped at any moment: what it has read of a run's log is written all the same."""

import asyncio
import json
import math
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Any

import pytest

from airflow_provider_wherobots.api.call import Call, Response
from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.errors import ResponseLostError
from airflow_provider_wherobots.api.runs.models import Line
from airflow_provider_wherobots.flows.follow import FollowOptions, copy_log, follow_run
from airflow_provider_wherobots.flows.forward_logs import print_log
from airflow_provider_wherobots.io import event_loop
from airflow_provider_wherobots.io.base import Callbacks, Clock, Flow, Reloaded
from airflow_provider_wherobots.io.event_loop import EventLoopIo
from airflow_provider_wherobots.io.worker import FlowStoppedError, WorkerIo
from airflow_provider_wherobots.logs.cursor import LogCursor
from airflow_provider_wherobots.logs.records import LogRecord
from tests.unit.flows.fake_log import FakeLine, FakeLog
from tests.unit.flows.script import START
from tests.unit.io.stopping import stop_from
from tests.unit.io.virtual_loop import moment, run

SECOND = 1_000_000_000


class ActiveRun:
    """A transport to a run whose log grows.

    :param lines: how many lines there are after the n-th call for the log, n times.
    :param polls: how often the run is polled before it has ended; default never.
    """

    def __init__(self, lines: int, cap: int, polls: float = math.inf) -> None:
        self.endpoint = Endpoint("https://api.example.com", "key-1")
        count = range(100 * lines)
        self._log = FakeLog([FakeLine(n // lines, SECOND * (n + 1), f"line {n}") for n in count], cap=cap)
        self._calls = 0
        self._polls = polls
        self.pages: list[list[str]] = []

    async def send(self, call: Call[Any], *timeouts: float) -> Response:
        await asyncio.sleep(0)
        return self.answer(call)

    def answer(self, call: Call[Any]) -> Response:
        """The response to a call."""
        if call.operation == "getJobRun":
            self._polls -= 1
            status = "FAILED" if self._polls < 0 else "RUNNING"
            return Response(200, {}, json.dumps({"id": "r1", "status": status}).encode())
        if call.operation != "getJobRunLogs":
            return Response(404, {}, b"")
        self._calls += 1
        if self._calls == 2:
            raise ResponseLostError("getJobRunLogs", "the connection broke")
        response = self._log.answer(dict(call.params), self._calls)
        self.pages.append([text for _, text in call.parse(json.loads(response.body)).lines])
        return response


async def stopped_after(turns: int, run: ActiveRun) -> list[str]:
    """Follow a run, and stop that again and again from a turn of the event loop on.

    :returns: the lines in the task log.
    """
    written: list[str] = []

    async def reload() -> Reloaded:
        return Reloaded(False, "")

    async def a_turn(seconds: float = 0.0) -> None:
        await asyncio.sleep(0)

    callbacks: Callbacks[Awaitable[Reloaded], Awaitable[None]] = Callbacks(
        lambda level, text: None, lambda record: written.extend(record.text.split("\n")), reload, room=a_turn
    )
    transport: Any = run
    io = EventLoopIo(transport, callbacks, clock=Clock(a_turn, monotonic=moment))
    await stop_from(turns, follow_run(io, FollowOptions("r1", START)))
    return written


@pytest.fixture(autouse=True)
def _short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything else gets a turn whenever it can, and there is no room after an interruption."""
    monkeypatch.setattr(event_loop, "SLICE_SECONDS", -1.0)
    monkeypatch.setattr(event_loop, "LAST_WAIT_SECONDS", 0.005)


@pytest.mark.parametrize("turns", range(60))
def test_every_line_that_was_read_is_written_once(turns: int) -> None:
    active = ActiveRun(lines=5, cap=1000)
    written = run(stopped_after(turns, active))
    assert written == list(dict.fromkeys(line for page in active.pages for line in page))


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines that the cursor has counted as new, in order."""
    texts: list[str] = []
    accept = LogCursor.accept

    def accept_and_note(*arguments: Any, **options: Any) -> tuple[Sequence[Line], bool]:
        lines, more = accept(*arguments, **options)
        texts.extend(text for _, text in lines)
        return lines, more

    monkeypatch.setattr(LogCursor, "accept", accept_and_note)
    return texts


@pytest.mark.parametrize("turns", range(0, 300, 3))
def test_so_is_every_line_of_a_page_after_which_the_next_one_was_fetched(turns: int, taken: list[str]) -> None:
    assert run(stopped_after(turns, ActiveRun(lines=40, cap=10))) == taken


class KilledError(BaseException):
    """What a signal handler of Airflow raises."""


class Worker:
    """The ``Io`` of a worker that is killed at a step, where a step is a call, a sleep, a message or a line.

    :param step: which one is interrupted.
    :param raises: whether the handler raises, as on Airflow 2.11 and for a timeout, once the step is done. Else it
        stops the ``Io``, as on Airflow 3, and the step goes on.
    """

    def __init__(self, run: ActiveRun, step: int, *, raises: bool) -> None:
        self.endpoint = run.endpoint
        self._run, self._left, self._raises = run, step, raises
        self.written: list[str] = []
        self.is_killed = False
        self._moment = START
        transport: Any = self
        self.io = WorkerIo(
            transport,
            Callbacks(lambda level, text: self._step(), self._write, lambda: Reloaded(False, "")),
            clock=Clock(self._sleep, lambda: self._moment, lambda: self._moment, lambda: 0.0),
        )

    def send(self, call: Call[Any], *timeouts: float) -> Response:
        assert not self.is_killed, "a killed flow sends nothing"
        response = self._run.answer(call)
        self._step()
        return response

    def break_off_upload(self) -> bool:
        return False

    def _sleep(self, seconds: float) -> None:
        assert not self.is_killed, "a killed flow does not wait"
        self._moment += seconds
        self._step()

    def _write(self, record: LogRecord) -> None:
        self.written += record.text.split("\n")
        self._step()

    def _step(self) -> None:
        self._left -= 1
        if self._left < 0 and not self.is_killed:
            self.is_killed = True
            if self._raises:
                raise KilledError
            self.io.stop()


FLOWS_WITH_LINES: dict[str, Flow[[], object]] = {
    "follow": lambda io: follow_run(io, FollowOptions("r1", START)),
    "copy": lambda io: copy_log(io, "r1", 900.0),
    "print": lambda io: print_log(io, "r1"),
}


@pytest.mark.parametrize("raises", [True, False], ids=["raises", "stops"])
@pytest.mark.parametrize("name", FLOWS_WITH_LINES)
@pytest.mark.parametrize("step", range(0, 150, 2))
def test_a_killed_worker_writes_every_line_once(step: int, name: str, raises: bool, taken: list[str]) -> None:
    worker = Worker(ActiveRun(lines=20, cap=10, polls=3), step, raises=raises)
    with suppress(KilledError, FlowStoppedError):
        worker.io.run(FLOWS_WITH_LINES[name])
    assert worker.written == taken
