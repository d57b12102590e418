from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_wherobots.doctor.run_findings import run_findings
from airflow_provider_wherobots.doctor.transcript import Exchange, Transcript
from airflow_provider_wherobots.doctor.trial import CANCEL, LOG, TIMEOUT, Trial
from airflow_provider_wherobots.doctor.verdicts import Finding, Verdict
from tests.unit.doctor.recorded import IDS, PLAN, cancel, create, exchange, status, trial

CREATED = "How is a create answered?"
KEPT = "Does the service keep what was sent?"
STATUSES = "Which statuses does a run have, and when?"
APPLICATION = "What does kubeApp.status show, and when?"
CANCELLING = "How long does a cancel take, and what is the run then?"
TORN_DOWN = "How long is a cancelled run torn down after its end?"
CANCEL_OF_ENDED = "How is the cancel of a run that has ended answered?"
TIMED_OUT = "What is a run that exceeds timeoutSeconds?"
COUNTS = "Does timeoutSeconds count the time PENDING?"
COST = "When is the cost of a run known?"
FAILED_CALLS = "Which calls failed?"


def findings(*exchanges: Exchange, of: Trial | None = None) -> dict[str, Finding]:
    return {found.question: found for found in run_findings(Transcript(exchanges), of or trial())}


def told(found: Finding) -> tuple[str, Verdict]:
    return found.answer, found.verdict


def test_nothing_was_sent() -> None:
    empty = findings(of=Trial(PLAN, failures={LOG: "createJobRun: 403"}))
    assert told(empty.pop(CREATED)) == ("no run was created: createJobRun: 403", Verdict.DIFFERS)
    assert empty.pop(FAILED_CALLS).verdict is Verdict.ASSUMED
    assert {found.verdict for found in empty.values()} == {Verdict.NOT_SEEN}


def test_creates() -> None:
    assert told(findings(create(status=200))[CREATED]) == ("200", Verdict.ASSUMED)
    full = replace(trial(), ids={LOG: IDS[LOG]}, failures={CANCEL: "no quota", TIMEOUT: "no quota"})
    found = findings(create(), of=full)
    assert told(found[CREATED]) == ("201; not created: cancel (no quota), timeout (no quota)", Verdict.HANDLED)
    assert told(found[CANCELLING]) == ("no run was created for this (no quota)", Verdict.NOT_SEEN)
    assert told(found[TIMED_OUT]) == ("no run was created for this (no quota)", Verdict.NOT_SEEN)


@pytest.mark.parametrize(
    ("echoed", "answer", "verdict"),
    [
        ({"timeoutSeconds": 900, "runtime": "tiny"}, "yes (region", Verdict.ASSUMED),
        ({"timeoutSeconds": 60, "runtime": "tiny"}, "timeoutSeconds: 900 became 60", Verdict.HANDLED),
        ({"timeoutSeconds": 900, "runtime": "small"}, "runtime: 'tiny' became 'small'", Verdict.HANDLED),
    ],
)
def test_what_the_service_keeps(echoed: dict[str, Any], answer: str, verdict: Verdict) -> None:
    made = create(timeoutSeconds=900, runtime="tiny")
    payload = {**(made.sent or {}), **echoed}
    found = findings(made, status(LOG, "RUNNING", payload=payload))[KEPT]
    assert answer in found.answer
    assert found.verdict is verdict


def test_another_region_than_the_one_sent() -> None:
    made = create()
    app: Any = {"status": "READY", "regionName": "aws-us-east-1"}
    run = status(LOG, "RUNNING", payload=dict(made.sent or {}), kubeApp=app)
    found = findings(made, run, of=trial(plan=replace(PLAN, region="aws-us-west-2")))[KEPT]
    assert "region: aws-us-west-2 became aws-us-east-1" in found.answer
    assert found.verdict is Verdict.HANDLED


