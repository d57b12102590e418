"""The end of a log whose lines come late: none is lost, and the task ends soon after the last."""

from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

from airflow_provider_wherobots.api.runs.models import LogLine, LogPage
from airflow_provider_wherobots.flows.follow import FollowOptions, follow_run
from airflow_provider_wherobots.flows.forward_logs import LogForwarder
from airflow_provider_wherobots.logs.lateness import Lateness
from airflow_provider_wherobots.runs.outcome import Outcome
from tests.support.places import TREE
from tests.unit.flows.fake_log import T0, FakeLine, FakeLog
from tests.unit.flows.fake_service import FakeService
from tests.unit.flows.script import START, Script, texts

RESULT = "airflow-result: 7"
STEADY = [float(second) for second in range(40)]


def follow(
    seconds: float,
    at: list[float],
    late: float,
    last: str = "the last line",
    flush: float = 0.0,
    **options: Any,
) -> tuple[Outcome, Script]:
    """Follow a run of some seconds that writes lines at these moments, each of which can be read some seconds later;
    the last five ``flush`` seconds later still.
    """
    written = [(moment, f"line {number}") for number, moment in enumerate(at[:-1])] + [
        (moment, last) for moment in at[-1:]
    ]
    lines = [FakeLine(moment + late, T0 + int(moment * 1e9), text) for moment, text in written]
    lines[-5:] = [replace(line, arrives=line.arrives + flush) for line in lines[-5:]]
    log = FakeLog(lines)
    status = options.pop("status", "COMPLETED")
    service = FakeService(plan=((0.0, "RUNNING"), (seconds, status)))
    run = service.add_run("some_name", START, log=log)
    script = Script(service, jitter=options.pop("jitter", 0.0))
    return script.run(follow_run, FollowOptions(run.id, START, is_new=True, **options)), script


@pytest.mark.parametrize(
    ("seconds", "at"), [(3.0, [0.5, 1.0, 2.9]), (45.0, [44.9]), (45.0, [0.1, 44.9]), (40.0, STEADY), (600.0, [599.0])]
)
@pytest.mark.parametrize("late", [0.0, 0.3, 2.0, 20.0, 50.0])
@pytest.mark.parametrize("status", ["COMPLETED", "FAILED"])
def test_no_line_is_lost_and_the_task_ends_soon(seconds: float, at: list[float], late: float, status: str) -> None:
    outcome, script = follow(seconds, at, late, status=status)
    assert len(script.records) == len(at)
    assert texts(script.records)[-1] == "the last line"
    assert ("the last line" in outcome.log_tail) is (status == "FAILED")
    assert script.elapsed <= seconds + late + 15


def test_the_page_about_logs_says_when_a_task_ends_and_that_no_line_is_lost() -> None:
    table = []
    for run, seconds, at in (
        ("3 s", 3.0, [0.5, 1.0, 2.9]),
        ("40 s, one line, at its end", 40.0, [39.9]),
        ("40 s, a line each second", 40.0, STEADY),
    ):
        ends = []
        for late, flush in ((0.3, 0.0), (2.0, 0.0), (20.0, 0.0), (0.3, 8.0)):
            _, script = follow(seconds, at, late, flush=flush)
            assert len(script.records) == len(at)
            ends.append(f"{script.elapsed - seconds:.0f} s")
        table.append(f"| {run} | {' | '.join(ends)} |")
    assert "\n".join(table) in (TREE / "benchmarks" / "README.md").read_text()


@pytest.mark.parametrize("seconds", [10.0, 61.3, 600.0])
@pytest.mark.parametrize("jitter", [0.0, 0.3, 0.7, 1.0])
def test_the_last_flush_of_a_machine_that_goes_away_is_waited_for(seconds: float, jitter: float) -> None:
    at = [seconds * n / 60 for n in range(60)]
    _, script = follow(seconds, at, 0.3, flush=8.0, jitter=jitter)
    assert len(script.records) == 60
    assert script.elapsed <= seconds + 8 + 10 + 5
    _, script = follow(seconds, at, 0.3, jitter=jitter)
    assert script.elapsed <= seconds + 13


@pytest.mark.parametrize("late", [15.0, 20.0, 25.0, 30.0, 40.0, 50.0])
def test_no_line_of_a_sparse_log_is_lost_whose_lines_are_read_long_after_they_came(late: float) -> None:
    """A round only shows that a line is at least so late, and that may be much less."""
    for seconds in (90.0, 200.0, 600.0):
        for first in range(8):
            at = [seconds * (first + 0.5) / 10, seconds - 0.2]
            _, script = follow(seconds, at, late)
            assert len(script.records) == 2, (seconds, at)
            assert script.elapsed <= seconds + 65


def test_a_burst_at_once_shows_how_late_its_lines_come() -> None:
    """None comes after it, so there is one round with lines only."""
    _, script = follow(20.0, [5.0 + n / 1e5 for n in range(20_000)], 0.3)
    assert len(script.records) == 20_000
    assert script.elapsed <= 20 + 20


