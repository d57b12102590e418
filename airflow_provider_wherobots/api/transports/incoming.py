"""The bytes that arrive over a WebSocket, before they are a message.

A large result takes minutes on a slow network, and is a message only with its last byte. aiohttp before 3.14 notices
nothing until then: it takes such a connection for dead, and finds a message too large only when it is in memory.
"""

from __future__ import annotations

import asyncio

from aiohttp.client_proto import ResponseHandler

SLACK_BYTES = 1024 * 1024
"""How much more than one message can be in memory: aiohttp reads ahead."""


class Incoming:
    """Counts the bytes that have arrived over a connection."""

    def __init__(self, message_bytes: int) -> None:
        self._most = message_bytes + SLACK_BYTES
        self._unread = 0
        self.heard_at = 0.0
        """When bytes last arrived, in the event loop's time."""
        self._protocol: _Protocol | None = None

    def protocol(self, loop: asyncio.AbstractEventLoop) -> ResponseHandler:
        self._protocol = _Protocol(self, loop)
        return self._protocol

    def abort(self) -> None:
        """Close the connection without a close frame."""
        if self._protocol is not None and isinstance(self._protocol.transport, asyncio.Transport):
            self._protocol.transport.abort()

    def received(self, size: int, moment: float) -> None:
        """Count bytes that arrive at a moment of the event loop's clock."""
        self._unread += size
        self.heard_at = moment

    def became_message(self) -> None:
        """Forget the bytes that have become a message."""
        self._unread = 0

    @property
    def is_too_large(self) -> bool:
        """Whether more bytes have arrived than a message can have."""
        return self._unread > self._most


class _Protocol(ResponseHandler):
    """Reads no more of a message that is too large."""

    def __init__(self, incoming: Incoming, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._incoming = incoming

    def data_received(self, data: bytes) -> None:
        self._incoming.received(len(data), self._loop.time())
        if not self._incoming.is_too_large:
            super().data_received(data)
        elif isinstance(self.transport, asyncio.Transport):
            self.transport.abort()
