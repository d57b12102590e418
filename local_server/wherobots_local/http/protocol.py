"""uvicorn's HTTP protocol with access to the connection of a request."""

from __future__ import annotations

import asyncio
import contextlib
import http
import logging
import resource
import socket
import struct
from collections.abc import AsyncIterable, Callable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.http11 import Response

_SCOPE_KEY = "wherobots_local.connection"

WANTED = 8192
"""How many file descriptors the server wants: connections, logs and processes need them, and the default limit is low
(256 on macOS)."""

_EACH_RUN = 8


def raise_soft_limit(runs: int) -> None:
    """Raise the soft limit to 8192 plus eight per parallel run, or as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED + runs * _EACH_RUN
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class TrackedConnection:
    """The TCP or TLS connection of a request."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def drop(self) -> None:
        """Close at once; unsent data is lost."""
        self._transport.abort()

    def reset(self) -> None:
        """Close with a TCP reset (RST)."""
        raw: socket.socket | None = self._transport.get_extra_info("socket")
        if raw is not None:
            # A linger time of zero makes close() send RST instead of FIN.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def close(self) -> None:
        """Close after the written data is sent."""
        self._transport.close()


def with_connection(application: Any, transport: asyncio.Transport) -> Any:
    """Return an application whose requests have their connection in their scope."""
    connection = TrackedConnection(transport)

    async def connected(scope: Any, receive: Any, send: Any) -> None:
        scope[_SCOPE_KEY] = connection
        await application(scope, receive, send)

    return connected


def connection_of(scope: Any) -> TrackedConnection:
    connection: TrackedConnection = scope[_SCOPE_KEY]
    return connection


class LocalServerProtocol(H11Protocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Add the connection to the scope of its requests."""
        super().connection_made(transport)
        # In pytest, or another process, the loggers can have any level.
        self.access_log = False
        self.app = with_connection(self.app, transport)


_log = logging.getLogger(__name__)
# Otherwise uvicorn and websockets log requests with their query and their headers: the key would be in the log.
_log.setLevel(logging.WARNING)


class SocketProtocol(WebSocketsSansIOProtocol):
    """This base class uses no deprecated part of the package ``websockets``."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.logger = self.conn.logger = _log
        self.conn.debug = False
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what uvicorn's own server gives
        self.app = with_connection(self.app, transport)

    # uvicorn below 0.52.1 does not wait for a client that reads slowly, so large results were in memory.
    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    async def send(self, message: Any) -> None:
        """Refusals are sent here, because older versions of uvicorn send their headers twice."""
        if message["type"] == "websocket.http.response.start":
            self._refusal_start = message
        elif message["type"] == "websocket.http.response.body":
            self._refuse(self._refusal_start, message.get("body", b""))
        elif "pieces" in message:
            await self._send_pieces(message["pieces"])
        else:
            await super().send(message)

    async def _send_pieces(self, pieces: AsyncIterable[bytes]) -> None:
        """Send one binary message in several frames, as fast as the client reads, so that it is never in memory."""
        send: Callable[..., None] = self.conn.send_binary
        async for piece in pieces:
            await self.writable.wait()
            self._send_part(send, piece, fin=False)
            send = self.conn.send_continuation
        self._send_part(send, b"", fin=True)

    def _send_part(self, send: Callable[..., None], piece: bytes, *, fin: bool) -> None:
        if self.close_sent or self.transport.is_closing():
            raise ClientDisconnected
        send(piece, fin=fin)
        self.transport.write(b"".join(self.conn.data_to_send()))

    def _refuse(self, start: Any, body: bytes) -> None:
        """Refuse the request for the WebSocket. The body is in one piece."""
        status = start["status"]
        headers = Headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"])
        headers["Connection"] = "close"
        phrase = http.HTTPStatus(status).phrase if status in set(http.HTTPStatus) else ""
        self.conn.send_response(Response(status, phrase, headers, body))
        self.handshake_complete = self.close_sent = True
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()
