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
from airflow_provider_wherobots.flows.sql.cancel import last_word_after_cancel
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


@contextmanager
def meanwhile(do: Callable[[], Any]) -> Iterator[None]:
    """Do something in another thread."""
    thread = threading.Thread(target=do)
    thread.start()
    try:
        yield
    finally:
        thread.join()


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
    assert driven.run(last_word_after_cancel("e1"))
    assert driven.run(last_word_after_cancel("unknown"))
