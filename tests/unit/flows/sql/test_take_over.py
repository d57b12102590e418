"""A statement that another process has begun is followed by its ids alone, also if its session has gone."""

import pytest

from airflow_provider_wherobots.api.errors import NotFoundError, NotSentError, ServerError
from airflow_provider_wherobots.api.sql.sessions import SqlSession
from airflow_provider_wherobots.flows.sql.outcome import StatementState
from airflow_provider_wherobots.flows.sql.statement import StatementOptions, attach, last_word_after_cancel
from tests.unit.flows.script import START, always, by_operation
from tests.unit.flows.sql.fake_session import NEVER, URL, Connection, FakeSession, Plan, Running, SqlScript

READY = SqlSession("s1", "READY", "https://compute.example.com/sql/org/s1/ws", version="1.9.3")
OPTIONS = StatementOptions(URL, session_id="s1")


@pytest.mark.parametrize(
    "found",
    [None, NotFoundError("getSqlSession", 404), ServerError("getSqlSession", 503), SqlSession("s1", "DESTROYED")],
)
def test_it_is_attached_to_at_its_address_whatever_the_service_says(found: object) -> None:
    session = FakeSession()
    session.executions["e1"] = Running(Plan(), START - 9, START + 60, "succeeded", None, False)
    script = SqlScript(session, by_operation(getSqlSession=always(found)), is_connected=False)
    outcome = script.run(attach, "e1", OPTIONS, wants_result=False)
    assert outcome.state is StatementState.SUCCEEDED
    assert (script.sent, script.dialled[0][0]) == ([], URL)


@pytest.mark.parametrize(
    ("found", "why", "seconds"),
    [
        (SqlSession("s1", "DESTROYED", message="stopped"), "SQL session s1 is DESTROYED: stopped", 60),
        (NotFoundError("getSqlSession", 404), "The service does not know SQL session s1", 60),
        (None, "refused", 600),
        (ServerError("getSqlSession", 503), "refused", 600),
        (READY, "refused", 600),
    ],
    ids=["ended", "gone", "null", "in an outage", "ready"],
)
def test_a_minute_after_its_address_has_failed_the_service_is_asked(found: object, why: str, seconds: int) -> None:
    session = FakeSession(refusals=[NotSentError("connectSqlSession", "refused")] * 999)
    script = SqlScript(session, by_operation(getSqlSession=always(found)), is_connected=False)
    outcome = script.run(attach, "e1", OPTIONS, wants_result=False)
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
    assert script.run(attach, "e1", OPTIONS, wants_result=False).state is StatementState.SUCCEEDED
    assert script.dialled[-1][0] == READY.socket_url


def test_it_is_cancelled_at_its_address_whatever_the_service_says() -> None:
    session = FakeSession()
    session.executions["e1"] = Running(Plan(), START - 9, NEVER, "succeeded", None, False)
    script = SqlScript(session, is_connected=False)
    assert script.run(last_word_after_cancel, "e1", 25.0, URL) is not None
    assert (script.dialled, script.truth("e1")) == ([(URL, 10.0)], "cancelled")
