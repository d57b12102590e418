"""What a flow may ask of the world.

A flow is a coroutine over an :class:`Io`: it decides everything and does nothing itself. So the worker, the triggerer
and the tests run the same flow. An interruption (a kill, a timeout) is raised where the flow awaits. After one, a flow
may still write lines and messages, but not send or wait.
"""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Concatenate, Generic, NamedTuple, ParamSpec, TypeAlias, TypeVar

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import (
    REFUSED_KEY,
    AuthenticationError,
    NotWrittenError,
    RateLimitedError,
    WherobotsApiError,
)
from airflow_provider_wherobots.io.rate_limit import RateLimits
from airflow_provider_wherobots.logs.records import LogRecord
from airflow_provider_wherobots.runs.memory import Memory

if TYPE_CHECKING:
    from airflow_provider_wherobots.api.endpoint import Endpoint
    from airflow_provider_wherobots.api.sql.messages import ClientMessage, ServerMessage
    from airflow_provider_wherobots.api.storage import PresignedUrl
    from airflow_provider_wherobots.files import FileSource, LocalFile

CALL_SECONDS = 70.0
"""How long a call may take, if its flow does not say."""
CONNECT_TIMEOUT_SECONDS = 10.0
"""How long connecting may take: a host that can be reached responds in less than a second."""
READ_TIMEOUT_SECONDS = CALL_SECONDS - CONNECT_TIMEOUT_SECONDS
"""How long the response may take: what is left of a call."""
SOCKET_TIMEOUT_SECONDS = 20.0
"""How long opening a WebSocket may take."""

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")
N = TypeVar("N")

Flow: TypeAlias = Callable[Concatenate["Io", P], Coroutine[Any, Any, T]]
"""A coroutine over an ``Io``, with its other parameters ``P`` and its result ``T``."""
WriteNote: TypeAlias = Callable[[int, str], None]
"""Takes a ``logging`` level and a text."""
WriteRecord: TypeAlias = Callable[[LogRecord], None]
"""Writes one line of the run's log into the task log."""


class Pause(NamedTuple):
    """How long to sleep: some seconds, and a random share of them, up to ``jitter``, on top."""

    seconds: float
    jitter: float = 0.0

    def length(self, draw: Callable[[], float] = random.random) -> float:
        """How long it takes in all, in seconds. ``draw`` returns the share of the jitter, 0 to 1."""
        return self.seconds * (1 + self.jitter * draw())


class Note(NamedTuple):
    """A message for the task log. ``command``, of this provider, ends it, for the connection in use."""

    level: int
    text: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The result of reading the connection again.

    :param changed: whether it has changed.
    :param source: what holds the key: ``connection 'wherobots_default'``.
    :param is_read: whether it was read at all. A kill and a command do not, so waiting for another key is no use there.
    """

    changed: bool
    source: str
    is_read: bool = True


@dataclass(frozen=True, slots=True)
class Callbacks(Generic[R, N]):
    """How an ``Io`` reaches Airflow: it writes the log, reads the connection again, and pushes an XCom. That of the
    event loop awaits ``reload``, ``publish`` and ``room``.

    ``publish`` must not raise; without it and ``remember`` nothing is published or remembered. ``room`` waits until a
    message, or some KiB of lines, can be written without blocking. ``conn_id`` is for the command that ends a message;
    empty outside of Airflow's tasks.
    """

    note: WriteNote
    write: WriteRecord
    reload: Callable[[], R]
    publish: Callable[[str, str], N] | None = None
    room: Callable[[], N] | None = None
    remember: Callable[[Memory, str], None] | None = None
    conn_id: str = ""

    def tell(self, level: int, text: str, command: str) -> None:
        """Write a message."""
        self.note(level, words.make_safe(f"{text} {words.command(command, self.conn_id)}" if command else text))


@dataclass(frozen=True, slots=True)
class Clock(Generic[N]):
    """A source of time. ``draw`` returns the share of a pause's jitter, 0 to 1."""

    sleep: Callable[[float], N]
    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    draw: Callable[[], float] = random.random


