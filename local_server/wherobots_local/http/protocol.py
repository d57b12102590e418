"""uvicorn's HTTP protocol with three additions: access to the connection of a request, deadlines for requests, and a
limit for the number of connections."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import resource
import socket
import struct
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 20.0
"""Time for the head of a request. Between two requests the keep-alive timeout applies."""

BODY_SECONDS = 60.0
"""Time for the body of a request."""

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


def soft_limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return WANTED if soft == resource.RLIM_INFINITY else soft


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


class Stage(enum.IntEnum):
    """What a connection waits for. If there are too many, the lowest stages are closed first."""

    HEAD = 0
    NEXT_REQUEST = 1
    BODY = 2
    RESPONSE = 3


class LocalServerProtocol(H11Protocol):
    """Connections can use half of the file descriptors, because runs need some too."""

    stage = Stage.HEAD
    since = 0.0
    _deadline: asyncio.TimerHandle | None = None
    _is_upgraded = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Add the connection to the scope of its requests, and close another one if there are too many."""
        super().connection_made(transport)
        # In pytest, or another process, the loggers can have any level.
        self.access_log = False
        self.app = with_connection(self.app, transport)
        self._enter(Stage.HEAD)
        most = soft_limit() // 2
        if len(self.connections) > most:
            self._make_room(most)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._update_stage()

    def handle_websocket_upgrade(self, event: Any) -> None:
        self._clear_deadline()
        self._is_upgraded = True
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._update_stage()

    def _update_stage(self) -> None:
        if self._is_upgraded:
            return
        if self.cycle is not None and not self.cycle.response_complete:
            stage = Stage.BODY if self.cycle.more_body else Stage.RESPONSE
        elif self.cycle is None or self.conn.trailing_data[0]:
            stage = Stage.HEAD
        else:
            stage = Stage.NEXT_REQUEST
        if stage != self.stage:
            self._enter(stage)

    def _enter(self, stage: Stage) -> None:
        self._clear_deadline()
        self.stage, self.since = stage, self.loop.time()
        seconds = {Stage.HEAD: HEAD_SECONDS, Stage.BODY: BODY_SECONDS}.get(stage)
        if seconds is not None:
            self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _make_room(self, most: int) -> None:
        """Close connections in the order of stage and age. If all wait for a response, close this one. WebSockets
        count, but are never closed."""
        open_ones = [other for other in self.connections if not other.transport.is_closing()]
        of_requests = [other for other in open_ones if isinstance(other, LocalServerProtocol)]
        of_requests.sort(key=lambda other: (other.stage, other.since))
        for victim in of_requests[: max(len(open_ones) - most, 0)]:
            (self if victim.stage == Stage.RESPONSE else victim).transport.abort()