def test_the_absence_of_the_reader_is_not_taken_for_lateness() -> None:
    """As of a triggerer that hangs, or is replaced."""
    log = FakeLog([FakeLine(moment + 0.3, T0 + int(moment * 1e9), f"line {moment}") for moment in range(60)])
    service = FakeService(plan=((0.0, "RUNNING"), (60.0, "COMPLETED")))
    run = service.add_run("some_name", START, log=log)
    script = Script(service)
    forwarder = LogForwarder(run.id)
    for pause in (6.0, 6.0, 27.0, 6.0, 20.0):
        script.run(forwarder.catch_up, script.moment + 10)
        script.moment += pause
    script.run(forwarder.drain, 60.0, script.moment + 900, 5.0)
    assert len(script.records) == 60
    assert forwarder.lateness.seconds is not None
    assert forwarder.lateness.seconds <= 1.0


def test_the_clocks_are_compared_by_the_response_that_took_least() -> None:
    """The first took eight seconds, at the end of which it came: its Date is as old."""
    lateness = Lateness()
    lateness.compare_clocks(LogPage((), date=formatdate(START, usegmt=True)), START, START + 8)
    lateness.compare_clocks(LogPage((), date=formatdate(START + 10, usegmt=True)), START + 10, START + 10.1)
    line = LogLine(str(T0 + int(5e9)), "a line")
    lateness.measure(line, line, START + 12, START + 11)
    assert lateness.seconds == pytest.approx(6.0, abs=0.2)


def test_a_log_without_a_line_near_the_end_is_waited_for_as_long_as_the_option_says() -> None:
    for wait in (60.0, 120.0, 5.0):
        _, script = follow(45.0, [], 0.0, wait_post_run_logs_timeout_seconds=wait)
        assert script.elapsed == pytest.approx(45 + wait, abs=7)


def test_a_line_that_is_later_than_the_option_says_is_not_waited_for() -> None:
    _, script = follow(45.0, [44.9], 100.0)
    assert script.records == []
    _, script = follow(45.0, [44.9], 100.0, wait_post_run_logs_timeout_seconds=120.0)
    assert texts(script.records) == ["the last line"]


@pytest.mark.parametrize("late", [0.3, 20.0, 50.0])
def test_a_result_that_must_come_ends_the_wait_when_it_is_read(late: float) -> None:
    # The lines before show no lateness.
    early = [FakeLine(n * 1.0, T0 + int(n * 1e9), f"line {n}") for n in range(40)]
    service = FakeService(plan=((0.0, "RUNNING"), (40.0, "COMPLETED")))
    log = FakeLog([*early, FakeLine(39.5 + late, T0 + int(39.5e9), RESULT)])
    for poll_logs in (True, False):
        run = service.add_run("some_name", START, log=log)
        script = Script(service)
        outcome = script.run(follow_run, FollowOptions(run.id, START, return_result=True, poll_logs=poll_logs))
        assert outcome.result == "7"
        assert script.elapsed <= 40 + late + (15 if poll_logs else 5)


def test_a_result_that_does_not_come_is_waited_for_as_long_as_the_option_says() -> None:
    outcome, script = follow(40.0, STEADY, 0.3, return_result=True)
    assert outcome.result is None
    assert script.elapsed == pytest.approx(40 + 60, abs=7)


@pytest.mark.parametrize(("late", "least", "most"), [(0.3, 0.0, 7.0), (20.0, 17.0, 27.0)])
def test_the_summary_has_the_lateness(late: float, least: float, most: float) -> None:
    outcome, _ = follow(40.0, STEADY, late)
    assert outcome.summary is not None
    assert least <= outcome.summary["log_lateness_seconds"] <= most
    outcome, _ = follow(40.0, [], 0.0)
    assert outcome.summary is not None
    assert outcome.summary["log_lateness_seconds"] is None


@pytest.mark.parametrize("skew", [-60.0, 60.0])
def test_the_clock_of_this_machine_does_not_matter(skew: float) -> None:
    log = FakeLog([FakeLine(moment + 20, T0 + int(moment * 1e9), f"line {moment}") for moment in STEADY])
    service = FakeService(plan=((0.0, "RUNNING"), (40.0, "COMPLETED")))
    run = service.add_run("some_name", START, log=log)
    script = Script(lambda call, moment: service(call, moment - skew))
    script.moment += skew
    script.run(follow_run, FollowOptions(run.id, START + skew, is_new=True))
    assert len(script.records) == len(STEADY)
    assert script.elapsed - skew < 75


def test_a_log_that_is_read_long_after_the_end_shows_no_lateness() -> None:
    log = FakeLog([FakeLine(2.0, T0 + int(2e9), "the last line")])
    service = FakeService(plan=((0.0, "RUNNING"), (3.0, "COMPLETED")))
    run = service.add_run("some_name", START, log=log)
    script = Script(service)
    script.moment += 300
    outcome = script.run(follow_run, FollowOptions(run.id, script.moment))
    assert texts(script.records) == ["the last line"]
    assert script.elapsed < 301
    assert outcome.summary is not None
    assert outcome.summary["log_lateness_seconds"] is None
