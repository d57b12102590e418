"""Many followers of one key that the service limits: all see their run end, though the limit outlasts an outage."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count
from random import Random
from types import SimpleNamespace, coroutine
from typing import Any

import pytest

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.errors import RateLimitedError
from airflow_provider_wherobots.api.runs.models import Run, RunMetrics
from airflow_provider_wherobots.flows.follow import FollowOptions, follow_run
from airflow_provider_wherobots.io.base import Callbacks, Clock, Pause, Reloaded
from airflow_provider_wherobots.io.worker import WorkerIo
from airflow_provider_wherobots.runs.outcome import Ending
from tests.unit.flows.script import KEY, START

RUNS = 100
RATE = 2.0
"""How many calls a second the service allows, whoever makes them."""
TURN_SECONDS = RUNS / RATE
"""In this time the service answers one call of each run."""
LATENCY = 0.05


class Crowd:
    """Follows many runs at once on one virtual clock, as a triggerer does.

    :param retry_after: the header of a refusal; None for none.
    """

    def __init__(self, retry_after: float | None) -> None:
        self._retry_after = retry_after
        self._allowed, self._counted_at = RATE, 0.0
        self._waiting: list[tuple[float, int, Iterator[float]]] = []
        self._random = Random(1)  # noqa: S311 - a simulation
        self._ends = [self._random.uniform(300.0, 600.0) for _ in range(RUNS)]
        transport: Any = SimpleNamespace(endpoint=Endpoint("https://api.example.com", KEY))
        clock: Clock[None] = Clock(_no_sleep, lambda: START + self.now, lambda: self.now, self._random.random)
        self._io = CrowdIo(self, transport, clock)
        self.now = 0.0
        self.endings: Counter[Ending] = Counter()

    def follow(self, max_outage_seconds: float) -> None:
        """Follow all runs for an hour."""
        order = count()
        for number in range(RUNS):
            options = FollowOptions(f"{number}", START, poll_logs=False, max_outage_seconds=max_outage_seconds)
            heappush(self._waiting, (0.0, next(order), self._walk(options)))
        while self._waiting and self._waiting[0][0] <= 3_600.0:
            self.now, _, walk = heappop(self._waiting)
            for pause in walk:
                heappush(self._waiting, (self.now + pause, next(order), walk))
                break

    def _walk(self, options: FollowOptions) -> Iterator[float]:
        """Follow a run; yields how long that waits each time."""
        flow = follow_run(self._io, options)
        while True:
            try:
                yield flow.send(None)
            except StopIteration as end:
                self.endings[end.value.ending] += 1
                return

    def answer(self, call: Call[Any]) -> Any:
        self._allowed = min(RATE, self._allowed + (self.now - self._counted_at) * RATE)
        self._counted_at = self.now
        if self._allowed < 1.0:
            return RateLimitedError(call.operation, 429, retry_after=self._retry_after)
        self._allowed -= 1.0
        if call.operation == "getJobRunMetrics":
            return RunMetrics({})
        run_id = call.path.removeprefix("/runs/")
        end = self._ends[int(run_id)]
        if self.now < end:
            return Run(run_id, "a_run", "RUNNING")
        ended, responded_at = (datetime.fromtimestamp(START + moment, UTC) for moment in (end, self.now))
        return Run(run_id, "a_run", "COMPLETED", responded_at=responded_at, raw={"completeTime": ended.isoformat()})


class CrowdIo(WorkerIo):
    """Yields how long a flow waits."""

    def __init__(self, crowd: Crowd, transport: Any, clock: Clock[None]) -> None:
        super().__init__(transport, Callbacks(lambda *note: None, lambda record: None, _no_reload), clock=clock)
        self._crowd = crowd

    async def sleep(self, seconds: float, jitter: float = 0.0) -> None:
        await passing(Pause(seconds, jitter).length(self._clock.draw))

    async def _exchange(self, call: Call[Any], connect_timeout: float, read_timeout: float) -> Any:
        await passing(LATENCY / 2)
        answer = self._crowd.answer(call)
        await passing(LATENCY / 2)
        if isinstance(answer, RateLimitedError):
            raise answer
        return answer


@coroutine
def passing(seconds: float) -> Iterator[float]:
    yield seconds


def _no_reload() -> Reloaded:
    raise AssertionError("no key is refused")


def _no_sleep(seconds: float) -> None:
    raise AssertionError("a crowd waits by itself")


@pytest.mark.parametrize("retry_after", [None, 1.0, 5.0])
def test_a_limit_that_lasts_longer_than_the_tolerated_outage_fails_nobody(retry_after: float | None) -> None:
    crowd = Crowd(retry_after)
    crowd.follow(TURN_SECONDS / 2)
    assert crowd.endings == {Ending.COMPLETED: RUNS}
