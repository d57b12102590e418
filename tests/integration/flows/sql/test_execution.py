"""The flows of SQL sessions on both drivers against the local server: what is executed, and how often."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.sql.messages import Store
from airflow_provider_wherobots.api.sql.models import SqlSession
from airflow_provider_wherobots.api.sql.session_request import SessionRequest
from airflow_provider_wherobots.flows.sql import machine
from airflow_provider_wherobots.flows.sql.cancel import cancel
from airflow_provider_wherobots.flows.sql.connection import connect
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.session import SessionWait, await_session, request_session
from airflow_provider_wherobots.flows.sql.statement import Statement, StatementOptions, execute
from tests.integration import sql_support
from tests.integration.driven import Driven
from tests.integration.sql_support import is_running
from tests.support.waiting import wait_for
from wherobots_local import LocalServer
from wherobots_local.control.client import ControlClient

SINGLE = SessionRequest(session_type="single")


server, session_server = sql_support.server, sql_support.control


@pytest.fixture(params=["sync", "async"])
def driven(request: pytest.FixtureRequest, server: LocalServer) -> Iterator[Driven]:
    made = Driven(request.param, Endpoint(server.url, server.api_key))
    yield made
    made.close()
    assert server.api_key not in str(made.notes)


@pytest.fixture
def session(driven: Driven, session_server: ControlClient) -> SqlSession:
    ready: SqlSession = driven.run(await_session(driven.run(request_session(SINGLE)).id, SessionWait()))
    driven.run(connect(ready))
    return ready


def run(driven: Driven, session: SqlSession, text: str, store: Store | None = None, **more: Any) -> StatementOutcome:
    outcome: StatementOutcome = driven.run(
        execute(Statement("e1", text, store), StatementOptions(url=session.socket_url, **more))
    )
    return outcome


def executed(control: ControlClient) -> int:
    return sum(bool(entry["effective"]) for entry in control.requests("executeSql"))


@contextmanager
def meanwhile(do: Callable[[], Any]) -> Iterator[None]:
    """Do something in another thread."""
    thread = threading.Thread(target=do)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_a_statement_that_did_not_arrive_is_unknown_and_not_sent_again(
    driven: Driven, session: SqlSession, session_server: ControlClient
) -> None:
    session_server.add_fault("executeSql", "reset", times=1)
    outcome = run(driven, session, "SLEEP 1")
    assert (outcome.state, outcome.was_sent) == (StatementState.UNKNOWN, True)
    assert len(session_server.requests("executeSql")) == 1
    assert executed(session_server) == 0


def test_an_older_session_is_polled_after_a_lost_connection(
    driven: Driven, session: SqlSession, session_server: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "POLL_AFTER", (0.3,))
    session_server.behaviour(sql_attach=False)
    session_server.add_fault("executeSql", "lose_answer", times=1)
    outcome = run(driven, session, "SLEEP 1", Store("csv"))
    assert (outcome.state, outcome.is_location_lost) == (StatementState.SUCCEEDED, True)
    assert executed(session_server) == 1


def test_a_lost_final_event_is_found_by_a_question(
    driven: Driven, session: SqlSession, session_server: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "REQUEST_AFTER", (0.5, 1.0, 2.0, 4.0))
    session_server.add_fault("stateUpdated", "lose_message", state="succeeded")
    outcome = run(driven, session, "SELECT 7 AS n")
    assert outcome.results is not None
    assert executed(session_server) == 1


def test_an_execution_that_is_forgotten_while_it_runs_still_ends_with_its_event(
    driven: Driven, session: SqlSession, session_server: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "REQUEST_AFTER", (0.3, 0.3, 0.3, 0.3))
    options = StatementOptions(url=session.socket_url)

    def evict_and_release() -> None:
        wait_for(lambda: is_running(session_server), what="the statement to run")
        session_server.evict_sql_execution(session.id, "e1")
        wait_for(lambda: any("no longer knows it" in text for _, text in driven.notes), what="a word of it")
        session_server.release_sql()

    with meanwhile(evict_and_release):
        outcome = driven.run(execute(Statement("e1", "HOLD", wants_result=False), options))
    assert outcome.state is StatementState.SUCCEEDED


def test_a_session_that_dies_leaves_the_outcome_unknown(
    driven: Driven, session: SqlSession, session_server: ControlClient
) -> None:

    def end() -> None:
        wait_for(lambda: is_running(session_server), what="the statement to run")
        session_server.end_sql_session(session.id)

    with meanwhile(end):
        outcome = run(driven, session, "HOLD", max_outage_seconds=0.5)
    assert outcome.state is StatementState.UNKNOWN
    assert "404" in outcome.message


@pytest.mark.parametrize("rule", ["nothing", "state", "error"])
def test_a_needless_cancel_is_none(
    driven: Driven, session: SqlSession, session_server: ControlClient, rule: str
) -> None:
    session_server.behaviour(sql_needless_cancel=rule)
    run(driven, session, "SELECT 7 AS n")
    assert driven.run(cancel("e1", 3.8))
    assert driven.run(cancel("unknown", 3.8))
