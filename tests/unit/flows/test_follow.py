import logging
from datetime import UTC, datetime
from email.utils import formatdate
from itertools import pairwise
from typing import Any

import pytest

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    KeyLimitedError,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    ServerError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.runs.models import Run, RunMetrics
from airflow_provider_wherobots.flows.follow import (
    APPEARANCE_SECONDS,
    HEARTBEAT_SECONDS,
    LAST_LOOK_SECONDS,
    METRICS_SECONDS,
    FollowOptions,
    follow_run,
)
from airflow_provider_wherobots.flows.forward_logs import CATCH_UP_SECONDS
from airflow_provider_wherobots.io.base import Note, Pause
from airflow_provider_wherobots.logs.result import REFUSED_MARKER
from airflow_provider_wherobots.runs.outcome import Ending, Outcome
from airflow_provider_wherobots.runs.summary import RunSummary
from tests.unit.flows.fake_log import T0, FakeLine, FakeLog
from tests.unit.flows.fake_service import FakeRun, FakeService, Fault
from tests.unit.flows.script import REST, START, Answer, Hang, Script, always, answers, by_operation, texts

NO_METRICS = RunMetrics({})


def serve(
    *plan: tuple[float, str], lines: int = 0, faults: tuple[Fault, ...] = (), **details: Any
) -> tuple[FakeService, FakeRun]:
    service = FakeService()
    log = FakeLog([FakeLine(n * 1.0, T0 + n, f"line {n}") for n in range(lines)])
    run = service.add_run("some_name", START, plan=plan, log=log, **details)
    service.fault("getJobRun", *faults)
    return service, run


def follow(service: Answer, *, jitter: float = 0.0, **options: Any) -> tuple[Outcome, Script]:
    script = Script(service, jitter=jitter)
    defaults: dict[str, Any] = {"run_id": "run0", "started_at": START}
    return script.run(follow_run, FollowOptions(**defaults | options)), script


@pytest.mark.parametrize(
    ("status", "ending"), [("FAILED", Ending.FAILED), ("TIMED_OUT", Ending.TIMED_OUT), ("CANCELLED", Ending.CANCELLED)]
)
def test_any_other_end_comes_with_the_reason_and_the_end_of_the_log(status: str, ending: Ending) -> None:
    service, _ = serve((0, "RUNNING"), (30, status), lines=20, app_message="exit code 137")
    outcome, script = follow(service)
    assert (outcome.ending, outcome.status, outcome.reason) == (ending, status, "exit code 137")
    assert bool(outcome.cause) is (ending is Ending.FAILED), "another ending is its own cause"
    assert outcome.log_tail.splitlines()[-1] == "line 19"
    assert texts(script.records) == [f"line {n}" for n in range(20)]


def test_a_run_that_never_started_is_not_waited_for_lines() -> None:
    service, _ = serve((0, "PENDING"), (30, "FAILED"), app_status="DEPLOY_FAILED")
    outcome, script = follow(service)
    assert outcome.ending is Ending.NOT_STARTED
    assert script.elapsed < 50


@pytest.mark.parametrize(("poll_logs", "seconds"), [(True, 300), (False, 30)])
def test_a_long_log_that_nobody_asked_for_is_read_for_half_a_minute(poll_logs: bool, seconds: float) -> None:
    service, run = serve((0, "FAILED"))
    run.log = FakeLog([FakeLine(0.0, T0 + n, f"line {n}") for n in range(300)], cap=2)
    script = Script(service, latency=1.0)
    script.run(follow_run, FollowOptions("run0", START, poll_logs=poll_logs))
    assert seconds <= script.elapsed < seconds + 20


def test_a_traceback_that_comes_late_explains_the_failure_all_the_same() -> None:
    service, run = serve((0, "RUNNING"), (30, "FAILED"))
    run.log = FakeLog([FakeLine(0.0, T0, "started"), FakeLine(35.0, T0 + 1, "ValueError: no such country")])
    outcome, script = follow(service, poll_logs=False)
    assert outcome.log_tail.splitlines() == ["started", "ValueError: no such country"]
    assert outcome.cause is None
    assert script.records == []


