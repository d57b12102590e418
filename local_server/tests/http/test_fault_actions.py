"""Faults as clients meet them: raw sockets, requests, aiohttp."""

import asyncio
import json
import socket
import time
from typing import Any

import aiohttp
import pytest
import requests

from local_server.tests.support import KEY, Client
from wherobots_local import ControlClient, LocalServer

BODY: dict[str, Any] = {"name": "a_faulty_run", "runPython": {"uri": "s3://bucket/none.py"}}


@pytest.fixture(autouse=True)
def no_processes(control: ControlClient) -> None:
    control.behaviour(synthetic_runs=True)


def raw_create(server: LocalServer) -> bytes:
    """Create a run over a bare socket and return all that comes back; raises ``ConnectionResetError`` on RST."""
    body = json.dumps(BODY).encode()
    head = f"POST /runs HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nX-API-Key: {KEY}\r\nContent-Length: {len(body)}"
    head += "\r\nContent-Type: application/json"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw:
        raw.sendall(f"{head}\r\n\r\n".encode() + body)
        received = b""
        while piece := raw.recv(65536):
            received += piece
        return received


async def aiohttp_create(server: LocalServer) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(30)) as session,
        session.post(f"{server.url}/runs", json=BODY, headers={"X-API-Key": KEY}) as answer,
    ):
        return answer.status, await answer.text()


def test_lost_answers_take_effect(server: LocalServer, client: Client, control: ControlClient) -> None:
    control.add_fault("createJobRun", "lose_answer")
    assert raw_create(server) == b""
    with pytest.raises(requests.ConnectionError):
        client.request("POST", "/runs", json=BODY)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        asyncio.run(aiohttp_create(server))
    counts = control.counts()
    assert (counts["creates_received"], counts["creates_effective"]) == (3, 3)
    assert {(entry["fault"], entry["status"]) for entry in control.requests()} == {("lose_answer", None)}


def test_resets_take_no_effect(server: LocalServer, client: Client, control: ControlClient) -> None:
    control.add_fault("createJobRun", "reset")
    with pytest.raises(ConnectionResetError):
        raw_create(server)
    with pytest.raises(requests.ConnectionError):
        client.request("POST", "/runs", json=BODY)
    with pytest.raises(aiohttp.ClientOSError):
        asyncio.run(aiohttp_create(server))
    counts = control.counts()
    assert (counts["creates_received"], counts["creates_effective"]) == (3, 0)


def test_truncated_answers_take_effect(server: LocalServer, client: Client, control: ControlClient) -> None:
    control.add_fault("createJobRun", "truncate")
    head, _, body = raw_create(server).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 201")
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.request("POST", "/runs", json=BODY)
    with pytest.raises(aiohttp.ClientPayloadError):
        asyncio.run(aiohttp_create(server))
    assert control.counts()["creates_effective"] == 3


def test_a_hanging_request_takes_no_effect(server: LocalServer, client: Client, control: ControlClient) -> None:
    control.add_fault("createJobRun", {"type": "hang", "seconds": 0.2}, times=1)
    assert raw_create(server) == b""
    control.add_fault("createJobRun", "hang", times=1)
    with pytest.raises(requests.Timeout):
        requests.post(f"{server.url}/runs", json=BODY, headers={"X-API-Key": KEY}, timeout=0.3)
    assert control.counts()["creates_effective"] == 0
    assert client.request("POST", "/runs", json=BODY).status_code == 201


def test_a_slow_answer_holds_up_no_others(server: LocalServer, client: Client, control: ControlClient) -> None:
    control.add_fault("createJobRun", {"type": "slow", "seconds": 2}, times=1)

    async def both() -> tuple[int, int]:
        slow = asyncio.create_task(aiohttp_create(server))
        await asyncio.sleep(0)
        while control.counts()["creates_effective"] == 0:  # noqa: ASYNC110 - the condition is on the server
            await asyncio.sleep(0.01)
        assert not slow.done()
        return control.counts()["creates_effective"], (await slow)[0]

    started = time.monotonic()
    assert asyncio.run(both()) == (1, 201)
    assert time.monotonic() - started >= 2


def test_false_statuses(client: Client, control: ControlClient) -> None:
    action = {"type": "status", "status": 429, "headers": {"Retry-After": "5.2"}}
    control.add_fault("createJobRun", action, times=1)
    control.add_fault("createJobRun", {"type": "status", "status": 503, "body": None}, times=1)
    control.add_fault("createJobRun", {"type": "status", "status": 500, "body": {"detail": "x"}}, times=1)
    text = {"type": "status", "status": 502, "body": "bad gateway", "content_type": "text/weird"}
    control.add_fault("createJobRun", text, times=1)
    control.add_fault("createJobRun", {"type": "html"}, times=1)
    answers = [client.request("POST", "/runs", json=BODY) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [429, 503, 500, 502, 502, 201]
    assert answers[0].headers["Retry-After"] == "5.2"
    assert answers[0].json()["errors"][0]["code"] == "RATE_LIMIT_ERROR"
    assert answers[1].content == b""
    assert answers[2].json() == {"detail": "x"}
    assert (answers[3].text, answers[3].headers["Content-Type"]) == ("bad gateway", "text/weird; charset=utf-8")
    assert answers[4].text.startswith("<html>")
    assert control.counts()["creates_effective"] == 1
    assert [entry["status"] for entry in control.requests()] == [429, 503, 500, 502, 502, 201]


def test_a_fault_hits_only_what_it_is_about(client: Client, control: ControlClient) -> None:
    first, second = (client.request("POST", "/runs", json=BODY).json()["id"] for _ in range(2))
    control.add_fault("getJobRun", {"type": "html"}, run_id=first)
    control.add_fault("createJobRun", {"type": "html"}, name="other*")
    assert client.request("GET", f"/runs/{first}").status_code == 502
    assert client.request("GET", f"/runs/{second}").status_code == 200
    assert client.request("GET", f"/runs/{first}/logs").status_code == 200
    assert client.request("POST", "/runs", json=BODY).status_code == 201
    assert client.request("POST", "/runs", json={**BODY, "name": "other_run"}).status_code == 502


def test_without_the_key_no_fault_is_used_up(server: LocalServer, client: Client, control: ControlClient) -> None:
    control.add_fault("*", {"type": "html"}, times=1)
    assert requests.get(f"{server.url}/runs", timeout=30).status_code == 401
    assert client.request("GET", "/runs").status_code == 502


@pytest.mark.parametrize("synthetic", [False, True])
def test_a_run_that_fails_on_purpose_executes_nothing(client: Client, control: ControlClient, synthetic: bool) -> None:
    control.behaviour(synthetic_runs=synthetic)
    control.add_fault("createJobRun", {"type": "fail_run", "message": "node lost"}, times=1)
    failed, lines = client.run("print('executed')", status="FAILED")
    assert (failed["kubeApp"]["message"], lines) == ("node lost", ["ERROR: node lost"])
    assert failed["startTime"]
    assert failed["kubeApp"]["events"][-1]["code"] == "RUN_FAIL_EXEC"
    assert [(entry["fault"], entry["status"]) for entry in control.requests("createJobRun")] == [("fail_run", 201)]

    control.behaviour(synthetic_runs=False)
    assert client.run("print('executed')")[1] == ["executed"]


def test_a_refused_create_fails_no_run(client: Client, control: ControlClient) -> None:
    control.add_fault("createJobRun", {"type": "fail_run", "message": "node lost"})
    assert client.request("POST", "/runs", json={"name": "without a script"}).status_code == 422
    assert control.counts()["creates_effective"] == 0
