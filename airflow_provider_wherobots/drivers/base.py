"""What both drivers share: where effects go, the clock, the timeouts, and the wait for a limited API key."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import RateLimitedError
from airflow_provider_wherobots.drivers.rate_limit import RateLimits
from airflow_provider_wherobots.flows.effects import Note, Send, Sleep
from airflow_provider_wherobots.flows.retry import CALL_SECONDS
from airflow_provider_wherobots.logs.records import LogRecord, make_safe
from airflow_provider_wherobots.messages import words
from airflow_provider_wherobots.runs.memory import Memory

CONNECT_TIMEOUT_SECONDS = 10.0
"""How long connecting may take: a host that can be reached responds in less than a second."""
READ_TIMEOUT_SECONDS = CALL_SECONDS - CONNECT_TIMEOUT_SECONDS
"""How long the response may take: what is left of a call."""
SOCKET_TIMEOUT_SECONDS = 20.0
"""How long opening a WebSocket may take."""

ROOM = 64 * 1024
"""The most bytes of records that are written after each wait for room. A Unix socket of Linux has 208 KiB."""
RECORD_OVERHEAD = 2048
"""What a record takes of a socket apart from its text, in bytes: its other fields, and what the kernel adds."""

WriteNote: TypeAlias = Callable[[int, str], None]
"""Takes a ``logging`` level and a text."""
WriteRecord: TypeAlias = Callable[[LogRecord], None]
"""Writes one line of the run's log into the task log."""

R = TypeVar("R")
N = TypeVar("N")


@dataclass(frozen=True, slots=True)
class Outlets(Generic[R, N]):
    """Callbacks for the effects of a flow, except calls and time. The event-loop driver awaits ``reload``, ``publish``
    and ``room``. ``publish`` must not raise; without it and ``remember`` nothing is published or remembered. ``room``
    waits until a message, or ``ROOM`` bytes of lines, can be written without blocking. ``conn_id`` is for the command
    that ends a message; empty outside of Airflow's tasks.
    """

    note: WriteNote
    write: WriteRecord
    reload: Callable[[], R]
    publish: Callable[[str, str], N] | None = None
    room: Callable[[], N] | None = None
    remember: Callable[[Memory, str], None] | None = None
    conn_id: str = ""

    def tell(self, note: Note) -> None:
        """Write a message."""
        text = f"{note.text} {words.command(note.command, self.conn_id)}" if note.command else note.text
        self.note(note.level, make_safe(text))


@dataclass(frozen=True, slots=True)
class Clock(Generic[N]):
    """A driver's source of time. ``draw`` returns the share of a sleep's jitter, 0 to 1."""

    sleep: Callable[[float], N]
    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    draw: Callable[[], float] = random.random

    def seconds(self, effect: Sleep) -> float:
        """How long a sleep takes, in seconds, jitter included."""
        return effect.seconds * (1 + effect.jitter * self.draw())


def timeouts(effect: Send[object]) -> tuple[float, float]:
    """The connect timeout and the read timeout of a request, in seconds. In the event loop only their sum counts."""
    if effect.timeout is None:
        return CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS
    connect = min(CONNECT_TIMEOUT_SECONDS, effect.timeout / 3)
    return connect, effect.timeout - connect


def size_of(text: str) -> int:
    """The room that a record takes, in bytes, if each character has three."""
    return RECORD_OVERHEAD + 3 * len(text)


class Gate:
    """Refuses a driver's calls while their API key is limited."""

    def __init__(self, limits: RateLimits, clock: Clock[Any]) -> None:
        self._limits = limits
        self._clock = clock

    @contextmanager
    def passing(self, api_key: str, call: Call[Any]) -> Iterator[None]:
        """The context in which a call is sent. Raises a ``KeyLimitedError`` while the key is limited; records a 429."""
        limit = self._limits.of(api_key)
        limit.check(call, self._clock.monotonic())
        try:
            yield
        except RateLimitedError as error:
            limit.refused(call, error, self._clock.monotonic())
            raise
        limit.succeeded(call, self._clock.monotonic())
