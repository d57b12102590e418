"""Statements that another process has begun: cancelled after a clear, and followed by their ids alone."""

import logging
from collections.abc import Callable

import pytest

from airflow_provider_wherobots.api.errors import NotFoundError, NotSentError, NotWrittenError, ServerError
from airflow_provider_wherobots.api.sql.messages import CancelExecution, ClientMessage, RetrieveResults, StateUpdated
from airflow_provider_wherobots.api.sql.sessions import SqlSession
from airflow_provider_wherobots.flows.retry import CANCEL_BUDGET_SECONDS
from airflow_provider_wherobots.flows.sql.outcome import StatementState
from airflow_provider_wherobots.flows.sql.statement import (
    StatementOptions,
    attach,
    cancel_in_session,
    end_earlier,
    last_word_after_cancel,
)
from airflow_provider_wherobots.io.base import Note
from tests.unit.flows.script import START, always, by_operation
from tests.unit.flows.sql.fake_session import NEVER, URL, Connection, FakeSession, Plan, Running, SqlScript


def session_with(*running: str, ended: str = "", cancel_seconds: float = 0.2) -> FakeSession:
    """A session that executes these statements of a connection that is gone, and has executed another one."""
    session = FakeSession(cancel_seconds=cancel_seconds)
    for execution_id in (*running, ended):
        ends_at = START - 5 if execution_id == ended else NEVER
        session.executions[execution_id] = Running(Plan(), START - 9, ends_at, "succeeded", None, False)
    return session


def cancelled(script: SqlScript) -> list[str]:
    return [message.execution_id for message in script.arrived(CancelExecution)]


def test_what_still_runs_is_cancelled_and_nothing_else() -> None:
    script = SqlScript(session_with("e1", "e3", ended="e2"))
    assert script.run(end_earlier, ["e1", "e2", "e3", "never sent"], URL) == ""
    # Their events may not come here, so nothing is waited for before the request.
    assert script.elapsed < 1
    assert cancelled(script) == ["e1", "e2", "e3", "never sent"]
    assert [script.truth(each) for each in ("e1", "e2", "e3")] == ["cancelled", "succeeded", "cancelled"]
    assert set(script.arrived(RetrieveResults)) == {
        RetrieveResults(each, attach=True) for each in ("e1", "e2", "e3", "never sent")
    }
    assert script.notes == [
        Note(logging.INFO, f"Cancelled statement {each} from before the clear") for each in ("e1", "e3")
    ]


def test_one_whose_cancel_is_not_confirmed_is_named_and_the_rest_is_left() -> None:
    script = SqlScript(session_with("e1", "e2", cancel_seconds=NEVER))
    assert script.run(end_earlier, ["e1", "e2"], URL) == "e1"
    assert set(cancelled(script)) == {"e1"}
    assert script.said("Statement e1 may still run: its cancel was sent, but not confirmed")
    assert script.elapsed <= CANCEL_BUDGET_SECONDS + 1


def test_one_that_the_session_does_not_speak_of_counts_as_running() -> None:
    session = session_with("e1", cancel_seconds=NEVER)
    session.answers = False
    assert SqlScript(session).run(end_earlier, ["e1"], URL) == "e1"


def test_a_connection_that_breaks_before_the_cancel_is_opened_again() -> None:
    class Breaking(FakeSession):
        def transmit(self, connection: Connection, message: ClientMessage, moment: float) -> None:
            if isinstance(message, CancelExecution) and len(self.connects) == 1:
                raise NotWrittenError("sqlSession", "the connection was reset")
            super().transmit(connection, message, moment)

    session = Breaking()
    session.executions = session_with("e1").executions
    script = SqlScript(session)
    assert script.run(end_earlier, ["e1"], URL) == ""
    assert script.truth("e1") == "cancelled"


def test_without_a_connection_it_is_not_known_and_nobody_may_go_on() -> None:
    session = session_with("e1")
    session.connections = [Connection(seconds=0.0) for _ in range(99)]
    assert SqlScript(session).run(end_earlier, ["e1"], URL) == "e1"
    assert len(session.connects) == 4
    session.refusals = [NotSentError("connectSqlSession", "refused")] * 9
    assert SqlScript(session, is_connected=False).run(end_earlier, ["e1"], URL) == "e1"


