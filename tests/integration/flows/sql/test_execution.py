"""The flows of SQL sessions on both drivers against the local server: what is executed, and how often."""

from __future__ import annotations

import threading
import time
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
from airflow_provider_wherobots.flows.sql.session import (
    SessionEndedError,
    SessionFailedError,
    SessionWait,
    await_session,
    request_session,
    stop_session,
)
from airflow_provider_wherobots.flows.sql.statement import Statement, StatementOptions, attach, execute, fetch
from tests.integration.driven import Driven
from tests.integration.sql_support import is_running
from tests.support.waiting import wait_for
from wherobots_local import LocalServer
from wherobots_local.control.client import ControlClient

SINGLE = SessionRequest(session_type="single")


@pytest.fixture
def session_server(server: LocalServer, control: ControlClient) -> Iterator[ControlClient]:
    before = control.behaviour()
    control.behaviour(sql_synthetic=True)
    yield control
    control.behaviour(**{name: value for name, value in before.items() if name.startswith("sql_")})
    for session in control.sql_sessions():
        control.end_sql_session(session["id"])


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


def test_a_session_starts_and_ends(driven: Driven, session_server: ControlClient) -> None:
    session_server.behaviour(sql_start_delay_seconds=1.0, sql_null_seconds=0.5, sql_url_delay_seconds=0.5)
    asked = driven.run(request_session(SINGLE))
    ready: SqlSession = driven.run(await_session(asked.id, SessionWait()))
    assert ready.is_ready
    assert driven.run(stop_session(asked.id))
    with pytest.raises(SessionEndedError, match="DESTROY"):
        driven.run(await_session(asked.id, SessionWait()))
    assert driven.run(stop_session(asked.id))


def test_equal_requests_share_a_session(driven: Driven, session_server: ControlClient) -> None:
    first, second = (driven.run(request_session(SessionRequest(session_key="a"))) for _ in range(2))
    other = driven.run(request_session(SessionRequest(session_key="b")))
    assert first == second != other
    assert {session["id"] for session in session_server.sql_sessions()} >= {first.id, other.id}


def test_a_result_a_failure_and_ddl(driven: Driven, session: SqlSession, session_server: ControlClient) -> None:
    outcome = run(driven, session, "SELECT 7 AS n")
    assert outcome.state is StatementState.SUCCEEDED
    assert outcome.results is not None
    assert (outcome.results.format, outcome.results.compression) == ("arrow", "zstd")
    options = StatementOptions(url=session.socket_url)
    failed = driven.run(execute(Statement("e2", "FAIL [PARSE_SYNTAX_ERROR] here"), options))
    assert (failed.state, failed.message) == (StatementState.FAILED, "[PARSE_SYNTAX_ERROR] here")
    dropped = driven.run(execute(Statement("e3", "DROP TABLE t", wants_result=False), options))
    assert dropped.state is StatementState.SUCCEEDED
    assert executed(session_server) == 3


def test_a_stored_result_has_an_address(driven: Driven, session: SqlSession) -> None:
    outcome = run(driven, session, "SELECT 7 AS n", Store("parquet"))
    assert outcome.result_uri is not None
    assert outcome.result_uri.startswith("s3://")
    assert outcome.size
    assert not outcome.is_location_lost


def test_a_statement_whose_connection_is_lost_is_taken_over(
    driven: Driven, session: SqlSession, session_server: ControlClient
) -> None:
    session_server.add_fault("executeSql", "lose_answer", times=1)
    outcome = run(driven, session, "SLEEP 1")
    assert outcome.state is StatementState.SUCCEEDED
    assert executed(session_server) == 1


def test_a_statement_that_did_not_arrive_is_unknown_and_not_sent_again(
    driven: Driven, session: SqlSession, session_server: ControlClient
) -> None:
    session_server.add_fault("executeSql", "reset", times=1)
    outcome = run(driven, session, "SLEEP 1")
    assert (outcome.state, outcome.was_sent) == (StatementState.UNKNOWN, True)
    assert len(session_server.requests("executeSql")) == 1
    assert executed(session_server) == 0


