"""A limit belongs to the key: it holds all calls, is never shortened, and lets them come back one by one."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import Arrival, KeyLimitedError, RateLimitedError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.flows.rate_limit import MAX_SPREAD_SECONDS, SPACING_SECONDS, RateLimit, RateLimits
from airflow_provider_wherobots.flows.retry import FIRST_DELAY_SECONDS, send
from tests.unit.flows.script import START, Script

STATUS, LOGS = calls.get_run("r1"), calls.get_run_logs("r1")
NOW = 1_000.0


def refusal(retry_after: float | None) -> RateLimitedError:
    return RateLimitedError("getJobRunLogs", 429, retry_after=retry_after)


def held(limit: RateLimit, moment: float, call: Call[Any] = STATUS) -> float | None:
    try:
        limit.check(call, moment)
    except KeyLimitedError as error:
        return error.retry_after
    return None


def test_a_key_that_was_never_refused_holds_nothing() -> None:
    assert held(RateLimit(), NOW) is None


def test_a_refusal_of_one_call_holds_all_others_until_it_has_passed() -> None:
    limit = RateLimit()
    error = refusal(5.2)
    limit.refused(error, NOW)
    assert error.retry_after == pytest.approx(5.2)
    assert held(limit, NOW + 0.5) == pytest.approx(4.7 + SPACING_SECONDS)
    assert held(limit, NOW + 5.1) == pytest.approx(0.1 + 2 * SPACING_SECONDS)
    assert held(limit, NOW + 5.2) is None
    assert held(limit, NOW + 6.0) is None


def test_a_cancel_goes_at_once() -> None:
    limit = RateLimit()
    limit.refused(refusal(60.0), NOW)
    assert held(limit, NOW, calls.cancel_run("r1")) is None
    assert held(limit, NOW, LOGS) is not None


@pytest.mark.parametrize("retry_after", [None, 0.0, 0.3])
def test_without_a_retry_after_of_use_the_key_waits_for_the_first_delay_of_a_retry(retry_after: float | None) -> None:
    limit = RateLimit()
    error = refusal(retry_after)
    limit.refused(error, NOW)
    assert error.retry_after == retry_after
    assert held(limit, NOW + FIRST_DELAY_SECONDS / 2) is not None
    assert held(limit, NOW + FIRST_DELAY_SECONDS) is None


def test_a_shorter_limit_does_not_shorten_a_longer_one() -> None:
    limit = RateLimit()
    limit.refused(refusal(60.0), NOW)
    later = refusal(2.0)
    limit.refused(later, NOW + 1.0)
    assert later.retry_after == pytest.approx(59.0 + SPACING_SECONDS)
    assert held(limit, NOW + 30.0) is not None


def test_after_a_limit_has_passed_the_first_of_the_next_loses_nothing_again() -> None:
    limit = RateLimit()
    limit.refused(refusal(2.0), NOW)
    for _ in range(100):
        held(limit, NOW + 1.0)
    again = refusal(3.0)
    limit.refused(again, NOW + 10.0)
    assert again.retry_after == 3.0


def test_a_thousand_come_back_one_by_one_and_within_bounds() -> None:
    limit = RateLimit()
    limit.refused(refusal(10.0), NOW)
    back = sorted(NOW + number % 9 + (held(limit, NOW + number % 9) or 0.0) for number in range(1_000))
    assert back[0] >= NOW + 10.0
    assert back[-1] <= NOW + 10.0 + MAX_SPREAD_SECONDS
    in_any_second = max(sum(start <= moment < start + 1.0 for moment in back) for start in back)
    assert in_any_second <= 2.5 / SPACING_SECONDS


@given(st.lists(st.tuples(st.floats(0.0, 20.0), st.none() | st.floats(0.0, 100.0), st.booleans()), max_size=30))
def test_nothing_is_let_through_before_any_limit_has_passed(steps: list[tuple[float, float | None, bool]]) -> None:
    limit, moment, until = RateLimit(), NOW, 0.0
    for pause, retry_after, is_refused in steps:
        moment += pause
        if is_refused:
            limit.refused(refusal(retry_after), moment)
            until = max(until, moment + max(retry_after or 0.0, FIRST_DELAY_SECONDS))
            continue
        wait = held(limit, moment)
        assert (wait is None) == (until - moment <= 0.01)
        if wait is not None:
            assert until <= moment + wait + 1e-6
            assert moment + wait <= until + MAX_SPREAD_SECONDS + 1e-6


def test_each_key_has_a_limit_of_its_own() -> None:
    limits = RateLimits()
    limits.of("one").refused(refusal(60.0), NOW)
    assert held(limits.of("one"), NOW) is not None
    assert held(limits.of("other"), NOW) is None


def test_the_refusal_made_here_is_transient_without_effect_and_says_for_how_long() -> None:
    limit = RateLimit()
    limit.refused(refusal(4.0), NOW)
    with pytest.raises(KeyLimitedError) as caught:
        limit.check(STATUS, NOW)
    assert caught.value.transient
    assert caught.value.arrival is Arrival.NOT_ARRIVED
    assert caught.value.status == 429
    said = "getJobRun: not sent: the service limits calls with this API key (429), for 4.0 s more"
    assert str(caught.value) == said


def test_a_flow_waits_out_a_limit_as_it_does_a_refusal_of_the_service() -> None:
    limit = RateLimit()
    limit.refused(refusal(7.0), START)

    def answer(call: Call[Any], moment: float) -> Run:
        limit.check(call, moment)
        return Run.from_json({"id": "r1", "status": "RUNNING"})

    script = Script(answer)
    assert script.run(send(STATUS)).id == "r1"
    assert script.sleeps == [pytest.approx(7.0 + SPACING_SECONDS)]
    assert [note.level for note in script.notes] == [logging.WARNING]


def test_a_limit_longer_than_the_outage_that_is_borne_ends_it() -> None:
    limit = RateLimit()
    limit.refused(refusal(500.0), START)

    def answer(call: Call[Any], moment: float) -> Run:
        limit.check(call, moment)
        raise AssertionError("was sent")

    script = Script(answer)
    with pytest.raises(KeyLimitedError):
        script.run(send(STATUS, 60.0))
    assert 60.0 <= script.elapsed < 62.0
