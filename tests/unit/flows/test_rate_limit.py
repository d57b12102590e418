"""A limit belongs to the key: it holds all calls, never for too long, and lets them go one by one and in order."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import (
    Arrival,
    KeyLimitedError,
    RateLimitedError,
    ResponseLostError,
    parse_retry_after,
)
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import LogLine, LogPage, Run, RunMetrics
from airflow_provider_wherobots.flows.follow import FollowOptions, follow_run
from airflow_provider_wherobots.flows.outcome import Ending
from airflow_provider_wherobots.flows.rate_limit import (
    FIRST_PACE,
    MAX_HOLD_SECONDS,
    MIN_PACE,
    Places,
    RateLimit,
    RateLimits,
)
from airflow_provider_wherobots.flows.retry import FIRST_DELAY_SECONDS, send
from tests.unit.flows.script import KEY, START, Answer, Script, always, answers, texts

STATUS, LOGS = calls.get_run("r1"), calls.get_run_logs("r1")
NOW = 1_000.0
SPACING = 1 / FIRST_PACE


def refusal(retry_after: float | None) -> RateLimitedError:
    return RateLimitedError("getJobRunLogs", 429, retry_after=retry_after)


def held(limit: RateLimit, moment: float, call: Call[Any] = STATUS, places: Places | None = None) -> float | None:
    """Seconds a call has to wait; None when it may go."""
    try:
        limit.check(call, {} if places is None else places, moment)
    except KeyLimitedError as error:
        return error.seconds
    return None


def refuse(limit: RateLimit, retry_after: float | None, moment: float) -> RateLimitedError:
    """Let a call be answered, and another one go and have it refused."""
    limit.responded(LOGS, {})
    error, places = refusal(retry_after), dict[str, float]()
    held(limit, moment, LOGS, places)
    limit.refused(LOGS, places, error, moment)
    return error


def test_a_key_that_was_never_refused_holds_nothing() -> None:
    assert held(RateLimit(), NOW) is None


def test_a_refusal_of_one_call_holds_all_others_until_it_has_passed() -> None:
    limit = RateLimit()
    assert refuse(limit, 5.2, NOW).retry_after == pytest.approx(5.2)
    assert held(limit, NOW + 0.5) == pytest.approx(4.7 + SPACING, abs=0.001)
    assert held(limit, NOW + 5.1) == pytest.approx(0.1 + 2 * SPACING, abs=0.001)
    assert held(limit, NOW + 5.2 + 3 * SPACING) is None
    assert held(limit, NOW + 6.0) is None


def test_a_cancel_goes_at_once_and_its_own_wait_is_not_prolonged() -> None:
    limit, cancel = RateLimit(), calls.cancel_run("r1")
    refuse(limit, 60.0, NOW)
    assert held(limit, NOW, cancel) is None
    error = refusal(2.0)
    limit.refused(cancel, {}, error, NOW)
    assert error.retry_after == 2.0
    assert held(limit, NOW, LOGS) is not None


@pytest.mark.parametrize("retry_after", [None, 0.0, 0.3])
def test_without_a_retry_after_of_use_the_key_waits_for_the_first_delay_of_a_retry(retry_after: float | None) -> None:
    limit = RateLimit()
    assert refuse(limit, retry_after, NOW).retry_after == retry_after
    assert held(limit, NOW + FIRST_DELAY_SECONDS / 2) is not None
    assert held(limit, NOW + FIRST_DELAY_SECONDS + 2 * SPACING) is None


def test_a_shorter_limit_does_not_shorten_a_longer_one() -> None:
    limit = RateLimit()
    places: Places = {}
    held(limit, NOW, STATUS, places)
    refuse(limit, 60.0, NOW)
    later = refusal(2.0)
    limit.refused(STATUS, places, later, NOW + 1.0)
    assert later.retry_after == pytest.approx(59.0, abs=2 * SPACING)
    assert held(limit, NOW + 30.0) is not None


@pytest.mark.parametrize("retry_after", ["86400", "1e300", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_no_retry_after_holds_a_key_longer_than_five_minutes(retry_after: str) -> None:
    limit = RateLimit()
    refuse(limit, parse_retry_after(retry_after, datetime.now(UTC)), NOW)
    assert held(limit, NOW + 299.0) is not None
    assert held(limit, NOW + 301.0) is None


def test_a_thousand_come_back_one_by_one_and_soon() -> None:
    limit = RateLimit()
    refuse(limit, 10.0, NOW)
    back = sorted(NOW + number % 9 + (held(limit, NOW + number % 9) or 0.0) for number in range(1_000))
    assert back[0] >= NOW + 10.0
    assert back[-1] <= NOW + 10.0 + 1_000 * SPACING
    in_any_second = max(sum(start <= moment < start + 1.0 for moment in back) for start in back)
    assert in_any_second <= 2 / SPACING


def test_a_thousand_that_are_refused_at_once_come_back_one_by_one() -> None:
    limit = RateLimit()
    crowd: list[Places] = [{} for _ in range(1_000)]
    assert [held(limit, NOW, STATUS, places) for places in crowd] == [None] * 1_000
    back = []
    for places in crowd:
        error = refusal(10.0)
        limit.refused(STATUS, places, error, NOW + 1.0)
        back.append(error.retry_after or 0.0)
    assert min(back) == pytest.approx(10.0)
    assert max(sum(start <= wait < start + 1.0 for wait in back) for start in back) <= 2 / SPACING


def test_another_refusal_delays_the_line_and_reorders_nothing() -> None:
    limit = RateLimit()
    refuse(limit, 10.0, NOW)
    line: list[Places] = [{} for _ in range(100)]
    before = [held(limit, NOW + 1.0, STATUS, places) or 0.0 for places in line]
    first = line[0]
    assert held(limit, NOW + 11.0, STATUS, first) is None
    limit.refused(STATUS, first, refusal(20.0), NOW + 11.0)
    newcomer = held(limit, NOW + 11.0) or 0.0
    after = [held(limit, NOW + 11.0, STATUS, places) or 0.0 for places in line]
    assert after == sorted(after)
    assert after[0] == pytest.approx(20.0)
    # One second of the line's time had passed; the pace has grown.
    assert after[50:] == pytest.approx([wait + 10.0 for wait in before[50:]], rel=0.02)
    assert newcomer > after[-1]


def test_calls_that_are_refused_together_come_back_in_their_order_and_before_those_behind_them() -> None:
    limit = RateLimit()
    refuse(limit, 10.0, NOW)
    line: list[Places] = [{} for _ in range(4)]
    turns = [NOW + 1.0 + (held(limit, NOW + 1.0, STATUS, places) or 0.0) for places in line]
    under_way = list(zip(line, turns, strict=True))[:2]
    for places, turn in under_way:
        assert held(limit, turn, STATUS, places) is None
    moment = turns[1]
    for places, _ in under_way:
        limit.refused(STATUS, places, refusal(20.0), moment)
    after = [held(limit, moment, STATUS, places) or 0.0 for places in line]
    assert after == pytest.approx([20.0 + number * SPACING for number in range(4)], abs=SPACING / 2)


def test_the_line_is_gone_soon_after_a_single_refusal() -> None:
    limit = RateLimit()
    refuse(limit, 10.0, NOW)
    for number in range(20_000):
        held(limit, NOW + 10.0 + number / 100)
    assert sum(held(limit, NOW + 220.0) or 0.0 for _ in range(50)) < 0.1


def test_refusals_far_apart_do_not_add_up() -> None:
    limit = RateLimit()
    for hour in range(20):
        refuse(limit, 1.0, NOW + 3_600.0 * hour)
    moment = NOW + 3_600.0 * 20
    refuse(limit, 1.0, moment)
    assert held(limit, moment) == pytest.approx(1.0 + SPACING)


def test_once_nobody_waits_a_lone_caller_is_held_no_more() -> None:
    limit = RateLimit()
    for second in range(0, 20, 2):
        refuse(limit, 1.0, NOW + second)
    assert [held(limit, NOW + 25.0 + call / 1_000) for call in range(200)] == [None] * 200


def test_the_pace_is_found_again_soon_after_a_single_limit() -> None:
    limit = RateLimit()
    refuse(limit, 10.0, NOW)
    line: list[Places] = [{} for _ in range(5_000)]
    for places in line:
        held(limit, NOW, STATUS, places)
    for second in range(60):
        held(limit, NOW + 10.0 + second, STATUS, line[0])
    assert [held(limit, NOW + 70.0, STATUS, places) for places in line] == [None] * len(line)


def test_the_pace_is_found_again_some_minutes_after_many_limits() -> None:
    limit = RateLimit()
    for number in range(100):
        refuse(limit, 10.0, NOW + 11.0 * number)
    over = NOW + 11.0 * 99 + 10.0
    line: list[Places] = [{} for _ in range(5_000)]
    for places in line:
        held(limit, over - 1.0, STATUS, places)
    for second in range(780):
        held(limit, over + second, STATUS, line[0])
    assert [held(limit, over + 780.0, STATUS, places) for places in line] == [None] * len(line)


def test_a_limit_that_was_too_short_and_unsaid_is_doubled_and_says_nothing_about_the_pace() -> None:
    limit, places = RateLimit(), Places()
    held(limit, NOW, LOGS, places)
    moment, waits = NOW, []
    for _ in range(8):
        limit.refused(LOGS, places, refusal(None), moment)
        waits.append(held(limit, moment, LOGS, places) or 0.0)
        moment += waits[-1]
    assert waits == pytest.approx([1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0])
    limit.responded(LOGS, places)
    assert (held(limit, moment) or 0.0) < 2 * SPACING


def pace(limit: RateLimit, moment: float) -> float:
    """Calls a second, by the turns of the next two."""
    first, second = (held(limit, moment) or 0.0 for _ in range(2))
    return 1 / (second - first)


def test_each_further_limit_slows_the_pace_by_a_tenth_and_the_longer_it_is_the_slower_the_pace_grows() -> None:
    limit = RateLimit()
    refuse(limit, 5.0, NOW)
    assert pace(limit, NOW) == pytest.approx(20.0)
    refuse(limit, 5.0, NOW + 6.0)
    for _ in range(1_000):
        held(limit, NOW + 6.0)
    assert pace(limit, NOW + 6.0) == pytest.approx(18.0, rel=0.02)
    assert pace(limit, NOW + 21.0) == pytest.approx(18.0 * 1.02, rel=0.02)


def test_a_call_that_was_answered_has_no_place_any_more() -> None:
    limit, places = RateLimit(), Places()
    refuse(limit, 5.0, NOW)
    held(limit, NOW, STATUS, places)
    limit.responded(STATUS, places)
    assert places == {}


@pytest.mark.parametrize("seconds", [1.0, 5.2])
def test_a_limit_that_was_too_short_and_said_is_kept_as_said(seconds: float) -> None:
    limit, places = RateLimit(), Places()
    limit.refused(LOGS, places, refusal(seconds), NOW)
    limit.refused(LOGS, places, refusal(seconds), NOW + seconds)
    assert held(limit, NOW + seconds, LOGS, places) == pytest.approx(seconds)


@given(st.lists(st.tuples(st.floats(0.0, 20.0), st.none() | st.floats(0.0, 1e9), st.booleans()), max_size=30))
def test_nothing_goes_before_any_limit_has_passed_and_nothing_waits_for_ever(
    steps: list[tuple[float, float | None, bool]],
) -> None:
    limit, moment, until = RateLimit(), NOW, 0.0
    for pause, retry_after, is_refused in steps:
        moment += pause
        if is_refused:
            refuse(limit, retry_after, moment)
            until = max(until, moment + min(max(retry_after or 0.0, FIRST_DELAY_SECONDS), MAX_HOLD_SECONDS))
            continue
        wait = held(limit, moment)
        assert wait is not None or until - moment <= 0.01
        if wait is not None:
            assert until <= moment + wait + 1e-6
            assert wait <= max(0.0, until - moment) + len(steps) * (1 / MIN_PACE) + 1e-6


def test_each_key_has_a_limit_of_its_own() -> None:
    limits = RateLimits()
    refuse(limits.of("one"), 60.0, NOW)
    assert held(limits.of("one"), NOW) is not None
    assert held(limits.of("other"), NOW) is None


def test_a_call_that_was_not_sent_says_so_and_for_how_long() -> None:
    limit = RateLimit()
    limit.refused(LOGS, {}, refusal(4.0), NOW)
    with pytest.raises(KeyLimitedError) as caught:
        limit.check(STATUS, {}, NOW)
    assert caught.value.transient
    assert caught.value.arrival is Arrival.NOT_ARRIVED
    assert caught.value.status == 429
    said = "getJobRun: not sent: the service limits calls with this API key (429); next attempt in 4.0 s"
    assert str(caught.value)[:-5] == said[:-5]


def limited_key(seconds: float) -> RateLimits:
    """Limits under which the script's key is refused from the start, as another caller has found out."""
    limits = RateLimits()
    limits.of(KEY).refused(calls.cancel_run("r0"), {}, refusal(seconds), 0.0)
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


