"""How many calls a run takes, and how soon after it the task ends."""

from collections import Counter

import pytest

from airflow_provider_wherobots.flows.follow import FollowOptions, follow_run
from airflow_provider_wherobots.flows.forward_logs import LATENESS_MARGIN_SECONDS, MIN_QUIET_SECONDS
from tests.unit.flows.fake_log import T0, Boundary, CaughtUp, FakeLine, FakeLog
from tests.unit.flows.fake_service import FakeService
from tests.unit.flows.script import START, Script, texts

QUEUED = 0.5


def follow_quiet_run(
    length: float, caught_up: CaughtUp, boundary: Boundary, *, jitter: float, trigger_starts: float = 1.0
) -> Script:
    """Follow a run that writes 19 lines when it starts and one when it ends."""
    arrivals = [QUEUED + 0.02 * n for n in range(19)] + [QUEUED + length]
    lines = [FakeLine(at, T0 + int(at * 1e9), f"line {n}") for n, at in enumerate(arrivals)]
    service = FakeService(plan=((0.0, "PENDING"), (QUEUED, "RUNNING"), (QUEUED + length, "COMPLETED")))
    run = service.add_run("some_name", START, log=FakeLog(lines, caught_up=caught_up, boundary=boundary))
    script = Script(service, jitter=jitter)
    script.moment += trigger_starts
    script.run(follow_run, FollowOptions(run.id, started_at=START, is_new=True))
    assert texts(script.records) == [line.text for line in lines]
    return script


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(
    ("caught_up", "boundary"), [("end", "after"), ("end", "last"), ("null", "last"), ("equal", "last")]
)
@pytest.mark.parametrize("length", [60.0, 62.0, 64.0, 66.0, 73.0])
def test_a_minute_takes_26_calls(length: float, caught_up: CaughtUp, boundary: Boundary, jitter: float) -> None:
    counts = Counter(follow_quiet_run(length, caught_up, boundary, jitter=jitter).operations)
    assert counts.keys() == {"getJobRun", "getJobRunLogs", "getJobRunMetrics"}
    the_create = 1
    assert the_create + counts.total() <= 26, counts


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("length", [0.5, 1.0, 3.0, 4.9, 5.6, 8.0, 10.0, 13.0, 17.0, 20.0, 24.0, 28.0])
def test_the_task_ends_soon_after_a_short_run_that_is_noticed_late(length: float, jitter: float) -> None:
    script = follow_quiet_run(length, "end", "after", jitter=jitter)
    # The end's age is rounded up to a second, and the calls take time.
    noticed = script.sent_of("getJobRun")[-1].at
    assert script.elapsed <= max(QUEUED + length + MIN_QUIET_SECONDS, noticed - START + LATENESS_MARGIN_SECONDS) + 1.5


SECONDS = 150.0


def calls_for(pause: float, boundary: Boundary, caught_up: CaughtUp) -> int:
    """Follow a run that writes a line after each pause; return how often its log was requested."""
    count = int(SECONDS / pause)
    lines = [FakeLine(n * pause, T0 + int(n * pause * 1e9), f"line {n}") for n in range(count)]
    service = FakeService(plan=((0.0, "PENDING"), (1.0, "RUNNING"), (SECONDS, "COMPLETED")))
    log = FakeLog(lines, caught_up=caught_up, boundary=boundary)
    run = service.add_run("some_name", START, log=log)
    script = Script(service)
    script.run(follow_run, FollowOptions(run.id, started_at=script.moment))
    assert texts(script.records) == [line.text for line in lines]
    return sum(sent.call.operation == "getJobRunLogs" for sent in script.sent)


@pytest.mark.parametrize("boundary", ["after", "last", "next"])
@pytest.mark.parametrize("pause", [0.02, 1.0, 30.0])
def test_a_log_is_not_chased_line_by_line(pause: float, boundary: Boundary) -> None:
    """Each request takes a while, and brings the lines written since: the next one would, too."""
    usual = calls_for(pause, boundary, "null") if boundary != "after" else calls_for(pause, "last", "null")
    assert calls_for(pause, boundary, "end") <= 1.5 * usual + 5