@pytest.mark.parametrize("poll_logs", [True, False])
def test_the_probable_cause_is_read_from_the_whole_log_or_from_the_reason(poll_logs: bool) -> None:
    error, gone = "java.lang.OutOfMemoryError: Java heap space", "py4j.protocol.Py4JNetworkError: Answer from Java side"
    for texts_, reason in (([error, *["\tat x"] * 500, gone], "exit code 1"), (["started"], "exit code 137")):
        service, run = serve((0, "RUNNING"), (30, "FAILED"), app_message=reason)
        run.log = FakeLog([FakeLine(0.0, T0 + number, text) for number, text in enumerate(texts_)])
        outcome, _ = follow(service, poll_logs=poll_logs)
        assert outcome.cause is not None
        assert outcome.cause.name.endswith("out of memory")


CUT = "Its log, as far as it could be read:"


def test_a_log_that_could_not_be_read_to_its_end_says_so_and_shows_no_cause() -> None:
    service, run = serve((0, "RUNNING"), (100, "FAILED"), app_message="exit code 1")
    run.log.lines = [FakeLine(n, T0 + n, text) for n, text in enumerate(["MemoryError: tile 7 is halved", "line 1"])]
    run.log.lines += [FakeLine(90, T0 + 90, "ValueError: the reason")]

    def answer(call: Call[Any], moment: float) -> Any:
        if call.operation == "getJobRunLogs" and moment > START + 60:
            raise ServerError(call.operation, 503)
        return service(call, moment)

    outcome, _ = follow(answer)
    assert outcome.describe() == f"Run run0 failed (FAILED): exit code 1\n{CUT}\nMemoryError: tile 7 is halved\nline 1"
    run.app_message = "exit code 137"
    assert (cause := follow(answer)[0].cause) is not None
    assert cause.in_short == "perhaps out of memory (exit code 137)"


def test_while_pending_the_log_is_not_asked_for() -> None:
    service, _ = serve((0, "PENDING"), (100, "RUNNING"), (130, "COMPLETED"), lines=3)
    _, script = follow(service)
    assert script.sent_of("getJobRunLogs")[0].at >= START + 100


@pytest.mark.parametrize(
    ("age", "interval", "delay"),
    [(0, 30, 6), (-50, 30, 6), (60, 30, 6.5), (600, 30, 11), (3_000, 30, 30), (600, 10, 10), (0, 4, 4), (0, 0.5, 2)],
)
def test_the_delay_is_six_seconds_and_grows_to_the_interval(age: float, interval: float, delay: float) -> None:
    options = FollowOptions("run0", START, polling_interval=interval)
    assert options.poll_delay(START + age) == pytest.approx(delay)


@pytest.mark.parametrize(("seconds", "calls"), [(10, 5), (60, 12)])
@pytest.mark.parametrize("jitter", [0.0, 1.0])
def test_a_run_whose_log_nobody_wants_costs_few_calls(seconds: float, calls: int, jitter: float) -> None:
    service, _ = serve((0, "RUNNING"), (seconds, "COMPLETED"), lines=20)
    outcome, script = follow(service, poll_logs=False, is_new=True, jitter=jitter)
    assert outcome.ending is Ending.COMPLETED
    assert script.sent_of("getJobRunLogs") == []
    create = 1
    assert create + len(script.sent) <= calls


def test_a_quiet_log_is_read_when_its_silence_has_doubled_and_at_least_every_interval() -> None:
    service, run = serve((0, "RUNNING"), (400, "COMPLETED"))
    run.log = FakeLog([FakeLine(0.0, T0, "started"), FakeLine(250.0, T0 + 1, "a"), FakeLine(254.0, T0 + 2, "b")])
    _, script = follow(service, polling_interval=20)
    reads = [sent.at - START for sent in script.sent_of("getJobRunLogs") if sent.at < START + 400]
    early = [at for at in reads if at < 60]
    assert len(early) <= 8
    assert all(later - earlier <= max(earlier, 4.0) + 5.5 for earlier, later in pairwise(early))
    assert all(later - earlier <= 20 + 1 for earlier, later in pairwise(reads))
    polls = [sent.at - START for sent in script.sent_of("getJobRun")]
    first_after = next(at for at in polls if at >= 254)
    assert min(abs(at - first_after) for at in reads) < 1, "the poll after new lines reads the log again"


