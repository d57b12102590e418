"""What a retry makes of the statements of the tries before it."""

from __future__ import annotations

import pytest

from airflow_provider_wherobots.api.sql.messages import CANCELLED, FAILED, SUCCEEDED, ExecuteSql
from airflow_provider_wherobots.flows.sql.execution_ids import ExecutionIds
from airflow_provider_wherobots.flows.sql.look_back import Found, Planned, look_back
from airflow_provider_wherobots.flows.sql.statement import StatementOptions, StatementState
from airflow_provider_wherobots.sql.repeatable import may_repeat
from tests.unit.flows.script import START
from tests.unit.flows.sql.fake_session import NEVER, URL, FakeSession, Plan, Running, SqlScript

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
) -> Found:
    """Look back at one try, whose statements have these states in the session."""
    session = FakeSession(can_attach=can_attach)
    for index, (text, state) in enumerate(zip(statements, states, strict=False)):
        if state is not FORGOTTEN:
            ends_at = {RUNNING: START + 5, ENDLESS: NEVER}.get(state, START - 5)
            final = SUCCEEDED if state in (RUNNING, ENDLESS) else state
            session.executions[IDS.of(1, index, text)] = Running(Plan(), START - 9, ends_at, final, None, False)
            if state == RUNNING:
                session._end(session.executions[IDS.of(1, index, text)], IDS.of(1, index, text), ends_at, final)
    planned = [Planned(text, may_repeat(text), wants_result) for text in statements]
    script = SqlScript(session)
    found = script.run(look_back(planned, IDS, [1], StatementOptions(URL, deadline), is_settled=is_settled))
    assert script.arrived(ExecuteSql) == []
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
    assert "its result cannot be fetched" in lost.message


@pytest.mark.parametrize("can_attach", [True, False])
def test_a_write_that_meets_the_deadline_is_the_tasks_outcome(can_attach: bool) -> None:
    found = asked([INSERT, SELECT], ENDLESS, deadline=START + 20, can_attach=can_attach)
    (outcome,) = found.outcomes
    assert (outcome.state, outcome.is_cancelled) == (StatementState.DEADLINE, True)