@pytest.mark.parametrize("can_attach", [True, False])
def test_a_cancel_that_takes_a_while_is_awaited(can_attach: bool) -> None:
    session = session_with("e1", cancel_seconds=5.0)
    session.can_attach = can_attach
    script = SqlScript(session)
    assert script.run(end_earlier, ["e1"], URL) == ""
    assert 5 <= script.elapsed < 7


class Deaf(FakeSession):
    """A session that does not take everything."""

    def __init__(self, takes: Callable[[FakeSession, Connection], bool]) -> None:
        super().__init__(executions=session_with("e1").executions)
        self.takes = takes

    def transmit(self, connection: Connection, message: ClientMessage, moment: float) -> None:
        if isinstance(message, CancelExecution) and not self.takes(self, connection):
            self.written.append((message, moment))
        else:
            super().transmit(connection, message, moment)


def test_a_cancel_attaches_first() -> None:
    """A session may take it only from a connection that is attached."""
    script = SqlScript(Deaf(lambda session, connection: session.executions["e1"].owner is connection))
    assert script.run(last_word_after_cancel, "e1", 1.0, URL) == StateUpdated("e1", "cancelled")
    assert [type(message) for message, _ in script.session.written] == [RetrieveResults, CancelExecution]


@pytest.mark.parametrize("has_sent", [True, False])
def test_a_cancel_that_is_lost_is_sent_again(has_sent: bool) -> None:
    script = SqlScript(Deaf(lambda session, _: any(isinstance(one, CancelExecution) for one, _ in session.written)))
    assert script.run(last_word_after_cancel, "e1", 3.8, URL, has_sent=has_sent) == StateUpdated("e1", "cancelled")
    assert [round(at, 1) for _, at in script.written(CancelExecution)] == [0.0, 1.5]


def test_a_cancel_whose_connection_is_lost_is_sent_over_another_one() -> None:
    session = session_with("e1", cancel_seconds=0.5)
    session.connections = [Connection(seconds=0.0, noticed_after=1.0)]
    script = SqlScript(session)
    assert script.run(last_word_after_cancel, "e1", 3.8, URL) == StateUpdated("e1", "cancelled")
    assert len(session.connects) == 2


READY = SqlSession("s1", "READY", "https://compute.example.com/sql/org/s1/ws", version="1.9.3")
OPTIONS = StatementOptions(URL, session_id="s1")


def test_a_statement_in_a_session_without_a_connection_is_cancelled_over_a_new_one() -> None:
    script = SqlScript(session_with("e1"), by_operation(getSqlSession=always(READY)), is_connected=False)
    script.run(cancel_in_session, "s1", "e1", 4.0)
    assert cancelled(script) == ["e1"]
    assert script.truth("e1") == "cancelled"
    assert script.dialled[0][0] == READY.socket_url
    assert [(sent.call.urgent, sent.timeout) for sent in script.sent] == [(True, 2.0)]
    assert script.notes == [Note(logging.INFO, "Statement e1 was cancelled")]


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (None, "its session is not ready"),
        (SqlSession("s1", "INITIALIZING"), "its session is not ready"),
        (SqlSession("s1", "READY", "ftp://x"), "the session's address is not an http or ws URL"),
        (ServerError("getSqlSession", 503), "503: no body"),
    ],
)
def test_a_session_that_cannot_be_reached_cancels_the_statement_by_itself(found: object, why: str) -> None:
    script = SqlScript(session_with("e1"), by_operation(getSqlSession=always(found)), is_connected=False)
    script.run(cancel_in_session, "s1", "e1", 4.0)
    assert cancelled(script) == []
    (note,) = script.notes
    assert note == Note(
        logging.WARNING,
        f"Statement e1 was not cancelled ({why}). The session cancels it by itself, usually two minutes after its "
        "connection was lost",
    )


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
