"""Both transports against the local server."""

import asyncio

import pytest

from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.response import read_response
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.transports.aiohttp import words_of
from airflow_provider_wherobots.api.transports.session_pool import shared_session
from tests.integration.api.transports.wire import Send
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


def test_all_runs_of_a_host_share_one_session(endpoint: Endpoint) -> None:
    async def borrow() -> tuple[bool, bool]:
        async with shared_session(endpoint.base_url) as one:
            async with shared_session(endpoint.base_url) as other:
                same = one is other
            still_open = not one.closed
        return same, still_open and one.closed

    assert asyncio.run(borrow()) == (True, True)
