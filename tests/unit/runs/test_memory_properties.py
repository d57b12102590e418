"""What a task remembers, over any order of tries, deaths and clears: at most one active run, and never an old one.

The rule in full. Let tries die at any effect, retries and clears follow in any order, and the store lose its document
with a clear (as on Airflow 3.4), keep it (3.3), not exist (below 3.3), or come with an upgrade. If List Runs shows
every run within half a minute, then each try that gets a run has the only active one, and a retry follows the run of
the try before if that is active. Where there is a store, no try gets a run of before the last clear, unless it is
active and may not be replaced, and a retry does not repeat a run that has completed, also if the try was done, and
Airflow has failed it afterwards.
"""

import json
import math
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_wherobots.flows.quota import AwaitingQuota
from airflow_provider_wherobots.flows.submit import Rules, submit_run
from airflow_provider_wherobots.runs.memory import Answer, Journal, Memory, Past
from airflow_provider_wherobots.runs.memory import Try as BegunTry
from airflow_provider_wherobots.runs.run_name import Identity
from tests.unit.flows.fake_service import FakeService
from tests.unit.flows.script import Script

IDENTITY = Identity("abcdef", "01234567")
PAYLOAD: dict[str, Any] = {"name": f"hail_stats{IDENTITY.suffix}", "runPython": {"uri": "s3://b/j.py"}}
RETRIES = 2


class Store(Enum):
    """What Airflow's task state store is like."""

    KEEPS = "keeps the document"
    FORGETS = "discards it on a clear"
    MISSING = "does not exist"
    COMES = "comes with an upgrade after the first try"


class Between(Enum):
    """What happens between two tries."""

    RETRY = "retry"
    CLEAR = "clear"


@dataclass(frozen=True)
class Try:
    """One try of the task.

    :param dies_after: the number of awaited things after which its process is killed; None if it gets its run.
    :param status: what becomes of its run before the next try; None if it stays active.
    :param is_done: whether the task gets to say that it has ended.
    :param then: what comes next.
    :param pause: seconds until then.
    """

    dies_after: int | None
    status: str | None
    is_done: bool
    then: Between
    pause: float


TRIES = st.lists(
    st.builds(
        Try,
        dies_after=st.none() | st.integers(0, 12),
        status=st.sampled_from([None, "COMPLETED", "FAILED", "CANCELLED"]),
        is_done=st.booleans(),
        then=st.sampled_from(Between),
        pause=st.sampled_from([0.0, 5.0, 300.0]),
    ),
    min_size=1,
    max_size=5,
)


@dataclass
class Task:
    """A task instance, its store, and what it has seen."""

    script: Script
    store: Store
    document: str | None = None
    try_number: int = 0
    max_tries: int = RETRIES
    before_clear: set[str] = field(default_factory=set)

    def begin(self) -> Memory:
        """The memory of the next try."""
        self.try_number += 1
        found: Memory | Answer
        if not self.has_store:
            found = Answer.UNKNOWN
        else:
            found = Answer.MISSING if self.document is None else Memory.from_json(json.loads(self.document))
        memory = Memory.begin(found, IDENTITY, BegunTry(self.try_number, self.max_tries, RETRIES))
        self.remember(memory)
        return memory

    @property
    def has_store(self) -> bool:
        return self.store is not Store.MISSING and not (self.store is Store.COMES and self.try_number == 1)

    def remember(self, memory: Memory) -> None:
        if self.has_store:
            self.document = json.dumps(memory.to_json())

    def done(self) -> None:
        """The task has said that it has ended."""
        if self.document is not None:
            self.remember(Memory.from_json(json.loads(self.document)).done(self.try_number))

    def clear(self, run_ids: set[str]) -> None:
        """A user clears the task, which is not running."""
        self.max_tries = self.try_number + RETRIES
        self.before_clear = run_ids
        if self.store is Store.FORGETS:
            self.document = None


BEFORE_TWO_CLEARS = [
    Try(None, None, False, Between.RETRY, 0.0),
    Try(None, "COMPLETED", False, Between.CLEAR, 0.0),
    Try(None, None, False, Between.CLEAR, 0.0),
    Try(None, "FAILED", False, Between.RETRY, 0.0),
    Try(None, None, False, Between.RETRY, 0.0),
]
"""The try after the second clear attaches. When that run has failed, the completed one is from before the clear."""


