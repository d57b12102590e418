"""What a try does with each write: the journal, and what holds over several tries in any order."""

import json
from dataclasses import dataclass, field, replace
from enum import Enum
from sys import maxsize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_wherobots.api.sql.messages import Store as StoredFile
from airflow_provider_wherobots.flows.sql.journal import (
    CHANGED,
    SEVERAL,
    Ask,
    Execute,
    OutcomeUnknown,
    Skip,
    ThisTry,
    Verdict,
    Write,
    Writes,
    digest_of,
)
from airflow_provider_wherobots.flows.sql.outcome import Effect, StatementOutcome, StatementState
from airflow_provider_wherobots.runs.memory import Answer, Journal, Memory, Past, Try
from airflow_provider_wherobots.runs.run_name import Identity
from airflow_provider_wherobots.sql.statements import StatementKind, kind_of

IDENTITY = Identity("abcdef", "01234567")
INSERT = Write(0, 0, digest_of("INSERT INTO t VALUES (1)"))
DELETE = Write(1, 1, digest_of("DELETE FROM u"))


def a_try(number: int = 2, max_tries: int = 2, start: int = 0, *, is_first: bool = False) -> ThisTry:
    return ThisTry(IDENTITY.suffix, max_tries, number, start, is_first)


def answer(state: StatementState, execution_id: str = "e1") -> StatementOutcome:
    return StatementOutcome(state, execution_id, "why")


NOT_FOUND = answer(StatementState.NOT_FOUND)
SENT = Journal("", INSERT.digest, "e1", "s1")


@pytest.mark.parametrize(
    ("journal", "write", "expected"),
    [
        pytest.param(Journal(), INSERT, Execute(), id="never sent"),
        pytest.param(SENT, INSERT, Ask(("e1",), "s1"), id="its end is not known"),
        pytest.param(Journal(INSERT.digest, "", "e1", "s1"), INSERT, Skip("e1", "s1"), id="done, the newest"),
        pytest.param(Journal(INSERT.digest, "", "e1", "s1"), DELETE, Execute(), id="the one after it"),
        pytest.param(Journal(INSERT.digest, DELETE.digest, "e2", "s1"), INSERT, Skip(), id="done, and not the newest"),
        pytest.param(
            Journal(DELETE.digest, "", "e1", "s1"), INSERT, OutcomeUnknown(CHANGED, "e1", "s1"), id="another one done"
        ),
        pytest.param(
            Journal(DELETE.digest + INSERT.digest, "", "e1", "s1"),
            INSERT,
            OutcomeUnknown(CHANGED, "e1", "s1"),
            id="another one done before the newest",
        ),
        pytest.param(
            replace(SENT, sent=DELETE.digest), INSERT, OutcomeUnknown(CHANGED, "e1", "s1"), id="another one sent"
        ),
        pytest.param(
            replace(SENT, sent=SEVERAL),
            INSERT,
            OutcomeUnknown(f"it has sent {SEVERAL}", "e1", "s1"),
            id="several were sent",
        ),
    ],
)
def test_a_write_by_what_the_journal_has(journal: Journal, write: Write, expected: Verdict | Ask) -> None:
    assert Writes(journal, a_try()).decide(write) == expected


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([StatementState.SUCCEEDED], Skip("e1", "s1")),
        ([StatementState.NO_RESULT], Skip("e1", "s1")),
        ([StatementState.FAILED], Execute()),
        ([StatementState.UNKNOWN], None),
        ([StatementState.CANCELLED], None),
        ([StatementState.UNKNOWN, StatementState.SUCCEEDED], Skip("e1", "s1")),
        ([StatementState.UNKNOWN, StatementState.FAILED], OutcomeUnknown("why", "e1", "s1")),
        ([StatementState.UNKNOWN, StatementState.UNKNOWN], OutcomeUnknown("why", "e1", "s1")),
    ],
)
def test_what_follows_from_the_answers(states: list[StatementState], expected: Verdict | None) -> None:
    asked = Ask(("e1", "e0"), "s1")
    assert Writes(SENT, a_try()).conclude(asked, INSERT, [answer(state) for state in states]) == expected


