"""A triggerer may stop a trigger at any moment: what it has read of a run's log is written all the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Sequence
from typing import Any

import pytest

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.errors import ResponseLostError
from airflow_provider_wherobots.api.response import Response
from airflow_provider_wherobots.api.runs.models import Line
from airflow_provider_wherobots.flows.follow import FollowOptions, follow_run
from airflow_provider_wherobots.io import event_loop
from airflow_provider_wherobots.io.base import Callbacks, Clock, Reloaded
from airflow_provider_wherobots.io.event_loop import EventLoopIo
from airflow_provider_wherobots.logs.cursor import LogCursor
from tests.unit.flows.fake_log import FakeLine, FakeLog
from tests.unit.flows.script import START
from tests.unit.io.stopping import stop_from
from tests.unit.io.virtual_loop import moment, run

SECOND = 1_000_000_000


class ActiveRun:
    """A transport to a run that never ends and whose log grows.

    :param lines: how many lines there are after the n-th call for the log, n times.
    """

    def __init__(self, lines: int, cap: int) -> None:
        self.endpoint = Endpoint("https://api.example.com", "key-1")
        count = range(100 * lines)
        self._log = FakeLog([FakeLine(n // lines, SECOND * (n + 1), f"line {n}") for n in count], cap=cap)
        self._calls = 0
        self.pages: list[list[str]] = []

    async def send(self, call: Call[Any], *timeouts: float) -> Response:
        await asyncio.sleep(0)
        if call.operation == "getJobRun":
            return Response(200, {}, b'{"id": "r1", "status": "RUNNING"}')
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


@pytest.mark.parametrize("turns", range(0, 300, 3))
def test_so_is_every_line_of_a_page_after_which_the_next_one_was_fetched(
    turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []
    accept = LogCursor.accept

    def accept_and_note(*arguments: Any, **options: Any) -> tuple[Sequence[Line], bool]:
        lines, more = accept(*arguments, **options)
        taken.extend(text for _, text in lines)
        return lines, more

    monkeypatch.setattr(LogCursor, "accept", accept_and_note)
    assert run(stopped_after(turns, ActiveRun(lines=40, cap=10))) == taken