@settings(max_examples=30 * settings().max_examples)
@example(BEFORE_TWO_CLEARS, Store.FORGETS, 0.0, False)
@given(TRIES, st.sampled_from(Store), st.floats(0, 29), st.booleans())
def test_each_attempt_has_the_only_active_run_and_none_from_before_a_clear(
    tries: list[Try], store: Store, list_lag: float, may_replace: bool
) -> None:
    service = FakeService(list_lag=list_lag, plan=((0.0, "RUNNING"),))
    script = Script(service)
    task = Task(script, store)
    completed: str | None = None
    followed: str | None = None
    for this in tries:
        memory = task.begin()
        script.remembered.clear()
        rules = Rules(may_replace=may_replace, tries_before=task.try_number - 1)
        after = math.inf if this.dies_after is None else this.dies_after
        submission = script.run_until_death(after, math.inf, submit_run, PAYLOAD, memory=memory, rules=rules)
        for remembered, _ in script.remembered:
            task.remember(remembered)
        then = this.then
        assert not isinstance(submission, AwaitingQuota)
        if submission is not None:
            active = [run.id for run in service.kept(script.moment)]
            assert active == ([submission.run.id] if submission.run.is_active else [])
            assert followed in (None, submission.run.id), "the active run of the try before is followed"
            if store in (Store.KEEPS, Store.FORGETS):
                assert submission.run.id not in task.before_clear or (not may_replace and submission.run.is_active)
                # From now on it is a run of this round.
                task.before_clear.discard(submission.run.id)
                assert completed in (None, submission.run.id), "a completed run of this round is not repeated"
            run = next(run for run in service.runs if run.id == submission.run.id)
            if this.status is not None and submission.run.is_active:
                run.plan = ((0.0, "RUNNING"), (script.moment - run.created_at, this.status))
            completed = run.id if run.status(script.moment) == "COMPLETED" else None
            followed = run.id if run.status(script.moment) == "RUNNING" else None
            if completed is not None and this.is_done:
                task.done()
                if task.try_number > task.max_tries:
                    # No retry can follow.
                    then = Between.CLEAR
        if then is Between.CLEAR:
            task.clear({run.id for run in service.runs})
            completed = followed = None
            # A document that is gone names no run: then all must be in the list.
            script.moment += list_lag if store in (Store.FORGETS, Store.COMES) and task.document is None else 0.0
        script.moment += this.pause


def test_a_document_is_read_as_it_was_written() -> None:
    memory = (
        Memory(IDENTITY, 2, Past.NOTHING)
        .looked(["r1"])
        .create_sent()
        .has_run("r2", 7.0)
        .with_journal(Journal("d00000", "d11111", "e1", "s1"), is_past_known=True)
        .has_session("s1")
        .with_runtime("tiny", "small")
    )
    assert memory.session_id == "s1"
    assert Memory.from_json(json.loads(json.dumps(memory.to_json()))) == memory


def test_what_a_try_has_come_to_know_is_in_the_document() -> None:
    memory = Memory(IDENTITY, 2, Past.UNKNOWN, 2)
    assert memory.past_of_runs is Past.UNKNOWN
    assert memory.looked(["r1"]).past_of_runs is Past.KNOWN
    assert memory.create_sent().looked([]).is_create_unanswered is False
    assert memory.with_journal(Journal(), is_past_known=False).past is Past.UNKNOWN
    assert memory.with_journal(Journal(), is_past_known=True).past is Past.KNOWN
    retry = BegunTry(2, 2, 2)
    assert Memory.begin(memory.has_run("r1", 7.0), IDENTITY, retry).runs == ("r1",)
    assert Memory.begin(memory.has_run("r1", 7.0).over(), IDENTITY, retry).passed_over == ("r1",), "it was cleared"


@pytest.mark.parametrize(
    ("memory", "this", "goes_on"),
    [
        pytest.param(Memory(IDENTITY, 2, Past.KNOWN, 2), BegunTry(2, 2, 2), True, id="a retry"),
        pytest.param(Memory(IDENTITY, 2, Past.KNOWN, 2), BegunTry(2, 4, 2), False, id="a clear"),
        pytest.param(Memory(IDENTITY, 2, Past.KNOWN, 2).over(), BegunTry(4, 2, 2), False, id="after the last try"),
        pytest.param(Memory(IDENTITY, 2, Past.KNOWN, 2).done(1), BegunTry(2, 2, 2), True, id="done, failed afterwards"),
        pytest.param(Memory(IDENTITY, 2, Past.KNOWN, 2).done(3), BegunTry(4, 2, 2), False, id="done in its last try"),
        pytest.param(Memory(IDENTITY, 2, Past.KNOWN, 2).done(1), BegunTry(2, 2, 0), False, id="retries were edited"),
        pytest.param(Memory(IDENTITY, 2, Past.KNOWN, 2).done(1), BegunTry(1, 2, 2), False, id="begins once more"),
        pytest.param(Memory(IDENTITY, 2, Past.KNOWN, 2).done(1), BegunTry(1, 2, 2, True), True, id="started again"),
    ],
)
def test_which_attempts_belong_together_until_a_clear(memory: Memory, this: BegunTry, goes_on: bool) -> None:
    assert (Memory.begin(memory, IDENTITY, this) is memory) is goes_on


