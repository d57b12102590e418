"""An HTTP protocol for uvicorn that gives the application access to the connection of a request."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

_SCOPE_KEY = "wherobots_local.connection"


class Connection:
    """The TCP (or TLS) connection under a request."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def drop(self) -> None:
        """Close the connection at once; unsent data is lost."""
        self._transport.abort()

    def reset(self) -> None:
        """Close the connection with a TCP reset (RST)."""
        raw: socket.socket | None = self._transport.get_extra_info("socket")
        if raw is not None:
            # A linger time of zero makes close() send RST instead of FIN.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def close(self) -> None:
        """Close the connection after the data written so far is sent."""
        self._transport.close()


class LocalServerProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol, with a :class:`Connection` in the scope of each request."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Add the connection to the scope of every request that arrives over it."""
        super().connection_made(transport)
        application = self.app
        connection = Connection(transport)

        async def with_connection(scope: Any, receive: Any, send: Any) -> None:
            scope[_SCOPE_KEY] = connection
            await application(scope, receive, send)

        self.app = with_connection


def connection_of(scope: Any) -> Connection:
    """Return the connection of a request.

    :param scope: its ASGI scope.
    """
    connection: Connection = scope[_SCOPE_KEY]
    return connection