@pytest.mark.parametrize("poll_logs", [True, False])
@pytest.mark.parametrize("started", [0.0, 1.5, 5.9, 6.1, 300.0])
def test_a_new_run_is_polled_after_a_delay_and_an_older_one_at_once(poll_logs: bool, started: float) -> None:
    service, _ = serve((0, "RUNNING"), (900, "COMPLETED"))
    script = Script(service)
    script.moment += started
    script.run(follow_run, FollowOptions("run0", START, poll_logs=poll_logs, is_new=True))
    assert script.sent[0].at - START == pytest.approx(max(6.0, started))
    if started == 0.0:
        assert script.pauses[0] == Pause(6.0, 0.1)


def test_a_new_run_is_polled_a_delay_later_though_the_triggerers_clock_is_behind() -> None:
    service, _ = serve((0, "RUNNING"), (20, "COMPLETED"))
    _, script = follow(service, started_at=START + 3_600, is_new=True)
    assert script.sent[0].at - START == pytest.approx(6.0)


@pytest.mark.parametrize("left", [-100.0, 0.0, 3.0, 5.2])
def test_the_first_poll_of_a_new_run_is_not_after_the_deadline(left: float) -> None:
    service, run = serve((0, "RUNNING"))
    outcome, script = follow(service, deadline=START + left, is_new=True, jitter=1.0)
    assert outcome.ending is Ending.DEADLINE
    assert script.operations[:2] == ["getJobRun", "cancelJobRun"]
    assert run.cancelled_at == pytest.approx(START + max(0.0, left), abs=0.5)


def test_a_new_run_that_ends_before_its_first_poll_has_its_late_lines() -> None:
    """The service's clock may be wrong: the run has not ended before it was created."""
    service, run = serve((0, "RUNNING"), (1, "FAILED"))
    # After the first look: new lines would cause a second one in any case.
    run.log = FakeLog([FakeLine(6.5, T0, "line 0")])
    outcome, script = follow(with_a_wrong_time(service), is_new=True)
    assert outcome.ending is Ending.FAILED
    assert texts(script.records) == ["line 0"]
    assert script.sent_of("getJobRunLogs")[0].at < START + 6.5


def test_while_pending_the_application_tells_how_far_it_is() -> None:
    views = [
        {"id": "run0", "status": status, "kubeApp": {"status": app}}
        for status, app in (
            ("PENDING", "PENDING"),
            ("PENDING", "PREPARING"),
            ("PENDING", "PREPARING"),
            ("PENDING", "DEPLOYING"),
            ("RUNNING", "READY"),
            ("RUNNING", "DESTROYING"),
            ("COMPLETED", "DESTROYED"),
        )
    ]
    service = answers(*map(Run.from_json, views), NO_METRICS)
    _, script = follow(service, poll_logs=False)
    assert [note.text for note in script.notes[:-1]] == [
        "Run run0 is PENDING",
        "Run run0 is PENDING (PREPARING)",
        "Run run0 is PENDING (DEPLOYING)",
        "Run run0 is RUNNING",
        "Run run0 is COMPLETED",
    ]


@pytest.mark.parametrize(("is_new", "starting"), [(True, 24.0), (False, None)])
def test_a_new_run_tells_how_long_its_start_took(is_new: bool, starting: float | None) -> None:
    times = {"createTime": "2026-07-21T08:00:00Z", "startTime": "2026-07-21T08:00:36Z"}
    views = [
        {"id": "run0", "status": status, "kubeApp": {"status": app}, **times}
        for status, app in (("PENDING", "PENDING"), ("PENDING", "PREPARING"), ("RUNNING", "READY"), ("COMPLETED", ""))
    ]
    service = answers(*map(Run.from_json, views), NO_METRICS)
    outcome, script = follow(service, poll_logs=False, is_new=is_new, jitter=0.0)
    assert outcome.summary is not None
    second_poll = script.sent_of("getJobRun")[1].at - START
    assert outcome.summary["starting_seconds"] == (
        None if starting is None else pytest.approx(36 - second_poll, abs=0.1)
    )
    assert starting is None or outcome.summary["starting_seconds"] == pytest.approx(starting, abs=1)