@pytest.mark.parametrize("code", [None, 1000, 1011])
def test_a_running_statement_survives_lost_connections(
    driven: Driven, session: SqlSession, session_server: ControlClient, code: int | None
) -> None:
    def drop_twice() -> None:
        wait_for(lambda: is_running(session_server), what="the statement to run")
        for _ in range(2):
            wait_for(lambda: session_server.drop_sql_connections(session.id, code=code), what="a connection")
        session_server.release_sql()

    with meanwhile(drop_twice):
        outcome = run(driven, session, "HOLD")
    assert outcome.state is StatementState.SUCCEEDED
    assert executed(session_server) == 1


def test_an_older_session_is_polled_after_a_lost_connection(
    driven: Driven, session: SqlSession, session_server: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "POLL_AFTER", (0.3,))
    session_server.behaviour(sql_attach=False)
    session_server.add_fault("executeSql", "lose_answer", times=1)
    outcome = run(driven, session, "SLEEP 1", Store("csv"))
    assert (outcome.state, outcome.is_location_lost) == (StatementState.SUCCEEDED, True)
    assert executed(session_server) == 1


def test_an_orphan_that_the_session_has_cancelled_is_unknown(
    driven: Driven, session: SqlSession, session_server: ControlClient
) -> None:
    session_server.behaviour(sql_orphan_grace_seconds=0.0)

    def drop() -> None:
        wait_for(lambda: is_running(session_server), what="the statement to run")
        session_server.drop_sql_connections(session.id)

    with meanwhile(drop):
        outcome = run(driven, session, "HOLD")
    assert outcome.state is StatementState.UNKNOWN
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


def test_a_session_that_refuses_connections_is_none_to_execute_in(
    driven: Driven, session: SqlSession, session_server: ControlClient
) -> None:
    session_server.end_sql_session(session.id)
    with pytest.raises(SessionFailedError, match=r"is READY, but refuses connections: .*404"):
        driven.run(connect(session, 0.5))


def test_a_deadline_cancels(driven: Driven, session: SqlSession, session_server: ControlClient) -> None:
    outcome = run(driven, session, "HOLD", deadline=time.time() + 1.0)
    assert (outcome.state, outcome.message) == (StatementState.DEADLINE, "it was cancelled")
    assert len(session_server.requests("cancelExecution")) == 1


@pytest.mark.parametrize("rule", ["nothing", "state", "error"])
def test_a_needless_cancel_is_none(
    driven: Driven, session: SqlSession, session_server: ControlClient, rule: str
) -> None:
    session_server.behaviour(sql_needless_cancel=rule)
    run(driven, session, "SELECT 7 AS n")
    assert driven.run(cancel("e1", 3.8))
    assert driven.run(cancel("unknown", 3.8))


def test_a_long_statement_is_handed_from_the_worker_to_the_triggerer_and_back(
    server: LocalServer, session_server: ControlClient
) -> None:
    endpoint = Endpoint(server.url, server.api_key)
    worker, triggerer = Driven("sync", endpoint), Driven("async", endpoint)
    try:
        ready = worker.run(await_session(worker.run(request_session(SINGLE)).id, SessionWait()))
        worker.run(connect(ready))
        text = "SELECT 7 AS n -- slow"
        session_server.answer_sql("slow", {"n": [7]}, held=True)
        outcome = run(worker, ready, text, hand_over_after=0.3)
        assert outcome.state is StatementState.RUNNING
        worker.sync.close()
        options = StatementOptions(url=ready.socket_url, started_at=outcome.started_at)
        with meanwhile(session_server.release_sql):
            ended = triggerer.run(attach("e1", options, wants_result=False))
        assert StatementOutcome.from_event(ended.to_event()).state is StatementState.SUCCEEDED
        assert ended.seconds >= 0.3, "from the beginning on"
        fetched = worker.run(fetch("e1", options))
        assert fetched.results is not None
        assert executed(session_server) == 1
    finally:
        worker.close()
        triggerer.close()