@pytest.mark.parametrize(
    ("state", "more", "known"),
    [
        (StatementState.SUCCEEDED, {}, Journal(INSERT.digest, "", "e1", "s1")),
        (StatementState.FAILED, {}, replace(SENT, sent="")),
        (StatementState.DEADLINE, {}, SENT),
        (StatementState.DEADLINE, {"at_deadline": Effect.TAKEN}, Journal(INSERT.digest, "", "e1", "s1")),
        (StatementState.DEADLINE, {"at_deadline": Effect.NONE}, replace(SENT, sent="")),
        (StatementState.NO_RESULT, {}, Journal(INSERT.digest, "", "e1", "s1")),
        (StatementState.RESULT_FORGOTTEN, {}, Journal(INSERT.digest, "", "e1", "s1")),
        (StatementState.RESULT_TOO_LARGE, {}, Journal(INSERT.digest, "", "e1", "s1")),
        (StatementState.NOT_SENT, {}, replace(SENT, sent="")),
        (StatementState.NOT_FOUND, {}, SENT),
        (StatementState.CANCELLED, {}, SENT),
        (StatementState.UNKNOWN, {}, SENT),
    ],
)
def test_what_is_noted_of_the_end_of_a_write(state: StatementState, more: dict[str, Effect], known: Journal) -> None:
    writes = Writes(SENT, a_try())
    writes.ended(StatementOutcome(state, "another"))
    assert writes.journal == SENT, "it is not the one that was sent"
    writes.ended(StatementOutcome(state, "e1", **more))  # type: ignore[arg-type]
    assert writes.journal == known


AHEAD = replace(SENT, done=DELETE.digest, ahead=1)


@pytest.mark.parametrize(
    ("states", "stored"),
    [
        ([StatementState.SUCCEEDED], [Journal(DELETE.digest + INSERT.digest, "", "e1", "s1", 1)]),
        (
            [StatementState.UNKNOWN, StatementState.SUCCEEDED],
            [Journal(DELETE.digest + INSERT.digest, "", "e0", "s1", 1)],
        ),
        ([StatementState.FAILED], [replace(AHEAD, sent="")]),
        ([StatementState.UNKNOWN, StatementState.FAILED], []),
        ([StatementState.UNKNOWN], []),
    ],
)
def test_what_is_stored_of_the_answers(states: list[StatementState], stored: list[Journal]) -> None:
    kept: list[tuple[Journal, bool, str]] = []
    writes = Writes(AHEAD, a_try(), lambda now, text: kept.append((now.journal, now.is_past_known, text)))
    writes.is_past_known = StatementState.FAILED not in states
    answers = [answer(state, execution_id) for state, execution_id in zip(states, ("e1", "e0"), strict=False)]
    writes.conclude(Ask(("e1", "e0"), "s1"), INSERT, answers)
    assert kept == [(journal, True, "") for journal in stored]
    assert writes.journal == (stored or [AHEAD])[0]


def test_a_function_comes_to_the_writes_of_earlier_tries_in_their_order_and_then_to_new_ones() -> None:
    kept: list[tuple[int, str]] = []
    journal = Journal(INSERT.digest + DELETE.digest, "", "e2", "s1", ahead=2)
    writes = Writes(journal, a_try(), lambda now, text: kept.append((now.journal.ahead, text)))
    target = StoredFile("parquet", single=True, presigned_url=False)
    numbers = []
    for store in (None, None, target):
        write = writes.next("INSERT INTO t VALUES (1)", store)
        assert write.digest == digest_of("INSERT INTO t VALUES (1)", store)
        assert write.position == write.number
        numbers.append(write.number)
    assert numbers == [0, 1, maxsize]
    assert kept == [(1, ""), (0, "")]
    assert writes.journal == replace(journal, ahead=0)
    # One that another thread has executed meanwhile is none of those of the tries before.
    writes = Writes(journal, a_try())
    assert writes.next("INSERT INTO t VALUES (1)", None).number == 0
    writes.sending(DELETE, "e3", "s1")
    writes.ended(answer(StatementState.SUCCEEDED, "e3"))
    assert writes.journal.count == 3
    assert writes.next("DELETE FROM u", None).number == 1


