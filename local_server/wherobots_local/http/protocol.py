"""uvicorn's HTTP protocol with access to the connection of a request."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import struct
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

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
