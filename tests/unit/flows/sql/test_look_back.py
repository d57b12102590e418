"""What a retry makes of the statements of the tries before it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_wherobots.api.errors import NotFoundError
from airflow_provider_wherobots.api.sql.messages import CANCELLED, FAILED, SUCCEEDED, ExecuteSql, RetrieveResults, Store
from airflow_provider_wherobots.flows.sql.look_back import Found, Planned, SqlLookBack
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.record import ExecutionIds, SqlRecord, Word, key_of, mark_of
from airflow_provider_wherobots.flows.sql.statement import StatementOptions
from airflow_provider_wherobots.sql.repeatable import Repeatability, changes_session, may_repeat, only_reads
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


SENT, DONE, NOTHING = Word.SENT, Word.SUCCEEDED, Word.NO_EFFECT


def record_of(
    statements: list[str], *written: Word | None, try_number: int = 2, store: Store | None = None
) -> SqlRecord:
    """What the first try has written down of its statements; of those that may be repeated nothing is."""
    words = zip(statements, written, strict=False)
    told = [key_of(word, 1, mark_of(text, store)) for text, word in words if word is not None]
    return SqlRecord.begin(told, try_number, 1)


def asked(
    statements: list[str],
    *states: str | None,
    record: SqlRecord | None = None,
    wants_result: bool = False,
    deadline: float | None = None,
    can_attach: bool = True,
    store: Store | None = None,
    session: FakeSession | None = None,
    questions: int | None = None,
    **options: Any,
) -> Found:
    """Look back at one try, which has written down that its writes were sent. The session has these states of them."""
    session = session or FakeSession(can_attach=can_attach)
    for text, state in zip(statements, states, strict=False):
        if state is not FORGOTTEN:
            ends_at = {RUNNING: START + 5, ENDLESS: NEVER}.get(state, START - 5)
            final = SUCCEEDED if state in (RUNNING, ENDLESS) else state
            execution_id = IDS.of(1, mark_of(text, store))
            session.executions[execution_id] = Running(Plan(), START - 9, ends_at, final, None, False)
            if state == RUNNING:
                session._end(session.executions[execution_id], execution_id, ends_at, final)
    repeatability = Repeatability()
    planned = [
        Planned(
            text,
            repeatability.may_repeat(text),
            wants_result,
            store,
            only_reads=only_reads(text),
            changes_session=changes_session(text),
        )
        for text in statements
    ]
    if record is None:
        sent = [None if may_repeat(text) else SENT for text in statements]
        record = record_of(statements, *sent, store=store)
    script = SqlScript(session)
    found = script.run(SqlLookBack(planned, IDS, record, StatementOptions(URL, deadline), **options).run())
    assert script.arrived(ExecuteSql) == []
    arrived = [message for message in script.arrived(RetrieveResults) if isinstance(message, RetrieveResults)]
    assert {message.geometry for message in arrived} <= {options.get("geometry", "ewkt")}
    assert questions in (None, len(arrived))
    return found


def outcomes(found: Found) -> list[StatementOutcome]:
    return [found.outcomes[index][1] for index in sorted(found.outcomes)]


def executed(found: Found) -> dict[int, tuple[int, str]]:
    """By the place of a statement, the try that executed it and the id of that execution."""
    return {index: (number, outcome.execution_id) for index, (number, outcome) in found.outcomes.items()}


@pytest.mark.parametrize(
    ("statements", "states", "kept", "in_doubt"),
    [
        ([INSERT, SELECT], [SUCCEEDED, FAILED], [0], None),
        ([INSERT, UPDATE], [SUCCEEDED, FAILED], [0], None),
        ([INSERT, UPDATE], [SUCCEEDED, FORGOTTEN], [0], 1),
        # Nobody of the task has asked for this cancel.
        ([INSERT, UPDATE], [SUCCEEDED, CANCELLED], [0], 1),
        ([CREATE, INSERT], [FORGOTTEN, FORGOTTEN], [], 1),
        ([CREATE, INSERT], [FORGOTTEN, SUCCEEDED], [0, 1], None),
        ([CREATE, INSERT], [FORGOTTEN, FAILED], [], None),
        ([CREATE, INSERT], [FORGOTTEN, RUNNING], [0, 1], None),
        ([CREATE, INSERT], [SUCCEEDED, SUCCEEDED], [0, 1], None),
        ([SELECT, CREATE, INSERT], [FORGOTTEN, SUCCEEDED, FORGOTTEN], [], 2),
        # What was read is read again.
        ([INSERT, SELECT], [SUCCEEDED, SUCCEEDED], [0], None),
        ([SELECT], [SUCCEEDED], [], None),
        ([SELECT], [RUNNING], [0], None),
        ([SELECT, CREATE], [SUCCEEDED, RUNNING], [0, 1], None),
        ([SELECT], [FORGOTTEN], [], None),
    ],
)
@pytest.mark.parametrize("can_attach", [True, False])
def test_no_write_is_executed_twice(
    statements: list[str], states: list[str | None], kept: list[int], in_doubt: int | None, can_attach: bool
) -> None:
    found = asked(statements, *states, can_attach=can_attach)
    assert (sorted(found.outcomes), found.in_doubt) == (kept, in_doubt)
    assert all(outcome.state is StatementState.SUCCEEDED for outcome in outcomes(found))
    assert executed(found) == {index: (1, IDS.of(1, mark_of(statements[index]))) for index in kept}


@pytest.mark.parametrize(
    ("statements", "words", "kept"),
    [
        ([INSERT], [DONE], [0]),
        ([INSERT], [NOTHING], []),
        ([INSERT], [], []),
        ([CREATE, INSERT, UPDATE], [None, DONE, NOTHING], [0, 1]),
        # The first was edited: it is another statement.
        ([UPDATE, INSERT], [None, DONE], [1]),
    ],
)
def test_what_the_record_knows_is_asked_of_nobody(
    statements: list[str], words: list[Word | None], kept: list[int]
) -> None:
    found = asked(statements, record=record_of(statements, *words), questions=0)
    assert (sorted(found.outcomes), found.in_doubt) == (kept, None)
    assert executed(found) == {index: (1, IDS.of(1, mark_of(statements[index]))) for index in kept}


def test_an_execution_is_asked_about_once() -> None:
    asked([INSERT, SELECT], SUCCEEDED, SUCCEEDED, wants_result=True, questions=2)


@pytest.mark.parametrize(
    ("state", "ended"),
    [
        (SUCCEEDED, StatementState.SUCCEEDED),
        (RUNNING, StatementState.SUCCEEDED),
        (FAILED, StatementState.FAILED),
        (CANCELLED, None),
        (FORGOTTEN, None),
    ],
)
def test_a_try_that_is_started_again_finds_its_own_write(state: str | None, ended: StatementState | None) -> None:
    """A write that has failed fails this try too: it is not executed again under the same id."""
    keys = [key_of(SENT, 1, mark_of(INSERT)), "sql_since-1"]
    record = SqlRecord.begin(keys, 1, 1, is_restarted=True)
    found = asked([SELECT, INSERT], SUCCEEDED, state, record=record)
    assert found.in_doubt == (1 if ended is None else None)
    assert [one.state for one in outcomes(found)][1:] == ([] if ended is None else [ended])
    edited = asked([UPDATE], record=SqlRecord.begin(keys, 1, 1, is_restarted=True))
    assert (edited.in_doubt, edited.is_edited) == (0, True)


@pytest.mark.parametrize(
    ("statements", "states", "kept"),
    [
        ([SELECT], [SUCCEEDED], [0]),
        ([SELECT], [RUNNING], [0]),
        ([SELECT], [FORGOTTEN], []),
        ([SELECT, "SHOW TABLES"], [SUCCEEDED, FORGOTTEN], [0]),
        ([SELECT, INSERT], [SUCCEEDED, FORGOTTEN], [0]),
        ([SELECT], [FAILED], [0]),
    ],
)
def test_a_try_that_is_started_again_finds_what_it_has_read(
    statements: list[str], states: list[str | None], kept: list[int]
) -> None:
    found = asked(statements, *states, record=SqlRecord.begin(["sql_since-1"], 1, 1, is_restarted=True))
    assert list(found.outcomes) == kept


def test_a_try_that_is_started_again_reads_again_what_the_try_before_has_read() -> None:
    record = SqlRecord.begin(["sql_since-1"], 2, 1, is_restarted=True)
    assert asked([SELECT], SUCCEEDED, record=record).outcomes == {}


def test_a_read_that_still_runs_after_a_write_that_is_done_is_followed_in_its_place() -> None:
    found = asked([INSERT, SELECT], SUCCEEDED, RUNNING)
    assert executed(found) == {0: (1, IDS.of(1, mark_of(INSERT))), 1: (1, IDS.of(1, mark_of(SELECT)))}


def test_what_the_session_says_is_learned() -> None:
    assert asked([INSERT], FAILED).learned == [key_of(NOTHING, 1, mark_of(INSERT))]


def test_without_a_complete_record_all_writes_are_in_doubt() -> None:
    record = SqlRecord.begin(None, 3, 1)
    assert asked([INSERT], FORGOTTEN, record=record, questions=2).in_doubt == 0


@pytest.mark.parametrize("word", [SENT, DONE])
def test_a_statement_that_was_edited_is_another_one_and_in_doubt_in_its_place(word: Word) -> None:
    record = record_of([INSERT], word)
    found = asked([UPDATE], record=record, questions=0)
    assert (found.in_doubt, found.is_edited) == (0, True)


def test_a_write_whose_result_is_lost_counts_without_it() -> None:
    found = asked([INSERT], FORGOTTEN, record=record_of([INSERT], DONE), wants_result=True)
    assert [(each.state, each.results) for each in outcomes(found)] == [(StatementState.SUCCEEDED, None)]


def test_a_forgotten_result_before_a_write_is_lost_and_not_read_again() -> None:
    lost, written = outcomes(asked([SELECT, INSERT], FORGOTTEN, SUCCEEDED, wants_result=True))
    assert (lost.state, written.state) == (StatementState.GAVE_UP, StatementState.SUCCEEDED)
    assert lost.message == (
        "it must have succeeded, because a later one was sent, but the session no longer knows it, so its result "
        "cannot be fetched"
    )


def test_a_statement_before_a_write_that_has_no_result_has_lost_none() -> None:
    found = asked(["DELETE FROM t", INSERT], FORGOTTEN, SUCCEEDED, wants_result=True)
    assert [each.state for each in outcomes(found)] == [StatementState.SUCCEEDED] * 2


@pytest.mark.parametrize("statement", ["USE a.b", "SET x = 1"])
def test_what_changes_only_the_session_is_executed_again(statement: str) -> None:
    found = asked([statement, INSERT, statement, UPDATE], SUCCEEDED, SUCCEEDED, SUCCEEDED, SUCCEEDED)
    assert sorted(found.outcomes) == [1, 3]


@pytest.mark.parametrize("options", [{}, {"geometry": "geojson"}])
def test_a_result_of_an_earlier_try_is_fetched_if_it_is_wanted(options: dict[str, Any]) -> None:
    found = asked([SELECT, INSERT], SUCCEEDED, SUCCEEDED, wants_result=True, **options)
    assert [(each.state, each.results) for each in outcomes(found)] == [(StatementState.SUCCEEDED, RESULT)] * 2


def test_a_statement_that_is_stored_elsewhere_is_another_one() -> None:
    found = asked([INSERT], SUCCEEDED, store=Store("parquet"))
    assert [each.state for each in outcomes(found)] == [StatementState.SUCCEEDED]


def test_the_outcome_of_a_write_is_unknown_if_it_was_running_and_its_session_was_lost() -> None:
    session = FakeSession(
        connections=[Connection(seconds=3.0)], refusals=[None, *[NotFoundError("connectSqlSession", 404)] * 99]
    )
    found = asked([INSERT], ENDLESS, session=session)
    assert [each.state for each in outcomes(found)] == [StatementState.UNKNOWN]
    assert found.in_doubt is None


@pytest.mark.parametrize("can_attach", [True, False])
def test_a_write_that_meets_the_deadline_is_the_tasks_outcome(can_attach: bool) -> None:
    found = asked([INSERT, SELECT], ENDLESS, deadline=START + 20, can_attach=can_attach)
    (outcome,) = outcomes(found)
    assert (outcome.state, outcome.wrote_nothing) == (StatementState.DEADLINE, can_attach)
