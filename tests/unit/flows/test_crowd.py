"""Many followers of one key that the service limits: all see their run end, none is given up, all wait about as long.

A hundred at two calls a second stand for a thousand at twenty.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import LogPage, Run, RunMetrics
from airflow_provider_wherobots.flows.follow import DEFAULT_POLLING_INTERVAL, FollowOptions, follow_run
from airflow_provider_wherobots.flows.outcome import Ending
from airflow_provider_wherobots.flows.rate_limit import RateLimits
from airflow_provider_wherobots.flows.retry import DEFAULT_MAX_OUTAGE_SECONDS, send
from tests.unit.flows.crowd import EXACT, Allowance, Crowd, Sent
from tests.unit.flows.script import START

RUNS = 100
RATE = 2.0
TURN_SECONDS = RUNS / RATE
"""In this time the service answers one call of each run."""
STEADY_FROM, ENDS_FROM, ENDS_UNTIL, UNTIL = 300.0, 600.0, 900.0, 1_800.0


class World:
    """Runs that end at random moments, and what came of following them.

    :param starts_within: seconds in which all begin to be followed.
    :param creates: create calls from as many workers meanwhile, one after the other.
    :param max_outage_seconds: how long failures of a run's calls are tolerated.
    """

    def __init__(
        self,
        allowance: Allowance,
        *,
        runs: int = RUNS,
        logs: bool = False,
        processes: int = 1,
        starts_within: float = 60.0,
        creates: int = 0,
        latency: float = 0.05,
        max_outage_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS,
    ) -> None:
        random = Random(1)  # noqa: S311 - a simulation
        self.runs = runs
        self._ends = [random.uniform(ENDS_FROM, ENDS_UNTIL) for _ in range(runs)]
        self._seen: dict[int, float] = {}
        self.crowd = Crowd(self._answer, allowance, latency)
        limits = [RateLimits() for _ in range(processes)]
        for number in range(runs):
            at = starts_within * number / runs
            options = FollowOptions(f"r{number}", START + at, poll_logs=logs, max_outage_seconds=max_outage_seconds)
            self.crowd.add(number, follow_run(options), at, limits[number % processes])
        self.created_at = [STEADY_FROM + 3.0 * number for number in range(creates)]
        for number, at in enumerate(self.created_at):
            self.crowd.add(runs + number, send(calls.create_run({"name": "a_run"})), at, RateLimits())
        self.crowd.run(UNTIL)

    def _answer(self, call: Call[Any], moment: float) -> Any:
        if call.operation == "createJobRun":
            return Run("new", "a_run", "PENDING")
        if call.operation == "getJobRunLogs":
            return LogPage(())
        if call.operation == "getJobRunMetrics":
            return RunMetrics({})
        number = int(call.path.removeprefix("/runs/r"))
        if moment - START < self._ends[number]:
            return Run(f"r{number}", "a_run", "RUNNING")
        self._seen.setdefault(number, moment - START)
        ended = datetime.fromtimestamp(START + self._ends[number], UTC).isoformat()
        responded_at = datetime.fromtimestamp(moment, UTC)
        return Run(f"r{number}", "a_run", "COMPLETED", responded_at=responded_at, raw={"completeTime": ended})

    @property
    def endings(self) -> Counter[Ending]:
        """How many runs ended how."""
        return Counter(self.crowd.results[number][1].ending for number in range(self.runs))

    @property
    def steady(self) -> list[Sent]:
        """The calls that arrived while all runs were active and the pace was found."""
        return [sent for sent in self.crowd.sent if STEADY_FROM <= sent.at < ENDS_FROM]

    @property
    def rates(self) -> tuple[float, float]:
        """Answered and refused calls in a second of that time."""
        refused = sum(sent.refused for sent in self.steady)
        seconds = ENDS_FROM - STEADY_FROM
        return (len(self.steady) - refused) / seconds, refused / seconds

    @property
    def gaps(self) -> list[float]:
        """Seconds between two answers about the status of one run, in that time."""
        answered: dict[int, list[float]] = defaultdict(list)
        for sent in self.steady:
            if sent.call.operation == "getJobRun" and not sent.refused:
                answered[sent.number].append(sent.at)
        assert len(answered) == self.runs
        return [later - earlier for moments in answered.values() for earlier, later in pairwise(moments)]

    @property
    def late(self) -> list[float]:
        """Seconds between the end of a run and the answer that said so."""
        return [self._seen[number] - self._ends[number] for number in range(self.runs)]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


@pytest.mark.parametrize(("runs", "retry_after"), [(400, None), (RUNS, None), (RUNS, 1.0), (RUNS, 5.0), (RUNS, EXACT)])
def test_each_run_is_polled_in_turn(runs: int, retry_after: float | str | None) -> None:
    rate = runs / TURN_SECONDS
    world = World(Allowance(rate, burst=rate, retry_after=retry_after), runs=runs)
    assert world.endings == {Ending.COMPLETED: runs}
    answered, refused = world.rates
    assert answered > 0.8 * rate
    assert refused < 0.1
    assert max(world.gaps) < 1.25 * mean(world.gaps)
    assert mean(world.gaps) < 1.25 * TURN_SECONDS
    assert max(world.late) < 1.5 * TURN_SECONDS


def test_logs_take_turns_with_the_status() -> None:
    # At fewer calls a second the pace is still being found when it is looked at.
    world = World(Allowance(5.0, burst=5.0, retry_after=1.0), runs=250, logs=True)
    assert world.endings == {Ending.COMPLETED: 250}
    assert world.rates[0] > 0.8 * 5.0
    assert max(world.gaps) < 1.5 * mean(world.gaps)
    assert max(world.late) < 2.5 * TURN_SECONDS
    logs = Counter(sent.number for sent in world.steady if sent.call.operation == "getJobRunLogs" and not sent.refused)
    assert len(logs) == 250
    assert max(logs.values()) <= 2 * min(logs.values())


def test_two_triggerers_that_do_not_know_of_each_other_share_the_key_and_leave_room_for_workers() -> None:
    world = World(Allowance(RATE, burst=RATE, retry_after=1.0), processes=2, creates=90)
    assert world.endings == {Ending.COMPLETED: RUNS}
    shares = Counter(sent.number % 2 for sent in world.steady if not sent.refused and sent.number < RUNS)
    assert 0.6 < shares[0] / shares[1] < 1 / 0.6
    assert max(world.gaps) < 2.0 * mean(world.gaps)
    assert max(world.late) < 2.0 * TURN_SECONDS
    waits = [world.crowd.results[RUNS + number][0] - at for number, at in enumerate(world.created_at)]
    assert max(waits) < 10.0


def test_all_start_at_once_and_answers_are_slow() -> None:
    world = World(Allowance(RATE, burst=RATE, retry_after=1.0), starts_within=0.0, latency=1.0)
    assert world.endings == {Ending.COMPLETED: RUNS}
    assert world.rates[0] > 0.75 * RATE
    assert max(world.gaps) < 1.5 * mean(world.gaps)
    assert max(world.late) < 2.0 * TURN_SECONDS


@pytest.mark.parametrize("retry_after", [None, 1.0, 5.0])
def test_a_turn_that_takes_longer_than_the_tolerated_outage_fails_nobody(retry_after: float | None) -> None:
    allowance = Allowance(RATE, burst=RATE, retry_after=retry_after)
    world = World(allowance, starts_within=0.0, max_outage_seconds=TURN_SECONDS / 2)
    assert world.endings == {Ending.COMPLETED: RUNS}


@pytest.mark.parametrize("retry_after", [None, 1.0, EXACT])
def test_calls_are_counted_by_the_minute(retry_after: float | str | None) -> None:
    world = World(Allowance(RATE, burst=60 * RATE, window=60.0, retry_after=retry_after))
    assert world.endings == {Ending.COMPLETED: RUNS}
    assert world.rates[0] > 0.75 * RATE
    assert max(world.gaps) < 3.0 * TURN_SECONDS
    assert max(world.late) < 3.0 * TURN_SECONDS


def test_a_service_that_allows_enough_delays_nobody() -> None:
    world = World(Allowance(1_000.0, burst=1_000.0))
    assert world.endings == {Ending.COMPLETED: RUNS}
    assert world.rates[1] == 0
    assert max(world.late) < 1.2 * DEFAULT_POLLING_INTERVAL
