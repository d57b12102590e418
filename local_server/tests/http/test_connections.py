"""Connections of clients that are slow, many, or silent, and what the journal keeps of their requests."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import requests

from local_server.tests.started import Started
from local_server.tests.support import KEY, Client
from wherobots_local import ControlClient, LocalServer
from wherobots_local.control.journal import LONGEST_TEXT
from wherobots_local.http import protocol
from wherobots_local.http.listener import AcceptErrorHandler
from wherobots_local.http.protocol import WANTED


def half_a_request(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(b"POST /runs HTTP/1.1\r\nHost: 127.0.0.1")
    return connection


@pytest.mark.parametrize("descriptors", [(256, 256), None])
def test_half_sent_requests_do_not_silence_the_server(descriptors: tuple[int, int] | None, tmp_path: Path) -> None:
    with Started(tmp_path, key=KEY, descriptors=descriptors) as server:
        connections = [half_a_request(server.ready["port"]) for _ in range(300)]
        assert requests.get(f"{server.ready['url']}/health", timeout=30).status_code == 200
        _, lines = server.client().run("print('a run too')")
        assert lines == ["a run too"]
        for connection in connections:
            connection.close()
        assert len(server.printed().splitlines()) < 10


def test_a_lack_of_descriptors_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.new_event_loop()
    try:
        handler = AcceptErrorHandler()
        for _ in range(1000):
            error = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            handler(loop, {"message": "socket.accept() out of system resource", "exception": error, "socket": None})
        assert [record.getMessage()[:47] for record in caplog.records] == [
            "Connections cannot be accepted: Too many open f"
        ]
        handler(loop, {"message": "another error"})
        assert caplog.records[-1].getMessage() == "another error"
    finally:
        loop.close()


def test_the_soft_limit_is_raised_at_the_start(tmp_path: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Started(tmp_path, key=KEY, descriptors=(256, hard)) as server:
        soft, _ = psutil.Process(server.process.pid).rlimit(psutil.RLIMIT_NOFILE)
    assert soft >= min(hard, WANTED) > 256


def assert_closed(connection: socket.socket) -> None:
    """The server ends the connection without an answer."""
    connection.settimeout(30)
    with suppress(ConnectionResetError):
        assert connection.recv(100) == b""
    connection.close()


def test_heads_and_bodies_have_a_deadline(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 1.5)
    monkeypatch.setattr(protocol, "BODY_SECONDS", 1.5)
    assert_closed(half_a_request(server.port))
    silent = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    assert_closed(silent)
    head = f"POST /runs HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nX-API-Key: {KEY}\r\nContent-Length: 100\r\n\r\n{{"
    body = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    body.sendall(head.encode())
    assert_closed(body)
    # A second request on the same connection has a deadline too; a connection that only waits is kept.
    whole = f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()
    kept = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    for _ in range(2):
        kept.sendall(whole)
        answer = b""
        while b"ok" not in answer:
            answer += kept.recv(10_000)
        time.sleep(2.0)
    kept.sendall(whole[:20])
    assert_closed(kept)


def test_an_answer_that_takes_its_time_has_no_deadline(
    client: Client, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 2.0)
    monkeypatch.setattr(protocol, "BODY_SECONDS", 2.0)
    control.add_fault("listJobRuns", {"type": "slow", "seconds": 3})
    assert client.request("GET", "/runs").status_code == 200


# The journal


def test_the_journal_keeps_nothing_large(server: LocalServer, control: ControlClient) -> None:
    long = "x" * 20_000
    for key in ("wrong", KEY):
        headers = {"X-API-Key": key}
        requests.get(f"{server.url}/runs/{long}?cursor={long}", headers=headers, timeout=30)
        requests.post(f"{server.url}/runs?region={long}", json={"name": long}, headers=headers, timeout=30)
    entries = control.requests()
    assert [entry["status"] for entry in entries] == [401, 401, 404, 422]
    for entry in entries:
        assert all(len(value) <= LONGEST_TEXT for value in entry.values() if isinstance(value, str))
    assert [bool(entry["query"]) for entry in entries] == [False, False, True, True]
    assert [entry["name"] for entry in entries] == [None, None, None, "x" * LONGEST_TEXT]
