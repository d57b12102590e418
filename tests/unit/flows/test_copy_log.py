"""A run's log, copied when the task resumes: whole, marked, bounded, and never a failure of the task."""

import logging
from typing import Any

import pytest

from airflow_provider_wherobots.api.errors import PermissionDeniedError, ResponseTooLargeError, ServerError
from airflow_provider_wherobots.flows.copy_log import COPY_SECONDS, begin_of_copy, copy_log, end_of_copy
from airflow_provider_wherobots.flows.follow import FollowOptions, follow_run
from tests.unit.flows.fake_log import T0, FakeLine, FakeLog
from tests.unit.flows.fake_service import FakeService
from tests.unit.flows.script import START, Hang, Script, always, texts

BEGIN, END = begin_of_copy("run0", "all"), end_of_copy("run0")


def service_of(*lines: str, cap: int = 1000) -> FakeService:
    """A service with one run, whose log has these lines."""
    service = FakeService()
    log = FakeLog([FakeLine(0.0, T0 + n * 10**6, text) for n, text in enumerate(lines)], cap=cap)
    service.add_run("some_name", START, log=log, plan=((0.0, "RUNNING"), (10.0, "COMPLETED")))
    return service


def script_of(*lines: str, cap: int = 1000, latency: float = 0.05) -> Script:
    return Script(service_of(*lines, cap=cap), latency=latency)


def test_the_whole_log_is_copied_between_marks_that_stay_next_to_it_when_airflow_sorts_by_time() -> None:
    lines = [f"line {n}" for n in range(2500)]
    script = script_of(*lines)
    script.run(copy_log("run0", COPY_SECONDS, failed=False))
    assert texts(script.records) == [BEGIN, *lines, END]
    assert [record.time_ns for record in script.records[:2]] == [T0, T0]
    assert script.records[-1].time_ns == script.records[-2].time_ns
    assert {record.level for record in script.records} == {logging.INFO}
    assert BEGIN == "Log of run run0, copied when the task resumed (copy_log_on_resume = all):"
    assert (script.sleeps, script.notes) == ([], [])


def test_a_log_that_is_too_long_for_the_time_ends_with_the_limit() -> None:
    script = script_of(*(f"line {n}" for n in range(1000)), cap=100, latency=2.0)
    script.run(copy_log("run0", 5.0, failed=False))
    assert texts(script.records)[0] == BEGIN
    assert texts(script.records)[-1] == f"{END}: cut off after 5 seconds"
    assert [note.text for note in script.notes] == ["The log of run run0 was not read to its end within the time limit"]


def test_after_the_deadline_nothing_is_read() -> None:
    script = script_of("a line")
    script.run(copy_log("run0", -1.0, failed=False))
    assert (script.sent, script.records) == ([], [])
    assert script.notes[0].level == logging.WARNING


def test_an_empty_log_has_no_marks() -> None:
    script = script_of()
    script.run(copy_log("run0", COPY_SECONDS, failed=False))
    assert (script.records, script.notes) == ([], [])


def test_a_log_that_cannot_be_read_is_a_warning() -> None:
    script = Script(always(PermissionDeniedError("getJobRunLogs", 403)))
    script.run(copy_log("run0", COPY_SECONDS, failed=False))
    assert [(note.level, note.text) for note in script.notes] == [
        (logging.WARNING, "The log of run run0 could not be read (getJobRunLogs: 403: no body)")
    ]
    assert script.records == []


@pytest.mark.parametrize(("failures", "ends"), [(1, END), (5, END), (30, f"{END}: incomplete")])
def test_pages_that_fail_for_a_while_are_read_again(failures: int, ends: str) -> None:
    lines = [f"line {n}" for n in range(2500)]
    service, answered = service_of(*lines), 0

    def gateway(call: Any, moment: float) -> Any:
        nonlocal answered, failures
        if answered == 2 and failures:
            failures -= 1
            raise ServerError("getJobRunLogs", 502)
        answered += 1
        return service(call, moment)

    script = Script(gateway)
    script.run(copy_log("run0", COPY_SECONDS, failed=False))
    copied = texts(script.records)
    assert (copied[0], copied[-1]) == (BEGIN, ends)
    assert copied[1:-1] == lines[: len(copied) - 2]
    assert (len(copied) == 2502) is (ends == END)
    assert script.elapsed < 70


def test_a_log_that_does_not_respond_holds_the_worker_for_a_minute_or_two() -> None:
    for seconds, longest in ((COPY_SECONDS, 150), (100.0, 102)):
        script = Script(always(Hang()))
        script.run(copy_log("run0", seconds, failed=False))
        assert script.elapsed < longest
        assert script.records == []


def test_a_page_that_hangs_shortly_before_the_deadline_delays_it_by_a_second() -> None:
    service = service_of(*(f"line {n}" for n in range(2500)), cap=10)

    def hanging(call: Any, moment: float) -> Any:
        if moment > START + 118:
            raise Hang
        return service(call, moment)

    script = Script(hanging, latency=1.0)
    script.run(copy_log("run0", 120.0, failed=False))
    assert script.elapsed < 122
    assert texts(script.records)[-1] == f"{END}: cut off after 2 minutes"


def test_failures_with_good_pages_between_them_are_not_in_a_row() -> None:
    service, calls = service_of(*(f"line {n}" for n in range(60_000))), 0

    def gateway(call: Any, moment: float) -> Any:
        nonlocal calls
        calls += 1
        if calls in (20, 40):
            raise ServerError("getJobRunLogs", 502)
        return service(call, moment)

    script = Script(gateway, latency=3.0)
    script.run(copy_log("run0", COPY_SECONDS, failed=False))
    assert (len(script.records), texts(script.records)[-1]) == (60_002, END)


def test_a_line_that_is_too_long_makes_the_copy_incomplete() -> None:
    def too_large(call: Any, moment: float) -> Any:
        if script.records:
            raise ResponseTooLargeError("getJobRunLogs", 16_000_000)
        return service(call, moment)

    service = service_of(*(f"line {n}" for n in range(2500)))
    script = Script(too_large)
    script.run(copy_log("run0", COPY_SECONDS, failed=False))
    assert texts(script.records)[-1] == f"{END}: incomplete"


def test_the_stack_trace_that_ended_a_failed_run_is_an_error_in_the_copy_too() -> None:
    lines = ["12:00:00 WARN a", "java.lang.IllegalStateException: b", "\tat c.d(E.java:1)"]
    for failed, level in ((True, logging.ERROR), (False, logging.WARNING)):
        script = script_of(*lines)
        script.run(copy_log("run0", COPY_SECONDS, failed=failed))
        assert texts(script.records) == [BEGIN, *lines, END]
        assert [record.level for record in script.records[2:4]] == [level, level]


def test_the_end_of_the_log_of_a_completed_run_is_in_the_outcome_if_the_task_wants_to_copy_it() -> None:
    for keep, tail in ((True, "first\nlast"), (False, "")):
        script = script_of("first", "last")
        assert script.run(follow_run(FollowOptions("run0", START, keep_log_tail=keep))).log_tail == tail
