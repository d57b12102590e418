"""What comes over a WebSocket, seen as bytes, before it is a message.

A large result takes minutes on a slow network, and its last byte makes it a message. aiohttp before 3.14 sees nothing
until then: it takes such a connection for dead, and a message for too large only when it is in memory.
"""

from __future__ import annotations

import asyncio

from aiohttp.client_proto import ResponseHandler

SLACK_BYTES = 1024 * 1024
"""How much more than one message may be in memory: aiohttp reads ahead."""


class Incoming:
    """What has come over a connection."""

    def __init__(self, message_bytes: int) -> None:
        self._most = message_bytes + SLACK_BYTES
        self._unread = 0
        self.heard_at = 0.0
        """When something came last, in the event loop's time."""

    def protocol(self, loop: asyncio.AbstractEventLoop) -> ResponseHandler:
        """Make the protocol of a connection."""
        return _Protocol(self, loop)

    def came(self, size: int, moment: float) -> None:
        """Count bytes that have come, at a moment of the event loop's clock."""
        self._unread += size
        self.heard_at = moment

    def became_message(self) -> None:
        """Forget the bytes that have become a message."""
        self._unread = 0

    @property
    def is_too_large(self) -> bool:
        """Whether more has come than a message may have."""
        return self._unread > self._most


class _Protocol(ResponseHandler):
    """Reads no more of a message that is too large."""

    def __init__(self, incoming: Incoming, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._incoming = incoming

    def data_received(self, data: bytes) -> None:
        self._incoming.came(len(data), self._loop.time())
        if not self._incoming.is_too_large:
            super().data_received(data)
        elif isinstance(self.transport, asyncio.Transport):
            self.transport.abort()
