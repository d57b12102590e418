"""The worker's ``Io`` for tests: on a virtual clock, against a fake service or a list of answers."""

import logging
import math
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ParamSpec, TypeAlias, TypeVar

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.errors import ResponseLostError
from airflow_provider_wherobots.io.base import Callbacks, Clock, Flow, Note, Pause, Reloaded
from airflow_provider_wherobots.io.rate_limit import RateLimits
from airflow_provider_wherobots.io.worker import WorkerIo
from airflow_provider_wherobots.logs.records import LogRecord
from airflow_provider_wherobots.runs.memory import Memory

REST = ". Read the rest on the run's page"
"""How a warning about a log ends that was not read to its end."""
START = 1_750_000_000.0
"""The virtual clock's first moment, in epoch seconds."""
KEY = "script-key"
LATENCY = 0.05
"""Seconds an answer takes."""
MAX_AWAITED = 50_000
"""A flow that awaits more is taken to run for ever."""

P = ParamSpec("P")
T = TypeVar("T")

Answer: TypeAlias = Callable[[Call[Any], float], Any]
"""A service: takes a call and the moment; returns the model, raises a ``WherobotsApiError``, or :class:`Hang`."""


class DiedError(BaseException):
    """The process of the flow has died, so whatever the flow still asks for raises this too."""


class Hang(Exception):
    """No answer comes: the request's whole timeout passes."""


@dataclass(frozen=True)
class Sent:
    """A call as it went out.

    :param at: when, in epoch seconds.
    :param timeout: seconds it was allowed, or None for the usual ones.
    """

    call: Call[Any]
    at: float
    timeout: float | None