@pytest.mark.parametrize("seconds", [7.0, 200.0])
def test_a_limit_of_the_key_is_waited_out_and_is_no_failure(seconds: float) -> None:
    script = Script(service, jitter=1.0, limits=limited_key(seconds))
    assert script.run(send(STATUS, 60.0)).id == "r1"
    assert script.sleeps == [pytest.approx(seconds, abs=1.0)]
    assert [note.level for note in script.notes] == [logging.INFO]


def test_real_failures_still_end_after_the_outage_that_is_tolerated() -> None:
    script = Script(always(ResponseLostError("getJobRun", "reset")), limits=limited_key(200.0))
    with pytest.raises(ResponseLostError):
        script.run(send(STATUS, 60.0))
    assert 260.0 <= script.elapsed < 263.0


def test_a_service_that_refuses_every_call_ends_an_outage() -> None:
    def answer(call: Call[Any], moment: float) -> Any:
        raise refusal(86_400.0)

    script = Script(answer)
    with pytest.raises(RateLimitedError):
        script.run(send(STATUS, 600.0))
    assert 600.0 <= script.elapsed <= 600.0 + MAX_HOLD_SECONDS


def test_a_limit_of_the_key_fails_no_run_and_loses_no_line() -> None:
    script = Script(service, limits=limited_key(30.0))
    outcome = script.run(follow_run(FollowOptions("r1", START, max_outage_seconds=5.0)))
    assert outcome.ending is Ending.COMPLETED
    assert texts(script.records) == ["a line"]
    assert [note for note in script.notes if note.level > logging.INFO] == []