@pytest.mark.parametrize(
    ("words", "answer", "verdict"),
    [
        (
            ["PENDING", "RUNNING", "COMPLETED"],
            "PENDING at 0.1 s, RUNNING at 1.1 s, COMPLETED at 2.1 s",
            Verdict.ASSUMED,
        ),
        (["QUEUED", "COMPLETED"], "unknown words: QUEUED", Verdict.HANDLED),
        (["PENDING", "PENDING"], "it did not end in time", Verdict.DIFFERS),
        (["PENDING", "FAILED"], "it did not complete (out of memory)", Verdict.DIFFERS),
    ],
)
def test_statuses(words: list[str], answer: str, verdict: Verdict) -> None:
    app: Any = {"status": "READY", "message": "out of memory"}
    found = findings(*(status(LOG, word, at=at, kubeApp=app) for at, word in enumerate(words)))[STATUSES]
    assert answer in found.answer
    assert found.verdict is verdict


def test_the_time_pending_is_that_of_the_service() -> None:
    times: dict[str, Any] = {"createTime": "2026-01-01T00:00:00Z", "startTime": "2026-01-01T00:01:02.5Z"}
    assert "PENDING for 62.5 s" in findings(status(LOG, "COMPLETED", **times))[STATUSES].answer


def test_statuses_of_the_application() -> None:
    first = status(LOG, "PENDING", app=None)
    seen = findings(first, status(LOG, "RUNNING", app="READY", at=9))[APPLICATION]
    assert told(seen) == ("null kubeApp at 0.1 s, READY at 9.1 s", Verdict.ASSUMED)
    assert findings(status(LOG, "RUNNING", app="WARMING_UP"))[APPLICATION].verdict is Verdict.HANDLED


@pytest.mark.parametrize(
    ("word", "at", "answer", "verdict"),
    [
        ("CANCELLED", 12, "200; CANCELLED after 10.0 s, RUNNING until then", Verdict.ASSUMED),
        ("CANCELLED", 102, "200; CANCELLED after 100.0 s, RUNNING until then", Verdict.HANDLED),
        ("FAILED", 12, "200; FAILED after 10.0 s, RUNNING until then", Verdict.DIFFERS),
        ("RUNNING", 400, "the run was still RUNNING after 398 s", Verdict.DIFFERS),
    ],
)
def test_cancels(word: str, at: float, answer: str, verdict: Verdict) -> None:
    found = findings(cancel(CANCEL, at=2), status(CANCEL, "RUNNING", at=3), status(CANCEL, word, at=at))
    assert told(found[CANCELLING]) == (answer, verdict)


def test_a_cancel_that_is_refused_and_one_that_was_not_needed() -> None:
    running = status(CANCEL, "RUNNING")
    assert told(findings(running, cancel(CANCEL, at=2, answer=405))[CANCELLING]) == (
        "the cancel was answered 405",
        Verdict.DIFFERS,
    )
    assert told(findings(running)[CANCELLING]) == ("the run never ran", Verdict.NOT_SEEN)


def test_how_long_a_run_is_torn_down() -> None:
    polls = (status(CANCEL, "CANCELLED", at=at, app=app) for at, app in ((1, "DESTROYING"), (9, "DESTROYED")))
    found = findings(cancel(CANCEL, at=0), *polls)[TORN_DOWN]
    assert told(found) == ("DESTROYING at 0.1 s, DESTROYED at 8.1 s", Verdict.ASSUMED)


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (200, Verdict.ASSUMED),
        (404, Verdict.ASSUMED),
        (409, Verdict.ASSUMED),
        (400, Verdict.DIFFERS),
        (500, Verdict.DIFFERS),
    ],
)
def test_the_cancel_of_a_run_that_has_ended(answer: int, verdict: Verdict) -> None:
    found = findings(status(LOG, "COMPLETED", at=1), cancel(LOG, at=2, answer=answer))
    assert told(found[CANCEL_OF_ENDED]) == (str(answer), verdict)
    assert found[FAILED_CALLS].answer == "none"


