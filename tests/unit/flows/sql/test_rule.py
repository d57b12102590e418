"""What a try does with each statement: the rule, and what holds over several tries in any order."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum

import pytest
from airflow_provider_wherobots.flows.sql.rule import Ask, Doubt, Execute, Planned, Skip, ThisTry
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_wherobots.api.sql.messages import Store as StoredFile
from airflow_provider_wherobots.flows.sql import rule
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.runs.memory import Answer, Memory, Past, StatementMemory, Try
from airflow_provider_wherobots.runs.run_name import Identity
from airflow_provider_wherobots.sql.statements import StatementKind, kind_of

IDENTITY = Identity("abcdef", "01234567")
INSERT = "INSERT INTO t VALUES (1)"


def planned(*texts: str) -> list[Planned]:
    kinds = [(text, kind_of(text)) for text in texts]
    return [
        Planned(position, text, kind is StatementKind.READ, kind is StatementKind.WRITE)
        for position, (text, kind) in enumerate(kinds)
    ]


def a_try(number: int = 2, max_tries: int = 2, **fields: bool | int) -> ThisTry:
    return ThisTry(IDENTITY.suffix, max_tries, number, **fields)  # type: ignore[arg-type]


def memory(*statements: StatementMemory, past: Past = Past.NOTHING) -> Memory:
    known = Memory(IDENTITY, 2, past)
    for statement in statements:
        known = known.with_statement(statement)
    return known


def kept(statement: Planned, outcome: str = "", execution_id: str = "e1") -> StatementMemory:
    return StatementMemory(statement.position, execution_id, "s1", outcome, statement.digest)


def answer(state: StatementState, execution_id: str = "e1", *, is_not_found: bool = False) -> StatementOutcome:
    return StatementOutcome(state, execution_id, "why", is_not_found=is_not_found)


NOT_FOUND = answer(StatementState.UNKNOWN, is_not_found=True)


@pytest.mark.parametrize("statement", ["SELECT 1", "USE a.b", "DECLARE x INT", "CREATE TEMP VIEW v AS SELECT 1"])
@pytest.mark.parametrize("past", Past)
def test_what_writes_nothing_is_always_executed(statement: str, past: Past) -> None:
    (one,) = statements = planned(statement)
    assert rule.decide(one, statements, memory(kept(one), past=past), a_try()) == Execute()


@pytest.mark.parametrize("statement", [INSERT, "DELETE FROM t", "CREATE OR REPLACE TABLE t AS SELECT 1", "CALL f()"])
def test_a_write_by_what_is_remembered_whatever_its_kind(statement: str) -> None:
    (one,) = statements = planned(statement)

    def decided(*known: StatementMemory) -> object:
        return rule.decide(one, statements, memory(*known), a_try())

    assert decided() == Execute(), "it was never sent"
    assert decided(kept(one, "succeeded")) == Skip("e1", "s1")
    assert decided(kept(one, "failed")) == Execute()
    assert decided(kept(one)) == Ask(("e1",), "s1")


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([StatementState.SUCCEEDED], Skip("e1", "s1")),
        ([StatementState.GAVE_UP], Skip("e1", "s1")),
        ([StatementState.FAILED], Execute("e1")),
        ([StatementState.UNKNOWN], None),
        ([StatementState.CANCELLED], None),
        ([StatementState.UNKNOWN, StatementState.SUCCEEDED], Skip("e1", "s1")),
        ([StatementState.UNKNOWN, StatementState.FAILED], Doubt("why", "e1", "s1")),
        ([StatementState.UNKNOWN, StatementState.UNKNOWN], Doubt("why", "e1", "s1")),
    ],
)
def test_what_follows_from_the_answers(states: list[StatementState], expected: object) -> None:
    asked = Ask(("e1", "e0"), "s1")
    assert rule.conclude(asked, [answer(state) for state in states]) == expected


@pytest.mark.parametrize(
    ("state", "more", "known"),
    [
        (StatementState.DEADLINE, {}, ""),
        (StatementState.DEADLINE, {"has_succeeded": True}, "succeeded"),
        (StatementState.DEADLINE, {"wrote_nothing": True}, "failed"),
        (StatementState.DEADLINE, {"was_sent": False}, "failed"),
        (StatementState.GAVE_UP, {"was_sent": False}, "failed"),
        (StatementState.CANCELLED, {}, ""),
    ],
)
def test_what_is_remembered_of_the_end_of_a_write(state: StatementState, more: dict[str, bool], known: str) -> None:
    assert rule.outcome_of(StatementOutcome(state, "e1", **more)) == known  # type: ignore[arg-type]


def test_after_a_clear_without_memory_only_what_no_session_knows_is_executed() -> None:
    asked = Ask(("e1", "e0"), may_be_new_round=True)
    assert rule.conclude(asked, [NOT_FOUND, NOT_FOUND]) == Execute()
    for known in (StatementState.FAILED, StatementState.UNKNOWN):
        assert isinstance(rule.conclude(asked, [NOT_FOUND, answer(known)]), Doubt), "it is a retry"


@pytest.mark.parametrize(
    ("number", "max_tries", "retries", "expected"),
    [(1, 2, 2, False), (2, 2, 2, False), (2, 3, 2, True), (4, 5, 2, True), (5, 5, 2, False), (2, 1, 0, True)],
)
def test_which_try_has_all_retries_left(number: int, max_tries: int, retries: int, expected: bool) -> None:
    assert rule.begins_round(number, max_tries, retries) is expected


def test_without_memory_each_earlier_try_of_the_round_may_have_sent_it() -> None:
    (one,) = statements = planned(INSERT)
    third = a_try(3)
    asked = rule.decide(one, statements, memory(past=Past.UNKNOWN), third)
    assert asked == Ask((a_try(2).id_of(one), a_try(1).id_of(one)))
    started_again = a_try(1, start=1)
    assert rule.decide(one, statements, memory(past=Past.UNKNOWN), started_again) == Ask((a_try(1).id_of(one),))


def test_no_two_executions_have_one_id() -> None:
    (one, other) = planned(INSERT, INSERT)
    stored = Planned(0, INSERT, False, True, store=StoredFile("parquet", single=True, presigned_url=False))
    tries = [a_try(1), a_try(2), a_try(2, 3), a_try(2, start=1), ThisTry("-other", 2, 2)]
    ids = [this.id_of(each) for this in tries for each in (one, other, stored)]
    assert len(set(ids)) == len(ids)


def test_a_statement_is_not_skipped_for_another_one() -> None:
    before, after = planned(INSERT, "DELETE FROM u"), planned("DELETE FROM u", INSERT)
    for outcome in ("", "succeeded"):
        known = memory(kept(before[0], outcome))
        for statement in after:
            changed = "the task's statements have changed: they were edited, or are rendered differently"
            assert rule.decide(statement, after, known, a_try()) == Doubt(changed, "e1", "s1")
    failed = memory(kept(before[0], "failed"))
    assert rule.decide(after[0], after, failed, a_try()) == Execute()
    # The old statement may have taken effect, and is another place's now.
    moved = planned("SELECT 1", INSERT)
    assert isinstance(rule.decide(moved[1], moved, memory(kept(before[0], "succeeded")), a_try()), Doubt)


def test_what_is_known_of_a_statement_that_stays_counts_though_another_was_edited() -> None:
    before, after = planned(INSERT, "DELETE FROM u"), planned(INSERT, "DELETE FROM v")
    known = memory(kept(before[0], "succeeded"), kept(before[1]))
    assert rule.decide(after[0], after, known, a_try()) == Skip("e1", "s1")
    assert isinstance(rule.decide(after[1], after, known, a_try()), Doubt)


def test_a_new_round_ends_what_the_one_before_has_left() -> None:
    statements = planned(INSERT, "SELECT 1")
    of_first = memory(kept(statements[0], execution_id="e9"))
    second = Memory.begin(of_first, IDENTITY, Try(2, 3))
    assert second.statements == ()
    computed = [a_try(1, 2).id_of(statements[0]), a_try(1, 1).id_of(statements[0]), a_try(1, 0).id_of(statements[0])]
    left = rule.left_running(statements, second, a_try(2, 3), "s1")
    assert left == {"s1": [*computed, "e9"]}, "a discarded memory names none"
    assert rule.left_running(statements, second, a_try(2, 3), "s2") == {"s1": ["e9"], "s2": computed}
    assert rule.left_running(statements, second.ended_statements(), a_try(2, 3), "s1") == {}
    assert second.ended_statements().statements_left == ()
    assert rule.left_running(statements, Memory(IDENTITY, 2, Past.NOTHING), a_try(1), "s1") == {}


# Over several tries


class Store(Enum):
    """What Airflow's task state store is like."""

    KEEPS = "keeps the document"
    FORGETS = "discards it on a clear"
    MISSING = "does not exist"