def test_after_a_clear_without_memory_only_what_no_session_knows_is_executed() -> None:
    asked = Ask(("e1", "e0"), may_be_cleared=True)
    writes = Writes(None, a_try(), is_past_known=False)
    for known in (StatementState.FAILED, StatementState.UNKNOWN):
        assert isinstance(writes.conclude(asked, INSERT, [NOT_FOUND, answer(known)]), OutcomeUnknown), "it is a retry"
    assert writes.conclude(asked, INSERT, [NOT_FOUND, NOT_FOUND]) == Execute()
    assert writes.decide(INSERT) == Execute(), "now the past is known"


def test_without_memory_each_earlier_attempt_may_have_sent_it() -> None:
    def ids_of(*tries: ThisTry) -> tuple[str, ...]:
        return tuple(one.id_of(INSERT.position, INSERT.digest) for one in tries)

    def decided(this: ThisTry) -> Verdict | Ask:
        return Writes(None, this, is_past_known=False).decide(INSERT)

    assert decided(a_try(3)) == Ask(ids_of(a_try(2), a_try(1)))
    assert decided(a_try(1, start=1)) == Ask(ids_of(a_try(1)))
    assert decided(a_try(2, 3, is_first=True)) == Ask(ids_of(a_try(1, 3)), may_be_cleared=True)
    assert decided(a_try(1)) == Execute(), "there is no earlier try"


def test_no_two_executions_have_one_id() -> None:
    text = "INSERT INTO t VALUES (1)"
    stored = digest_of(text, StoredFile("parquet", single=True, presigned_url=False))
    elsewhere = digest_of(text, StoredFile("csv", single=True, presigned_url=False))
    statements = [(0, digest_of(text)), (1, digest_of(text)), (0, stored), (0, elsewhere)]
    tries = [a_try(1), a_try(2), a_try(2, 3), a_try(2, start=1), ThisTry("-other", 2, 2)]
    ids = [this.id_of(*each) for this in tries for each in statements]
    assert len(set(ids)) == len(ids)


def test_a_task_whose_writes_are_all_known_begins_with_those_of_the_journal() -> None:
    writes = Writes(Journal(INSERT.digest, DELETE.digest, "e2", "s1"), a_try())
    assert writes.edited([INSERT.digest, DELETE.digest]) is None
    assert writes.edited([INSERT.digest, DELETE.digest, "another"]) is None, "one was added after them"
    changed = OutcomeUnknown(CHANGED, "e2", "s1")
    for edited in ([], [INSERT.digest], [DELETE.digest, INSERT.digest], ["another", INSERT.digest, DELETE.digest]):
        assert writes.edited(edited) == changed
    failed = Writes(replace(SENT, sent=""), a_try())
    assert failed.edited(["another"]) is None, "it has written nothing"


def test_a_write_that_cannot_be_noted_is_as_if_it_was_not_sent() -> None:
    def refuse(*_: object) -> None:
        raise OSError("no disk")

    writes = Writes(None, a_try(), refuse, is_past_known=False)
    with pytest.raises(OSError, match="no disk"):
        writes.sending(INSERT, "e1", "s1")
    assert (writes.journal, writes.is_past_known) == (Journal(), False)


def test_a_write_that_was_not_sent_is_not_stored_as_sent() -> None:
    """The store may have it, although it has answered with an error, or the task was interrupted meanwhile."""
    stored: list[tuple[Journal, str]] = []

    def keep(writes: Writes, else_not: str) -> None:
        stored.append((writes.journal, else_not))
        if else_not:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        Writes(None, a_try(), keep).sending(INSERT, "e1", "s1")
    assert stored == [(SENT, "The statement was not sent"), (Journal(), "")]


