"""What tries write down of statements, and what a later try makes of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.sql.messages import Store
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.record import (
    CLEARED_KEY,
    ExecutionIds,
    SqlRecord,
    Word,
    key_of,
    mark_of,
    word_of,
)

A, B = mark_of("INSERT INTO t VALUES (1)"), mark_of("INSERT INTO t VALUES (2)")


def told(try_number: int, *keys: str, first: int = 1) -> SqlRecord:
    return SqlRecord.begin(keys, try_number, first)


def test_a_first_try_knows_that_nothing_was_sent() -> None:
    record = SqlRecord.begin((), 1, 1)
    assert (record.is_complete, record.earlier_tries, record.in_doubt(A)) == (True, [], [])
    assert record.to_keys() == ["sql_since-1"]


def test_each_word_has_its_key_and_is_written_once() -> None:
    record = told(2, f"sql_sent-1-{A}")
    assert record.in_doubt(A) == [1]
    assert record.write(Word.NO_EFFECT, A, 1) == f"sql_no_effect-1-{A}"
    assert record.write(Word.NO_EFFECT, A, 1) is None
    assert record.in_doubt(A) == []
    assert record.write(Word.SENT, A, 2) == f"sql_sent-2-{A}"
    assert record.sent_now() == A
    assert record.write(Word.SUCCEEDED, A, 2) == f"sql_succeeded-2-{A}"
    assert (record.sent_now(), record.succeeded_in(A)) == (None, 2)


@pytest.mark.parametrize(
    ("keys", "doubts"), [(["sql_unsettled"], [1]), (["sql_unsettled", "sql_settled"], []), ([], [])]
)
def test_a_try_of_a_version_without_the_record_leaves_its_write_in_doubt(keys: list[str], doubts: list[int]) -> None:
    assert told(2, "session_id", "execution_id", *keys).in_doubt(A) == doubts


@pytest.mark.parametrize("word", Word)
def test_a_key_fits_into_the_audit_log_of_airflow_2_11(word: Word) -> None:
    key = told(999).write(word, A, 999)
    assert key is not None
    assert len(f"wherobots.{key}") <= 60


@pytest.mark.parametrize("is_reversed", [True, False])
def test_the_last_word_counts_in_whatever_order_the_keys_are_told(is_reversed: bool) -> None:
    keys = [f"sql_sent-1-{A}", f"sql_succeeded-1-{A}", f"sql_sent-1-{B}", f"sql_no_effect-1-{B}", "return_value"]
    record = told(2, *(reversed(keys) if is_reversed else keys))
    assert (record.succeeded_in(A), record.in_doubt(A), record.in_doubt(B)) == (1, [], [])
    assert record.to_keys() == [f"sql_succeeded-1-{A}", "sql_since-1"]


def test_what_was_told_is_handed_on() -> None:
    second = told(2, f"sql_sent-1-{A}")
    second.write(Word.SENT, B, 2)
    third = told(3, *second.to_keys())
    assert (third.is_complete, third.in_doubt(A), third.in_doubt(B)) == (True, [1], [2])


def test_what_has_taken_effect_in_one_try_is_in_doubt_in_no_other() -> None:
    assert told(3, f"sql_succeeded-1-{A}", f"sql_sent-2-{A}", "sql_since-1").in_doubt(A) == []


def test_a_try_that_did_not_hand_on_what_it_was_told_leaves_all_in_doubt() -> None:
    record = told(3, f"sql_no_effect-2-{A}")
    assert (record.is_complete, record.in_doubt(A), record.in_doubt(B)) == (False, [1], [2, 1])
    assert f"sql_no_effect-2-{A}" in record.to_keys()
    assert not any(key.startswith("sql_since") for key in record.to_keys())
    assert not told(4, *record.to_keys()).is_complete


def test_keys_that_are_not_known_leave_all_in_doubt() -> None:
    assert SqlRecord.begin(None, 2, 1).in_doubt(A) == [1]
    assert SqlRecord.begin(None, 9, 1).in_doubt(A) == [8, 7, 6, 5, 4]


@pytest.mark.parametrize(
    "record", [told(3, f"sql_succeeded-2-{A}", first=3), told(3, f"sql_succeeded-2-{A}", CLEARED_KEY)]
)
def test_a_clear_begins_anew(record: SqlRecord) -> None:
    assert (record.succeeded_in(A), record.earlier_tries, record.tries_before_clear) == (None, [], [2, 1])
    assert record.to_keys() == ["sql_since-3"]
    after = told(4, *record.to_keys(), f"sql_succeeded-2-{A}")
    assert (after.succeeded_in(A), after.earlier_tries) == (None, [3]), "not even by a key that 3.0 could not delete"


def test_a_try_that_is_started_again_keeps_what_it_has_sent() -> None:
    """Also in the first try after a clear, and through a deferral."""
    keys = [key_of(Word.SENT, 2, A), "sql_since-2"]
    again = SqlRecord.begin(keys, 2, 2, is_restarted=True)
    for record in (again, SqlRecord.resume(again.kept(), 2, 2)):
        assert (record.earlier_tries, record.in_doubt(A), record.is_complete) == ([2], [2], True)
        assert record.sent_now() == A
    assert not SqlRecord.begin(keys[:1], 2, 2, is_restarted=True).is_complete
    done = SqlRecord.begin([key_of(Word.SUCCEEDED, 2, A), "sql_since-2"], 2, 2, is_restarted=True)
    assert SqlRecord.resume(done.kept(), 2, 2).earlier_tries == [2]
    assert SqlRecord.resume(done.to_keys(), 2, 2).earlier_tries == []


def test_a_deferral_keeps_it() -> None:
    for record in (told(1), told(2, f"sql_sent-1-{A}"), told(3, f"sql_sent-2-{A}")):
        first = 1
        assert SqlRecord.resume(record.to_keys(), record.try_number, first) == record
    assert SqlRecord.resume(None, 1, 1).is_complete, "as in dag.test()"
    assert not SqlRecord.resume(None, 2, 1).is_complete


def test_a_statement_that_is_not_the_tasks_any_more_is_noticed() -> None:
    assert told(2, f"sql_sent-1-{A}").knows_others([B])
    assert told(2, f"sql_succeeded-1-{A}").knows_others([B])
    assert not told(2, f"sql_sent-1-{A}").knows_others([A, B])
    assert not told(2, f"sql_sent-1-{A}", f"sql_no_effect-1-{A}").knows_others([B])


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (StatementOutcome(StatementState.SUCCEEDED, "e"), Word.SUCCEEDED),
        (StatementOutcome(StatementState.GAVE_UP, "e"), Word.SUCCEEDED),
        (StatementOutcome(StatementState.FAILED, "e"), Word.NO_EFFECT),
        (StatementOutcome(StatementState.GAVE_UP, "e", was_sent=False), Word.NO_EFFECT),
        (StatementOutcome(StatementState.GAVE_UP, "e", wrote_nothing=True), Word.NO_EFFECT),
        (StatementOutcome(StatementState.DEADLINE, "e", was_sent=False), Word.NO_EFFECT),
        (StatementOutcome(StatementState.DEADLINE, "e", wrote_nothing=True), Word.NO_EFFECT),
        (StatementOutcome(StatementState.DEADLINE, "e", has_succeeded=True), Word.SUCCEEDED),
        (StatementOutcome(StatementState.DEADLINE, "e"), None),
        (StatementOutcome(StatementState.UNKNOWN, "e"), None),
        # Nobody of this task has asked for it.
        (StatementOutcome(StatementState.CANCELLED, "e"), None),
        (StatementOutcome(StatementState.RUNNING, "e"), None),
    ],
)
def test_what_an_outcome_says(outcome: StatementOutcome, expected: Word | None) -> None:
    assert word_of(outcome) is expected


ENDS = st.sampled_from([None, Word.SENT, Word.SUCCEEDED, Word.NO_EFFECT])


@given(st.lists(st.tuples(ENDS, st.booleans()), min_size=1, max_size=5))
def test_no_try_forgets_what_an_earlier_one_knew(tries: Sequence[tuple[Word | None, bool]]) -> None:
    """Each try leaves a word of A or none, and may die before it hands on what it was told."""
    keys: list[str] = []
    succeeded, unsure = False, False
    for number, (word, hands_on) in enumerate(tries, 1):
        record = SqlRecord.begin(keys, number, 1)
        knows_success = record.succeeded_in(A) is not None
        assert not knows_success or succeeded
        if succeeded or unsure:
            assert knows_success or record.in_doubt(A), "it would be executed again"
        keys = record.to_keys() if hands_on else []
        if hands_on and word is not None:
            keys.append(f"sql_sent-{number}-{A}")
            if word is not Word.SENT:
                keys.append(f"sql_{word}-{number}-{A}")
            succeeded, unsure = succeeded or word is Word.SUCCEEDED, unsure or word is Word.SENT


def test_ids_are_the_same_in_every_version() -> None:
    assert mark_of("SELECT 1") == "bbcf3e9b6d1f"
    assert mark_of("SELECT 1", Store("parquet")) == "a670c5de14a0"
    execution_id = ExecutionIds("task").of(1, mark_of("SELECT 1"))
    assert execution_id == "d02ec9bc-7d37-5ca6-a937-944203e5874c"
    assert ExecutionIds.of_second(execution_id) == "eb9948b1-6a84-50f4-82d1-dcd99d059122"


def test_an_id_is_that_of_one_task_try_and_statement() -> None:
    marks = {mark_of("a"), mark_of("b"), mark_of("a", occurrence=1), mark_of("a", Store("csv"))}
    assert len(marks) == 4
    ids = {ExecutionIds("t").of(1, "a"), ExecutionIds("t").of(2, "a"), ExecutionIds("u").of(1, "a")}
    assert len(ids) == 3