def test_a_heartbeat_every_five_minutes_and_no_word_per_poll() -> None:
    service, _ = serve((0, "RUNNING"), (3_600, "COMPLETED"))
    _, script = follow(service, poll_logs=False)
    beats = [note.text for note in script.said("is still RUNNING after")]
    assert 9 <= len(beats) <= 3_600 / HEARTBEAT_SECONDS
    assert beats[0] == "Run run0 is still RUNNING after 5 minutes"
    assert beats[-1] == "Run run0 is still RUNNING after 57 minutes"
    assert {note.level for note in script.notes} == {logging.INFO}
    assert len(script.notes) == len(beats) + 3


def test_the_deadline_cancels_the_run() -> None:
    service, run = serve((0, "RUNNING"))
    outcome, script = follow(service, deadline=START + 100)
    assert (outcome.ending, outcome.status, outcome.reason) == (Ending.DEADLINE, "RUNNING", "the run was cancelled")
    assert run.cancelled_at == pytest.approx(START + 100, abs=1)
    assert outcome.ended_at == pytest.approx(script.moment, abs=1)
    assert script.elapsed < 101
    assert script.notes == [
        Note(logging.INFO, "Run run0 is RUNNING"),
        Note(logging.WARNING, "The task's execution_timeout was reached: cancelling run run0"),
        Note(logging.INFO, "Cancel of run run0 was accepted"),
        Note(logging.INFO, "Run run0 CANCELLED: queued for less than a second, ran for 1 minute 40 seconds"),
    ]
    assert [(sent.call.operation, sent.timeout) for sent in script.sent[-4:]] == [
        ("cancelJobRun", 10.0),
        ("getJobRunLogs", 5.0),
        ("getJobRun", 5.0),
        ("getJobRunMetrics", 5.0),
    ]


@pytest.mark.parametrize("poll_logs", [True, False])
def test_after_the_cancel_the_deadline_tells_limit_log_and_outcome(poll_logs: bool) -> None:
    spark_ui = ((0.0, "https://spark/1"), (60.0, ""))
    service, _ = serve((0, "RUNNING"), lines=200, metrics={"COST_USD": 2.5}, cancel_seconds=60, spark_ui=spark_ui)
    outcome, script = follow(service, deadline=START + 100, execution_timeout=115.0, poll_logs=poll_logs)
    assert outcome.describe() == (
        "Run run0 was still RUNNING when the task's execution_timeout was reached: the limit is 1 minute 55 seconds; "
        f"the run was cancelled\nThe end of its log:\n{outcome.log_tail}"
    )
    assert outcome.log_tail.splitlines()[-1] == "line 100"
    assert texts(script.records) == ([f"line {n}" for n in range(101)] if poll_logs else [])
    cancelled = script.operations.index("cancelJobRun")
    assert script.operations[cancelled + 1 :] == ["getJobRunLogs", "getJobRun", "getJobRunMetrics"]
    assert outcome.summary is not None
    assert (outcome.summary["status"], outcome.summary["cost_usd"]) == ("RUNNING", 2.5), "as it was last seen"
    assert outcome.summary["spark_ui_url"] == "https://spark/1"
    assert script.notes[-1].text == "Run run0 RUNNING: queued for less than a second, cost 2.50 USD"


