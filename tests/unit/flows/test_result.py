"""A run's result through the flows: found whoever reads the log, once, whatever happens meanwhile."""

import json
import logging
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from airflow_provider_wherobots.api.errors import ServerError
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.flows.follow import DRAIN_SECONDS, TAIL_SECONDS, FollowOptions, follow_run, settle_run
from airflow_provider_wherobots.runs.outcome import Ending, Outcome
from airflow_provider_wherobots.runs.summary import RunSummary
from tests.unit.flows.fake_log import T0, FakeLine, FakeLog
from tests.unit.flows.fake_service import FakeRun, FakeService
from tests.unit.flows.script import START, Script, always, by_operation, texts

RESULT = '{"rows": 3}'
PRINTED = f"airflow-result: {RESULT}"


def serve(*raws: str, status: str = "COMPLETED", last_arrives: float = 5.0) -> tuple[FakeService, FakeRun]:
    service = FakeService()
    lines = [FakeLine(last_arrives, T0 + number, raw) for number, raw in enumerate(raws)]
    run = service.add_run("some_name", START, plan=((0, "RUNNING"), (30, status)), log=FakeLog(lines))
    return service, run


def follow(service: Any, **options: Any) -> tuple[Outcome, Script]:
    script = Script(service)
    return script.run(follow_run, FollowOptions("run0", START, **options)), script


def refusals(script: Script) -> list[str]:
    notes = script.said("is not used as the run's result")
    assert all(note.level == logging.WARNING for note in notes)
    return [note.text for note in notes]


@pytest.mark.parametrize("poll_logs", [True, False])
@pytest.mark.parametrize("last_arrives", [5.0, 33.0], ids=["while it runs", "after its end"])
def test_the_result_comes_with_the_outcome_and_its_line(poll_logs: bool, last_arrives: float) -> None:
    service, _ = serve("before", PRINTED, "after", last_arrives=last_arrives)
    outcome, script = follow(service, poll_logs=poll_logs, return_result=True)
    assert outcome.result == RESULT
    assert texts(script.records) == (["before", PRINTED, "after"] if poll_logs else [])
    assert refusals(script) == []
    assert Outcome.from_event(json.loads(json.dumps(outcome.to_event()))) == outcome


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "CANCELLED"])
def test_a_run_that_ends_badly_may_have_a_result(status: str) -> None:
    outcome, _ = follow(serve(PRINTED, status=status)[0])
    assert (outcome.status, outcome.result) == (status, RESULT)


def test_a_run_that_is_stopped_at_the_deadline_has_none() -> None:
    outcome, _ = follow(serve(PRINTED)[0], deadline=START + 20)
    assert (outcome.ending, outcome.result) == (Ending.DEADLINE, None)


def test_a_malformed_line_is_one_warning_with_the_line_and_does_not_decide_the_state() -> None:
    outcome, script = follow(serve("airflow-result: {'rows': 3}\x07", PRINTED, "airflow-result: [NaN]")[0])
    assert (outcome.ending, outcome.result) == (Ending.COMPLETED, RESULT)
    assert not outcome.has_wrong_result
    assert refusals(script) == [
        "A line is not used as the run's result, because it is not JSON (which has no NaN): airflow-result: [NaN]"
    ]


def test_the_warning_about_a_line_is_bounded_and_safe() -> None:
    line = f"airflow-result: \x07\u202e{'x' * 100_000}"
    _, script = follow(serve(line)[0])
    (warning,) = refusals(script)
    assert len(warning) < 400
    assert warning.isprintable()
    assert "\\x07" in warning


def test_a_malformed_line_counts_only_if_nothing_else_can_follow_it() -> None:
    for printed in ("airflow-result: [NaN]", "INFO airflow-result: 1"):
        outcome, _ = follow(serve(printed)[0])
        assert outcome.has_wrong_result
        assert not replace(outcome, log_is_cut=True).has_wrong_result


@pytest.mark.parametrize("return_result", [True, False])
def test_without_poll_logs_an_unreadable_log_matters_only_for_the_result(return_result: bool) -> None:
    service, _ = serve(PRINTED)
    broken = always(ServerError("getJobRunLogs", 503))
    answer = by_operation(getJobRun=service, getJobRunMetrics=service, getJobRunLogs=broken)
    outcome, script = follow(answer, poll_logs=False, return_result=return_result)
    assert (outcome.ending, outcome.result) == (Ending.COMPLETED, None)
    warnings = [note.text for note in script.notes if note.level >= logging.WARNING]
    assert len(warnings) == return_result
    assert all("The log of run run0 could not be read to its end (" in warning for warning in warnings)


def read_a_long_log(flow: Any, seconds_per_page: float) -> tuple[Outcome, float, Script]:
    """Read a log of sixty pages, with the result on the last, and say how long that took."""
    service, run = serve()
    run.log = FakeLog([FakeLine(0, T0 + number, "line") for number in range(600)], cap=10)
    run.log.lines.append(FakeLine(0, T0 + 600, PRINTED))
    script = Script(service, latency=seconds_per_page)
    outcome = script.run(flow)
    read = script.sent_of("getJobRunLogs")
    return outcome, read[-1].at - read[0].at, script


@pytest.mark.parametrize("was_followed", [True, False])
def test_a_result_that_is_asked_for_is_read_as_patiently_as_a_log(was_followed: bool) -> None:
    options = FollowOptions("run0", START, poll_logs=False, return_result=True)
    settle = partial(settle_run, run=Run.from_json({"id": "run0", "status": "COMPLETED"}))
    outcome, seconds, _ = read_a_long_log(partial(follow_run if was_followed else settle, options=options), 1.0)
    assert seconds > TAIL_SECONDS
    assert outcome.result == RESULT


def test_reading_for_a_result_ends_in_any_case() -> None:
    options = FollowOptions("run0", START, poll_logs=False, return_result=True)
    outcome, seconds, script = read_a_long_log(partial(follow_run, options=options), 20.0)
    assert seconds <= DRAIN_SECONDS
    assert outcome.result is None
    assert script.said("was not read to its end within the time limit. Read the rest on the run's page")


def test_a_run_that_ended_while_nobody_followed_it_is_read_for_its_result() -> None:
    service, _ = serve("before", PRINTED)
    script = Script(service)
    script.moment = START + 300
    spark_ui = {"appMeta": {"spark_ui_url": "https://spark/1"}}
    run = Run.from_json({"id": "run0", "status": "COMPLETED", "kubeApp": spark_ui})
    outcome = script.run(settle_run, run, FollowOptions("run0", START, poll_logs=False, return_result=True))
    # One request took as long.
    summary = RunSummary("run0", "", "COMPLETED", spark_ui_url="https://spark/1", log_seconds=0.05).to_json()
    assert outcome == Outcome(
        Ending.COMPLETED, "run0", "COMPLETED", ended_at=START + 300, summary=summary, result=RESULT
    )
    assert script.records == []
