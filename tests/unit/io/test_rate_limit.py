"""A limit of the key, and a key that is refused: what goes again, and when."""

import logging
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    BadRequestError,
    ErrorInfo,
    KeyLimitedError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ResponseError,
    ServerError,
)
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import LogLine, LogPage, Run, RunMetrics
from airflow_provider_wherobots.flows.follow import FollowOptions, follow_run
from airflow_provider_wherobots.io.base import Io
from airflow_provider_wherobots.io.rate_limit import (
    MAX_RETRY_AFTER_SECONDS,
    MIN_RETRY_AFTER_SECONDS,
    RateLimit,
    RateLimits,
)
from airflow_provider_wherobots.runs.outcome import Ending
from airflow_provider_wherobots.words import make_safe
from tests.unit.flows.script import KEY, START, Answer, Script, always, answers, texts

STATUS, LOGS = calls.get_run("r1"), calls.get_run_logs("r1")
NOW = 1_000.0


def refusal(retry_after: float | None) -> RateLimitedError:
    return RateLimitedError("getJobRunLogs", 429, retry_after=retry_after)


def held(limit: RateLimit, moment: float, call: Call[Any] = STATUS) -> float | None:
    """Seconds a call has to wait; None when it may go."""
    try:
        limit.check(call, moment)
    except KeyLimitedError as error:
        return error.seconds
    return None


@given(st.lists(st.tuples(st.floats(0.0, 20.0), st.none() | st.floats(0.0, 1e9), st.booleans()), max_size=30))
def test_nothing_goes_before_a_limit_and_nothing_waits_longer(steps: list[tuple[float, float | None, bool]]) -> None:
    limit, moment, until = RateLimit(), NOW, 0.0
    for pause, retry_after, is_refused in steps:
        moment += pause
        if is_refused:
            limit.refused(LOGS, refusal(retry_after), moment)
            wait = min(max(retry_after or 0.0, MIN_RETRY_AFTER_SECONDS), MAX_RETRY_AFTER_SECONDS)
            until = max(until, moment + wait)
        else:
            assert held(limit, moment) == (until - moment if moment < until else None)


def limited_key(seconds: float) -> RateLimits:
    """Limits under which the script's key is refused from the start, as another caller has found out."""
    limits = RateLimits()
    limits.of(KEY).refused(calls.get_run("r0"), refusal(seconds), 0.0)
    return limits


def service(call: Call[Any], moment: float) -> Any:
    """A run that has completed, with one line of log."""
    if call.operation == "getJobRunLogs":
        return LogPage((LogLine("1750000000000", "a line"),), None)
    return RunMetrics({}) if call.operation == "getJobRunMetrics" else Run("r1", "name", "COMPLETED")


def refuse_first_logs_call(retry_after: float) -> Answer:
    """The service, but the first call of the log is refused."""
    left = [refusal(retry_after)]

    def answer(call: Call[Any], moment: float) -> Any:
        if call.operation == "getJobRunLogs" and left:
            raise left.pop()
        if call.operation == "getJobRun" and moment < START + 4.0:
            return Run("r1", "name", "RUNNING")
        return service(call, moment)

    return answer


def test_a_limit_of_the_key_fails_no_run_and_loses_no_line() -> None:
    script = Script(service, limits=limited_key(30.0))
    outcome = script.run(follow_run, FollowOptions("r1", START, max_outage_seconds=5.0))
    assert outcome.ending is Ending.COMPLETED
    assert texts(script.records) == ["a line"]
    assert [note for note in script.notes if note.level > logging.INFO] == []


@pytest.mark.parametrize("retry_after", [30.0, 86_400.0])
def test_one_refused_call_of_the_log_fails_no_run(retry_after: float) -> None:
    script = Script(refuse_first_logs_call(retry_after))
    outcome = script.run(follow_run, FollowOptions("r1", START, polling_interval=2.0, max_outage_seconds=5.0))
    assert outcome.ending is Ending.COMPLETED
    assert texts(script.records) == ["a line"]
    # The refusal itself; none of the calls that were not sent.
    assert len([note for note in script.notes if note.level > logging.INFO]) == 1
    # Its only line shows nothing of how late the last ones are.
    assert script.elapsed < min(retry_after, MAX_RETRY_AFTER_SECONDS) + 65.0


def test_a_page_of_the_log_waits_for_a_limit_that_is_soon_over() -> None:
    limits = RateLimits()
    pages = [LogPage((LogLine("1750000000000", "line 0"),), "1"), LogPage((LogLine("1750000000001", "line 1"),), None)]

    def answer(call: Call[Any], moment: float) -> Any:
        if call.operation == "getJobRunLogs":
            if len(pages) == 2:
                # Another follower is refused meanwhile.
                limits.of(KEY).refused(calls.get_run("r0"), refusal(3.0), moment - START)
            return pages.pop(0) if pages else LogPage((), None)
        return service(call, moment)

    script = Script(answer, limits=limits)
    outcome = script.run(follow_run, FollowOptions("r1", START))
    assert outcome.ending is Ending.COMPLETED
    assert texts(script.records) == ["line 0", "line 1"]
    assert [note for note in script.notes if note.level > logging.INFO] == []


