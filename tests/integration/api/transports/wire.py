"""Servers that do to a connection what a test says, byte by byte, and both transports to call them with."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from airflow_provider_wherobots.api.call import Call, Response
from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.transports.aiohttp import AiohttpTransport, shared_sessions
from airflow_provider_wherobots.api.transports.requests import RequestsTransport

Send: TypeAlias = Callable[[Endpoint, Call[Any], float, float], Response]
Handler: TypeAlias = Callable[[socket.socket], None]


def send_by_requests(endpoint: Endpoint, call: Call[Any], connect: float, read: float) -> Response:
    transport = RequestsTransport(endpoint)
    try:
        return transport.send(call, connect, read)
    finally:
        transport.close()


def send_by_aiohttp(endpoint: Endpoint, call: Call[Any], connect: float, read: float) -> Response:
    async def send() -> Response:
        async with shared_sessions(endpoint.base_url) as sessions:
            return await AiohttpTransport(endpoint, sessions).send(call, connect, read)

    return asyncio.run(send())


class Wire:
    """A server that hands each connection to a handler.

    :param handler: what to do with a connection; errors of the connection end it.
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._over = threading.Event()
        self.has_waited_in_vain = False
        """Whether the client held a connection open, and said nothing, for longer than any of its limits."""

    def __enter__(self) -> Wire:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(90)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self._over.is_set():
                self._start(self._handle, self._listener.accept()[0])

    def _handle(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(60)
            try:
                self._handler(connection)
            except TimeoutError:
                self.has_waited_in_vain = True
            except OSError:
                pass


def read_request(connection: socket.socket) -> bytes:
    """Read a request, with its body: what is left unread makes a close a reset."""
    request, missing = b"", 1
    while missing > 0:
        piece = connection.recv(65_536)
        if not piece:
            break
        request += piece
        head, end, body = request.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        missing = int(length[1]) - len(body) if end and length else not end
    return request


def answering(answer: bytes = b"", requests: list[bytes] | None = None) -> Handler:
    """Read a request, and write these bytes.

    :param requests: takes the requests that were read.
    """

    def handle(connection: socket.socket) -> None:
        request = read_request(connection)
        if requests is not None:
            requests.append(request)
        connection.sendall(answer)

    return handle


def resetting(answer: bytes = b"") -> Handler:
    """The same, and then reset the connection."""

    def handle(connection: socket.socket) -> None:
        answering(answer)(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return handle


def forever(first: bytes, piece: bytes, pause: float = 0.0) -> Handler:
    """Read a request, and write without end."""

    def handle(connection: socket.socket) -> None:
        answering(first)(connection)
        while True:
            connection.sendall(piece)
            threading.Event().wait(pause)

    return handle


def silent(connection: socket.socket) -> None:
    """Read whatever comes, and say nothing."""
    while connection.recv(65_536):
        pass


def server_context(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """The TLS of a server with this certificate and key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def tunnelling(context: ssl.SSLContext, handler: Handler, requests: list[bytes]) -> Handler:
    """A proxy whose tunnel leads to a TLS server in the same place.

    :param context: that server's certificate.
    :param handler: what that server does.
    :param requests: takes the requests that the proxy read.
    """

    def handle(connection: socket.socket) -> None:
        requests.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with context.wrap_socket(connection, server_side=True) as inside:
            handler(inside)

    return handle


def speaking_tls(context: ssl.SSLContext, handler: Handler) -> Handler:
    """A TLS server.

    :param context: its certificate.
    :param handler: what it does.
    """

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as inside:
            handler(inside)

    return handle


@contextlib.contextmanager
def full_listener() -> Iterator[int]:
    """The port of a listener that takes no more connections: those who try get no answer."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
