"""A statement that another process has begun is followed by its ids alone, also if its session has gone."""

from __future__ import annotations

import pytest

from airflow_provider_wherobots.api.errors import PermissionDeniedError
from airflow_provider_wherobots.api.sql.models import SqlSession
from airflow_provider_wherobots.flows.sql.statement import StatementOptions, StatementState
from airflow_provider_wherobots.flows.sql.take_over import follow_in_session
from tests.unit.flows.script import START, always, by_operation
from tests.unit.flows.sql.fake_session import FakeSession, Plan, Running, SqlScript

READY = SqlSession("s1", "READY", "https://compute.example.com/sql/org/s1/ws", version="1.9.3")


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (SqlSession("s1", "DESTROYED"), "DESTROYED"),
        (None, "s1"),
        (PermissionDeniedError("getSqlSession", 403), "its session cannot be reached"),
    ],
    ids=["ended", "gone", "refused"],
)
def test_what_became_of_it_is_unknown_if_its_session_is_not_there(found: object, why: str) -> None:
    script = SqlScript(answer=by_operation(getSqlSession=always(found)), is_connected=False)
    outcome = script.run(follow_in_session("s1", "e1", StatementOptions()))
    assert (outcome.state, outcome.execution_id) == (StatementState.UNKNOWN, "e1")
    assert why in outcome.message
    assert script.session.written == []


def test_it_is_followed_to_its_end_in_a_session_that_is_there() -> None:
    session = FakeSession()
    session.executions["e1"] = Running(Plan(), START - 9, START + 60, "succeeded", None, False)
    script = SqlScript(session, by_operation(getSqlSession=always(READY)), is_connected=False)
    outcome = script.run(follow_in_session("s1", "e1", StatementOptions()))
    assert outcome.state is StatementState.SUCCEEDED
    assert script.elapsed >= 60.0
