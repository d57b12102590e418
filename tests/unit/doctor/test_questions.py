"""What each question reads from a trial, and what that means."""

import math
from typing import Any

import pytest

from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.doctor import job
from airflow_provider_wherobots.doctor.checks import Check, State
from airflow_provider_wherobots.doctor.trial import CANCEL, LOG, QUESTIONS, TIMEOUT, Plan, Trial, checks_of
from airflow_provider_wherobots.logs.records import LogRecord
from airflow_provider_wherobots.runs.outcome import Ending, Outcome

CREATED, COMPLETED, CANCELLED, TIMED_OUT, LEAVES_OUT_PENDING, BY_NAME, TASK_LOG, LATE = (
    question.text for question in QUESTIONS
)
ASSUMED, HANDLED, DIFFERS, NOT_CHECKED = State.ASSUMED, State.HANDLED, State.DIFFERS, State.NOT_CHECKED

ENDED_AT = 1_750_000_000.0
PLAN = Plan("0123456789ab", "s3://bucket/job.py", region="aws-us-west-2")
PRINTED = [*job.ERROR_LINES, *job.LINES]


def outcome(status: str, ending: Ending, reason: str = "", **summary: Any) -> Outcome:
    return Outcome(ending, "r1", status, reason, ended_at=ENDED_AT, summary=summary)


def answer(trial: Trial, question: str) -> tuple[str, State]:
    (check,) = (check for check in checks_of(trial) if check.name == question)
    return check.text, check.state


def trial_of(role: str, *given: Any, **summary: Any) -> Trial:
    return Trial(PLAN, outcomes={role: outcome(*given, **summary)})


def with_log(*lines: str, at: float = -1.0, later: tuple[str, ...] = ()) -> Trial:
    """A run whose task log has the lines, which were read so many seconds after its end."""
    trial = trial_of(LOG, "COMPLETED", Ending.COMPLETED)
    trial.printing_run = Run("r1", "a_run", "COMPLETED")
    trial.forwarded = [(ENDED_AT + at, LogRecord(1, 20, line)) for line in lines]
    trial.in_task_log = len(trial.forwarded)
    trial.forwarded += [(ENDED_AT + 30.0, LogRecord(1, 20, line)) for line in later]
    return trial


def test_nothing_was_observed() -> None:
    assert {(check.text, check.state) for check in checks_of(Trial(PLAN))} == {
        ("No run was observed that shows it.", NOT_CHECKED)
    }


def test_advice_is_given_only_if_something_differs() -> None:
    trial = trial_of(LOG, "COMPLETED", Ending.COMPLETED)
    trial.outcomes[TIMEOUT] = outcome("COMPLETED", Ending.COMPLETED)
    found: dict[str, Check] = {check.name: check for check in checks_of(trial)}
    assert found[COMPLETED].advice == ""
    assert "execution_timeout" in found[TIMED_OUT].advice


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("yes", ASSUMED)),
        ({"timeoutSeconds": 100}, ("timeoutSeconds: 900 became 100", HANDLED)),
        ({"runtime": "small", "version": "2.1"}, ("runtime: tiny became small", HANDLED)),
        ({"runtime": None}, ("yes", ASSUMED)),
        ({"regionName": "aws-eu-west-1"}, ("region: aws-us-west-2 became aws-eu-west-1", HANDLED)),
    ],
)
def test_what_the_service_keeps_of_a_create(changes: dict[str, Any], expected: tuple[str, State]) -> None:
    app = {"regionName": changes.get("regionName", "aws-us-west-2")}
    payload = {"runtime": "tiny", "version": "latest", "timeoutSeconds": 900, **changes}
    view = {"id": "r1", "status": "COMPLETED", "kubeApp": app, "payload": payload}
    assert answer(Trial(PLAN, printing_run=Run.from_json(view)), CREATED) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("COMPLETED", Ending.COMPLETED), ("yes, after 20.0 s in the status PENDING", ASSUMED)),
        (("RUNNING", Ending.DEADLINE), ("it did not end in time: the run was still RUNNING", DIFFERS)),
        (("PENDING", Ending.GAVE_UP, "401"), ("it did not end in time: the run was still PENDING (401)", DIFFERS)),
        (("FAILED", Ending.FAILED), ("FAILED: without a reason", DIFFERS)),
    ],
)
def test_whether_a_run_completes(given: Any, expected: tuple[str, State]) -> None:
    assert answer(trial_of(LOG, *given, queued_seconds=20.0), COMPLETED) == expected


