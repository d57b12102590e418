"""Many followers of one key that the service limits: all see their run end, and nobody asks sooner than told."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.runs.models import LogPage, Run, RunMetrics
from airflow_provider_wherobots.drivers.rate_limit import RateLimits
from airflow_provider_wherobots.flows.follow import DEFAULT_POLLING_INTERVAL, FollowOptions, follow_run
from airflow_provider_wherobots.flows.retry import DEFAULT_MAX_OUTAGE_SECONDS, MIN_RETRY_AFTER_SECONDS
from airflow_provider_wherobots.runs.outcome import Ending
from tests.unit.flows.crowd import EXACT, Allowance, Crowd
from tests.unit.flows.script import START

RUNS = 100
RATE = 2.0
TURN_SECONDS = RUNS / RATE
"""In this time the service answers one call of each run."""
ENDS_FROM, ENDS_UNTIL, UNTIL = 300.0, 600.0, 3_600.0
LATENCY = 0.05


class World:
    """Runs that end at random moments, and what came of following them.

    :param processes: how many triggerers there are, which do not know of each other.
    :param starts_within: seconds in which all begin to be followed.
    :param max_outage_seconds: how long failures of a run's calls are tolerated.
    """

    def __init__(
        self,
        allowance: Allowance,
        *,
        logs: bool = False,
        processes: int = 1,
        starts_within: float = 60.0,
        max_outage_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS,
    ) -> None:
        random = Random(1)  # noqa: S311 - a simulation
        self.ends = [random.uniform(ENDS_FROM, ENDS_UNTIL) for _ in range(RUNS)]
        self.processes = processes
        self.crowd = Crowd(self._answer, allowance, LATENCY)
        limits = [RateLimits() for _ in range(processes)]
        for number in range(RUNS):
            at = starts_within * number / RUNS
            options = FollowOptions(f"r{number}", START + at, poll_logs=logs, max_outage_seconds=max_outage_seconds)
            self.crowd.add(number, follow_run(options), at, limits[number % processes])
        self.crowd.run(UNTIL)

    def _answer(self, call: Call[Any], moment: float) -> Any:
        if call.operation == "getJobRunLogs":
            return LogPage(())
        if call.operation == "getJobRunMetrics":
            return RunMetrics({})
        number = int(call.path.removeprefix("/runs/r"))
        if moment - START < self.ends[number]:
            return Run(f"r{number}", "a_run", "RUNNING")
        ended = datetime.fromtimestamp(START + self.ends[number], UTC).isoformat()
        responded_at = datetime.fromtimestamp(moment, UTC)
        return Run(f"r{number}", "a_run", "COMPLETED", responded_at=responded_at, raw={"completeTime": ended})

    @property
    def endings(self) -> Counter[Ending]:
        """How many runs ended how."""
        return Counter(outcome.ending for _, outcome in self.crowd.results.values())

    def sooner_than_told(self) -> int:
        """How many calls a process sent after a refusal had come back, and before its wait was over."""
        count = 0
        for process in range(self.processes):
            told = until = float("-inf")
            for sent in self.crowd.sent:
                if sent.number % self.processes != process:
                    continue
                sent_at = sent.at - LATENCY / 2
                count += told <= sent_at < until - 1e-6
                if sent.refusal is not None:
                    wait = max(sent.refusal.retry_after or 0.0, MIN_RETRY_AFTER_SECONDS)
                    told, until = sent.at + LATENCY / 2, max(until, sent.at + LATENCY / 2 + wait)
        return count


@pytest.mark.parametrize("retry_after", [None, 1.0, 5.0, EXACT])
@pytest.mark.parametrize(("logs", "processes", "window"), [(False, 1, 0.0), (True, 2, 0.0), (False, 1, 60.0)])
def test_nobody_asks_sooner_than_told_and_all_finish(
    retry_after: float | str | None, logs: bool, processes: int, window: float
) -> None:
    allowance = Allowance(RATE, burst=(window or 1.0) * RATE, retry_after=retry_after, window=window)
    world = World(allowance, logs=logs, processes=processes)
    assert world.endings == {Ending.COMPLETED: RUNS}
    assert world.sooner_than_told() == 0


@pytest.mark.parametrize("retry_after", [None, 1.0, 5.0])
def test_a_limit_that_lasts_longer_than_the_tolerated_outage_fails_nobody(retry_after: float | None) -> None:
    allowance = Allowance(RATE, burst=RATE, retry_after=retry_after)
    world = World(allowance, starts_within=0.0, max_outage_seconds=TURN_SECONDS / 2)
    assert world.endings == {Ending.COMPLETED: RUNS}


def test_a_service_that_allows_enough_delays_nobody() -> None:
    world = World(Allowance(1_000.0, burst=1_000.0))
    assert world.endings == {Ending.COMPLETED: RUNS}
    assert all(sent.refusal is None for sent in world.crowd.sent)
    late = [world.crowd.results[number][0] - world.ends[number] for number in range(RUNS)]
    assert max(late) < 1.5 * DEFAULT_POLLING_INTERVAL
