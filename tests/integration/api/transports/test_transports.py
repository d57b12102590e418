"""Both transports against the local server."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from airflow_provider_wherobots.api.call import Call, read_response
from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.transports.aiohttp import (
    MAX_CONNECTIONS,
    AiohttpTransport,
    shared_sessions,
    words_of,
)
from tests.integration.api.transports.wire import Send, send_by_aiohttp
from tests.support.waiting import wait_for
from wherobots_local import LocalServer
from wherobots_local.control.client import ControlClient

CREATE = calls.create_run({"name": "transport-test", "runPython": {"uri": "s3://jobs/talk.py", "args": ["1"]}})


@pytest.fixture
def endpoint(server: LocalServer, control: ControlClient) -> Endpoint:
    return Endpoint(server.url, server.api_key)


def test_a_call_arrives_and_its_answer_is_read(send: Send, endpoint: Endpoint, control: ControlClient) -> None:
    response = send(endpoint, CREATE, 30.0, 30.0)
    assert response.status == 201
    assert read_response(CREATE, response).name == "transport-test"
    assert control.counts()["creates_effective"] == 1


def test_an_error_without_a_text_says_what_it_means() -> None:
    assert (words_of(TimeoutError()), words_of(ConnectionResetError())) == ("timed out", "ConnectionResetError")


def test_redirects_are_not_followed(send: Send, endpoint: Endpoint, control: ControlClient) -> None:
    control.add_fault("createJobRun", {"type": "status", "status": 307, "headers": {"Location": "/runs"}}, times=1)
    assert send(endpoint, CREATE, 30.0, 30.0).status == 307
    assert control.counts()["creates_effective"] == 0


def test_all_runs_of_a_host_share_its_sessions(endpoint: Endpoint) -> None:
    async def borrow() -> tuple[bool, bool]:
        async with shared_sessions(endpoint.base_url) as one:
            async with shared_sessions(endpoint.base_url) as other:
                same = one is other
            session = one.session_for(CREATE)
            still_open = not session.closed
        return same, still_open and session.closed

    assert asyncio.run(borrow()) == (True, True)


def test_all_sessions_are_closed_in_spite_of_an_interrupt(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow 3 cancels a killed trigger again each second, and the end of TLS may take as long."""

    async def are_closed() -> list[bool]:
        with suppress(asyncio.CancelledError):
            async with shared_sessions(endpoint.base_url) as sessions:
                both = [sessions.session_for(call) for call in (CREATE, calls.cancel_run("r1"))]
                close = both[0].close

                async def close_and_be_cancelled() -> None:
                    await close()
                    raise asyncio.CancelledError

                monkeypatch.setattr(both[0], "close", close_and_be_cancelled)
        return [session.closed for session in both]

    assert asyncio.run(are_closed()) == [True, True]


def test_calls_that_hang_do_not_hold_up_a_cancel(endpoint: Endpoint, control: ControlClient) -> None:
    run_id = read_response(CREATE, send_by_aiohttp(endpoint, CREATE, 30.0, 30.0)).id
    poll: Call[Any] = calls.get_run(run_id)
    cancel: Call[Any] = calls.cancel_run(run_id)
    control.clear_requests()

    async def main() -> int:
        async with shared_sessions(endpoint.base_url) as sessions:
            transport = AiohttpTransport(endpoint, sessions)
            others = [asyncio.create_task(transport.send(poll, 60.0, 60.0)) for _ in range(MAX_CONNECTIONS)]
            await asyncio.to_thread(wait_for, lambda: len(control.requests()) >= MAX_CONNECTIONS, what="the calls")
            try:
                return (await transport.send(cancel, 15.0, 15.0)).status
            finally:
                for other in others:
                    other.cancel()
                await asyncio.wait(others)

    control.add_fault("getJobRun", {"type": "hang", "seconds": 3600})
    assert asyncio.run(main()) == 200