@pytest.mark.parametrize(
    ("given", "after", "expected"),
    [
        (("CANCELLED", Ending.CANCELLED), 10, ("CANCELLED after 10.0 s", ASSUMED)),
        (("CANCELLED", Ending.CANCELLED), 100, ("CANCELLED after 100.0 s", HANDLED)),
        (("FAILED", Ending.FAILED), 10, ("FAILED after 10.0 s", DIFFERS)),
        (("RUNNING", Ending.DEADLINE), 400, ("it did not end in time: the run was still RUNNING", DIFFERS)),
    ],
)
def test_cancels(given: Any, after: float, expected: tuple[str, State]) -> None:
    trial = trial_of(CANCEL, *given)
    assert answer(trial, CANCELLED)[1] is NOT_CHECKED
    trial.cancelled_at = ENDED_AT - after
    assert answer(trial, CANCELLED) == expected


@pytest.mark.parametrize(
    ("status", "ending", "state"),
    [
        ("TIMED_OUT", Ending.TIMED_OUT, ASSUMED),
        ("FAILED", Ending.TIMED_OUT, ASSUMED),
        ("CANCELLED", Ending.CANCELLED, ASSUMED),
        ("COMPLETED", Ending.COMPLETED, DIFFERS),
        ("RUNNING", Ending.DEADLINE, DIFFERS),
    ],
)
def test_the_status_after_a_timeout(status: str, ending: Ending, state: State) -> None:
    text, found = answer(trial_of(TIMEOUT, status, ending), TIMED_OUT)
    assert status in text
    assert found is state


@pytest.mark.parametrize(
    ("queued", "ran", "expected", "state"),
    [
        (20.0, 30.0, "yes: it was PENDING for 20.0 s and ran for 30.0 s, with 30 s", ASSUMED),
        (20.0, 11.0, "no: it was PENDING for 20.0 s and ran for 11.0 s, with 30 s", HANDLED),
        (None, None, "no: it ended before it ran", HANDLED),
        (0.5, 30.0, "it was PENDING too briefly to tell", NOT_CHECKED),
    ],
)
def test_whether_pending_counts(queued: float | None, ran: float | None, expected: str, state: State) -> None:
    trial = trial_of(TIMEOUT, "TIMED_OUT", Ending.TIMED_OUT, queued_seconds=queued, ran_seconds=ran)
    text, found = answer(trial, LEAVES_OUT_PENDING)
    assert text.startswith(expected)
    assert found is state


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.0, ("yes, 0.0 s after its create", ASSUMED)), (math.inf, ("not within 30 seconds", DIFFERS))],
)
def test_whether_a_retry_finds_its_run(seconds: float, expected: tuple[str, State]) -> None:
    assert answer(Trial(PLAN, listed_seconds=seconds), BY_NAME) == expected


def test_a_task_log_with_every_line() -> None:
    trial = with_log("a line of the service's own", *PRINTED)
    assert answer(trial, TASK_LOG) == ("yes: 4,205 lines, of standard output and of standard error", ASSUMED)


@pytest.mark.parametrize("missing", [PRINTED[0], PRINTED[-1]])
def test_lines_that_a_task_log_lacks(missing: str) -> None:
    kept = [line for line in PRINTED if line != missing]
    text = "1 of 4205 lines missing, {} of which came later; 0 came twice"
    assert answer(with_log(*kept), TASK_LOG) == (text.format(0), DIFFERS)
    assert answer(with_log(*kept), LATE) == ("some lines never came", DIFFERS)
    late = with_log(*kept, later=(missing, "another line"))
    assert answer(late, TASK_LOG) == (text.format(1), DIFFERS)
    assert answer(late, LATE) == ("the last line came 30.0 s after the end was seen", HANDLED)


def test_lines_that_come_twice_or_out_of_order() -> None:
    twice = "0 of 4205 lines missing, 0 of which came later; 1 came twice"
    assert answer(with_log(*PRINTED, PRINTED[0]), TASK_LOG) == (twice, DIFFERS)
    assert answer(with_log(*reversed(PRINTED)), TASK_LOG) == ("lines came out of order", HANDLED)
    # Standard error may come at any place.
    assert answer(with_log(*job.LINES, *job.ERROR_LINES), TASK_LOG)[1] is ASSUMED


@pytest.mark.parametrize(("at", "seconds", "proposal"), [(-3.0, "0.0", 1), (0.6, "0.6", 2), (4.0, "4.0", 5)])
def test_the_wait_for_late_lines_that_would_have_been_enough(at: float, seconds: str, proposal: int) -> None:
    assert answer(with_log(*PRINTED, at=at), LATE) == (
        f"the last line came {seconds} s after the end was seen; "
        f"wait_post_run_logs_timeout_seconds={proposal} would have been enough",
        ASSUMED,
    )


def test_the_log_of_a_run_that_did_not_complete_says_nothing() -> None:
    trial = with_log()
    trial.printing_run = Run("r1", "a_run", "FAILED")
    assert (answer(trial, TASK_LOG)[1], answer(trial, LATE)[1]) == (NOT_CHECKED, NOT_CHECKED)
