"""A limit of the key, over a real connection: all triggers of a process keep to it, and a kill does not wait."""

import asyncio
import logging
import socket
import time

import pytest

from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.errors import KeyLimitedError, NotFoundError, RateLimitedError, ResponseLostError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.transports.requests import RequestsTransport
from airflow_provider_wherobots.flows.cancel import cancel_run
from airflow_provider_wherobots.flows.follow import FollowOptions, follow_run
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from airflow_provider_wherobots.io.base import Callbacks, Io, Reloaded
from airflow_provider_wherobots.io.worker import WorkerIo
from tests.integration.api.transports.wire import Wire, silent
from tests.integration.signals import signal_when
from tests.support.waiting import wait_for
from wherobots_local.control.client import ControlClient

TRIGGERS = 15
NOT_RELOADED = Reloaded(False, "connection 'test'")

LIMITED = {"type": "status", "status": 429, "headers": {"Retry-After": "120"}}


def test_after_a_429_of_a_logs_call_no_trigger_calls_but_to_cancel(conn_id: str, control: ControlClient) -> None:
    """That they go on afterwards, and when, are unit tests, on a virtual clock."""
    ids = [control.create_run(f"limited_{n:02d}")["id"] for n in range(TRIGGERS)]
    for run_id in ids:
        control.patch_run(run_id, status="RUNNING")
    control.clear_requests()
    control.add_fault("getJobRunLogs", LIMITED, times=1)

    async def follow(run_id: str) -> None:
        async with WherobotsHook(conn_id).async_io(logging.getLogger("limited")) as io:
            await follow_run(io, FollowOptions(run_id, time.time(), polling_interval=2.0))

    async def main() -> bool:
        tasks = [asyncio.create_task(follow(run_id)) for run_id in ids]
        await asyncio.to_thread(wait_for, lambda: any(r["status"] == 429 for r in control.requests()), what="the 429")
        async with WherobotsHook(conn_id).async_io(logging.getLogger("limited")) as io:
            cancelled = await cancel_run(io, ids[0]) is None
        # In this time, each would call several times.
        await asyncio.sleep(2.0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return cancelled

    assert asyncio.run(main())
    requests = control.requests()
    statuses = [request["status"] for request in requests]
    after = [request["operation"] for request in requests[statuses.index(429) + 1 :]]
    assert after.count("cancelJobRun") == 1
    # Each of the others may have had a call under way.
    assert len(after) - 1 < TRIGGERS


def test_the_calls_of_a_hook_share_one_limit_apart_from_a_driver(conn_id: str, control: ControlClient) -> None:
    hook = WherobotsHook(conn_id)
    control.add_fault("getJobRun", LIMITED, times=1)

    async def flow(io: Io) -> None:
        await io.send_once(calls.get_run("r1"))

    with hook.io() as io, pytest.raises(RateLimitedError):
        io.run(flow)
    with hook.io() as io, pytest.raises(KeyLimitedError):
        io.run(flow)
    control.clear_requests()
    with hook.io(may_reload=False) as io:
        assert isinstance(io.run(cancel_run, "nosuchrun12345"), NotFoundError)
    assert control.requests()


def test_a_cancel_in_a_signal_handler_is_bounded_however_long_there_is_no_answer() -> None:
    """As a kill on a worker: on the main thread, on top of a call that has no answer either."""
    notes: list[str] = []
    connections: list[socket.socket] = []

    def io_for(url: str) -> WorkerIo:
        transport = RequestsTransport(Endpoint(url, "k"))
        return WorkerIo(
            transport, Callbacks(lambda level, text: notes.append(text), lambda record: None, lambda: NOT_RELOADED)
        )

    def no_answer(connection: socket.socket) -> None:
        connections.append(connection)
        silent(connection)

    async def flow(io: Io) -> None:
        await io.send_once(calls.get_run("r1"), 4.0)

    with Wire(no_answer) as wire:
        kill = signal_when(lambda: connections, lambda *_: io_for(wire.url).run(cancel_run, "r1", 1.5))
        with kill, pytest.raises(ResponseLostError):
            io_for(wire.url).run(flow)
    assert len(connections) > 1
    assert "could not be cancelled" in notes[-1]