class Io(ABC):
    """Sends, waits and writes for one flow after the other.

    A WebSocket that a flow opens stays open for the next flow.
    """

    def __init__(self, clock: Clock[Any], limits: RateLimits | None) -> None:
        self._clock = clock
        self._limits = limits or RateLimits()
        self.now = clock.now
        """The wall clock, in epoch seconds. Deadlines outlive a process, a monotonic clock does not."""
        self.monotonic = clock.monotonic
        """Seconds of a clock that a change of the wall clock does not move. Only their differences mean something."""

    @property
    @abstractmethod
    def _endpoint(self) -> Endpoint:
        """The service and the key of the next call."""

    # Calls

    async def send(self, call: Call[T], timeout: float | None = None) -> T:
        """Send a call. If the key is refused and the connection has a new one, send it again. Safe for creates too,
        because a refused request has no effect.

        :param timeout: how many seconds the attempt should take in all; default None, ``CALL_SECONDS``.
        :raises WherobotsApiError: with a text that is safe for a log and an exception.
        """
        try:
            return await self.send_once(call, timeout)
        except REFUSED_KEY as error:
            refused = error
        return await self._with_current_key(refused, lambda: self.send_once(call, timeout))

    async def send_once(self, call: Call[T], timeout: float | None = None) -> T:
        """Send a call once, with the key as it is.

        :param timeout: how many seconds the attempt should take in all; default None, ``CALL_SECONDS``.
        :raises WherobotsApiError: with a text that is safe for a log and an exception; a ``KeyLimitedError`` if the
            key is limited, and nothing was sent.
        """
        limit = self._limits.of(self._endpoint.api_key)
        limit.check(call, self.monotonic())
        connecting, in_all = CONNECT_TIMEOUT_SECONDS, CALL_SECONDS
        if timeout is not None:
            connecting, in_all = min(CONNECT_TIMEOUT_SECONDS, timeout / 3), timeout
        try:
            answer = await self._exchange(call, connecting, in_all - connecting)
        except RateLimitedError as error:
            limit.refused(call, error, self.monotonic())
            raise
        limit.succeeded(call, self.monotonic())
        return answer

    @abstractmethod
    async def _exchange(self, call: Call[T], connect_timeout: float, read_timeout: float) -> T:
        """Send a request, and read its response. In the event loop only the sum of the timeouts counts."""

    @abstractmethod
    async def reload(self) -> Reloaded:
        """Read the connection again."""

    async def _with_current_key(self, refused: WherobotsApiError, again: Callable[[], Awaitable[T]]) -> T:
        read = await self.reload()
        if read.changed:
            try:
                return await again()
            except REFUSED_KEY as error:
                refused = error
        failure = _named(refused, read.source) if isinstance(refused, AuthenticationError) else refused
        failure.key_may_change = read.is_read
        raise failure from None

    # Waiting and writing

    @abstractmethod
    async def sleep(self, seconds: float, jitter: float = 0.0) -> None:
        """Wait. A random wait is added, up to the share ``jitter`` of ``seconds``."""

    @abstractmethod
    async def note(self, level: int, text: str, command: str = "") -> None:
        """Write a message to the task log. ``command``, of this provider, ends it, for the connection in use."""

    @abstractmethod
    async def forward(self, records: Sequence[LogRecord]) -> None:
        """Write lines of the run's own log into the task log."""

    @abstractmethod
    async def publish(self, key: str, value: str) -> None:
        """Publish a value of the run as an XCom of the task, while the run is active. It can fail silently, so nothing
        must depend on it.
        """

    async def remember(self, memory: Memory, else_not: str = "") -> None:
        """Write down what the task remembers, before anything else is done. If that fails, the log says so.

        :param else_not: what may then not be done ("The run was not created"): it fails the task. Default empty, the
            flow goes on.
        """
        raise NotImplementedError("only a worker remembers")

    # Files

    async def open_file(self, source: FileSource) -> LocalFile:
        """Check and hash a file of this machine.

        :raises InvalidArgumentError: if it cannot be used.
        """
        raise NotImplementedError("only a worker opens files")

    async def upload(self, url: PresignedUrl, file: LocalFile) -> None:
        """Send a file to a presigned URL once.

        :raises WherobotsApiError: if it was not stored.
        :raises FileChangedError: if the file has changed since it was opened.
        :raises InvalidArgumentError: if it cannot be read any more.
        """
        raise NotImplementedError("only a worker uploads files")

    # The WebSocket of a SQL session

    async def connect(self, url: str, timeout: float | None = None) -> None:
        """Open a WebSocket once. If the key is refused, read the connection, and try again if that has changed.

        :raises WherobotsApiError: with a text that is safe for a log and an exception.
        """
        try:
            return await self.connect_once(url, timeout)
        except REFUSED_KEY as error:
            refused = error
        return await self._with_current_key(refused, lambda: self.connect_once(url, timeout))

    async def connect_once(self, url: str, timeout: float | None = None) -> None:
        """Open a WebSocket in place of the open one, with the key as it is.

        :param timeout: how many seconds this attempt can take in all; default None, ``SOCKET_TIMEOUT_SECONDS``.
        :raises WherobotsApiError: with a text that is safe for a log and an exception.
        """
        await self._open_socket(url, timeout or SOCKET_TIMEOUT_SECONDS)

    @abstractmethod
    async def _open_socket(self, url: str, timeout: float) -> None: ...

    @abstractmethod
    async def transmit(self, message: ClientMessage) -> None:
        """Write a message to the WebSocket.

        :raises ConnectionLostError: if it may not have been written; a ``NotWrittenError`` if nothing of it was.
        """

    @abstractmethod
    async def receive(self, timeout: float) -> ServerMessage | None:
        """Wait for the next message of the WebSocket. None if none has come in time, or the wait was aborted.

        :raises ConnectionLostError: if the connection is lost.
        """

    @abstractmethod
    async def disconnect(self) -> None:
        """Close the WebSocket, if one is open. Never raises."""


def not_open() -> NotWrittenError:
    """The error about a message for a WebSocket that is not open."""
    return NotWrittenError("sqlSession", "no WebSocket is open")


def _named(error: AuthenticationError, source: str) -> AuthenticationError:
    """Name the connection whose key is refused, without the service's advice about request headers."""
    infos = tuple(replace(info, suggestion="") for info in error.errors)
    plain = AuthenticationError(error.operation, error.status, infos, error.request_id) if infos else error
    text = words.quoted(f"{source}: the API key is refused ({plain})")
    return AuthenticationError(error.operation, error.status, infos, error.request_id, text=text)
