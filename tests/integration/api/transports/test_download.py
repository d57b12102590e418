"""A download from a presigned URL on the wire: what is sent, and how it can go wrong."""

import io
import socket
import threading

import pytest

from airflow_provider_wherobots.api.errors import (
    BadRequestError,
    PermissionDeniedError,
    ResponseLostError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.storage import PresignedUrl
from airflow_provider_wherobots.api.transports.requests import download
from tests.integration.api.transports.wire import Wire, answering

SECRET = "signature-0f9e8d"
TARGET = f"/bucket/a%20b/st%C3%A4ts.parquet?X-Amz-Credential=a%2Fb%2Faws4_request&X-Amz-Signature={SECRET}&x=a+b%20c~"


def response(status: str, body: bytes, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers]).encode() + b"\r\n\r\n" + body


def test_the_url_is_sent_as_it_is_and_without_the_key() -> None:
    asked: list[bytes] = []
    content = bytes(range(256)) * 9_000

    def serve(connection: socket.socket) -> None:
        asked.append(connection.recv(65_536))
        connection.sendall(response("200 OK", content, f"Content-Length: {len(content)}"))

    file = io.BytesIO()
    with Wire(serve) as wire:
        download(PresignedUrl(f"http://127.0.0.1:{wire.port}{TARGET}"), file)
    assert file.getvalue() == content
    (request,) = asked
    assert request.startswith(f"GET {TARGET} HTTP/1.1\r\n".encode())
    assert b"x-api-key" not in request.lower()


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (
            response("403 Forbidden", b"<Code>AccessDenied</Code>"),
            PermissionDeniedError,
            "getObject.*403.*AccessDenied",
        ),
        (response("302 Found", b"", "Location: http://127.0.0.1:9/"), BadRequestError, "redirects are not followed"),
        (response("200 OK", b"part", "Content-Length: 100"), ResponseLostError, "127.0.0.1"),
    ],
    ids=["refused", "redirected", "cut"],
)
def test_what_goes_wrong_is_told_without_the_secret(said: bytes, kind: type[WherobotsApiError], words: str) -> None:
    with Wire(answering(said)) as wire, pytest.raises(kind, match=words) as caught:
        download(PresignedUrl(f"http://127.0.0.1:{wire.port}{TARGET}"), io.BytesIO())
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_file_that_cannot_be_written_is_no_failure_of_the_host() -> None:
    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError("no space left")

    answer = response("200 OK", b"content", "Content-Length: 7")
    with Wire(answering(answer)) as wire, pytest.raises(OSError, match="no space left"):
        download(PresignedUrl(f"http://127.0.0.1:{wire.port}{TARGET}"), Full())


def test_a_refusal_that_never_ends_is_a_lost_response(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_wherobots.api.transports.requests.TIMEOUTS", (1.0, 0.2))
    over = threading.Event()

    def stuck(connection: socket.socket) -> None:
        connection.sendall(response("503 Slow", b"<Code>", "Content-Length: 100"))
        over.wait()

    with Wire(stuck) as wire:
        try:
            with pytest.raises(ResponseLostError) as caught:
                download(PresignedUrl(f"http://127.0.0.1:{wire.port}{TARGET}"), io.BytesIO())
        finally:
            over.set()
    assert SECRET not in str(caught.value)
