"""Many flows at once on one virtual clock, as a triggerer runs them, against a service with a rate limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import RateLimitedError
from airflow_provider_wherobots.drivers.base import Clock, Gate
from airflow_provider_wherobots.drivers.rate_limit import RateLimits
from airflow_provider_wherobots.flows.effects import Flow, Now, Send, Sleep
from tests.unit.flows.script import KEY, START, Answer

EXACT = "exact"


@dataclass
class Allowance:
    """How many calls a second a service allows, whoever makes them.

    :param rate: calls a second.
    :param burst: as many at once.
    :param retry_after: the header of a refusal: a number, None for none, or :data:`EXACT` for the time until a call
        would be allowed.
    :param window: seconds of a window in which ``burst`` calls are allowed, instead of ``rate``; 0 for none.
    """

    rate: float
    burst: float
    retry_after: float | str | None = None
    window: float = 0.0
    _left: float = field(init=False)
    _filled: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._left = self.burst

    def refusal(self, operation: str, moment: float) -> RateLimitedError | None:
        """Count a call; the refusal if it is one too many."""
        if self.window:
            if moment // self.window > self._filled // self.window:
                self._left = self.burst
            wait = (moment // self.window + 1.0) * self.window - moment
        else:
            self._left = min(self.burst, self._left + (moment - self._filled) * self.rate)
            wait = (1.0 - self._left) / self.rate
        self._filled = moment
        if self._left >= 1.0:
            self._left -= 1.0
            return None
        said = wait if isinstance(self.retry_after, str) else self.retry_after
        return RateLimitedError(operation, 429, retry_after=said)


@dataclass
class Sent:
    """A call as it arrived.

    :param at: when, in seconds since the start.
    """

    number: int
    call: Call[Any]
    at: float
    refusal: RateLimitedError | None


class Crowd:
    """Runs many flows."""

    def __init__(self, answer: Answer, allowance: Allowance, latency: float = 0.05) -> None:
        self._answer, self._allowance, self._latency = answer, allowance, latency
        self._waiting: list[tuple[float, int, Iterator[float]]] = []
        self._order = count()
        self._random = Random(1)  # noqa: S311 - a simulation
        self.now = 0.0
        self.sent: list[Sent] = []
        self.results: dict[int, tuple[float, Any]] = {}

    def add(self, number: int, flow: Flow[Any], at: float, limits: RateLimits) -> None:
        """Let a flow begin.

        :param at: when, in seconds since the start.
        """
        heappush(self._waiting, (at, next(self._order), self._walk(number, flow, limits)))

    def run(self, seconds: float) -> None:
        """Let time pass.

        :param seconds: until when, since the start.
        """
        while self._waiting and self._waiting[0][0] <= seconds:
            self.now, _, walk = heappop(self._waiting)
            for pause in walk:
                heappush(self._waiting, (self.now + pause, next(self._order), walk))
                break

    def _walk(self, number: int, flow: Flow[Any], limits: RateLimits) -> Iterator[float]:
        """Perform a flow; yields how long it waits each time."""
        clock: Clock[None] = Clock(_no_sleep, lambda: START + self.now, lambda: self.now, self._random.random)
        gate = Gate(limits, clock)
        step: Callable[[Any], Any] = flow.send
        value: Any = None
        while True:
            try:
                effect = step(value)
            except StopIteration as end:
                self.results[number] = self.now, end.value
                return
            step, value = flow.send, None
            match effect:
                case Send():
                    try:
                        with gate.passing(KEY, effect.call):
                            yield self._latency / 2
                            value = self._arrive(number, effect.call)
                            yield self._latency / 2
                            if isinstance(value, RateLimitedError):
                                raise value
                    except RateLimitedError as error:
                        step, value = flow.throw, error
                case Sleep():
                    yield clock.seconds(effect)
                case Now():
                    value = clock.now()

    def _arrive(self, number: int, call: Call[Any]) -> Any:
        refusal = self._allowance.refusal(call.operation, self.now)
        self.sent.append(Sent(number, call, self.now, refusal))
        return refusal or self._answer(call, START + self.now)


def _no_sleep(seconds: float) -> None:
    raise AssertionError("a crowd waits by itself")