class Fate(Enum):
    """What becomes of a statement, or of the worker around it."""

    SUCCEEDS = "succeeds"
    FAILS = "fails"
    NOT_SENT = "the worker dies before it is sent"
    DIES_SUCCEEDS = "the worker dies, the statement succeeds"
    DIES_FAILS = "the worker dies, the statement fails"
    DIES_CANCELLED = "the worker dies, the session cancels the statement"
    STORE_FAILS = "its record cannot be written"


STATES = {
    Fate.FAILS: StatementState.FAILED,
    Fate.DIES_FAILS: StatementState.FAILED,
    Fate.DIES_CANCELLED: StatementState.UNKNOWN,
}


@dataclass(frozen=True)
class OneTry:
    """One try of the task. ``fates`` are of its statements; ``forgets``: the session has forgotten all before it."""

    fates: tuple[Fate, ...]
    forgets: bool
    is_unread: bool
    is_cleared: bool


STATEMENTS = planned("SELECT 1", INSERT, "USE a.b", "TRUNCATE TABLE staging", "CALL f()")
TRIES = st.lists(
    st.builds(
        OneTry,
        fates=st.tuples(*[st.sampled_from([*[Fate.SUCCEEDS] * 4, *Fate])] * len(STATEMENTS)),
        forgets=st.booleans(),
        is_unread=st.sampled_from([False, False, False, True]),
        is_cleared=st.sampled_from([False, False, True]),
    ),
    min_size=1,
    max_size=6,
)
RETRIES = 5


