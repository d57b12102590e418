"""Which writes of a task have taken effect, and what a try does with each write of its own.

Theory of operation
===================

A worker can die at any moment, a session can end, and a session forgets its executions. So a task keeps a **journal**.
It lists the *writes*: every statement that does not only read, or only change the session. Statements run one after
the other, so at most one write has an unknown outcome: the last one that was sent. It is noted before it is sent, and
its end as soon as that is known. Nothing is guessed from a statement's text.

======================================================  ===============================================================
a statement                                             is
======================================================  ===============================================================
that only reads, or only changes the session            executed, in each try: the session may be a new one
a write that the journal has as done                    skipped
a write that was sent, and whose end is not known       asked about: its session knows executions by their ids
any other write                                         executed
======================================================  ===============================================================

The answers of the session:

======================================================  ===============================================================
it has succeeded                                        it is skipped
it still runs                                           it is followed, and its end is the answer
it is known to have written nothing                     it is executed
anything else, or the session does not know it          its outcome is unknown: the task fails for good
======================================================  ===============================================================

If it is not known what earlier tries have done (``Past.UNKNOWN``), each of them may have sent each write. Ids are
computed, so the session is asked about all of them, from the newest try. Below Airflow 3.3, which has no memory, a
clear looks like that too. There the number of tries that are left says that a try is the first after a clear, and it
then executes what the session does not know.

A write that was edited is another one. If the old one has, or may have, taken effect, the outcome is unknown. A clear
begins another journal. Before that, what still runs from before the clear is cancelled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from sys import maxsize
from threading import Lock
from typing import TypeAlias
from uuid import UUID, uuid5

from airflow_provider_wherobots.api.sql.messages import Store
from airflow_provider_wherobots.flows.sql.outcome import Effect, StatementOutcome, StatementState
from airflow_provider_wherobots.runs.memory import DIGEST_CHARS, Journal

NAMESPACE = UUID("5f0d4f6e-7c0a-4a0e-9d7e-0c6f2f1d9b51")
MAX_LEFT = 10
"""How many ids are computed for a write from before a clear that may still run."""
SEVERAL = "several at a time"
"""What was sent, if a function has sent several writes at a time: the journal cannot follow them."""
CHANGED = "the task was edited, or makes other statements in each attempt, such as with the time in their text"


def digest_of(text: str, store: Store | None = None) -> str:
    """Stands for a statement, and for where its result is stored."""
    target = "" if store is None else json.dumps(store.to_json(), sort_keys=True)
    return sha256("\x1f".join((text, target)).encode()).hexdigest()[:DIGEST_CHARS]


@dataclass(frozen=True, slots=True)
class Write:
    """A write of a task: ``number`` counts the writes from 0, ``position`` all statements."""

    number: int
    position: int
    digest: str


@dataclass(frozen=True, slots=True)
class ThisTry:
    """A try, and the ids of its executions.

    :param suffix: what all tries of the task instance have in common.
    :param max_tries: of the task instance, which a clear raises.
    :param number: of the try, from 1.
    :param start: how often Airflow has started it before.
    :param is_first_by_count: whether all retries of the task are left in a later try, as after a clear. A user who
        edits ``retries`` can make it look so too.
    """

    suffix: str
    max_tries: int
    number: int
    start: int = 0
    is_first_by_count: bool = False

    def id_of(self, position: int, digest: str) -> str:
        """The id under which this try executes the statement at a position."""
        return self._id(position, digest, self.max_tries, self.number, self.start)

    def ids_before(self, position: int, digest: str) -> tuple[str, ...]:
        """The ids under which the tries since the last clear may have executed it, newest first."""
        starts = [(self.number, start) for start in reversed(range(self.start))]
        tries = [(number, 0) for number in reversed(range(1, self.number))]
        return tuple(self._id(position, digest, self.max_tries, *one) for one in (*starts, *tries))

    def ids_of_earlier_rounds(self, writes: Sequence[Write]) -> list[str]:
        """The ids under which tries of earlier rounds may have executed writes, newest first for each."""
        tries = [
            (max_tries, number, 0)
            for number in reversed(range(1, self.number))
            for max_tries in reversed(range(number - 1, self.max_tries))
        ]
        return [self._id(write.position, write.digest, *one) for write in writes for one in tries[:MAX_LEFT]]

    def _id(self, *which: object) -> str:
        return str(uuid5(NAMESPACE, "\x1f".join(map(str, (self.suffix, *which)))))


@dataclass(frozen=True, slots=True)
class Execute:
    """The write is executed."""


@dataclass(frozen=True, slots=True)
class Skip:
    """The write has succeeded in an earlier try. The id is empty if it was not the last one."""

    execution_id: str = ""
    session_id: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """A session is asked about executions, in this order. ``session_id`` is empty for the session of this try.

    ``may_be_cleared``: if the session knows none of them, the write was not sent since the clear.
    """

    execution_ids: tuple[str, ...]
    session_id: str = ""
    may_be_cleared: bool = False


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """The write may have taken effect, and nobody knows."""

    why: str
    execution_id: str
    session_id: str = ""


Verdict: TypeAlias = Execute | Skip | OutcomeUnknown


class Writes:
    """The writes of a try, in order. Several threads can use it.

    :param journal: what the tries before have noted; default nothing.
    :param this_try: the try; default one without an earlier one.
    :param keep: stores a journal; default nowhere. The text says what was not done if that fails: then it raises. If
        the text is empty, a failure is logged.
    :param is_past_known: whether the journal has all that the tries before have sent; default True.
    :param left: by session, empty for the try's own: the executions that earlier rounds may have left running.
    """

    def __init__(
        self,
        journal: Journal | None = None,
        this_try: ThisTry | None = None,
        keep: Callable[[Writes, str], None] = lambda *_: None,
        *,
        is_past_known: bool = True,
        left: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.journal = journal or Journal()
        self.this_try = this_try or ThisTry("", 0, 1)
        self.is_past_known = is_past_known
        self.left = left or {}
        self._keep = keep
        self._own: set[str] = set()
        self._done_before = self.journal.count
        self._changing = Lock()

    def next(self, text: str, store: Store | None) -> Write:
        """The next write of a function, which is not known before."""
        with self._changing:
            ahead = self.journal.ahead
            # A write that another thread has executed in this try is none of those of the tries before.
            number = self._done_before - ahead if ahead else maxsize
            if ahead:
                self._note(replace(self.journal, ahead=ahead - 1))
        return Write(number, number, digest_of(text, store))

    def ended_left(self) -> None:
        """Nothing runs any more that earlier rounds have sent."""
        if self.left:
            self.left = {}
            self._keep(self, "")

    def edited(self, digests: Sequence[str]) -> OutcomeUnknown | None:
        """Why the outcome is unknown, if the writes of a task do not begin with those of the journal."""
        return None if "".join(digests).startswith(self.journal.done + self.journal.sent) else self._changed()

    def _changed(self) -> OutcomeUnknown:
        return OutcomeUnknown(CHANGED, self.journal.execution_id, self.journal.session_id)

    def decide(self, write: Write) -> Verdict | Ask:
        """What the try does with a write, once those before it are done."""
        journal, number = self.journal, write.number
        if number < journal.count:
            if journal.digest(number) != write.digest:
                return self._changed()
            is_newest = number == journal.count - 1 and not journal.sent
            return Skip(journal.execution_id, journal.session_id) if is_newest else Skip()
        if journal.sent and journal.execution_id not in self._own:
            if journal.sent == write.digest:
                return Ask((journal.execution_id,), journal.session_id)
            why = f"it has sent {SEVERAL}" if journal.sent == SEVERAL else CHANGED
            return OutcomeUnknown(why, journal.execution_id, journal.session_id)
        if not self.is_past_known and (ids := self.this_try.ids_before(write.position, write.digest)):
            return Ask(ids, may_be_cleared=self.this_try.is_first_by_count and not self.this_try.start)
        return Execute()

    def conclude(self, asked: Ask, write: Write, answers: Sequence[StatementOutcome]) -> Verdict | None:
        """What follows from the answers so far. None if the session is to be asked about the next execution."""
        newest, last = answers[0], answers[-1]
        if last.effect is Effect.TAKEN:
            done, execution_id = self.journal.done + write.digest, last.execution_id
            self._note(Journal(done, "", execution_id, asked.session_id, self.journal.ahead))
            return Skip(last.execution_id, asked.session_id)
        if newest.effect is Effect.NONE:
            # It was sent again only because nothing before it had taken effect.
            self.is_past_known = True
            self._note(replace(self.journal, sent=""))
            return Execute()
        if len(answers) < len(asked.execution_ids):
            return None
        if asked.may_be_cleared and all(answer.state is StatementState.NOT_FOUND for answer in answers):
            self.is_past_known = True
            return Execute()
        return OutcomeUnknown(newest.message, newest.execution_id, asked.session_id)

    def sending(self, write: Write, execution_id: str, session_id: str) -> None:
        """A write is about to be sent. Raises if that cannot be noted."""
        with self._changing:
            before = self.journal, self.is_past_known
            self._own.add(execution_id)
            sent = SEVERAL if self.journal.sent else write.digest
            self.journal = replace(self.journal, sent=sent, execution_id=execution_id, session_id=session_id)
            self.is_past_known = True
            try:
                self._keep(self, "The statement was not sent")
            except BaseException:
                self.journal, self.is_past_known = before
                # It may be stored all the same.
                self._keep(self, "")
                raise

    def ended(self, outcome: StatementOutcome) -> None:
        """Note how a write has ended that this try has sent, if that is known."""
        with self._changing:
            journal = self.journal
            if outcome.execution_id != journal.execution_id or journal.sent in ("", SEVERAL):
                return
            if outcome.effect is Effect.TAKEN:
                self._note(replace(journal, done=journal.done + journal.sent, sent=""))
            elif outcome.effect is Effect.NONE:
                self._note(replace(journal, sent=""))

    def _note(self, journal: Journal) -> None:
        self.journal = journal
        self._keep(self, "")
