"""uvicorn's WebSocket protocol with access to the connection of a socket."""

from __future__ import annotations

import asyncio
import http
import logging
from collections.abc import AsyncIterable, Callable
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.http11 import Response

from wherobots_local.http.protocol import with_connection

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
