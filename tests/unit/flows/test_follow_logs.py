from __future__ import annotations

import logging

import pytest

from airflow_provider_wherobots.api.errors import BadRequestError, NotFoundError, PermissionDeniedError, ServerError
from airflow_provider_wherobots.api.models import LogLine, LogPage
from airflow_provider_wherobots.flows.follow_logs import QUIET_DELAYS, LogForwarder
from tests.unit.flows.fake_log import FakeLine, FakeLog
from tests.unit.flows.fake_service import FakeRun, FakeService, Fault
from tests.unit.flows.script import START, Script, always, answers, texts

T0 = 1_750_000_000_000_000_000
QUIET = sum(QUIET_DELAYS)


def log_of(*arrivals: float, cap: int = 1000) -> FakeLog:
    return FakeLog([FakeLine(arrives, T0 + n, f"line {n}") for n, arrives in enumerate(arrivals)], cap=cap)


def serve(log: FakeLog) -> tuple[FakeService, FakeRun, Script]:
    service = FakeService()
    run = service.add_run("some_name", START, log=log)
    return service, run, Script(service)


def test_pages_are_followed_without_sleeping_until_there_are_no_more() -> None:
    _, run, script = serve(log_of(*[0.0] * 25, cap=10))
    assert script.run(LogForwarder(run.id).catch_up(script.now + 10)) is False
    assert texts(script.records) == [f"line {n}" for n in range(25)]
    assert script.sleeps == []


def test_each_line_carries_its_own_time() -> None:
    _, run, script = serve(log_of(0.0, 0.0))
    script.run(LogForwarder(run.id).catch_up(script.now + 10))
    assert [record.time_ns for record in script.records] == [T0, T0 + 1]


def test_catching_up_is_bounded_in_time_and_says_that_there_is_more() -> None:
    _, run, script = serve(log_of(*[0.0] * 100, cap=2))
    forwarder = LogForwarder(run.id)
    assert script.run(forwarder.catch_up(script.now + 1.0)) is True
    assert 1.0 <= script.elapsed < 1.2
    assert script.run(forwarder.catch_up(script.now + 100)) is False
    assert texts(script.records) == [f"line {n}" for n in range(100)]


def test_without_forwarding_only_the_tail_is_remembered() -> None:
    _, run, script = serve(log_of(0.0, 0.0, 0.0))
    forwarder = LogForwarder(run.id, forward=False)
    script.run(forwarder.catch_up(script.now + 10))
    assert script.records == []
    assert forwarder.tail.explain() == "line 0\nline 1\nline 2"


def test_empty_pages_forward_nothing() -> None:
    _, run, script = serve(log_of())
    assert script.run(LogForwarder(run.id).catch_up(script.now + 10)) is False
    assert script.records == []


def test_a_failing_log_is_one_warning_and_one_word_when_it_works_again() -> None:
    service, run, script = serve(log_of(0.0))
    service.fault("getJobRunLogs", Fault.ERROR_500, Fault.LOST_BEFORE_EFFECT, None, Fault.ERROR_500)
    forwarder = LogForwarder(run.id)
    for _ in range(5):
        assert script.run(forwarder.catch_up(script.now + 10)) is False
    assert [note.level for note in script.notes] == [logging.WARNING, logging.INFO, logging.WARNING, logging.INFO]
    assert texts(script.records) == ["line 0"]


def test_a_log_that_does_not_exist_yet_is_no_matter() -> None:
    script = Script(answers(NotFoundError("getJobRunLogs", 404), LogPage((LogLine("1", "a"),))))
    forwarder = LogForwarder("r1")
    assert script.run(forwarder.catch_up(script.now + 10)) is False
    assert script.run(forwarder.catch_up(script.now + 10)) is False
    assert (texts(script.records), script.notes) == (["a"], [])


def test_a_request_that_is_refused_in_every_form_is_a_warning() -> None:
    script = Script(always(BadRequestError("getJobRunLogs", 422)))
    assert script.run(LogForwarder("r1").catch_up(script.now + 10)) is False
    assert [note.level for note in script.notes] == [logging.WARNING]
    assert len(script.sent) < 10


@pytest.mark.parametrize("late", [0.5, 2.5, 6.5, 9.0, 20.0])
def test_late_lines_are_caught_as_long_as_each_comes_before_it_is_quiet(late: float) -> None:
    arrivals = [0.0, *(late * share for share in (0.3, 0.6, 1.0))]
    _, run, script = serve(log_of(*arrivals))
    script.run(LogForwarder(run.id).drain(60, script.now + 900))
    assert texts(script.records) == [f"line {n}" for n in range(4)]


def test_a_quiet_log_is_complete_after_seven_seconds() -> None:
    _, run, script = serve(log_of(0.0))
    script.run(LogForwarder(run.id).drain(60, script.now + 900))
    assert script.sleeps == list(QUIET_DELAYS)
    assert QUIET == 7


@pytest.mark.parametrize("bound", [0.0, 0.5, 3.0, 10.0, 60.0])
def test_a_log_that_never_gets_quiet_is_waited_for_no_longer_than_the_bound(bound: float) -> None:
    _, run, script = serve(log_of(*(n / 2 for n in range(400))))
    script.run(LogForwarder(run.id).drain(bound, script.now + 900))
    assert sum(script.sleeps) == pytest.approx(bound)


def test_draining_ends_at_its_limit_and_says_what_it_leaves() -> None:
    _, run, script = serve(log_of(*[0.0] * 500, cap=2))
    script.run(LogForwarder(run.id).drain(60, script.now + 5))
    assert 5 <= script.elapsed < 5.2
    assert [note.level for note in script.said("was not read to its end")] == [logging.WARNING]


def test_no_wait_reaches_beyond_the_limit() -> None:
    _, run, script = serve(log_of(0.0))
    script.run(LogForwarder(run.id).drain(60, script.now + 2))
    assert script.elapsed <= 2.1


def test_a_log_that_cannot_be_read_for_the_moment_is_not_quiet() -> None:
    service, run, script = serve(log_of(0.0, 0.0))
    service.fault("getJobRunLogs", *[Fault.ERROR_500] * 8)
    script.run(LogForwarder(run.id).drain(60, script.now + 900))
    assert texts(script.records) == ["line 0", "line 1"]


def test_a_log_that_stays_unreadable_costs_no_more_than_the_bound() -> None:
    script = Script(always(ServerError("getJobRunLogs", 503)))
    script.run(LogForwarder("r1").drain(60, script.now + 900))
    assert sum(script.sleeps) == pytest.approx(60)
    assert len(script.notes) == 1


def test_a_log_that_may_not_be_read_is_given_up_like_a_quiet_one() -> None:
    script = Script(always(PermissionDeniedError("getJobRunLogs", 403)))
    script.run(LogForwarder("r1").drain(60, script.now + 900))
    assert sum(script.sleeps) == QUIET
