import logging
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    BadRequestError,
    KeyLimitedError,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    RateLimitedError,
    ResponseError,
    ResponseLostError,
    ServerError,
    UntrustedServerError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.flows.retry import (
    MAX_RETRY_SECONDS,
    MIN_FAILED_POLLS,
    SPREAD_SECONDS,
    Outage,
    send,
)
from airflow_provider_wherobots.io.base import Note, Pause
from airflow_provider_wherobots.io.rate_limit import RateLimit
from tests.unit.flows.script import Script, always, answers

GET = calls.get_run("r1")
CREATE = calls.create_run({})
RUN = Run("r1", "name", "RUNNING")
LOST = ResponseLostError("getJobRun", "reset")


def limited(retry_after: float | None) -> RateLimitedError:
    return RateLimitedError("getJobRun", 429, retry_after=retry_after)


def test_an_outage_waits_twice_as_long_each_time_up_to_half_a_minute() -> None:
    outage = Outage(10_000)
    assert [outage.failed(LOST, 0.0) for _ in range(8)] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_a_very_long_outage_does_not_overflow() -> None:
    outage = Outage(1e9)
    assert max(outage.failed(LOST, 0.0) for _ in range(3_000)) == MAX_RETRY_SECONDS


def test_what_the_service_asks_for_is_waited_each_time() -> None:
    outage = Outage(10_000)
    assert [outage.failed(limited(1.0), 0.0) for _ in range(3)] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("asked", [0.0, 0.001])
