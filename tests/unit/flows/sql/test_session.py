import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    QuotaError,
    ResponseLostError,
    ServerError,
    UnreadableResponseError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.sql.sessions import RequestedSession, SessionRequest, SqlSession
from airflow_provider_wherobots.flows.quota import AwaitingQuota, QuotaWait
from airflow_provider_wherobots.flows.retry import JITTER, REFUSED_SECONDS
from airflow_provider_wherobots.flows.sql.session import (
    APPEARANCE_SECONDS,
    SessionEndedError,
    SessionFailedError,
    SessionWait,
    SessionWaitTimeoutError,
    await_session,
    obtain_session,
    request_session,
    request_session_with_quota,
    stop_requested_session,
    stop_session,
)
from airflow_provider_wherobots.io.base import Note, Pause
from tests.unit.flows.script import START, Answer, Hang, Script, always, answers, by_operation
from tests.unit.flows.sql.fake_session import SqlScript

URL = "https://compute.example.com/sql/org/s1/ws"
READY = SqlSession("s1", "READY", URL, version="1.9.3")


def stages(*plan: tuple[float, SqlSession | Exception | None]) -> Answer:
    """A service whose session goes through stages, each from a number of seconds after the start."""

    def answer(call: Call[Any], moment: float) -> Any:
        found: Any = None
        for since, stage in plan:
            if moment - START >= since:
                found = stage
        if isinstance(found, Exception):
            raise found
        return found

    return by_operation(getSqlSession=answer)


def in_stage(status: str, **fields: Any) -> SqlSession:
    return SqlSession("s1", status, **fields)


# Asking


@pytest.mark.parametrize(
    "looked_at", [in_stage("PENDING"), in_stage("DEPLOY_FAILED"), None, ServerError("getSqlSession", 503)]
)
def test_a_session_is_asked_for_once(looked_at: Any) -> None:
    script = Script(by_operation(createSqlSession=always(RequestedSession("s1")), getSqlSession=always(looked_at)))
    assert script.run(request_session, SessionRequest()) == RequestedSession("s1")
    assert script.operations == ["createSqlSession", "getSqlSession"]
    assert script.sent[1].timeout == 30.0
    assert script.notes == [Note(logging.INFO, "Using SQL session s1")]


def test_a_shared_session_for_want_of_quota_is_a_warning() -> None:
    script = Script(by_operation(createSqlSession=always(RequestedSession("s2", "quota"))))
    assert script.run(request_session, SessionRequest(force_new=True)).id == "s2"
    told = "Using SQL session s2 of the same user, with its views and settings: no new one was started (quota)"
    assert script.notes == [Note(logging.WARNING, told)]


@pytest.mark.parametrize("status", ["DESTROY_PENDING", "DESTROYING", "DESTROYED"])
def test_a_shared_session_that_is_being_stopped_is_waited_out(status: str) -> None:
    asks = answers(RequestedSession("s1"), RequestedSession("s1"), RequestedSession("s2"))
    looks = answers(in_stage(status), in_stage("DESTROYED"), SqlSession("s2", "PENDING"))
    script = Script(by_operation(createSqlSession=asks, getSqlSession=looks))
    assert script.run(request_session, SessionRequest()) == RequestedSession("s2")
    assert script.pauses == [Pause(5.0, JITTER)] * 2
    told = "SQL session s1 is being stopped. Requesting a new one in 5 s"
    assert [note.text for note in script.notes] == [told, told, "Using SQL session s2"]


def test_a_session_that_does_not_end_being_stopped_is_told_by_the_wait_for_it() -> None:
    script = Script(
        by_operation(createSqlSession=always(RequestedSession("s1")), getSqlSession=always(in_stage("DESTROYING")))
    )
    assert script.run(request_session, SessionRequest()) == RequestedSession("s1")
    assert 55 <= script.elapsed < 70


@pytest.mark.parametrize("lost", [ResponseLostError("createSqlSession", "reset"), ServerError("createSqlSession", 503)])
def test_a_lost_answer_is_asked_for_again_only_if_that_gives_the_same_session(lost: WherobotsApiError) -> None:
    script = Script(answers(lost, RequestedSession("s1"), in_stage("PENDING")))
    assert script.run(request_session, SessionRequest()).id == "s1"
    for request in (SessionRequest(force_new=True), SessionRequest(session_type="single")):
        script = Script(answers(lost))
        with pytest.raises(type(lost)):
            script.run(request_session, request)