@pytest.mark.parametrize("retry_after", [30.0, 86_400.0])
def test_one_refused_call_of_the_log_fails_no_run(retry_after: float) -> None:
    script = Script(refuse_first_logs_call(retry_after))
    outcome = script.run(follow_run(FollowOptions("r1", START, polling_interval=2.0, max_outage_seconds=5.0)))
    assert outcome.ending is Ending.COMPLETED
    assert texts(script.records) == ["a line"]
    # The refusal itself; none of the calls that were not sent.
    assert len([note for note in script.notes if note.level > logging.INFO]) == 1
    # Its only line shows nothing of how late the last ones are.
    assert script.elapsed < min(retry_after, MAX_HOLD_SECONDS) + 65.0


def test_a_page_of_the_log_waits_for_a_limit_that_is_soon_over() -> None:
    limits = RateLimits()
    pages = [LogPage((LogLine("1750000000000", "line 0"),), "1"), LogPage((LogLine("1750000000001", "line 1"),), None)]

    def answer(call: Call[Any], moment: float) -> Any:
        if call.operation == "getJobRunLogs":
            if len(pages) == 2:
                # Another follower is refused meanwhile.
                limits.of(KEY).refused(calls.get_run("r0"), {}, refusal(3.0), moment - START)
            return pages.pop(0) if pages else LogPage((), None)
        return service(call, moment)

    script = Script(answer, limits=limits)
    outcome = script.run(follow_run(FollowOptions("r1", START)))
    assert outcome.ending is Ending.COMPLETED
    assert texts(script.records) == ["line 0", "line 1"]
    assert [note for note in script.notes if note.level > logging.INFO] == []


