"""A driver for tests: runs a flow on a virtual clock, against a fake service or a list of answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import AnswerLostError, WherobotsApiError
from airflow_provider_wherobots.drivers.base import timeouts
from airflow_provider_wherobots.flows.effects import (
    Effect,
    Flow,
    Forward,
    Note,
    Now,
    Publish,
    ReloadCredentials,
    Reloaded,
    Send,
    Sleep,
)
from airflow_provider_wherobots.logs.records import LogRecord

T = TypeVar("T")

START = 1_750_000_000.0
"""The virtual clock's first moment, in epoch seconds."""
LATENCY = 0.05
"""Seconds an answer takes."""
MAX_EFFECTS = 50_000
"""A flow that asks for more is taken to run for ever."""

Answer: TypeAlias = Callable[[Call[Any], float], Any]
"""A service: takes a call and the moment; returns the model, raises a ``WherobotsApiError``, or :class:`Hang`."""


class Hang(Exception):
    """No answer comes: the request's whole timeout passes."""


@dataclass(frozen=True)
class Sent:
    """A call as it went out.

    :param call: what was sent.
    :param at: when, in epoch seconds.
    :param timeout: seconds it was allowed, or None for the driver's own.
    """

    call: Call[Any]
    at: float
    timeout: float | None


class Script:
    """Runs flows and records what they ask for.

    :param answer: the service.
    :param jitter: which share of a sleep's jitter is drawn, 0 to 1; default 0.
    :param latency: seconds each answer takes; default 0.05.
    :param reload: whether the connection has changed when it is read again; default never.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        jitter: float = 0.0,
        latency: float = LATENCY,
        reload: Callable[[], bool] = lambda: False,
    ) -> None:
        self._answer = answer
        self._jitter = jitter
        self._latency = latency
        self._reload = reload
        self.now = START
        self.sent: list[Sent] = []
        self.sleeps: list[float] = []
        self.notes: list[Note] = []
        self.records: list[LogRecord] = []
        self.published: list[tuple[str, str]] = []
        self.reloads = 0

    def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end.

        :param flow: the flow, not started yet.
        :returns: what the flow returns.
        :raises AssertionError: when it seems to run for ever.
        """
        step: Callable[[Any], Effect] = flow.send
        value: Any = None
        try:
            for _ in range(MAX_EFFECTS):
                effect = step(value)
                try:
                    value, step = self._perform(effect), flow.send
                except (WherobotsApiError, KeyboardInterrupt) as error:
                    value, step = error, flow.throw
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            flow.close()
        raise AssertionError(f"the flow asked for {MAX_EFFECTS} effects; the last one was {effect}")

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.now - START

    @property
    def operations(self) -> list[str]:
        """What was sent, by operation id, in order."""
        return [sent.call.operation for sent in self.sent]

    def sent_of(self, operation: str) -> list[Sent]:
        """What was sent of one operation, in order.

        :param operation: operation id.
        """
        return [sent for sent in self.sent if sent.call.operation == operation]

    def said(self, words: str) -> list[Note]:
        """The notes that contain some words.

        :param words: the words.
        """
        return [note for note in self.notes if words in note.text]

    def _perform(self, effect: Effect) -> Any:
        match effect:
            case Send():
                return self._send(effect)
            case Sleep():
                assert effect.seconds >= 0, effect
                self.sleeps.append(effect.seconds)
                self.now += effect.seconds * (1 + effect.jitter * self._jitter)
            case Now():
                return self.now
            case Note():
                self.notes.append(effect)
            case Forward():
                self.records.extend(effect.records)
            case Publish():
                self.published.append((effect.key, effect.value))
            case ReloadCredentials():
                self.reloads += 1
                return Reloaded(self._reload(), "connection 'script'")
            case _:
                raise AssertionError(f"no effect: {effect!r}")
        return None

    def _send(self, effect: Send[Any]) -> Any:
        self.sent.append(Sent(effect.call, self.now, effect.timeout))
        try:
            answer = self._answer(effect.call, self.now)
        except Hang:
            self.now += sum(timeouts(effect))
            raise AnswerLostError(effect.call.operation, "timed out") from None
        finally:
            self.now += self._latency
        return answer


def answers(*given: Any) -> Answer:
    """A service that answers call after call from a list, and fails the test when asked once more.

    :param given: models to return, errors to raise, or services to ask.
    """
    left = list(given)

    def answer(call: Call[Any], moment: float) -> Any:
        assert left, f"no answer is left for {call.operation}"
        found = left.pop(0)
        if isinstance(found, Exception):
            raise found
        return found(call, moment) if callable(found) else found

    return answer


def always(given: Any) -> Answer:
    """A service that always answers the same.

    :param given: a model to return or an error to raise.
    """

    def answer(call: Call[Any], moment: float) -> Any:
        if isinstance(given, Exception):
            raise given
        return given

    return answer


def by_operation(**services: Answer) -> Answer:
    """A service put together from one per operation; any other operation fails the test.

    :param services: by operation id.
    """

    def answer(call: Call[Any], moment: float) -> Any:
        assert call.operation in services, f"{call.operation} was not to be called"
        return services[call.operation](call, moment)

    return answer


def texts(records: Sequence[LogRecord]) -> list[str]:
    """The records' texts.

    :param records: the records.
    """
    return [record.text for record in records]
