"""The limits of a WebSocket to a SQL session."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """The limits of a WebSocket. After 20 s without data it is pinged, and 20 s later it is lost, as by the vendor's
    client. So a dead connection is noticed long before the session cancels its statements.
    """

    message_bytes: int
    quiet_seconds: float = 20.0
    pong_seconds: float = 20.0


ON_WORKER = SocketLimits(100 * MIB)
IN_TRIGGERER = SocketLimits(MIB)
"""A trigger needs no rows."""
