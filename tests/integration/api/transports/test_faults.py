"""Both transports tell the same story of every fault, by which a flow decides what may be repeated."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.errors import (
    AnswerLostError,
    NotSentError,
    UnreadableAnswerError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.response import Response, read_response
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.transports.aiohttp import AiohttpTransport, words_of
from airflow_provider_wherobots.api.transports.requests import RequestsTransport
from airflow_provider_wherobots.api.transports.session_pool import shared_session
from wherobots_local import LocalServer
from wherobots_local.control.client import ControlClient

Send = Callable[[Endpoint, Call[Any]], Response]
CREATE = calls.create_run({"name": "transport-test", "runPython": {"uri": "s3://jobs/talk.py", "args": ["1"]}})


def send_by_requests(endpoint: Endpoint, call: Call[Any]) -> Response:
    transport = RequestsTransport(endpoint)
    try:
        return transport.send(call, 2.0, 2.0)
    finally:
        transport.close()


def send_by_aiohttp(endpoint: Endpoint, call: Call[Any]) -> Response:
    async def send() -> Response:
        async with shared_session(endpoint.base_url) as session:
            return await AiohttpTransport(endpoint, session).send(call, 2.0, 2.0)

    return asyncio.run(send())


@pytest.fixture(params=[send_by_requests, send_by_aiohttp], ids=["requests", "aiohttp"])
def send(request: pytest.FixtureRequest) -> Send:
    chosen: Send = request.param
    return chosen


@pytest.fixture
def endpoint(server: LocalServer, control: ControlClient) -> Endpoint:
    return Endpoint(server.url, server.api_key)


def test_a_call_arrives_and_its_answer_is_read(send: Send, endpoint: Endpoint, control: ControlClient) -> None:
    response = send(endpoint, CREATE)
    assert response.status == 201
    assert read_response(CREATE, response).name == "transport-test"
    assert control.counts()["creates_effective"] == 1


def test_an_error_without_a_text_says_what_it_means() -> None:
    assert (words_of(TimeoutError()), words_of(ConnectionResetError())) == ("timed out", "ConnectionResetError")


@pytest.mark.parametrize("action", ["lose_answer", "reset", {"type": "hang", "seconds": 5}])
def test_a_lost_answer_is_unclear(
    send: Send, endpoint: Endpoint, control: ControlClient, action: dict[str, object] | str
) -> None:
    control.add_fault("createJobRun", action, times=1)
    with pytest.raises(AnswerLostError):
        send(endpoint, CREATE)


def test_a_cut_body_is_unclear(send: Send, endpoint: Endpoint, control: ControlClient) -> None:
    control.add_fault("createJobRun", "truncate", times=1)
    with pytest.raises((AnswerLostError, UnreadableAnswerError)):
        read_response(CREATE, send(endpoint, CREATE))


def test_a_refused_connection_was_not_sent(send: Send) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(NotSentError):
            send(Endpoint(f"http://127.0.0.1:{held.getsockname()[1]}", "k"), CREATE)


def test_a_name_that_does_not_resolve_was_not_sent(send: Send) -> None:
    with pytest.raises(NotSentError):
        send(Endpoint("https://no-such-host.invalid", "k"), CREATE)


def test_an_expired_or_foreign_certificate_is_not_transient(
    send: Send, tmp_path_factory: pytest.TempPathFactory, certificate: tuple[Path, Path]
) -> None:
    certfile, keyfile = certificate
    root = tmp_path_factory.mktemp("tls")
    with (
        LocalServer(root, api_key="k", certfile=certfile, keyfile=keyfile) as server,
        pytest.raises(WherobotsApiError) as caught,
    ):
        send(Endpoint(server.url, "k"), CREATE)
    assert not caught.value.transient


def test_redirects_are_not_followed(send: Send, endpoint: Endpoint, control: ControlClient) -> None:
    control.add_fault("createJobRun", {"type": "status", "status": 307, "headers": {"Location": "/runs"}}, times=1)
    assert send(endpoint, CREATE).status == 307
    assert control.counts()["creates_effective"] == 0


def test_all_runs_of_a_host_share_one_session(endpoint: Endpoint) -> None:
    async def borrow() -> tuple[bool, bool]:
        async with shared_session(endpoint.base_url) as one:
            async with shared_session(endpoint.base_url) as other:
                same = one is other
            still_open = not one.closed
        return same, still_open and one.closed

    assert asyncio.run(borrow()) == (True, True)
