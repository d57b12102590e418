"""An upload on the wire: its headers, its bytes, and every way in which it can go wrong."""

import logging
import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.errors import (
    BadRequestError,
    InvalidArgumentError,
    PermissionDeniedError,
    ResponseLostError,
    ServerError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.storage import PresignedUrl, UnusableUrlError
from airflow_provider_wherobots.api.transports.requests import RequestsTransport
from airflow_provider_wherobots.files import FileChangedError, FileSource, LocalFile, open_file
from tests.integration.api.transports.wire import Wire, answering, resetting, silent

KEY = "the-api-key-5d1c"
LONG = 30.0
"""Seconds: what ends earlier ends for another reason."""
SECRET = "signature-0f9e8d"
QUERY = f"X-Amz-Credential=a%2Fb%2Faws4_request&X-Amz-Signature={SECRET}&x=a+b%20c~"
PATH = "/bucket/a%20b/st%C3%A4ts.py"
STORED = b'HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 0\r\n\r\n'


def put(url: str, file: LocalFile, read: float, connect: float = LONG) -> None:
    transport = RequestsTransport(Endpoint("https://api.example.com", KEY))
    try:
        transport.put(PresignedUrl(url), file, connect, read)
    finally:
        transport.close()


def local_file(folder: Path, content: bytes) -> LocalFile:
    path = folder / "stats.py"
    path.write_bytes(content)
    return open_file(FileSource("path", "stats.py", path))


def refused(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def xml(code: str) -> bytes:
    message = f"about {SECRET} of bucket secret-name"
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


@pytest.mark.parametrize(
    "content", [b"print('hello')\n", b"", bytes(range(256)) * 9_000], ids=["small", "empty", "large"]
)
def test_what_is_on_the_wire(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(netrc))
    requests: list[bytes] = []
    with Wire(answering(STORED, requests=requests)) as wire, caplog.at_level(logging.DEBUG):
        put(f"{wire.url}{PATH}?{QUERY}", local_file(tmp_path, content), LONG)
    (request,) = requests
    head, _, body = request.partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    # As it was signed, not quoted anew.
    assert line == f"PUT {PATH}?{QUERY} HTTP/1.1"
    headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
    assert headers["content-length"] == str(len(content))
    assert set(headers) <= {"host", "content-length", "user-agent", "accept", "accept-encoding", "connection"}
    assert KEY not in head.decode()
    assert body == content
    assert SECRET not in caplog.text


def test_a_broken_header_does_not_bring_the_url_into_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """urllib3 warns of it, and names the URL."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nbroken header\r\nX: y\r\n\r\n"
    with Wire(answering(answer)) as wire, caplog.at_level(logging.DEBUG), suppress(ResponseLostError):
        put(f"{wire.url}{PATH}?{QUERY}", local_file(tmp_path, b"x"), LONG)
    assert SECRET not in caplog.text
    assert PATH not in caplog.text


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (refused("403 Forbidden", xml("SignatureDoesNotMatch")), PermissionDeniedError, "403: SignatureDoesNotMatch"),
        (refused("400 Bad Request", xml("EntityTooLarge")), BadRequestError, "400: EntityTooLarge"),
        (refused("400 Bad Request", xml("RequestTimeout")), ServerError, "400: RequestTimeout"),
        (refused("503 Slow Down", xml("SlowDown"), "Retry-After: 7"), ServerError, "503: SlowDown"),
        (refused("502 Bad Gateway", b"<html>secret-name</html>"), ServerError, "502: no code of S3"),
        (refused("307 Temporary", b"", "Location: http://127.0.0.1:1/other"), BadRequestError, "are not followed"),
    ],
)
def test_a_refusal_has_its_status(answer: bytes, kind: type[WherobotsApiError], words: str, tmp_path: Path) -> None:
    with Wire(answering(answer)) as wire, pytest.raises(kind) as caught:
        put(f"{wire.url}{PATH}?{QUERY}", local_file(tmp_path, b"x"), LONG)
    assert words in str(caught.value)
    assert "secret-name" not in str(caught.value)
    assert SECRET not in repr(caught.value)
    assert caught.value.transient == (kind is ServerError)
    assert caught.value.retry_after == (7.0 if "Retry-After" in answer.decode() else None)


@pytest.mark.parametrize("handler", [resetting(), silent], ids=["reset", "silence"])
def test_no_answer_is_transient_and_shows_no_url(handler: Callable[[socket.socket], None], tmp_path: Path) -> None:
    with Wire(handler) as wire, pytest.raises(ResponseLostError) as caught:
        put(f"{wire.url}{PATH}?{QUERY}", local_file(tmp_path, b"x" * 3_000_000), 0.5)
    assert caught.value.transient
    assert wire.url in str(caught.value)
    assert SECRET not in str(caught.value)
    assert PATH not in str(caught.value)


def test_a_host_that_stops_reading_is_given_up(tmp_path: Path) -> None:
    over = threading.Event()

    def stuck(connection: socket.socket) -> None:
        connection.recv(1000)
        over.wait()

    with Wire(stuck) as wire:
        try:
            with pytest.raises(ResponseLostError):
                put(f"{wire.url}{PATH}?{QUERY}", local_file(tmp_path, bytes(30_000_000)), 0.5, 0.5)
        finally:
            over.set()


@pytest.mark.parametrize("size", [10, 2_000_000])
@pytest.mark.parametrize("change", ["other bytes", "shorter", "longer", "gone"])
def test_a_file_that_has_changed_is_not_sent_to_its_end(size: int, change: str, tmp_path: Path) -> None:
    file = local_file(tmp_path, b"a" * size)
    path = tmp_path / "stats.py"
    if change == "gone":
        path.unlink()
    else:
        path.write_bytes(
            {"other bytes": b"b" * size, "shorter": b"a" * (size - 1), "longer": b"a" * (size + 1)}[change]
        )
    bodies: list[bytes] = []
    failure = InvalidArgumentError if change == "gone" else FileChangedError
    with Wire(answering(STORED, requests=bodies)) as wire, pytest.raises(failure):
        put(f"{wire.url}{PATH}?{QUERY}", file, LONG)
    assert all(len(request.partition(b"\r\n\r\n")[2]) < size for request in bodies)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://bucket.example.com/key?X-Amz-Signature=s", "is plain http to another machine"),
        ("https://me:mine@bucket.example.com/key", "holds a user"),
        ("https://[bucket/key", "is not a URL"),
        ("https://bucket.example.com/key\r\nHost: other", "is not a URL"),
        ("", "is not a URL"),
    ],
)
def test_an_unusable_url_is_refused_before_anything_is_sent(url: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UnusableUrlError, match=re.escape(words)) as caught:
        put(url, local_file(tmp_path, b"x"), LONG)
    assert "key" not in str(caught.value)


def test_the_worker_breaks_off_an_upload_before_its_next_piece(tmp_path: Path) -> None:
    """As a signal handler does, on top of the interrupted thread."""
    transport = RequestsTransport(Endpoint("https://api.example.com", KEY))
    received, broken_off = threading.Event(), threading.Event()
    taken = 0

    def waiting(connection: socket.socket) -> None:
        nonlocal taken
        connection.recv(1000)
        received.set()
        broken_off.wait()
        while piece := connection.recv(65_536):
            taken += len(piece)

    def stop() -> None:
        received.wait()
        assert transport.break_off_upload()
        broken_off.set()

    with Wire(waiting) as wire:
        stopper = threading.Thread(target=stop)
        stopper.start()
        with pytest.raises(WherobotsApiError, match="broken off"):
            transport.put(PresignedUrl(f"{wire.url}/k?{QUERY}"), local_file(tmp_path, bytes(30_000_000)), LONG, LONG)
        stopper.join()
        transport.close()
    assert taken < 30_000_000
    assert not transport.break_off_upload()