@pytest.mark.parametrize("request_", [SessionRequest(), SessionRequest(force_new=True)])
def test_a_key_that_is_refused_for_a_moment_delays_the_request(request_: SessionRequest) -> None:
    refused = AuthenticationError("createSqlSession", 401)
    create = answers(*[refused] * 5, RequestedSession("s1"))
    script = Script(by_operation(createSqlSession=create, getSqlSession=always(in_stage("PENDING"))))
    assert script.run(request_session, request_).id == "s1"
    assert (script.reloads, script.sleeps) == (5, [1.0, 2.0, 4.0, 8.0, 16.0])
    script = Script(always(refused))
    with pytest.raises(AuthenticationError):
        script.run(request_session, request_)
    assert 60 <= script.elapsed < 62


@pytest.mark.parametrize(
    ("request_", "asked", "owned"),
    [
        (SessionRequest(), RequestedSession("s1"), []),
        (SessionRequest(force_new=True), RequestedSession("s1"), ["s1"]),
        (SessionRequest(force_new=True), RequestedSession("s1", "quota"), []),
    ],
    ids=["shared", "own", "shared for want of quota"],
)
def test_a_session_of_its_own_is_told(request_: SessionRequest, asked: RequestedSession, owned: list[str]) -> None:
    told: list[str] = []

    def answer(call: Call[Any], moment: float) -> SqlSession:
        assert told == (owned if moment > START + 1 else told)
        return READY if moment > START + 10 else in_stage("PENDING")

    script = Script(by_operation(createSqlSession=always(asked), getSqlSession=answer))
    assert script.run(obtain_session, request_, SessionWait(), own=told.append) == READY
    assert told == owned


@pytest.mark.parametrize("kept", [in_stage("DESTROYED"), None])
def test_a_session_of_an_earlier_request_is_used_as_long_as_it_lives(kept: SqlSession | None) -> None:
    script = Script(by_operation(getSqlSession=always(READY)))
    assert script.run(obtain_session, SessionRequest(), SessionWait(), "s1") == READY
    script = Script(
        by_operation(
            createSqlSession=always(RequestedSession("s2")),
            getSqlSession=lambda call, moment: kept if call.path.endswith("s1") else READY,
        )
    )
    assert script.run(obtain_session, SessionRequest(), SessionWait(), "s1") == READY
    assert script.said("SQL session s1 has ended. Requesting a new one")
    assert script.sent[-1].call.path.endswith("s2")
    assert script.elapsed < 2


# Quota

FULL = QuotaError("createSqlSession", 403)


def test_a_session_waits_for_quota_as_a_run_does() -> None:
    script = Script(
        by_operation(createSqlSession=answers(FULL, FULL, RequestedSession("s1")), getSqlSession=always(None))
    )
    assert script.run(request_session_with_quota, SessionRequest(), QuotaWait()) == RequestedSession("s1")
    assert script.sleeps == [5.0, 10.0]
    assert script.notes[0].text.startswith("No SQL session was created yet: the organization's quota is used up.")


def test_a_long_wait_for_quota_is_handed_over_and_goes_on() -> None:
    script = Script(always(FULL))
    handed_over = script.run(request_session_with_quota, SessionRequest(), QuotaWait(may_hand_over=True))
    assert isinstance(handed_over, AwaitingQuota)
    assert script.elapsed < 180
    again = QuotaWait.from_kwargs(json.loads(json.dumps(handed_over.wait.to_kwargs())))
    script = Script(always(FULL))
    assert isinstance(script.run(request_session_with_quota, SessionRequest(), again), AwaitingQuota)
    assert script.operations == ["createSqlSession"]


# Waiting


def test_a_session_that_starts_is_polled_more_and_more_rarely_until_it_is_ready() -> None:
    pending = in_stage("PENDING", version="1.9.3")
    script = Script(stages((0, pending), (30, in_stage("DEPLOYING")), (60, READY)), jitter=1.0)
    assert script.run(await_session, "s1", SessionWait()) == READY
    assert 60 <= script.elapsed < 66
    assert [round(seconds, 1) for seconds in script.sleeps[:6]] == [1.0, 1.5, 2.2, 3.4, 5.0, 5.0]
    assert [round(sent.at - START, 2) for sent in script.sent[:4]] == [0.0, 1.25, 3.1, 5.85]
    assert script.notes == [
        Note(logging.INFO, "SQL session s1 is PENDING"),
        Note(logging.INFO, "SQL session s1 is DEPLOYING"),
        Note(logging.INFO, "SQL session s1 is READY (version 1.9.3)"),
    ]