def test_what_is_told_after_the_cancel_is_bounded_in_time() -> None:
    service, run = serve((0, "RUNNING"), spark_ui=((0.0, "https://spark/1"),))

    def hangs(call: Any, moment: float) -> Any:
        if run.cancelled_at is not None and call.operation != "cancelJobRun":
            raise Hang
        return service(call, moment)

    outcome, script = follow(hangs, deadline=START + 10)
    assert (outcome.ending, outcome.reason) == (Ending.DEADLINE, "the run was cancelled")
    assert run.cancelled_at == pytest.approx(START + 10, abs=1)
    assert script.elapsed <= 10 + 3 * LAST_LOOK_SECONDS
    summary = RunSummary("run0", "", "RUNNING", spark_ui_url="https://spark/1", cause="the run was cancelled")
    assert outcome.summary == summary.to_json()
    assert script.notes[-3:] == [
        Note(logging.WARNING, f"The log of run run0 could not be read to its end (timed out){REST}"),
        Note(logging.WARNING, "Reading the run failed: timed out; the run's summary is incomplete"),
        Note(logging.INFO, "Run run0 RUNNING"),
    ]


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED"])
def test_a_run_that_had_ended_before_the_cancel_arrived_ended_as_it_did(status: str) -> None:
    service, _ = serve((0, "RUNNING"), (10, status), lines=3)
    outcome, script = follow(service, deadline=START + 9.99, poll_logs=False)
    assert script.operations[-3:] == ["getJobRunLogs", "getJobRun", "getJobRunMetrics"]
    assert (outcome.ending, outcome.status) == (Ending(status.lower()), status)
    assert outcome.ended_at == pytest.approx(START + 10, abs=1)
    assert outcome.summary is not None
    assert outcome.summary["status"] == status


@pytest.mark.parametrize("left", [30.5, 31.0, 32.5, 40.0])
def test_jitter_does_not_carry_a_poll_past_the_deadline(left: float) -> None:
    service, run = serve((0, "RUNNING"))
    _, script = follow(service, started_at=START - 10_000, deadline=START + left, poll_logs=False, jitter=1.0)
    assert run.cancelled_at == pytest.approx(START + left, abs=0.5)
    assert [sent.at for sent in script.sent_of("getJobRun")][-2] == pytest.approx(START + left, abs=0.5)


@pytest.mark.parametrize(("left", "asks"), [(METRICS_SECONDS - 1, False), (METRICS_SECONDS + 1, True)])
def test_metrics_that_may_come_after_the_deadline_are_not_asked_for(left: float, asks: bool) -> None:
    service, _ = serve((0, "COMPLETED"))
    outcome, script = follow(service, started_at=START - 60, deadline=START + left, poll_logs=False)
    assert (outcome.ending, "getJobRunMetrics" in script.operations) == (Ending.COMPLETED, asks)


@pytest.mark.parametrize(
    ("plan", "is_refused"), [(((30, "FAILED"),), True), (((30, "CANCELLED"),), False), ((), False)]
)
def test_a_value_that_the_script_refuses_is_why_it_failed_by_itself(plan: Any, is_refused: bool) -> None:
    service, run = serve((0, "RUNNING"), *plan)
    run.log = FakeLog([FakeLine(1.0, T0, REFUSED_MARKER)])
    assert follow(service, deadline=START + 100)[0].value_refused is is_refused


def test_the_deadline_leaves_the_run_alone_if_told_so() -> None:
    service, run = serve((0, "RUNNING"))
    outcome, script = follow(service, deadline=START + 100, cancel_at_deadline=False)
    assert outcome.ending is Ending.DEADLINE
    assert outcome.reason == "the run was left alone (cancel_on_kill=False)"
    assert outcome.cancel_failed is False
    assert script.said("execution_timeout was reached: leaving alone run run0")
    assert run.cancelled_at is None
    assert "cancelJobRun" not in script.operations


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "CANCELLED"])
def test_how_a_run_ended_before_the_deadline_wins_over_it(status: str) -> None:
    service, _ = serve((0, status), lines=1)
    script = Script(service)
    script.moment += 300
    outcome = script.run(follow_run, FollowOptions("run0", START, deadline=START + 100))
    assert outcome.status == status
    assert outcome.ending is not Ending.DEADLINE
    assert service.cancels == []
    assert texts(script.records) == ["line 0"]


