"""A flow that waits holds no answer: a triggerer has thousands of them, and an answer has tens of kilobytes."""

import gc
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_wherobots.api.call import Response
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.flows.follow import FollowOptions, follow_run
from airflow_provider_wherobots.io.base import Callbacks, Clock, Flow, Io, Reloaded
from airflow_provider_wherobots.io.event_loop import EventLoopIo
from airflow_provider_wherobots.io.worker import WorkerIo
from tests.unit.api import shapes
from tests.unit.flows.script import START
from tests.unit.io.virtual_loop import run

RUN_ID = "0s3wureoxx7aw3"
MARK = "only in these answers"
STATUSES = ("PENDING", "PENDING", "RUNNING", "", "RUNNING", "FAILED")


def views() -> Iterator[Response]:
    for status in STATUSES:
        body = json.dumps({**shapes.RUN_2026, "status": status, MARK: "x" * 42_000}).encode()
        yield Response(200, {}, body) if status else Response(503, {}, b"")


class Transport:
    """Answers as a service would whose run goes through all of :data:`STATUSES`."""

    def __init__(self) -> None:
        self._views = views()
        self.endpoint = SimpleNamespace(api_key="key")

    def send(self, call: Any, *timeouts: float) -> Response:
        if call.operation == "getJobRun":
            return next(self._views)
        if call.operation == "getJobRunLogs":
            return Response(200, {}, b'{"items": [{"timestamp": "1", "raw": "a line"}], "next_page": null}')
        return Response(200, {}, b'{"series_metrics": {}, "instant_metrics": {}}')


class AsyncTransport(Transport):
    async def send(self, *arguments: Any) -> Response:  # type: ignore[override]
        return super().send(*arguments)


@pytest.fixture(autouse=True)
def _only_new_objects() -> Iterator[None]:
    """Whatever other tests have left is not looked at."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def kept() -> list[str]:
    """What is alive of the answers."""
    gc.collect()
    return [
        type(found).__name__
        for found in gc.get_objects()
        # Not isinstance: it would wake whatever lazy proxies other libraries have.
        if issubclass(type(found), Run | Response) or (type(found) is dict and MARK in found)
    ]


async def send_and_sleep(io: Io) -> None:
    """What is not looked at is nobody's to keep."""
    await io.send_once(calls.get_run(RUN_ID))
    await io.sleep(1.0)


def asleep(kind: str, flow: Flow[[], object]) -> list[list[str]]:
    """Run a flow with a real ``Io``, and look at what is alive instead of sleeping."""
    seen: list[list[str]] = []

    def sleep(seconds: float) -> None:
        seen.append(kept())

    async def sleep_async(seconds: float) -> None:
        seen.append(kept())

    async def reload() -> Reloaded:
        return Reloaded(False, "")

    def ignore(*given: Any) -> None:
        pass

    transport: Any = Transport() if kind == "sync" else AsyncTransport()
    if kind == "sync":
        callbacks: Callbacks[Reloaded, None] = Callbacks(ignore, ignore, lambda: Reloaded(False, ""))
        WorkerIo(transport, callbacks, clock=Clock(sleep)).run(flow)
    else:
        io = EventLoopIo(transport, Callbacks(ignore, ignore, reload), clock=Clock(sleep_async))
        run(flow(io))
    return seen


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_no_answer_is_alive_while_a_run_is_waited_for(kind: str) -> None:
    seen = asleep(kind, lambda io: follow_run(io, FollowOptions(RUN_ID, START)))
    assert len(seen) > len(STATUSES), "between the polls, and after the end for late lines"
    assert seen == [[]] * len(seen)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_io_keeps_no_answer_of_its_own(kind: str) -> None:
    assert asleep(kind, send_and_sleep) == [[]]


async def send_and_keep(io: Io) -> None:
    run = await io.send_once(calls.get_run(RUN_ID))
    await io.sleep(1.0)
    assert run


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_check_sees_an_answer_that_is_kept(kind: str) -> None:
    [alive] = asleep(kind, send_and_keep)
    assert "Run" in alive