def test_a_cancel_before_the_end_does_not_answer_that() -> None:
    found = findings(cancel(LOG, at=1), status(LOG, "COMPLETED", at=2))
    assert found[CANCEL_OF_ENDED].verdict is Verdict.NOT_SEEN


@pytest.mark.parametrize(
    ("word", "code", "answer", "verdict"),
    [
        ("TIMED_OUT", None, "TIMED_OUT", Verdict.ASSUMED),
        ("FAILED", "RUN_FAIL_EXEC", "FAILED, with the event RUN_FAIL_EXEC", Verdict.ASSUMED),
        ("CANCELLED", None, "CANCELLED", Verdict.ASSUMED),
        ("FAILED", None, "FAILED", Verdict.DIFFERS),
        ("FAILED", "RUN_FAIL_OTHER", "FAILED, with the event RUN_FAIL_OTHER", Verdict.DIFFERS),
        ("COMPLETED", None, "COMPLETED", Verdict.DIFFERS),
        ("RUNNING", None, "it did not end in time", Verdict.DIFFERS),
    ],
)
def test_the_word_for_a_timeout(word: str, code: str | None, answer: str, verdict: Verdict) -> None:
    app: Any = {"status": "DESTROYED", "events": [{"code": code, "message": "timeout reached"}]}
    assert told(findings(status(TIMEOUT, word, kubeApp=app))[TIMED_OUT]) == (answer, verdict)


@pytest.mark.parametrize(
    ("started", "ended", "answer", "verdict"),
    [
        (
            "00:00:20",
            "00:00:50",
            "no: it ended 50.0 s after its creation and 30.0 s after its start",
            Verdict.ASSUMED,
        ),
        ("00:00:20", "00:00:31", "yes: it ended 31.0 s after its creation and 11.0 s", Verdict.ASSUMED),
        (None, "00:00:30", "yes: it ended 30.0 s after its creation, before it ran", Verdict.ASSUMED),
        ("00:00:00.5", "00:00:30.5", "too shortly to tell", Verdict.NOT_SEEN),
        ("00:00:20", None, "the run has no times", Verdict.NOT_SEEN),
    ],
)
def test_whether_a_timeout_counts_the_time_pending(
    started: str | None, ended: str | None, answer: str, verdict: Verdict
) -> None:
    day = "2026-01-01T"
    times: dict[str, Any] = {
        "createTime": f"{day}00:00:00Z",
        "startTime": started and f"{day}{started}Z",
        "completeTime": ended and f"{day}{ended}Z",
    }
    found = findings(status(TIMEOUT, "TIMED_OUT", **times))[COUNTS]
    assert answer in found.answer
    assert found.verdict is verdict


def metrics(at: float, value: Any) -> Exchange:
    document = {"instant_metrics": {"COST_USD": {"metric": {"data": {"value": value}}}}}
    return exchange("getJobRunMetrics", f"/runs/{IDS[LOG]}/metrics", document, at=at)


def test_when_the_cost_is_known() -> None:
    end = status(LOG, "COMPLETED", at=10)
    assert findings(end, metrics(11, 0.5))[COST].answer == "at once after the end"
    assert findings(end, metrics(11, None), metrics(70, 0))[COST].answer == "within 60 s after the end"
    assert findings(end, metrics(11, None), metrics(70, None))[COST].answer == "not within 60 s of the end"
    assert findings(end, exchange("getJobRunMetrics", f"/runs/{IDS[LOG]}/metrics", {}))[COST].verdict is Verdict.ASSUMED


def test_failed_calls() -> None:
    lost = exchange("getJobRun", f"/runs/{IDS[CANCEL]}", status=None)
    limited = exchange("listJobRuns", "/runs", status=429)
    found = findings(lost, limited, limited)[FAILED_CALLS]
    assert told(found) == ("1 x getJobRun without an answer, 2 x listJobRuns 429", Verdict.HANDLED)