@pytest.mark.parametrize("cancel_seconds", [0.0, 60.0])
@pytest.mark.parametrize("next_at", [115.0, 4_000.0])
def test_what_an_earlier_trigger_cancelled_is_the_timeout(cancel_seconds: float, next_at: float) -> None:
    """The triggerer died between the cancel and the event."""
    service, _ = serve((0, "RUNNING"), cancel_seconds=cancel_seconds, lines=3)
    options = FollowOptions("run0", START, deadline=START + 100, execution_timeout=105.0)
    Script(service).run(follow_run, options)
    script = Script(service)
    script.moment += next_at
    outcome = script.run(follow_run, options)
    assert outcome.ending is Ending.DEADLINE
    was = "was still RUNNING" if cancel_seconds and next_at < 160 else "was cancelled"
    assert outcome.describe().startswith(
        f"Run run0 {was} when the task's execution_timeout was reached: the limit is 1 minute 45 seconds; "
        "the run was cancelled\n"
    )


def test_a_cancelled_run_is_no_timeout_if_the_deadline_leaves_it_alone() -> None:
    service, _ = serve((0, "RUNNING"), (150, "CANCELLED"))
    script = Script(service)
    script.moment += 300
    options = FollowOptions("run0", START, deadline=START + 100, cancel_at_deadline=False)
    assert script.run(follow_run, options).ending is Ending.CANCELLED


@pytest.mark.parametrize("fault", list(Fault))
def test_an_outage_is_tolerated_with_one_warning_and_one_line_at_its_end(fault: Fault) -> None:
    service, _ = serve((0, "RUNNING"), (300, "COMPLETED"), faults=(fault,) * 3)
    outcome, script = follow(service, poll_logs=False)
    assert outcome.ending is Ending.COMPLETED
    assert [note.level for note in script.said("the run is not affected; polling continues")] == [logging.WARNING]
    assert Note(logging.INFO, "The Runs API responds again, after 3 failed attempts") in script.notes
    assert service.cancels == []
    # Three failures, waited out for 1, 2 and 4 s, whatever the lost calls took.
    assert outcome.outage_seconds >= 7.0
    assert outcome.outage_seconds <= script.elapsed


@pytest.mark.parametrize("limit", [60.0, 600.0])
def test_an_outage_that_is_too_long_loses_sight_and_leaves_the_run_alone(limit: float) -> None:
    service, run = serve((0, "RUNNING"))

    def answer(call: Any, moment: float) -> Any:
        if moment > START + 60:
            raise NotSentError(call.operation, "connection refused")
        return service(call, moment)

    script = Script(answer)
    outcome = script.run(follow_run, FollowOptions("run0", START, max_outage_seconds=limit))
    assert (outcome.ending, outcome.status) == (Ending.GAVE_UP, "RUNNING")
    assert outcome.reason == (
        f"Reading the run failed: connection refused; given up after {limit / 60:.0f} minute{'s' * (limit > 60)} of "
        f"failures (max_outage_seconds={limit:g})"
    )
    assert limit <= script.elapsed - 60 < limit + 60
    assert outcome.outage_seconds == pytest.approx(limit, abs=1)
    assert run.cancelled_at is None


REFUSED_KEYS = [AuthenticationError("getJobRun", 401), PermissionDeniedError("getJobRun", 403)]


@pytest.mark.parametrize("is_new", [True, False])
def test_a_run_that_is_not_found_for_a_minute_is_lost_from_sight_and_left_alone(is_new: bool) -> None:
    error = NotFoundError("getJobRun", 404)
    outcome, script = follow(always(error), started_at=START - 1_000, is_new=is_new)
    assert outcome.ending is Ending.GAVE_UP
    assert outcome.run_id == "run0"
    assert outcome.reason == str(error)
    assert outcome.outage_seconds == pytest.approx(60, abs=1)
    assert set(script.operations) == {"getJobRun"}


@pytest.mark.parametrize("error", REFUSED_KEYS)
@pytest.mark.parametrize("is_new", [True, False])
def test_a_refused_key_is_an_outage_as_it_has_worked_before(error: WherobotsApiError, is_new: bool) -> None:
    """The task has created its run with it, or found it. Each time the connection is read again."""
    outcome, script = follow(always(error), started_at=START - 1_000, is_new=is_new, max_outage_seconds=300)
    assert outcome.ending is Ending.GAVE_UP
    assert outcome.outage_seconds == pytest.approx(300, abs=1)
    assert outcome.reason.endswith("given up after 5 minutes of failures (max_outage_seconds=300)")
    assert set(script.operations) == {"getJobRun"}
    assert script.reloads == len(script.sent) > 10


