"""What a retry makes of the statements of the tries before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from airflow_provider_wherobots.api.errors import NotFoundError
from airflow_provider_wherobots.api.sql.messages import CANCELLED, FAILED, SUCCEEDED, ExecuteSql, RetrieveResults, Store
from airflow_provider_wherobots.flows.sql.execution_ids import ExecutionIds
from airflow_provider_wherobots.flows.sql.look_back import Found, Planned, look_back
from airflow_provider_wherobots.flows.sql.statement import StatementOptions, StatementState
from airflow_provider_wherobots.sql.repeatable import may_repeat
from tests.unit.flows.script import START
from tests.unit.flows.sql.fake_session import (
    NEVER,
    RESULT,
    URL,
    Connection,
    FakeSession,
    Plan,
    Running,
    SqlScript,
)

IDS = ExecutionIds("task")
CREATE = "CREATE OR REPLACE TABLE t (n INT)"
INSERT = "INSERT INTO t VALUES (1)"
UPDATE = "UPDATE t SET n = n + 1"
SELECT = "SELECT * FROM t"
RUNNING = "running"
ENDLESS = "endless"
FORGOTTEN = None


def asked(
    statements: list[str],
    *states: str | None,
    is_settled: bool | None = False,
    wants_result: bool = False,
    deadline: float | None = None,
    can_attach: bool = True,
    tries: Sequence[int] = (1,),
    store: Store | None = None,
    session: FakeSession | None = None,
    **options: Any,
) -> Found:
    """Look back at one try, whose statements have these states in the session."""
    session = session or FakeSession(can_attach=can_attach)
    for index, (text, state) in enumerate(zip(statements, states, strict=False)):
        if state is not FORGOTTEN:
            ends_at = {RUNNING: START + 5, ENDLESS: NEVER}.get(state, START - 5)
            final = SUCCEEDED if state in (RUNNING, ENDLESS) else state
            execution_id = IDS.of(1, index, text, store)
            session.executions[execution_id] = Running(Plan(), START - 9, ends_at, final, None, False)
            if state == RUNNING:
                session._end(session.executions[execution_id], execution_id, ends_at, final)
    planned = [Planned(text, may_repeat(text), wants_result, store) for text in statements]
    script = SqlScript(session)
    followed = StatementOptions(URL, deadline)
    found = script.run(look_back(planned, IDS, tries, followed, is_settled=is_settled, **options))
    assert script.arrived(ExecuteSql) == []
    asked = script.arrived(RetrieveResults)
    geometries = {message.geometry for message in asked if isinstance(message, RetrieveResults)}
    assert geometries == {options.get("geometry", "ewkt")}
    if RUNNING not in states and ENDLESS not in states:
        ids = [message.execution_id for message in asked]
        assert len(ids) == len(set(ids)), "one question for one execution"
    return found


@pytest.mark.parametrize(
    ("statements", "states", "kept", "in_doubt"),
    [
        ([INSERT, SELECT], [SUCCEEDED, FAILED], 1, None),
        ([INSERT, UPDATE], [SUCCEEDED, FAILED], 1, None),
        ([INSERT, UPDATE], [SUCCEEDED, FORGOTTEN], 1, 1),
        ([INSERT, UPDATE], [SUCCEEDED, CANCELLED], 1, 1),
        # What comes before a write says nothing about it once the session has forgotten it.
        ([CREATE, INSERT], [FORGOTTEN, FORGOTTEN], 0, 1),
        ([CREATE, INSERT], [FORGOTTEN, SUCCEEDED], 2, None),
        ([CREATE, INSERT], [FORGOTTEN, FAILED], 0, None),
        ([CREATE, INSERT], [FORGOTTEN, RUNNING], 2, None),
        ([CREATE, INSERT], [SUCCEEDED, SUCCEEDED], 2, None),
        ([SELECT, CREATE, INSERT], [FORGOTTEN, SUCCEEDED, FORGOTTEN], 0, 2),
        # No try has gone on after these.
        ([CREATE, INSERT], [FAILED, FORGOTTEN], 0, None),
        ([INSERT, SELECT, UPDATE], [SUCCEEDED, CANCELLED, FORGOTTEN], 1, None),
        # What was read is read again.
        ([INSERT, SELECT], [SUCCEEDED, SUCCEEDED], 1, None),
        ([SELECT], [SUCCEEDED], 0, None),
        ([SELECT], [RUNNING], 1, None),
        ([SELECT], [FORGOTTEN], 0, None),
    ],
)
@pytest.mark.parametrize("is_settled", [False, None])
def test_no_write_is_executed_twice(
    statements: list[str], states: list[str | None], kept: int, in_doubt: int | None, is_settled: bool | None
) -> None:
    found = asked(statements, *states, is_settled=is_settled)
    assert (len(found.outcomes), found.in_doubt) == (kept, in_doubt)
    assert all(outcome.state is StatementState.SUCCEEDED for outcome in found.outcomes)


@pytest.mark.parametrize("statements", [[INSERT], [CREATE, INSERT]])
def test_a_try_that_knew_all_outcomes_leaves_no_doubt(statements: list[str]) -> None:
    assert asked(statements, is_settled=True) == Found()


def test_a_forgotten_result_before_a_write_is_lost_and_not_read_again() -> None:
    found = asked([SELECT, INSERT], FORGOTTEN, SUCCEEDED, wants_result=True)
    lost, written = found.outcomes
    assert (lost.state, written.state) == (StatementState.GAVE_UP, StatementState.SUCCEEDED)
    assert lost.message == (
        "it succeeded, as a later one was sent, but the session no longer knows it, so its result cannot be fetched"
    )


@pytest.mark.parametrize("options", [{}, {"geometry": "geojson"}])
def test_a_result_of_an_earlier_try_is_fetched_if_it_is_wanted(options: dict[str, Any]) -> None:
    found = asked([SELECT, INSERT], SUCCEEDED, SUCCEEDED, wants_result=True, **options)
    assert [(each.state, each.results) for each in found.outcomes] == [(StatementState.SUCCEEDED, RESULT)] * 2


def test_a_statement_that_is_stored_elsewhere_is_another_one() -> None:
    found = asked([INSERT], SUCCEEDED, store=Store("parquet"))
    assert [each.state for each in found.outcomes] == [StatementState.SUCCEEDED]


def test_the_outcome_of_a_write_is_unknown_if_it_was_running_and_its_session_was_lost() -> None:
    session = FakeSession(
        connections=[Connection(seconds=3.0)], refusals=[None, *[NotFoundError("connectSqlSession", 404)] * 99]
    )
    found = asked([INSERT], ENDLESS, tries=(1, 0), session=session)
    assert [each.state for each in found.outcomes] == [StatementState.UNKNOWN]
    assert found.in_doubt is None


@pytest.mark.parametrize("can_attach", [True, False])
def test_a_write_that_meets_the_deadline_is_the_tasks_outcome(can_attach: bool) -> None:
    found = asked([INSERT, SELECT], ENDLESS, deadline=START + 20, can_attach=can_attach)
    (outcome,) = found.outcomes
    assert (outcome.state, outcome.is_cancelled) == (StatementState.DEADLINE, True)