def test_ready_without_an_address_is_not_ready_yet() -> None:
    script = Script(stages((0, in_stage("READY")), (10, READY)))
    assert script.run(await_session, "s1", SessionWait()) == READY
    assert [note.text for note in script.notes] == [
        "SQL session s1 is waiting for its address",
        "SQL session s1 is READY (version 1.9.3)",
    ]


@pytest.mark.parametrize("unknown", [None, NotFoundError("getSqlSession", 404)])
def test_a_session_that_stays_unknown_has_ended_and_that_is_said_early(unknown: Any) -> None:
    script = Script(stages((0, unknown)))
    with pytest.raises(SessionEndedError) as caught:
        script.run(await_session, "s1", SessionWait())
    assert str(caught.value) == "The service does not know SQL session s1"
    assert APPEARANCE_SECONDS <= script.elapsed < APPEARANCE_SECONDS + 10
    told = "The service does not know SQL session s1; polling again for up to 1 minute"
    assert script.notes == [Note(logging.INFO, told)]


@pytest.mark.parametrize(
    "wait",
    [SessionWait(appearance_seconds=0), SessionWait(since=START - 60), SessionWait(since=START, appearance_seconds=0)],
)
def test_a_session_that_was_not_just_asked_for_is_looked_for_twice(wait: SessionWait) -> None:
    script = Script(stages((0, None)))
    with pytest.raises(SessionEndedError, match="does not know"):
        script.run(await_session, "s1", wait)
    assert script.operations == ["getSqlSession"] * 2
    assert script.notes == [Note(logging.INFO, "The service does not know SQL session s1; polling one more time")]


def test_the_wait_for_a_session_that_has_executed_statements_begins_at_that_moment() -> None:
    wait = SessionWait.of_used(START)
    assert wait == SessionWait(timeout=60.0, max_outage_seconds=60.0, since=START, appearance_seconds=0.0)


def test_a_session_that_is_unknown_once_has_not_ended() -> None:
    script = Script(answers(None, in_stage("PENDING"), NotFoundError("getSqlSession", 404), READY))
    assert script.run(await_session, "s1", SessionWait(appearance_seconds=0)) == READY


@pytest.mark.parametrize("status", ["DEPLOY_FAILED", "INIT_FAILED", "PREPARE_FAILED", "DESTROYING", "DESTROYED"])
def test_a_session_that_will_never_be_ready_is_an_error_with_the_services_words(status: str) -> None:
    script = Script(stages((0, in_stage("PENDING")), (20, in_stage(status, message="no\x1b[2K nodes left"))))
    with pytest.raises(SessionEndedError) as caught:
        script.run(await_session, "s1", SessionWait())
    assert str(caught.value) == f"SQL session s1 is {status}: no\\x1b[2K nodes left"
    assert not caught.value.transient


@pytest.mark.parametrize("url", ["http://compute.example.com/", "https://user:pw@compute.example.com/", "nonsense"])
def test_an_address_that_cannot_be_used_is_an_error_that_does_not_show_it(url: str) -> None:
    script = Script(stages((0, in_stage("READY", url=url))))
    with pytest.raises(SessionFailedError) as caught:
        script.run(await_session, "s1", SessionWait())
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("wait", "seconds", "at_deadline", "limit"),
    [
        (SessionWait(timeout=100), 100, False, "session_wait_timeout=100"),
        (SessionWait(deadline=START + 50), 50, True, "the task's execution_timeout"),
        (SessionWait(timeout=50, deadline=START + 50), 50, False, "session_wait_timeout=50"),
        (SessionWait(timeout=100, since=START - 60), 40, False, "session_wait_timeout=100"),
        (SessionWait(timeout=0), 0, False, "session_wait_timeout=0"),
    ],
)
def test_the_wait_is_bounded(wait: SessionWait, seconds: float, at_deadline: bool, limit: str) -> None:
    script = Script(stages((0, in_stage("PENDING"))), jitter=1.0)
    with pytest.raises(SessionWaitTimeoutError) as caught:
        script.run(await_session, "s1", wait)
    assert str(caught.value) == f"SQL session s1 was still PENDING when {limit} was reached"
    assert caught.value.at_deadline is at_deadline
    assert seconds <= script.elapsed < seconds + 1