class Ended(Exception):
    """The try has ended. Its argument says whether the task is retried."""


@dataclass
class World:
    """A task instance, its store, and its session."""

    store: Store
    document: str | None = None
    number: int = 0
    max_tries: int = RETRIES
    known: dict[str, StatementState] = field(default_factory=dict)
    executed: list[tuple[int, Fate]] = field(default_factory=list)

    def run(self, this: OneTry) -> bool:
        """Run one try, and return whether it succeeds. Raises ``Ended``."""
        self.number += 1
        found: Memory | Answer = Answer.UNKNOWN
        if self.store is not Store.MISSING and not this.is_unread:
            found = Answer.MISSING if self.document is None else Memory.from_json(json.loads(self.document))
        now = Memory.begin(found, IDENTITY, Try(self.number, self.max_tries))
        is_first = rule.begins_round(self.number, self.max_tries, RETRIES)
        this_try = ThisTry(IDENTITY.suffix, self.max_tries, self.number, 0, is_first)
        if this.forgets:
            self.known.clear()
        now = self.look_back(now, this_try, is_unread=this.is_unread)
        for statement, fate in zip(STATEMENTS, this.fates, strict=True):
            if isinstance(rule.decide(statement, STATEMENTS, now, this_try), Skip):
                continue
            now = self.execute(statement, fate, now, this_try, is_unread=this.is_unread)
        self.remember(now.done(self.number))
        return True

    def execute(self, statement: Planned, fate: Fate, now: Memory, this_try: ThisTry, *, is_unread: bool) -> Memory:
        execution_id = this_try.id_of(statement)
        if statement.is_write:
            if fate is Fate.STORE_FAILS or (is_unread and self.store is not Store.MISSING):
                raise Ended(True)
            sent = StatementMemory(statement.position, execution_id, "s1", digest=statement.digest)
            now = self.remember(now.with_statement(sent))
        if fate is Fate.NOT_SENT:
            raise Ended(True)
        self.executed.append((statement.position, fate))
        self.known[execution_id] = state = STATES.get(fate, StatementState.SUCCEEDED)
        if "dies" in fate.value:
            raise Ended(True)
        if statement.is_write:
            now = self.remember(now.with_statement(kept(statement, rule.outcome_of(answer(state)), execution_id)))
        if state is StatementState.FAILED:
            raise Ended(True)
        return now

    def look_back(self, now: Memory, this_try: ThisTry, *, is_unread: bool) -> Memory:
        for statement in STATEMENTS:
            verdict = rule.decide(statement, STATEMENTS, now, this_try)
            if isinstance(verdict, Ask):
                answers: list[StatementOutcome] = []
                concluded = None
                while concluded is None:
                    asked = verdict.execution_ids[len(answers)]
                    answers.append(
                        answer(self.known[asked], asked)
                        if asked in self.known
                        else answer(StatementState.UNKNOWN, asked, is_not_found=True)
                    )
                    concluded = rule.conclude(verdict, answers)
                verdict = concluded
                if isinstance(verdict, Skip):
                    now = now.with_statement(kept(statement, "succeeded", verdict.execution_id))
                elif isinstance(verdict, Execute) and verdict.failed:
                    now = now.with_statement(kept(statement, "failed", verdict.failed))
            if isinstance(verdict, Doubt):
                if not is_unread:
                    self.remember(now.over())
                raise Ended(False)
        return now.statements_known() if now.past is Past.UNKNOWN else now

    def remember(self, now: Memory) -> Memory:
        if self.store is not Store.MISSING:
            self.document = json.dumps(now.to_json())
        return now

    def clear(self) -> None:
        self.max_tries = self.number + RETRIES
        if self.store is Store.FORGETS:
            self.document = None


@settings(max_examples=20 * settings().max_examples)
@given(TRIES, st.sampled_from(Store))
def test_a_write_takes_effect_once_in_a_round_and_a_clear_executes_everything_again(
    tries: list[OneTry], store: Store
) -> None:
    world = World(store)
    for this in tries:
        is_retried = True
        try:
            is_retried = not world.run(this)
            done = {position for position, _ in world.executed}
            assert done == {statement.position for statement in STATEMENTS}, "a success has executed all"
        except Ended as ended:
            (is_retried,) = ended.args
        for statement in STATEMENTS:
            fates = [fate for position, fate in world.executed if position == statement.position]
            if statement.is_write:
                assert all(fate in (Fate.FAILS, Fate.DIES_FAILS) for fate in fates[:-1]), (statement.text, fates)
        if this.is_cleared or not is_retried:
            world.clear()
            world.executed.clear()


@pytest.mark.parametrize("store", Store)
def test_after_a_clear_everything_is_executed_again(store: Store) -> None:
    world, works = World(store), OneTry((Fate.SUCCEEDS,) * len(STATEMENTS), False, False, False)
    for _ in range(3):
        world.executed.clear()
        world.run(works)
        assert [position for position, _ in world.executed] == [0, 1, 2, 3, 4]
        world.clear()
