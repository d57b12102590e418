"""The limits of a WebSocket to a SQL session."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """The limits of a WebSocket.

    :param message_bytes: how large a message may be, in bytes.
    :param quiet_seconds: how long nothing may come before the session is pinged, in seconds; default 40.
    :param pong_seconds: how long nothing may come after a ping before the connection is lost, in seconds; default 20.
        So a dead connection is noticed in a minute, half of the grace period of its executions.
    """

    message_bytes: int
    quiet_seconds: float = 40.0
    pong_seconds: float = 20.0


ON_WORKER = SocketLimits(100 * MIB)
IN_TRIGGERER = SocketLimits(MIB)
"""A trigger needs no rows."""