def test_polls_that_hang_do_not_prolong_the_wait_much() -> None:
    def hang(call: Call[Any], moment: float) -> Any:
        raise Hang

    script = Script(hang)
    with pytest.raises(SessionWaitTimeoutError, match="still unknown"):
        script.run(await_session, "s1", SessionWait(timeout=100))
    assert script.elapsed < 105


def test_an_outage_is_tolerated_and_told_once() -> None:
    error = ServerError("getSqlSession", 503)
    script = Script(stages((0, in_stage("PENDING")), (10, error), (100, in_stage("PENDING")), (120, READY)))
    assert script.run(await_session, "s1", SessionWait()) == READY
    assert script.notes[1:-1] == [
        Note(logging.WARNING, f"{error}; the session is not affected; polling continues"),
        Note(logging.INFO, "The service responds again, after 7 failed attempts"),
    ]


def test_an_outage_that_lasts_too_long_and_a_permanent_failure_end_the_wait() -> None:
    script = Script(stages((0, UnreadableResponseError("getSqlSession", 200, b"<html>", "no JSON"))))
    with pytest.raises(UnreadableResponseError):
        script.run(await_session, "s1", SessionWait(max_outage_seconds=60))
    assert 60 <= script.elapsed < 62
    for permanent in (PermissionDeniedError("getSqlSession", 403), AuthenticationError("getSqlSession", 401)):
        script = Script(stages((0, permanent)))
        with pytest.raises(type(permanent)):
            script.run(await_session, "s1", SessionWait())
        assert REFUSED_SECONDS - 1 < script.elapsed < REFUSED_SECONDS + 1
        script = Script(stages((0, permanent)))
        with pytest.raises(type(permanent)):
            script.run(await_session, "s1", SessionWait(timeout=15.0))
        assert 15 <= script.elapsed < 20


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
def test_a_change_of_the_wall_clock_does_not_shift_the_end_of_the_wait(jump: float) -> None:
    script = SqlScript(answer=stages((0, in_stage("PENDING"))), jumps=[(30.0, jump)])
    with pytest.raises(SessionWaitTimeoutError):
        script.run(await_session, "s1", SessionWait(timeout=100))
    assert script.elapsed == pytest.approx(100, abs=0.2)


def test_a_trigger_goes_on_with_the_same_wait() -> None:
    wait = SessionWait(timeout=100, deadline=START + 500).begun(START)
    again = SessionWait.from_kwargs({**json.loads(json.dumps(wait.to_kwargs())), "of_a_later_version": 1})
    assert again == wait
    assert again.begun(START + 50) == wait
    assert SessionWait.from_kwargs({}) == SessionWait()


@given(
    st.lists(
        st.tuples(
            st.floats(0, 400),
            st.sampled_from(
                [
                    None,
                    in_stage("PENDING"),
                    in_stage("READY"),
                    in_stage("LATER\ud800"),
                    READY,
                    in_stage("DESTROYED"),
                    NotFoundError("getSqlSession", 404),
                    ServerError("getSqlSession", 503),
                    ResponseLostError("getSqlSession", "reset"),
                    PermissionDeniedError("getSqlSession", 403),
                ]
            ),
        ),
        max_size=8,
    ),
    st.lists(st.tuples(st.floats(0, 400), st.sampled_from([-86_400.0, -40.0, 40.0])), max_size=2),
)
def test_it_is_ready_or_a_typed_error_in_time(plan: list[tuple[float, Any]], jumps: list[tuple[float, float]]) -> None:
    script = SqlScript(answer=stages(*sorted(plan, key=lambda stage: stage[0])), jumps=jumps)
    with suppress(SessionFailedError, PermissionDeniedError):
        assert script.run(await_session, "s1", SessionWait(timeout=300)).is_ready
    assert script.elapsed < 700


# Stopping


OURS = SqlSession("s1", "PENDING", key="ours")


@pytest.mark.parametrize(
    ("asked", "found", "operations"),
    [
        (RequestedSession("s1"), OURS, ["createSqlSession", "getSqlSession", "deleteSqlSession"]),
        (RequestedSession("s1"), replace(OURS, key="theirs"), ["createSqlSession", "getSqlSession"]),
        (RequestedSession("s1"), replace(OURS, key=""), ["createSqlSession", "getSqlSession"]),
        (RequestedSession("s2", "quota"), OURS, ["createSqlSession"]),
    ],
    ids=["ours", "of another key", "the key is ignored", "offered instead"],
)
def test_only_the_session_asked_for_ends(asked: RequestedSession, found: SqlSession, operations: list[str]) -> None:
    script = Script(
        by_operation(createSqlSession=always(asked), getSqlSession=always(found), deleteSqlSession=always(None))
    )
    assert script.run(stop_requested_session, SessionRequest(session_key="ours"), 25.0)
    assert script.operations == operations
    if operations[-1] == "getSqlSession":
        assert "is not stopped, because the service does not show" in script.notes[-1].text