def test_a_poll_that_waits_long_for_the_key_is_said() -> None:
    script = Script(service, limits=limited_key(250.0))
    script.run(follow_run(FollowOptions("r1", START)))
    (said,) = script.said("the service limits calls with this API key (429); next attempt in 25")
    assert said.level == logging.INFO
    assert script.pauses[0].jitter == 0.0


def test_a_run_still_ends_at_its_deadline_while_the_key_is_limited() -> None:
    script = Script(always(Run("r1", "name", "RUNNING")), limits=limited_key(200.0))
    outcome = script.run(follow_run(FollowOptions("r1", START, deadline=START + 20.0, cancel_at_deadline=False)))
    assert outcome.ending is Ending.DEADLINE
    assert 20.0 <= script.elapsed < 26.0


def test_a_run_that_completed_while_the_key_was_limited_has_completed_at_its_deadline() -> None:
    script = Script(service, limits=limited_key(200.0))
    outcome = script.run(follow_run(FollowOptions("r1", START, deadline=START + 20.0)))
    assert outcome.ending is Ending.COMPLETED


def test_a_log_that_could_not_be_read_to_its_end_by_the_deadline_is_said_to_be_incomplete() -> None:
    script = Script(refuse_first_logs_call(100.0))
    outcome = script.run(follow_run(FollowOptions("r1", START - 60.0, deadline=START + 130.0)))
    assert outcome.ending is Ending.COMPLETED
    assert texts(script.records) == ["a line"]
    script = Script(answers(Run("r1", "name", "COMPLETED"), refusal(100.0)))
    outcome = script.run(follow_run(FollowOptions("r1", START, deadline=START + 20.0)))
    assert outcome.ending is Ending.COMPLETED
    assert len(script.said("was not read to its end")) == 1