def test_two_writes_at_a_time_are_never_repeated() -> None:
    writes = Writes(None, a_try())
    first, second = writes.next("INSERT INTO t VALUES (1)", None), writes.next("DELETE FROM u", None)
    assert (first.digest, second.digest) == (INSERT.digest, DELETE.digest)
    writes.sending(first, "e1", "s1")
    writes.sending(second, "e2", "s1")
    assert writes.journal == Journal("", SEVERAL, "e2", "s1")
    assert writes.decide(Write(2, 2, "third")) == Execute(), "this try goes on"
    for execution_id in ("e1", "e2"):
        writes.ended(answer(StatementState.SUCCEEDED, execution_id))
    assert isinstance(Writes(writes.journal, a_try(3)).decide(INSERT), OutcomeUnknown)


def test_after_a_clear_statements_that_still_run_are_cancelled_first() -> None:
    noted: list[tuple[Writes, str]] = []
    writes = Writes(None, a_try(), lambda *which: noted.append(which), left={"s1": ["e9"]})
    writes.ended_left()
    assert writes.left == {}
    assert noted == [(writes, "")]
    writes.ended_left()
    assert noted == [(writes, "")], "once is enough"


def test_after_a_clear_without_memory_the_ids_of_earlier_statements_are_computed() -> None:
    def id_of(this: ThisTry) -> str:
        return this.id_of(INSERT.position, INSERT.digest)

    computed = a_try(2, 3).ids_of_earlier_rounds([INSERT])
    assert computed == [id_of(a_try(1, 2)), id_of(a_try(1, 1)), id_of(a_try(1, 0))]
    assert a_try(1).ids_of_earlier_rounds([INSERT]) == []
    assert len(a_try(9, 30).ids_of_earlier_rounds([INSERT, DELETE])) == 20, "ten for each write"


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


