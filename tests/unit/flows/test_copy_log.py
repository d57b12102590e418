"""A run's log, copied when the task resumes: whole, bounded, and never a failure of the task."""

import logging
from typing import Any

import pytest

from airflow_provider_wherobots.api.errors import PermissionDeniedError, ResponseTooLargeError, ServerError
from airflow_provider_wherobots.flows.follow import COPY_SECONDS, copy_log
from tests.unit.flows.fake_log import T0, FakeLine, FakeLog
from tests.unit.flows.fake_service import FakeService
from tests.unit.flows.script import REST, START, Hang, Script, always, texts

BEGIN = "Copying the log of run run0 (copy_log_on_resume). Airflow shows its lines at their own times"
END = "Copied the log of run run0"


def service_of(*lines: str, cap: int = 1000) -> FakeService:
    """A service with one run, whose log has these lines."""
    service = FakeService()
    log = FakeLog([FakeLine(0.0, T0 + n * 10**6, text) for n, text in enumerate(lines)], cap=cap)
    service.add_run("some_name", START, log=log, plan=((0.0, "RUNNING"), (10.0, "COMPLETED")))
    return service


def script_of(*lines: str, cap: int = 1000, latency: float = 0.05) -> Script:
    return Script(service_of(*lines, cap=cap), latency=latency)


def said(script: Script) -> list[str]:
    return [note.text for note in script.notes]


def test_the_whole_log_is_copied_with_its_own_times() -> None:
    lines = [f"line {n}" for n in range(2500)]
    script = script_of(*lines)
    script.run(copy_log, "run0", COPY_SECONDS)
    assert texts(script.records) == lines
    assert [record.time_ns for record in script.records] == [T0 + n * 10**6 for n in range(2500)]
    assert said(script) == [BEGIN, END]


def test_a_log_that_is_too_long_for_the_time_is_cut_and_said() -> None:
    script = script_of(*(f"line {n}" for n in range(1000)), cap=100, latency=2.0)
    script.run(copy_log, "run0", 5.0)
    assert 0 < len(script.records) < 1000
    assert said(script) == [BEGIN, f"The log of run run0 was not read to its end within the time limit{REST}"]


def test_a_log_that_cannot_be_read_is_a_warning() -> None:
    script = Script(always(PermissionDeniedError("getJobRunLogs", 403)))
    script.run(copy_log, "run0", COPY_SECONDS)
    assert said(script) == [
        BEGIN,
        f"The log of run run0 could not be read to its end (403: no body){REST}",
    ]
    assert script.notes[-1].level == logging.WARNING


@pytest.mark.parametrize(("failures", "is_whole"), [(1, True), (5, True), (30, False)])
def test_pages_that_fail_for_a_while_are_read_again(failures: int, is_whole: bool) -> None:
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
    script.run(copy_log, "run0", COPY_SECONDS)
    copied = texts(script.records)
    assert copied == lines[: len(copied)]
    assert (len(copied) == 2500) is (said(script)[-1] == END) is is_whole
    assert script.elapsed < 70


def test_a_page_that_hangs_shortly_before_the_deadline_does_not_pass_it() -> None:
    service = service_of(*(f"line {n}" for n in range(2500)), cap=10)

    def hanging(call: Any, moment: float) -> Any:
        if moment > START + 118:
            raise Hang
        return service(call, moment)

    script = Script(hanging, latency=1.0)
    script.run(copy_log, "run0", 120.0)
    assert script.elapsed < 124


def test_a_line_that_is_too_long_makes_the_copy_incomplete() -> None:
    def too_large(call: Any, moment: float) -> Any:
        if script.records:
            raise ResponseTooLargeError("getJobRunLogs", 16_000_000)
        return service(call, moment)

    service = service_of(*(f"line {n}" for n in range(2500)))
    script = Script(too_large)
    script.run(copy_log, "run0", COPY_SECONDS)
    assert END not in said(script)