def test_a_refusal_at_the_end_of_an_outage_ends_nothing() -> None:
    service, _ = serve((0, "RUNNING"), (400, "COMPLETED"), faults=(Fault.ERROR_500,) * 9)
    refused = iter([NotFoundError("getJobRun", 404)])

    def gateway(call: Any, moment: float) -> Any:
        if moment > START + 130:
            for error in refused:
                raise error
        return service(call, moment)

    outcome, script = follow(gateway, started_at=START - 1_000)
    assert outcome.ending is Ending.COMPLETED
    assert script.said("responds again, after 10 failed attempts")


def test_a_deadline_within_an_outage_is_kept() -> None:
    service, run = serve((0, "RUNNING"), faults=(Fault.ERROR_500,) * 50)
    outcome, script = follow(service, deadline=START + 100)
    assert outcome.ending is Ending.DEADLINE
    assert run.cancelled_at == pytest.approx(START + 100, abs=1)
    assert outcome.status == "PENDING"
    assert outcome.outage_seconds == pytest.approx(100, abs=1)
    assert [pause.jitter for pause in script.pauses] == [0.2] * 7 + [0.0]


def test_a_run_unknown_shortly_after_its_creation_is_asked_for_again() -> None:
    service, _ = serve((0, "RUNNING"), (80, "COMPLETED"), gettable_at=START + APPEARANCE_SECONDS - 5)
    outcome, script = follow(service)
    assert outcome.ending is Ending.COMPLETED
    assert all(note.level == logging.INFO for note in script.notes)


def test_a_log_too_large_to_keep_up_with_does_not_keep_the_status_from_being_asked() -> None:
    service, run = serve((0, "RUNNING"), (60, "COMPLETED"))
    run.log = FakeLog([FakeLine(0.0, T0 + n, f"line {n}") for n in range(300)], cap=2)
    script = Script(service, latency=0.5)
    outcome = script.run(follow_run, FollowOptions("run0", START))
    assert outcome.ending is Ending.COMPLETED
    times = [sent.at for sent in script.sent_of("getJobRun")]
    assert max(later - earlier for earlier, later in pairwise(times)) < 12
    assert texts(script.records) == [f"line {n}" for n in range(300)]


def test_a_service_that_takes_long_to_answer_does_not_keep_the_log_from_being_read() -> None:
    service, _ = serve((0, "RUNNING"), (300, "COMPLETED"), lines=5)
    script = Script(service, latency=CATCH_UP_SECONDS + 1)
    script.run(follow_run, FollowOptions(run_id="run0", started_at=START))
    assert script.operations[:4] == ["getJobRun", "getJobRunLogs", "getJobRun", "getJobRunLogs"]


@pytest.mark.parametrize(("seconds", "times"), [(59.0, 0), (60.0, 1)])
def test_a_key_that_is_limited_for_long_is_logged_once_in_five_minutes(seconds: float, times: int) -> None:
    limited = KeyLimitedError("getJobRun", seconds)
    run = Run.from_json({"id": "run0", "status": "COMPLETED"})
    polls = answers(limited, limited, run)
    _, script = follow(by_operation(getJobRun=polls, getJobRunMetrics=always(NO_METRICS)), poll_logs=False)
    assert len(script.said(str(limited))) == times


def with_a_wrong_time(service: FakeService) -> Answer:
    """The service, but a run's end is five hours early."""

    def answer(call: Any, moment: float) -> Any:
        found = service(call, moment)
        if isinstance(found, Run) and found.is_terminal:
            end = datetime.fromtimestamp(moment - 5 * 3600, UTC)
            return Run.from_json({**found.raw, "completeTime": end.isoformat()}).with_response_time(
                formatdate(moment, usegmt=True)
            )
        return found

    return answer