def test_a_service_that_asks_for_no_wait_is_not_hammered(asked: float) -> None:
    outage = Outage(10_000)
    assert [outage.failed(limited(asked), 0.0) for _ in range(4)] == [1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize("kind", [ServerError, RateLimitedError])
def test_a_long_retry_after_is_cut(kind: type[ResponseError]) -> None:
    error = kind("getJobRun", 503, retry_after=3_600.0)
    assert Outage(10_000).failed(error, 0.0) == 300.0


def test_two_hiccups_far_apart_are_no_outage() -> None:
    """The second may come after the tolerated time, because the process was suspended meanwhile."""
    outage = Outage(600, 60, MIN_FAILED_POLLS)
    assert outage.failed(ServerError("getJobRun", 503, retry_after=3_600.0), 0.0) == 300.0
    assert outage.failed(ServerError("getJobRun", 500), 700.0) == 2.0
    with pytest.raises(ServerError):
        outage.failed(ServerError("getJobRun", 500), 702.0)


def test_the_last_attempt_comes_within_the_limit_and_the_next_failure_is_raised() -> None:
    outage = Outage(100)
    assert outage.failed(LOST, 1000.0) == 1.0
    assert outage.failed(limited(500.0), 1090.0) == 10.0
    with pytest.raises(ResponseLostError):
        outage.failed(LOST, 1100.0)


def test_a_success_ends_the_streak_and_the_next_one_starts_afresh() -> None:
    outage = Outage(100)
    assert not outage.is_first_failure
    outage.failed(LOST, 0.0)
    assert outage.is_first_failure
    outage.failed(LOST, 99.0)
    assert not outage.is_first_failure
    assert outage.over(120.0) == 2
    assert outage.over(130.0) == 0
    assert outage.failed(LOST, 150.0) == 1.0
    assert outage.is_first_failure


def test_the_seconds_of_all_streaks_count_up_to_the_attempt_that_ended_each() -> None:
    outage = Outage(100)
    assert outage.seconds(50.0) == 0.0
    outage.failed(LOST, 0.0)
    outage.failed(LOST, 20.0)
    assert outage.seconds(25.0) == 25.0
    outage.over(30.0)
    outage.over(40.0)
    outage.failed(LOST, 50.0)
    assert outage.seconds(50.5004) == 30.5
    with pytest.raises(ResponseLostError):
        outage.failed(LOST, 150.0)
    assert outage.seconds(150.0) == 130.0


def test_a_call_that_waits_for_a_limited_key_is_no_outage() -> None:
    outage = Outage(100)
    assert outage.failed(KeyLimitedError("getJobRun", 30.0), 0.0) == 30.0
    assert outage.is_first_failure is False
    assert outage.seconds(60.0) == 0.0


@given(
    st.floats(0, 10_000),
    st.lists(st.tuples(st.none() | st.floats(0, 1e12), st.floats(0, 1_000)), min_size=1, max_size=50),
)
def test_no_wait_is_negative_or_ends_after_the_limit(limit: float, failures: list[tuple[float | None, float]]) -> None:
    outage, moment = Outage(limit), 0.0
    for retry_after, pause in failures:
        try:
            delay = outage.failed(limited(retry_after), moment)
        except RateLimitedError:
            assert moment >= limit
            return
        assert delay > 0
        assert delay <= limit - moment or moment >= limit
        moment += pause


def test_transient_failures_are_tolerated_until_it_works_and_each_wait_is_said() -> None:
    script = Script(answers(LOST, limited(5.2), ServerError("getJobRun", 503), RUN))
    assert script.run(send, GET) == RUN
    assert script.pauses == [Pause(1.0, 0.2), Pause(5.2, SPREAD_SECONDS / 5.2), Pause(4.0, 0.2)]
    assert script.notes == [
        Note(logging.WARNING, "Reading the run failed: reset; retrying in 1.0 s, for up to 10 minutes"),
        Note(logging.WARNING, "Reading the run failed: 429: no body; retrying in 5.2 s"),
        Note(logging.WARNING, "Reading the run failed: 503: no body; retrying in 4.0 s"),
    ]


def test_a_call_that_was_not_sent_is_sent_at_a_random_moment_after_the_limit() -> None:
    script = Script(answers(KeyLimitedError("getJobRun", 30.0), RUN))
    assert script.run(send, GET) == RUN
    assert script.pauses == [Pause(30.0, SPREAD_SECONDS / 30.0)]
    assert script.notes == [
        Note(
            logging.INFO,
            "Not sent: the service limits calls with this API key (429); next attempt in 30.0 s",
        )
    ]


@pytest.mark.parametrize("error", [BadRequestError("getJobRun", 422), UntrustedServerError("getJobRun", "self-signed")])
def test_a_permanent_failure_ends_at_once_without_a_word(error: WherobotsApiError) -> None:
    script = Script(always(error))
    with pytest.raises(type(error)):
        script.run(send, GET)
    assert (len(script.sent), script.sleeps, script.notes) == (1, [], [])


def test_a_refusal_is_repeated_for_as_long_as_it_may_be_wrong() -> None:
    refused = NotFoundError("getJobRun", 404)
    assert Script(answers(refused, refused, RUN)).run(send, GET, refused_seconds=60) == RUN
    script = Script(always(refused))
    with pytest.raises(NotFoundError):
        script.run(send, GET, refused_seconds=60)
    assert 60 <= script.elapsed < 62


@pytest.mark.parametrize("call", [GET, CREATE])
def test_a_refused_key_is_read_again_for_a_minute_and_one_warning_says_so(call: Call[Any]) -> None:
    error = PermissionDeniedError("createJobRun", 403)
    script = Script(answers(*[error] * 3, RUN))
    assert script.run(send, call) == RUN
    assert (script.reloads, script.sleeps) == (3, [1.0, 2.0, 4.0])
    assert script.notes == [
        Note(
            logging.WARNING,
            f"{error}; retrying in 1.0 s, for up to 1 minute, each time with the connection's current API key",
        ),
        Note(logging.INFO, f"{error}; retrying in 2.0 s"),
        Note(logging.INFO, f"{error}; retrying in 4.0 s"),
    ]
    script = Script(always(error))
    with pytest.raises(PermissionDeniedError):
        script.run(send, call)
    assert 60 <= script.elapsed < 62


def test_a_refused_key_that_cannot_change_is_the_end_at_once() -> None:
    script = Script(always(AuthenticationError("getJobRun", 401)), reads_connection=False)
    with pytest.raises(AuthenticationError):
        script.run(send, GET)
    assert (len(script.sent), script.sleeps, script.notes) == (1, [], [])


def test_a_create_is_repeated_only_while_it_surely_did_not_arrive() -> None:
    script = Script(answers(NotSentError("createJobRun", "refused"), limited(None), LOST))
    with pytest.raises(ResponseLostError):
        script.run(send, CREATE)
    assert len(script.sent) == 3


def test_refusals_are_no_outage_while_other_such_calls_succeed() -> None:
    outage, error = Outage(100), limited(60.0)
    error.succeeded_ago = 5.0
    assert [outage.failed(error, 60.0 * number) for number in range(5)] == [60.0, 60.0, 60.0, 60.0, 60.0]


def test_refusals_end_an_outage_some_time_after_the_last_call_that_succeeded() -> None:
    limit, outage = RateLimit(), Outage(100)
    delays = []
    for moment in (0.0, 90.0, 140.0):
        error = limited(30.0)
        if moment == 90.0:
            limit.succeeded(GET, 50.0)
        limit.refused(GET, error, moment)
        delays.append(outage.failed(error, moment))
    assert delays[2] == 10.0
    error = limited(30.0)
    limit.refused(GET, error, 150.0)
    with pytest.raises(RateLimitedError):
        outage.failed(error, 150.0)


def test_success_of_other_calls_says_nothing_about_a_kind_that_is_always_refused() -> None:
    limit, error = RateLimit(), limited(30.0)
    limit.succeeded(GET, 50.0)
    limit.refused(CREATE, error, 60.0)
    assert error.succeeded_ago == inf