TEXTS = ("SELECT 1", "INSERT INTO t VALUES (1)", "USE a.b", "TRUNCATE TABLE staging", "CALL f()")
WRITING = [text for text in TEXTS if kind_of(text) is StatementKind.WRITE]
STATEMENTS = [
    (text, Write(WRITING.index(text), position, digest_of(text)) if text in WRITING else None)
    for position, text in enumerate(TEXTS)
]
TRIES = st.lists(
    st.builds(
        OneTry,
        fates=st.tuples(*[st.sampled_from([*[Fate.SUCCEEDS] * 4, *Fate])] * len(TEXTS)),
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
    """A task instance, its store, and its session.

    :param looks_first: as the operator, which looks at all writes before it executes any. A hook looks at each as it
        comes.
    """

    store: Store
    looks_first: bool = True
    document: str | None = None
    number: int = 0
    max_tries: int = RETRIES
    known: dict[str, StatementState] = field(default_factory=dict)
    executed: list[tuple[str, Fate]] = field(default_factory=list)

    def run(self, this: OneTry) -> None:
        """Run one try to its success. Raises ``Ended``."""
        self.number += 1
        found: Memory | Answer = Answer.UNKNOWN
        if self.store is not Store.MISSING and not this.is_unread:
            found = Answer.NOTHING if self.document is None else Memory.from_json(json.loads(self.document))
        self.now = Memory.begin(found, IDENTITY, Try(self.number, self.max_tries, RETRIES))
        is_first = self.number > 1 and self.max_tries == self.number - 1 + RETRIES
        this_try = a_try(self.number, self.max_tries, is_first=is_first)
        self.fate, self.is_unread = Fate.SUCCEEDS, this.is_unread
        if this.forgets:
            self.known.clear()
        writes = Writes(self.now.journal, this_try, self.keep, is_past_known=self.now.past is not Past.UNKNOWN)
        if self.looks_first:
            if writes.edited([digest_of(text) for text in WRITING]) is not None:
                raise Ended(False)
            for _, write in STATEMENTS:
                if write is not None and isinstance(self.look(writes, write), Execute):
                    break
        for (text, write), self.fate in zip(STATEMENTS, this.fates, strict=True):
            if write is None or isinstance(self.look(writes, write), Execute):
                self.execute(text, write, writes)
        self.remember(self.now.done(self.number))

    def look(self, writes: Writes, write: Write) -> Verdict:
        verdict = writes.decide(write)
        if isinstance(verdict, Ask):
            asked, answers, concluded = verdict, [], None
            for execution_id in asked.execution_ids:
                state = self.known.get(execution_id)
                answers.append(answer(state or StatementState.NOT_FOUND, execution_id))
                if (concluded := writes.conclude(asked, write, answers)) is not None:
                    break
            assert concluded is not None
            verdict = concluded
        if isinstance(verdict, OutcomeUnknown):
            if not self.is_unread:
                self.remember(self.now.over())
            raise Ended(False)
        return verdict

    def execute(self, text: str, write: Write | None, writes: Writes) -> None:
        execution_id = writes.this_try.id_of(TEXTS.index(text), digest_of(text))
        if write is not None:
            writes.sending(write, execution_id, "s1")
        if self.fate is Fate.NOT_SENT:
            raise Ended(True)
        self.executed.append((text, self.fate))
        self.known[execution_id] = state = STATES.get(self.fate, StatementState.SUCCEEDED)
        if "dies" in self.fate.value:
            raise Ended(True)
        writes.ended(answer(state, execution_id))
        if state is StatementState.FAILED:
            raise Ended(True)

    def keep(self, writes: Writes, else_not: str) -> None:
        if else_not and (self.fate is Fate.STORE_FAILS or (self.is_unread and self.store is not Store.MISSING)):
            raise Ended(True)
        self.remember(self.now.with_journal(writes.journal, is_past_known=writes.is_past_known))

    def remember(self, now: Memory) -> None:
        self.now = now
        if self.store is not Store.MISSING and not self.is_unread:
            self.document = json.dumps(now.to_json())

    def clear(self) -> None:
        self.max_tries = self.number + RETRIES
        if self.store is Store.FORGETS:
            self.document = None


@settings(max_examples=20 * settings().max_examples)
@given(TRIES, st.sampled_from(Store), st.booleans())
def test_retries_write_once_and_a_clear_executes_everything_again(
    tries: list[OneTry], store: Store, looks_first: bool
) -> None:
    world = World(store, looks_first)
    for this in tries:
        is_retried = True
        try:
            world.run(this)
            assert {text for text, _ in world.executed} == set(TEXTS), "a success has executed all"
            is_retried = False
        except Ended as ended:
            (is_retried,) = ended.args
        for text in WRITING:
            fates = [fate for executed, fate in world.executed if executed == text]
            assert all(fate in (Fate.FAILS, Fate.DIES_FAILS) for fate in fates[:-1]), (text, fates)
        if this.is_cleared or not is_retried:
            world.clear()
            world.executed.clear()


@pytest.mark.parametrize("store", Store)
@pytest.mark.parametrize("looks_first", [True, False])
def test_after_a_clear_everything_is_executed_again(store: Store, looks_first: bool) -> None:
    world, works = World(store, looks_first), OneTry((Fate.SUCCEEDS,) * len(TEXTS), False, False, False)
    for _ in range(3):
        world.executed.clear()
        world.run(works)
        assert [text for text, _ in world.executed] == list(TEXTS)
        world.clear()


def test_the_list_of_digests_that_an_earlier_state_has_stored_is_read() -> None:
    journal = Journal.from_json({"done": [f"{INSERT.digest}ffffff", f"{DELETE.digest}ffffff"]})
    assert journal == Journal(INSERT.digest + DELETE.digest)
    assert Journal.from_json(json.loads(json.dumps({"done": journal.done}))) == journal