def test_a_run_cannot_have_ended_before_it_was_last_seen_running() -> None:
    """Clocks differ, and so may time zones: late lines are waited for all the same."""
    service, run = serve((0, "RUNNING"), (13, "COMPLETED"))
    run.log.lines += [FakeLine(0.0, T0, "line 0"), FakeLine(19.0, T0 + 1, "line 1")]
    _, script = follow(with_a_wrong_time(service))
    assert texts(script.records) == ["line 0", "line 1"]
    assert script.sent_of("getJobRun")[-1].at < START + 19, "the line came after the end was seen"


def test_the_address_of_the_spark_ui_is_made_known_once_as_soon_as_there_is_one() -> None:
    service, _ = serve(
        (0, "PENDING"), (20, "RUNNING"), (100, "COMPLETED"), spark_ui=((40, "https://spark/1"), (99, ""))
    )
    outcome, script = follow(service)
    assert script.published == [("spark_ui_url", "https://spark/1")]
    assert script.said("Spark UI") == [Note(logging.INFO, "Spark UI: https://spark/1")]
    told = [note.text for note in script.notes]
    assert told.index("Run run0 is RUNNING") < told.index("Spark UI: https://spark/1") < len(told) - 1
    assert outcome.summary is not None
    assert outcome.summary["spark_ui_url"] == "https://spark/1"


def test_another_address_of_the_spark_ui_is_made_known_too() -> None:
    service, _ = serve((0, "RUNNING"), (100, "COMPLETED"), spark_ui=((0, "https://spark/1"), (50, "http://spark/2")))
    _, script = follow(service, poll_logs=False)
    assert script.published == [("spark_ui_url", "https://spark/1"), ("spark_ui_url", "http://spark/2")]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "spark/1", "https://a b", "https://u:p@spark/"])
def test_what_is_no_web_address_is_no_address_of_the_spark_ui(url: str) -> None:
    service, _ = serve((0, "RUNNING"), (30, "COMPLETED"), spark_ui=((0, url),))
    outcome, script = follow(service, poll_logs=False)
    assert (script.published, script.said("Spark UI")) == ([], [])
    assert outcome.summary is not None
    assert outcome.summary["spark_ui_url"] is None


@pytest.mark.parametrize(
    ("options", "deferred", "words"),
    [
        (
            FollowOptions("r1", START),
            True,
            "Deferred. Polling run r1 every 6 to 30 s",
        ),
        (
            FollowOptions("r1", START, deadline=START + 90.5, polling_interval=0.5, poll_logs=False),
            False,
            "Not deferred. Polling run r1 every 2 s; giving up at 2025-06-15 15:08:10 UTC; its log is not copied",
        ),
    ],
)
def test_what_is_followed_and_how_is_said_in_one_line(options: FollowOptions, deferred: bool, words: str) -> None:
    assert options.describe(deferred) == words


def test_a_cancel_that_is_refused_at_the_deadline_leaves_time_for_the_log() -> None:
    service = FakeService()
    service.add_run("some_name", START, plan=((0, "RUNNING"),))
    refused = always(PermissionDeniedError("cancelJobRun", 403))
    script = Script(
        by_operation(cancelJobRun=refused, getJobRun=service, getJobRunLogs=service, getJobRunMetrics=service)
    )
    outcome = script.run(follow_run, FollowOptions("run0", START, deadline=START + 90))
    assert (outcome.ending, outcome.reason) == (Ending.DEADLINE, "cancelling the run failed")
    assert script.elapsed < 100


@pytest.mark.parametrize("hanging", ["getJobRun", "getJobRunLogs"])
def test_a_call_that_hangs_does_not_delay_the_cancel_at_the_deadline(hanging: str) -> None:
    service = FakeService()
    service.add_run("some_name", START, plan=((0, "RUNNING"),))

    def answer(call: Call[Any], moment: float) -> Any:
        if call.operation == hanging and moment > START + 50:
            raise Hang
        return service(call, moment)

    script = Script(answer)
    outcome = script.run(follow_run, FollowOptions("run0", START, deadline=START + 90))
    assert outcome.ending is Ending.DEADLINE
    assert [moment for _, moment in service.cancels] == [pytest.approx(START + 90, abs=1.1)]
