"""The effects that a driver performs for a flow, and the type of a flow.

A flow is a generator: it yields an effect and is resumed with the effect's result, or with the error that the effect
raised. The error may be an interruption: after one, a flow may still write, but not send or wait. A flow decides
everything and does nothing itself, so the worker, the triggerer and the tests run the same flow. To Python's type
checkers, all results that a generator is resumed with have one type. So a flow that needs a result yields through
:func:`perform`, which gives the result its own type.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import REFUSED_KEY, AuthenticationError, WherobotsApiError
from airflow_provider_wherobots.api.storage.presigned import PresignedUrl
from airflow_provider_wherobots.files.local_file import FileSource, LocalFile
from airflow_provider_wherobots.logs.records import LogRecord
from airflow_provider_wherobots.messages import words
from airflow_provider_wherobots.runs.memory import Memory

if TYPE_CHECKING:
    # A task without SQL needs none of it.
    from airflow_provider_wherobots.api.sql.messages import ClientMessage, ServerMessage  # noqa: F401 - in a string

T = TypeVar("T")


class Effect(Generic[T]):
    """An action that a driver performs; ``T`` is the type of its result."""

    __slots__ = ()


Flow: TypeAlias = Generator[Effect[Any], Any, T]


def perform(effect: Effect[T]) -> Flow[T]:
    """Yield an effect and return its result."""
    result: T = yield effect
    return result


@dataclass(frozen=True, slots=True)
class Send(Effect[T]):
    """Send a call once; resumed with its model, or with a ``WherobotsApiError``.

    ``timeout`` is how many seconds this attempt should take in all; None is the driver's default.
    """

    call: Call[T]
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Sleep(Effect[None]):
    """Wait. A random wait is added, up to the share ``jitter`` of ``seconds``."""

    seconds: float
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class Now(Effect[float]):
    """Read the wall clock; resumed with epoch seconds. Deadlines outlive a process, a monotonic clock does not."""


@dataclass(frozen=True, slots=True)
class Monotonic(Effect[float]):
    """Read the clock that a change of the wall clock does not move; resumed with seconds since some moment."""


@dataclass(frozen=True, slots=True)
class Note(Effect[None]):
    """Write a message to the task log. ``command``, of this provider, ends it, for the driver's connection."""

    level: int
    text: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Forward(Effect[None]):
    """Write lines of the run's own log into the task log."""

    records: Sequence[LogRecord]


@dataclass(frozen=True, slots=True)
class Publish(Effect[None]):
    """Publish a value of the run as an XCom of the task, while the run is active. It can fail silently, so nothing must
    depend on it.
    """

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Remember(Effect[None]):
    """Write down what the task remembers, before the next effect. If that fails, the log says so and the flow goes on.

    With ``else_not``, what may then not be done ("The run was not created"), it fails the task instead.
    """

    memory: Memory
    else_not: str = ""


@dataclass(frozen=True, slots=True)
class OpenFile(Effect[LocalFile]):
    """Check and hash a file of this machine; resumed with it, or with an ``InvalidArgumentError``."""

    source: FileSource


@dataclass(frozen=True, slots=True)
class Upload(Effect[None]):
    """Send a file to a presigned URL once; resumed when it is stored, or with a ``WherobotsApiError``, a
    ``FileChangedError`` or an ``InvalidArgumentError``.
    """

    url: PresignedUrl
    file: LocalFile


@dataclass(frozen=True, slots=True)
class Connect(Effect[None]):
    """Open a WebSocket to a SQL session, in place of the driver's open one; resumed when it is open, or with a
    ``WherobotsApiError``.

    ``timeout`` is how many seconds this attempt can take in all; None is the driver's default.
    """

    url: str
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Transmit(Effect[None]):
    """Write a message to the WebSocket; resumed when it is written, or with a ``ConnectionLostError``. It is a
    ``NotWrittenError`` if nothing of the message was written.
    """

    message: ClientMessage


@dataclass(frozen=True, slots=True)
class Receive(Effect["ServerMessage | None"]):
    """Wait for the next message of the WebSocket; resumed with it, with None if none has come in time (or the wait was
    aborted), or with a ``ConnectionLostError``.
    """

    timeout: float


@dataclass(frozen=True, slots=True)
class Disconnect(Effect[None]):
    """Close the WebSocket, if one is open. Never raises."""


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
class ReloadCredentials(Effect[Reloaded]):
    """Read the connection again; resumed with :class:`Reloaded`."""


_NOW = Now()


def now() -> Flow[float]:
    """The wall-clock time in epoch seconds."""
    # Not by `perform`: no effect is more frequent.
    moment: float = yield _NOW
    return moment


def monotonic() -> Flow[float]:
    """Seconds of the clock that a change of the wall clock does not move. Only their differences mean something."""
    return (yield from perform(Monotonic()))


def attempt(call: Call[T], timeout: float | None = None) -> Flow[T]:
    """Send a call once. If the key is refused, read the connection, and send it again if the connection has changed.

    Raises a ``WherobotsApiError`` whose text is safe for a log and an exception. Safe for creates too, as a refused
    request has no effect.
    """
    return (yield from _with_current_key(Send(call, timeout)))


def attempt_to_connect(url: str, timeout: float | None = None) -> Flow[None]:
    """Open a WebSocket once. If the key is refused, read the connection, and try again if the connection has changed.

    Raises a ``WherobotsApiError`` whose text is safe for a log and an exception.
    """
    yield from _with_current_key(Connect(url, timeout))


def _with_current_key(effect: Effect[T]) -> Flow[T]:
    try:
        return (yield from _perform(effect))
    except REFUSED_KEY as error:
        refused, read = error, (yield from perform(ReloadCredentials()))
    if read.changed:
        try:
            return (yield from _perform(effect))
        except REFUSED_KEY as error:
            refused = error
    failure = _named(refused, read.source) if isinstance(refused, AuthenticationError) else refused
    failure.key_may_change = read.is_read
    raise failure from None


def _perform(effect: Effect[T]) -> Flow[T]:
    try:
        result: T = yield effect
        return result
    except WherobotsApiError as error:
        # The text quotes the service: it can have any length and any character.
        error.args = (words.quoted(str(error)),)
        raise


def _named(error: AuthenticationError, source: str) -> AuthenticationError:
    """Name the connection whose key is refused, without the service's advice about request headers."""
    infos = tuple(replace(info, suggestion="") for info in error.errors)
    named = AuthenticationError(error.operation, error.status, infos, error.request_id)
    named.args = (words.quoted(f"{source}: the API key is refused ({named if infos else error})"),)
    return named
