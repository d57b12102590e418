"""Whatever a service answers, following a run ends in time, and only a passed deadline cancels the run."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.call import Call, Response, read_response
from airflow_provider_wherobots.api.errors import NotSentError, ResponseLostError
from airflow_provider_wherobots.flows.follow import MIN_POLL_SECONDS, FollowOptions, follow_run
from airflow_provider_wherobots.flows.retry import CANCEL_BUDGET_SECONDS
from airflow_provider_wherobots.io.base import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS
from airflow_provider_wherobots.runs.outcome import Ending, Outcome
from tests.unit.flows.script import START, Answer, Hang, Script

ONE_REQUEST = CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS
LATENCY = 2.0
"""Seconds an answer takes here: a log without end is read for minutes, and each page of it is a step of the test."""
STATUSES = ["PENDING", "RUNNING", "HIBERNATING", "FAILED", "COMPLETED", "CANCELLED", "TIMED_OUT", "EVAPORATED"]
ACTIVE = ["PENDING", "RUNNING", "HIBERNATING"]


def run_answer(status: str) -> Response:
    return Response(200, {}, json.dumps({"id": "run0", "status": status}).encode())


def log_answer(lines: int, cursor: Any) -> Response:
    items = [{"timestamp": str(n), "raw": f"line {n}"} for n in range(lines)]
    return Response(200, {}, json.dumps({"items": items, "next_page": cursor}).encode())


STATUS_CODES = st.sampled_from([301, 400, 401, 403, 404, 408, 409, 418, 422, 429, 500, 502, 503, 504])
RETRY_AFTER = st.sampled_from([{}, {"Retry-After": "0"}, {"Retry-After": "5.2"}, {"Retry-After": "86400"}])
ERRORS: st.SearchStrategy[Any] = st.one_of(
    st.builds(Response, STATUS_CODES, RETRY_AFTER, st.sampled_from([b"", b"<html>", b'{"errors": [{"code": "X"}]}'])),
    st.builds(Response, st.just(200), st.just({}), st.sampled_from([b"", b"<html>", b"null", b'{"items": [{}]}'])),
    st.sampled_from(["refused connection", "lost", "hang"]),
)
TRANSIENT_ERRORS: st.SearchStrategy[Any] = st.one_of(
    st.builds(Response, st.sampled_from([408, 429, 500, 502, 503, 504]), RETRY_AFTER, st.just(b"")),
    st.sampled_from(["refused connection", "lost", "hang"]),
)
HOSTILE_LOGS: st.SearchStrategy[Any] = st.one_of(
    ERRORS,
    # Always another page, always with new lines, always with the same ones, or with none at all.
    st.sampled_from(["another page", "another empty page", "the same lines again"]),
    st.builds(
        log_answer, st.sampled_from([0, 1, 49, 50, 1000]), st.sampled_from([None, "0", 0, "c", 7, -1, 2**63, [], ""])
    ),
)


class Scripted:
    """A service that answers each operation from a list of its own, and its last answer for ever after."""

    def __init__(self, **answers: list[Any]) -> None:
        self._answers = {operation: list(given) for operation, given in answers.items()}
        self._count = 0

    def __call__(self, call: Call[Any], now: float) -> Any:
        # Metrics are as hostile as anything else.
        left = self._answers[call.operation if call.operation != "getJobRunMetrics" else "getJobRunLogs"]
        given = left.pop(0) if len(left) > 1 else left[0]
        self._count += 1
        match given:
            case "refused connection":
                raise NotSentError(call.operation, given)
            case "lost":
                raise ResponseLostError(call.operation, given)
            case "hang":
                raise Hang
            case "another page":
                items = [{"timestamp": str(self._count), "raw": f"line {self._count}"}]
                given = Response(200, {}, json.dumps({"items": items, "next_page": f"c{self._count}"}).encode())
            case "another empty page":
                given = log_answer(0, f"c{self._count}")
            case "the same lines again":
                given = log_answer(3, f"c{self._count}")
        return read_response(call, given)


def follow(service: Answer, options: FollowOptions, **more: Any) -> tuple[Outcome, Script]:
    script = Script(service, latency=LATENCY, **more)
    return script.run(follow_run, options), script


@given(
    polls=st.lists(st.builds(run_answer, st.sampled_from(STATUSES)) | ERRORS, min_size=1, max_size=12),
    logs=st.lists(HOSTILE_LOGS, min_size=1, max_size=12),
    cancels=st.lists(st.builds(run_answer, st.sampled_from(STATUSES)) | ERRORS, min_size=1, max_size=4),
    deadline=st.floats(-100, 400),
    age=st.floats(0, 10_000),
    interval=st.floats(1, 300),
    poll_logs=st.booleans(),
    key_rotates=st.booleans(),
    jitter=st.floats(0, 1),
)
def test_following_ends_within_the_deadline_plus_one_poll_and_the_cancel_budget(
    polls: list[Any],
    logs: list[Any],
    cancels: list[Any],
    deadline: float,
    age: float,
    interval: float,
    poll_logs: bool,
    key_rotates: bool,
    jitter: float,
) -> None:
    service = Scripted(getJobRun=polls, getJobRunLogs=logs, cancelJobRun=cancels)
    options = FollowOptions("run0", START - age, START + deadline, interval, poll_logs)
    outcome, script = follow(service, options, jitter=jitter, reload=lambda: key_rotates)
    # A poll is one status and one log request, each sent twice if a key is refused and another one is there.
    sendings = 2 if key_rotates else 1
    one_poll = 2 * sendings * (ONE_REQUEST + LATENCY) + MIN_POLL_SECONDS
    assert script.elapsed <= max(0.0, deadline) + one_poll + CANCEL_BUDGET_SECONDS + LATENCY
    assert outcome.run_id == "run0"
    assert outcome == Outcome.from_event(json.loads(json.dumps(outcome.to_event())))


@given(
    polls=st.lists(st.builds(run_answer, st.sampled_from(STATUSES)) | ERRORS, min_size=1, max_size=12),
    logs=st.lists(HOSTILE_LOGS, min_size=1, max_size=12),
    poll_logs=st.booleans(),
    deadline=st.none() | st.floats(0, 500),
    key_rotates=st.booleans(),
)
# The run had ended by itself when the deadline's cancel arrived: its own end counts.
@example(
    polls=[run_answer("PENDING"), run_answer("FAILED")],
    logs=[Response(200, {}, b"")],
    poll_logs=False,
    deadline=0.0,
    key_rotates=False,
)
@example(
    polls=[run_answer("CANCELLED")], logs=[Response(200, {}, b"")], poll_logs=False, deadline=0.0, key_rotates=False
)
def test_nothing_is_cancelled_before_a_deadline_has_passed(
    polls: list[Any], logs: list[Any], poll_logs: bool, deadline: float | None, key_rotates: bool
) -> None:
    # Without a deadline only an end, or an outage, ends the following: one comes last.
    polls = [*polls, run_answer("COMPLETED")] if deadline is None else polls
    service = Scripted(getJobRun=polls, getJobRunLogs=logs, cancelJobRun=[run_answer("RUNNING")])
    at = None if deadline is None else START + deadline
    outcome, script = follow(service, FollowOptions("run0", START, at, 30, poll_logs), reload=lambda: key_rotates)
    cancels = script.sent_of("cancelJobRun")
    assert all(at is not None and sent.at >= at for sent in cancels)
    # An earlier trigger may have cancelled it, and died before it could report that.
    assert cancels or outcome.ending is not Ending.DEADLINE or outcome.status == "CANCELLED"


@given(
    polls=st.lists(st.builds(run_answer, st.sampled_from(ACTIVE)) | TRANSIENT_ERRORS, max_size=8),
    logs=st.lists(HOSTILE_LOGS, min_size=1, max_size=12),
    last=st.sampled_from(["COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"]),
)
def test_errors_and_hostile_logs_do_not_change_the_outcome(polls: list[Any], logs: list[Any], last: str) -> None:
    service = Scripted(getJobRun=[*polls, run_answer(last)], getJobRunLogs=logs)
    outcome, _ = follow(service, FollowOptions("run0", START, max_outage_seconds=1e9))
    assert (outcome.status, outcome.ending) == (last, Ending(last.lower()))