@pytest.mark.parametrize(
    ("found", "this", "past"),
    [
        pytest.param(Answer.MISSING, BegunTry(1, 2, 2), Past.NOTHING, id="the first try"),
        pytest.param(Answer.MISSING, BegunTry(2, 2, 2), Past.UNKNOWN, id="a retry"),
        pytest.param(Answer.MISSING, BegunTry(1, 2, 2, True), Past.UNKNOWN, id="started again"),
        pytest.param(Answer.MISSING, BegunTry(2, 2, 3), Past.UNKNOWN, id="a retry, and retries were raised"),
        pytest.param(Answer.MISSING, BegunTry(2, 3, 2), Past.NOTHING, id="cleared"),
        pytest.param(Answer.NOTHING, BegunTry(2, 2, 2), Past.NOTHING, id="a retry, and nothing was sent"),
        pytest.param(Answer.UNKNOWN, BegunTry(1, 2, 2), Past.NOTHING, id="the first try, without a store"),
        pytest.param(Answer.UNKNOWN, BegunTry(2, 3, 2), Past.UNKNOWN, id="cleared, without a store"),
    ],
)
def test_what_a_try_without_a_document_knows(found: Answer, this: BegunTry, past: Past) -> None:
    assert Memory.begin(found, IDENTITY, this) == Memory(IDENTITY, this.max_tries, past, this.retries)


def test_what_is_remembered_over_a_clear() -> None:
    journal = Journal("d00000", "d11111", "e1", "s1")
    before = Memory(IDENTITY, 2, Past.KNOWN, 2).has_run("r1", 7.0).create_sent()
    before = before.with_journal(journal, is_past_known=True)
    cleared = Memory.begin(before, IDENTITY, BegunTry(2, 4, 1))
    expected = Memory(IDENTITY, 4, Past.NOTHING, 1, passed_over=("r1",), is_create_unanswered=True, got_run_at=7.0)
    assert cleared == replace(expected, writes_left=(("e1", "s1"),))
    assert Memory.from_json(cleared.to_json()) == cleared
    ended = cleared.ended_writes()
    assert (ended.writes_left, ended.has_ended_writes) == ((), True)
    once_more = Memory.begin(cleared.done(2), IDENTITY, BegunTry(2, 4, 1))
    assert once_more.repeats == 1
    assert Memory.begin(once_more.done(2), IDENTITY, BegunTry(2, 4, 1)).repeats == 2


@pytest.mark.parametrize("past", [Past.NOTHING, Past.UNKNOWN])
def test_a_document_without_later_fields_is_read(past: Past) -> None:
    kept = ("identity", "max_tries", "past")
    document = {name: value for name, value in Memory(IDENTITY, 2, past).to_json().items() if name in kept}
    assert Memory.from_json(document) == Memory(IDENTITY, 2, past)


def test_the_writes_that_an_earlier_state_has_listed_one_by_one_are_read() -> None:
    """If they were lost, a retry after an upgrade would execute them again."""

    def listed(position: int, outcome: str, digest: str) -> dict[str, Any]:
        ids = {"execution_id": f"e{position}", "session_id": f"s{position}"}
        return {"position": position, **ids, "outcome": outcome, "digest": digest}

    def read(*statements: dict[str, Any], **more: Any) -> Memory:
        document = Memory(IDENTITY, 2, Past.NOTHING).to_json()
        del document["journal"], document["writes_left"], document["has_ended_writes"]
        return Memory.from_json({**document, "statements": list(statements), **more})

    done, failed = listed(0, "succeeded", "d00000ffffff"), listed(2, "failed", "d22222ffffff")
    sent = listed(3, "", "d33333ffffff")
    assert read().journal == Journal()
    assert read(done).journal == Journal("d00000", "", "e0", "s0")
    assert read(done, failed).journal == Journal("d00000", "", "e0", "s0")
    assert read(failed, sent).journal == Journal("", "d33333", "e3", "s3")
    memory = read(done, failed, sent, statements_left=[done, sent], has_ended_statements=True)
    assert memory.journal == Journal("d00000", "d33333", "e3", "s3")
    assert (memory.writes_left, memory.has_ended_writes) == ((("e0", "s0"), ("e3", "s3")), True)
    journal = read({**sent, "digest": ""}).journal
    assert journal.unknown == (("e3", "s3"),)
    with pytest.raises(ValueError, match="not what a task"):
        read({"position": 0})


def test_a_larger_runtime_is_kept_as_long_as_the_task_asks_for_the_same_first_one() -> None:
    memory = Memory(IDENTITY, 2, Past.KNOWN)
    assert memory.runtimes_of("") == ()
    memory = memory.with_runtime("tiny", "small").with_runtime("tiny", "medium")
    assert memory.runtimes_of("tiny") == memory.runtimes == ("tiny", "small", "medium")
    assert memory.runtimes_of("small") == ()
    assert memory.with_runtime("small", "large").runtimes == ("small", "large")