def test_a_run_still_ends_at_its_deadline_while_the_key_is_limited() -> None:
    script = Script(always(Run("r1", "name", "RUNNING")), limits=limited_key(200.0))
    outcome = script.run(follow_run, FollowOptions("r1", START, deadline=START + 20.0, cancel_at_deadline=False))
    assert outcome.ending is Ending.DEADLINE
    assert 20.0 <= script.elapsed < 26.0


def test_a_run_that_completed_while_the_key_was_limited_has_completed_at_its_deadline() -> None:
    script = Script(service, limits=limited_key(200.0))
    outcome = script.run(follow_run, FollowOptions("r1", START, deadline=START + 20.0))
    assert outcome.ending is Ending.COMPLETED


def test_a_log_that_could_not_be_read_to_its_end_by_the_deadline_is_said_to_be_incomplete() -> None:
    script = Script(refuse_first_logs_call(100.0))
    outcome = script.run(follow_run, FollowOptions("r1", START - 60.0, deadline=START + 130.0))
    assert outcome.ending is Ending.COMPLETED
    assert texts(script.records) == ["a line"]
    script = Script(answers(Run("r1", "name", "COMPLETED"), refusal(100.0)))
    outcome = script.run(follow_run, FollowOptions("r1", START, deadline=START + 20.0))
    assert outcome.ending is Ending.COMPLETED
    assert len(script.said("read to its end")) == 1


RUN = Run("r1", "name", "RUNNING")
REFUSED = AuthenticationError("getJobRun", 401)


@pytest.mark.parametrize("refused", [REFUSED, PermissionDeniedError("getJobRun", 403)])
def test_a_refused_key_is_read_again_once_and_the_call_repeated_if_it_changed(refused: ResponseError) -> None:
    script = Script(answers(refused, RUN), reload=lambda: True)
    assert script.run(Io.send, calls.get_run("r1")) == RUN
    assert (script.reloads, script.operations) == (1, ["getJobRun"] * 2)


def test_a_refused_key_that_has_not_changed_is_the_end_at_once() -> None:
    script = Script(answers(REFUSED))
    with pytest.raises(AuthenticationError):
        script.run(Io.send, calls.get_run("r1"))
    assert (script.reloads, script.operations) == (1, ["getJobRun"])


@pytest.mark.parametrize("error", [NotFoundError("getJobRun", 404), RateLimitedError("getJobRun", 429)])
def test_no_other_error_reads_the_connection_again(error: Exception) -> None:
    script = Script(always(error), reload=lambda: True)
    with pytest.raises(type(error)):
        script.run(Io.send, calls.get_run("r1"))
    assert (script.reloads, len(script.sent)) == (0, 1)


SUGGESTED = ErrorInfo("UNAUTHORIZED_ERROR", "Unauthorized", "Invalid API key", "Send the key in the header.")


@pytest.mark.parametrize("changed", [True, False])
def test_a_refused_key_is_named_by_its_connection_without_the_services_advice(changed: bool) -> None:
    script = Script(always(AuthenticationError("getJobRun", 401, (SUGGESTED,), "req-1")), reload=lambda: changed)
    with pytest.raises(AuthenticationError) as caught:
        script.run(Io.send, calls.get_run("r1"))
    assert str(caught.value) == (
        "connection 'script': the API key is refused (Reading the run failed: 401 UNAUTHORIZED_ERROR: Unauthorized: "
        "Invalid API key [request id: req-1])"
    )
    assert caught.value.__cause__ is None
    assert caught.value.errors == (replace(SUGGESTED, suggestion=""),)


def test_a_refused_key_without_the_services_form_of_an_error_is_named_too() -> None:
    script = Script(always(AuthenticationError("getJobRun", 401, excerpt="<html>log in</html>")))
    with pytest.raises(AuthenticationError) as caught:
        script.run(Io.send, calls.get_run("r1"))
    assert str(caught.value) == (
        "connection 'script': the API key is refused (Reading the run failed: 401: <html>log in</html>)"
    )


@given(st.sampled_from([AuthenticationError, BadRequestError, ServerError]), st.text())
def test_an_error_carries_the_services_words_safely_and_bounded(kind: type[ResponseError], text: str) -> None:
    script = Script(always(kind("getJobRun", 400, (ErrorInfo(text, text * 5_000, text, text, text),), text)))
    with pytest.raises(kind) as caught:
        script.run(Io.send, calls.get_run("r1"))
    assert make_safe(str(caught.value)) == str(caught.value)
    assert len(str(caught.value)) <= 2_000