@pytest.mark.parametrize("unknown", [None, NotFoundError("getSqlSession", 404)])
def test_the_session_of_a_request_may_not_be_known_yet_when_it_is_stopped(unknown: object) -> None:
    script = Script(
        by_operation(
            createSqlSession=always(RequestedSession("s1")),
            getSqlSession=answers(unknown, OURS),
            deleteSqlSession=answers(NotFoundError("deleteSqlSession", 404), None),
        )
    )
    assert script.run(stop_requested_session, SessionRequest(session_key="ours"), 25.0)
    assert script.operations[1:] == ["getSqlSession"] * 2 + ["deleteSqlSession"] * 2


def test_a_session_that_cannot_be_asked_for_again_is_told_in_time() -> None:
    script = Script(hanging)
    assert not script.run(stop_requested_session, SessionRequest(session_key="ours"), 3.8)
    told = script.notes[-1].text
    assert told.startswith("A SQL session may have been started, and could not be stopped (")
    assert told.endswith(". A retry uses it; without one it ends some time after its start")
    assert script.elapsed < 3.8


def test_the_request_and_the_stop_together_keep_to_the_time() -> None:
    away = always(ServerError("getSqlSession", 503))
    script = Script(by_operation(createSqlSession=always(RequestedSession("s1")), getSqlSession=away), latency=2.0)
    assert not script.run(stop_requested_session, SessionRequest(session_key="ours"), 9.0)
    assert [sent.timeout for sent in script.sent[:2]] == [4.5, 7.0]


COULD_NOT = (
    "could not be stopped ({}). It ends by itself some time after its last client has disconnected. To stop it: "
    'WherobotsSqlHook().stop_session("s1")'
)


@pytest.mark.parametrize(
    ("answer", "expected", "level", "told"),
    [
        (None, True, logging.INFO, "is being stopped"),
        (NotFoundError("deleteSqlSession", 404), True, logging.INFO, "need not be stopped: {}"),
        (ConflictError("deleteSqlSession", 409), True, logging.INFO, "need not be stopped: {}"),
        (BadRequestError("deleteSqlSession", 400), False, logging.WARNING, COULD_NOT.format("{}")),
    ],
)
def test_a_session_is_stopped_or_needs_no_stopping(answer: Any, expected: bool, level: int, told: str) -> None:
    script = Script(by_operation(deleteSqlSession=always(answer)))
    assert script.run(stop_session, "s1") is expected
    assert script.notes == [Note(level, f"SQL session s1 {told.format(answer and answer.reason)}")]
    assert script.elapsed < 1


@pytest.mark.parametrize("kind", [AuthenticationError, PermissionDeniedError])
@pytest.mark.parametrize(("seconds", "expected"), [(0.0, True), (20.0, True), (30.0, False)])
def test_a_session_is_stopped_with_a_key_that_is_refused_for_a_moment(
    kind: type[AuthenticationError | PermissionDeniedError], seconds: float, expected: bool
) -> None:
    def answer(call: Call[Any], moment: float) -> Any:
        if moment <= START + seconds:
            raise kind("deleteSqlSession", 401)

    script = Script(answer)
    assert script.run(stop_session, "s1") is expected
    assert script.elapsed < 26


def hanging(call: Call[Any], moment: float) -> Any:
    raise Hang


@pytest.mark.parametrize("answer", [always(ServerError("deleteSqlSession", 503)), hanging])
@pytest.mark.parametrize("budget", [3.8, 25.0])
def test_stopping_never_takes_longer_than_it_may(answer: Callable[..., Any], budget: float) -> None:
    script = Script(answer)
    assert not script.run(stop_session, "s1", budget)
    assert script.elapsed < budget + 1


def test_attempts_to_stop_come_closer_to_each_other_at_the_end_of_the_budget() -> None:
    script = Script(always(ServerError("deleteSqlSession", 503)))
    assert not script.run(stop_session, "s1", 4.2)
    assert [round(seconds, 2) for seconds in script.sleeps] == [1.0, 1.55, 0.75]
    assert [round(sent.timeout or 0, 2) for sent in script.sent] == [4.2, 3.15, 1.55, 0.75]