class Script(WorkerIo):
    """Runs flows, records what they ask for, and takes the models of answers from a function instead of a transport.

    :param jitter: which share of a sleep's jitter is drawn, 0 to 1; default 0.
    :param latency: seconds each answer takes; default 0.05.
    :param reload: whether the connection has changed when it is read again; default never.
    :param reads_connection: whether it is read again at all.
    :param limits: the limits of API keys; the script's is :data:`KEY`, and its moments count from the start.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        jitter: float = 0.0,
        latency: float = LATENCY,
        reload: Callable[[], bool] = lambda: False,
        reads_connection: bool = True,
        limits: RateLimits | None = None,
    ) -> None:
        self._answer = answer
        self._latency = latency
        self._changed = reload
        self._reads_connection = reads_connection
        self._done = 0
        self._asked: float | None = None
        self.dies_after = self.dies_at = math.inf

        self.moment = START
        self.sent: list[Sent] = []
        self.sleeps: list[float] = []
        self.pauses: list[Pause] = []
        """The sleeps, with their jitter."""
        self.notes: list[Note] = []
        self.records: list[LogRecord] = []
        self.published: list[tuple[str, str]] = []
        """What was asked for ahead, with the number of records written before."""
        self.reloads = 0
        self.remembered: list[tuple[Memory, int]] = []
        """What the task remembers, with the number of calls sent before."""
        self.else_not: list[str] = []
        """What is not done if that cannot be stored."""
        transport: Any = SimpleNamespace(endpoint=Endpoint("https://api.example.com", KEY))
        super().__init__(
            transport,
            Callbacks(
                note=self._note,
                write=self.records.append,
                reload=self._reload,
                publish=lambda key, value: self.published.append((key, value)),
                remember=self._remember,
            ),
            limits,
            Clock(self._pass, lambda: self.wall_clock, lambda: self.elapsed, lambda: jitter),
        )

    @property
    def wall_clock(self) -> float:
        """What a flow takes for the time, in epoch seconds."""
        return self.moment

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.moment - START

    @property
    def operations(self) -> list[str]:
        """What was sent, by operation id, in order."""
        return [sent.call.operation for sent in self.sent]

    def sent_of(self, operation: str) -> list[Sent]:
        """What was sent of one operation, in order."""
        return [sent for sent in self.sent if sent.call.operation == operation]

    @property
    def told(self) -> list[Note]:
        """The notes, without details."""
        return [note for note in self.notes if note.level > logging.DEBUG]

    def said(self, words: str) -> list[Note]:
        """The notes that contain some words."""
        return [note for note in self.notes if words in note.text]

    def run_until_death(
        self, after: float, seconds: float, flow: Flow[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T | None:
        """Run a flow in a process that dies after so many awaited things, or so many seconds. None if it has died."""
        self.dies_after, self.dies_at = self._done + after, self.moment + seconds
        try:
            return self.run(flow, *args, **kwargs)
        except DiedError:
            return None
        finally:
            self.dies_after = self.dies_at = math.inf

    def _begin(self) -> None:
        """Called before each thing that a flow awaits."""
        self._done += 1
        assert self._done <= MAX_AWAITED, (
            f"the flow has awaited {MAX_AWAITED} things; the last call was {self.sent[-1:]}"
        )
        if self._done > self.dies_after or self.moment >= self.dies_at:
            raise DiedError

    async def sleep(self, seconds: float, jitter: float = 0.0) -> None:
        self._begin()
        assert seconds >= 0, seconds
        self.sleeps.append(seconds)
        self.pauses.append(Pause(seconds, jitter))
        await super().sleep(seconds, jitter)

    async def send_once(self, call: Call[T], timeout: float | None = None) -> T:
        self._asked = timeout
        return await super().send_once(call, timeout)

    async def _exchange(self, call: Call[T], connect_timeout: float, read_timeout: float) -> T:
        self._begin()
        self._check_not_stopped()
        self.sent.append(Sent(call, self.moment, self._asked))
        try:
            answer: T = self._answer(call, self.moment)
        except Hang:
            self.moment += connect_timeout + read_timeout
            raise ResponseLostError(call.operation, "timed out") from None
        finally:
            self.moment += self._latency
        return answer

    async def note(self, level: int, text: str, command: str = "") -> None:
        self._begin()
        await super().note(level, text, command)

    async def forward(self, records: Sequence[LogRecord]) -> None:
        self._begin()
        await super().forward(records)

    async def remember(self, memory: Memory, else_not: str = "") -> None:
        self._begin()
        await super().remember(memory, else_not)

    async def reload(self) -> Reloaded:
        self._begin()
        return await super().reload()

    def _note(self, level: int, text: str) -> None:
        assert level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR), text
        assert text
        self.notes.append(Note(level, text))

    def _remember(self, memory: Memory, else_not: str) -> None:
        self.remembered.append((memory, len(self.sent)))
        self.else_not.append(else_not)

    def _pass(self, seconds: float) -> None:
        self.moment += seconds

    def _reload(self) -> Reloaded:
        self.reloads += 1
        return Reloaded(self._changed(), "connection 'script'", self._reads_connection)


def answers(*given: Any) -> Answer:
    """A service that answers call after call from a list, and fails the test when asked once more."""
    left = list(given)

    def answer(call: Call[Any], moment: float) -> Any:
        assert left, f"no answer is left for {call.operation}"
        found = left.pop(0)
        if isinstance(found, Exception):
            raise copy(found)
        return found(call, moment) if callable(found) else found

    return answer


def always(given: Any) -> Answer:
    """A service that always answers the same."""

    def answer(call: Call[Any], moment: float) -> Any:
        if isinstance(given, Exception):
            # A flow may add to the text of an error, and the next test gives the same one.
            raise copy(given)
        return given

    return answer


def by_operation(**services: Answer) -> Answer:
    """A service put together from one per operation; any other operation fails the test."""

    def answer(call: Call[Any], moment: float) -> Any:
        assert call.operation in services, f"{call.operation} was not to be called"
        return services[call.operation](call, moment)

    return answer


def texts(records: Sequence[LogRecord]) -> list[str]:
    """The records' texts."""
    return [record.text for record in records]
