"""A statement that another process has begun is followed by its ids alone, also if its session has gone."""

from __future__ import annotations

import pytest

from airflow_provider_wherobots.api.errors import NotFoundError, NotSentError, PermissionDeniedError, ServerError
from airflow_provider_wherobots.api.sql.models import SqlSession
from airflow_provider_wherobots.flows.sql.cancel import last_word_after_cancel
from airflow_provider_wherobots.flows.sql.outcome import StatementState
from airflow_provider_wherobots.flows.sql.statement import StatementOptions, follow_in_session
from tests.unit.flows.script import START, always, by_operation
from tests.unit.flows.sql.fake_session import NEVER, URL, Connection, FakeSession, Plan, Running, SqlScript

READY = SqlSession("s1", "READY", "https://compute.example.com/sql/org/s1/ws", version="1.9.3")


@pytest.mark.parametrize(
    ("found", "why", "seconds"),
    [
        (SqlSession("s1", "DESTROYED"), "getSqlSession: SQL session s1 is DESTROYED", 0),
        (None, "getSqlSession: the service does not know SQL session s1", 60),
        (
            PermissionDeniedError("getSqlSession", 403),
            "its session cannot be reached (getSqlSession: 403: no body)",
            60,
        ),
        (
            ServerError("getSqlSession", 503),
            "its session cannot be reached (getSqlSession: 503: no body)",
            600,
        ),
    ],
    ids=["ended", "gone", "refused", "in an outage"],
)
def test_without_an_address_its_outcome_is_unknown_if_its_session_is_not_there(
    found: object, why: str, seconds: int
) -> None:
    script = SqlScript(answer=by_operation(getSqlSession=always(found)), is_connected=False)
    outcome = script.run(follow_in_session("s1", "e1", StatementOptions()))
    assert (outcome.state, outcome.execution_id, outcome.message) == (StatementState.UNKNOWN, "e1", why)
    assert script.session.written == []
    assert seconds <= script.elapsed < seconds + 6


def test_the_deadline_ends_the_wait_for_its_session() -> None:
    script = SqlScript(answer=by_operation(getSqlSession=always(SqlSession("s1", "PENDING"))), is_connected=False)
    outcome = script.run(follow_in_session("s1", "e1", StatementOptions(deadline=START + 20)))
    assert outcome.state is StatementState.DEADLINE
    assert 20 <= script.elapsed < 21


def test_it_is_followed_to_its_end_in_a_session_that_is_there() -> None:
    session = FakeSession()
    session.executions["e1"] = Running(Plan(), START - 9, START + 60, "succeeded", None, False)
    script = SqlScript(session, by_operation(getSqlSession=always(READY)), is_connected=False)
    outcome = script.run(follow_in_session("s1", "e1", StatementOptions()))
    assert (outcome.state, outcome.results) == (StatementState.SUCCEEDED, None)
    assert script.elapsed >= 60.0


@pytest.mark.parametrize(
    "found",
    [None, NotFoundError("getSqlSession", 404), ServerError("getSqlSession", 503), SqlSession("s1", "DESTROYED")],
)
def test_it_is_attached_to_at_its_address_whatever_the_service_says(found: object) -> None:
    session = FakeSession()
    session.executions["e1"] = Running(Plan(), START - 9, START + 60, "succeeded", None, False)
    script = SqlScript(session, by_operation(getSqlSession=always(found)), is_connected=False)
    outcome = script.run(follow_in_session("s1", "e1", StatementOptions(URL)))
    assert outcome.state is StatementState.SUCCEEDED
    assert (script.sent, script.dialled[0][0]) == ([], URL)


@pytest.mark.parametrize(
    ("found", "why", "seconds"),
    [
        (SqlSession("s1", "DESTROYED", message="stopped"), "SQL session s1 is DESTROYED: stopped", 60),
        (NotFoundError("getSqlSession", 404), "the service does not know SQL session s1", 60),
        (None, "refused", 600),
        (ServerError("getSqlSession", 503), "refused", 600),
        (READY, "refused", 600),
    ],
    ids=["ended", "gone", "null", "in an outage", "ready"],
)
def test_a_minute_after_its_address_has_failed_the_service_is_asked(found: object, why: str, seconds: int) -> None:
    session = FakeSession(refusals=[NotSentError("connectSqlSession", "refused")] * 999)
    script = SqlScript(session, by_operation(getSqlSession=always(found)), is_connected=False)
    outcome = script.run(follow_in_session("s1", "e1", StatementOptions(URL)))
    assert outcome.state is StatementState.UNKNOWN
    assert why in outcome.message
    assert seconds <= script.elapsed < seconds + 30
    assert len(script.sent) == seconds // 60 - (seconds > 60)


def test_it_is_attached_to_where_the_service_says_that_its_session_is_now() -> None:
    class Moved(FakeSession):
        def connect(self, moment: float) -> Connection:
            if script.dialled[-1][0] == URL:
                raise NotSentError("connectSqlSession", "refused")
            return super().connect(moment)

    session = Moved()
    session.executions["e1"] = Running(Plan(), START - 9, START + 99, "succeeded", None, False)
    script = SqlScript(session, by_operation(getSqlSession=always(READY)), is_connected=False)
    assert script.run(follow_in_session("s1", "e1", StatementOptions(URL))).state is StatementState.SUCCEEDED
    assert script.dialled[-1][0] == READY.socket_url


def test_it_is_cancelled_at_its_address_whatever_the_service_says() -> None:
    session = FakeSession()
    session.executions["e1"] = Running(Plan(), START - 9, NEVER, "succeeded", None, False)
    script = SqlScript(session, is_connected=False)
    assert script.run(last_word_after_cancel("e1", 25.0, URL)) is not None
    assert (script.dialled, script.truth("e1")) == ([(URL, 10.0)], "cancelled")
