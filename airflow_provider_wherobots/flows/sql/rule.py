"""What a try does with each statement of its task. One rule for all of them.

Theory of operation
===================

A worker can die at any moment, a session can end, and it forgets its executions. So a try remembers each *write*, which
is every statement that does not only read or only change the session, before it is sent, and its outcome as soon as
that is known (``runs/memory.py``). Nothing is guessed from a statement's text.

======================================================  ===============================================================
a statement                                             is
======================================================  ===============================================================
that only reads                                         executed, in each try
that only changes the session, such as ``USE``          executed, in each try: the session may be a new one
that is known to have succeeded                         skipped, whatever it is
that is known to have failed, or was never sent         executed
that was sent, and whose outcome is not known           asked about: its session knows executions by their ids
======================================================  ===============================================================

The answers:

======================================================  ===============================================================
it has succeeded                                        it is skipped
it still runs                                           it is followed, and its end is the answer
it has certainly written nothing                        it is executed
anything else, or the session does not know it          it is in doubt: nothing is executed, the task fails for good
======================================================  ===============================================================

If it is not known what earlier tries have done (``Past.UNKNOWN``), each of them may have sent each write. Ids are
computed, so the session is asked about all of them, from the newest try. Below Airflow 3.3, which has no memory, a
clear looks like that too. There the number of tries that are left says that a try is the first after a clear, and it
then executes what the session does not know.

A statement that was edited is another one. If the old one has, or may have, taken effect, the new one is in doubt.

A clear executes everything again. Before that, what the earlier round has left running is cancelled.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeAlias
from uuid import UUID, uuid5

from airflow_provider_wherobots.api.sql.messages import Store
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.runs.memory import Memory, Past, StatementMemory

NAMESPACE = UUID("5f0d4f6e-7c0a-4a0e-9d7e-0c6f2f1d9b51")
DIGEST_CHARS = 12
MAX_LEFT = 10
"""How many ids are computed for a write that an earlier round may have left running."""
SUCCEEDED, FAILED = "succeeded", "failed"
"""Outcomes as they are remembered. ``failed`` means that it has certainly written nothing."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A statement of a task, at its ``position`` from 0. ``is_write``: it does not only read, or only change the
    session. ``is_returned``: what it returns is a part of what the task returns.
    """

    position: int
    text: str = field(repr=False)
    is_read: bool
    is_write: bool
    wants_result: bool = True
    store: Store | None = None
    is_returned: bool = False

    @property
    def digest(self) -> str:
        """Stands for the text, and for where its result is stored."""
        target = "" if self.store is None else json.dumps(self.store.to_json(), sort_keys=True)
        return sha256("\x1f".join((self.text, target)).encode()).hexdigest()[:DIGEST_CHARS]


@dataclass(frozen=True, slots=True)
class ThisTry:
    """A try, and the ids of its executions.

    :param suffix: what all tries of the task instance have in common.
    :param max_tries: of the task instance, which a clear raises.
    :param number: of the try, from 1.
    :param start: how often Airflow has started it before.
    :param is_first_by_count: whether all retries of the task are left, as after a clear.
    """

    suffix: str
    max_tries: int
    number: int
    start: int = 0
    is_first_by_count: bool = False

    def id_of(self, statement: Planned) -> str:
        """The id under which this try executes a statement."""
        return self._id(statement, self.max_tries, self.number, self.start)

    def ids_before(self, statement: Planned) -> tuple[str, ...]:
        """The ids under which tries of this round may have executed a statement, newest first."""
        starts = [(self.number, start) for start in reversed(range(self.start))]
        tries = [(number, 0) for number in reversed(range(1, self.number))]
        return tuple(self._id(statement, self.max_tries, *one) for one in (*starts, *tries))

    def ids_of_earlier_rounds(self, statement: Planned) -> list[str]:
        """The ids under which tries of earlier rounds may have executed a statement, newest first."""
        tries = (
            (max_tries, number, 0)
            for number in reversed(range(1, self.number))
            for max_tries in reversed(range(number - 1, self.max_tries))
        )
        return [self._id(statement, *one) for one, _ in zip(tries, range(MAX_LEFT), strict=False)]

    def _id(self, statement: Planned, *which: object) -> str:
        parts = (self.suffix, statement.position, statement.digest, *which)
        return str(uuid5(NAMESPACE, "\x1f".join(map(str, parts))))


@dataclass(frozen=True, slots=True)
class Execute:
    """The statement is executed. ``failed``: the execution that is known to have written nothing, if one is."""

    failed: str = ""


@dataclass(frozen=True, slots=True)
class Skip:
    """The statement has succeeded, by an execution of an earlier try."""

    execution_id: str
    session_id: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """A session is asked about executions, in this order. ``session_id`` is empty for the session of this try.

    ``may_be_new_round``: if the session knows none of them, the statement was not sent in this round.
    """

    execution_ids: tuple[str, ...]
    session_id: str = ""
    may_be_new_round: bool = False


@dataclass(frozen=True, slots=True)
class Doubt:
    """The statement may have taken effect, and nobody knows."""

    why: str
    execution_id: str
    session_id: str = ""


Verdict: TypeAlias = Execute | Skip | Doubt


def begins_round(number: int, max_tries: int, retries: int) -> bool:
    """Whether all retries of a task are left in a later try, as after a clear. A user who edits ``retries`` can make it
    look so too.
    """
    return number > 1 and max_tries == number - 1 + retries


def decide(statement: Planned, planned: Sequence[Planned], memory: Memory, this_try: ThisTry) -> Verdict | Ask:
    """What a try does with a statement, before it has executed any.

    :param planned: all statements of the task.
    """
    if not statement.is_write:
        return Execute()
    known = memory.statement(statement.position)
    if known is not None and known.digest == statement.digest:
        match known.outcome:
            case "succeeded":
                return Skip(known.execution_id, known.session_id)
            case "failed":
                return Execute()
        return Ask((known.execution_id,), known.session_id)
    if (other := _edited(planned, memory.statements)) is not None:
        why = "the task's statements have changed: they were edited, or are rendered differently"
        return Doubt(why, other.execution_id, other.session_id)
    if memory.past is Past.UNKNOWN and (ids := this_try.ids_before(statement)):
        return Ask(ids, may_be_new_round=this_try.is_first_by_count and not this_try.start)
    return Execute()


def conclude(asked: Ask, answers: Sequence[StatementOutcome]) -> Verdict | None:
    """What follows from the answers so far. None if the session is to be asked about the next execution."""
    newest, last = answers[0], answers[-1]
    if outcome_of(last) == SUCCEEDED:
        return Skip(last.execution_id, asked.session_id)
    if outcome_of(newest) == FAILED:
        # It was sent again only because nothing before it had taken effect.
        return Execute(newest.execution_id)
    if len(answers) < len(asked.execution_ids):
        return None
    if asked.may_be_new_round and all(answer.is_not_found for answer in answers):
        return Execute()
    return Doubt(newest.message, newest.execution_id, asked.session_id)


def outcome_of(outcome: StatementOutcome) -> str:
    """What is remembered of how a write ended; empty if nobody knows.

    A cancel that the task has requested, and that the session has confirmed, counts like a failure. If the task has not
    requested it, the session may have cancelled a statement that had taken effect in part.
    """
    match outcome.state:
        case StatementState.SUCCEEDED:
            return SUCCEEDED
        case StatementState.FAILED:
            return FAILED
        case StatementState.DEADLINE if outcome.has_succeeded:
            return SUCCEEDED
        case StatementState.DEADLINE | StatementState.GAVE_UP if outcome.wrote_nothing or not outcome.was_sent:
            return FAILED
        case StatementState.GAVE_UP:
            # Only the result is missing.
            return SUCCEEDED
    return ""


def left_running(
    planned: Iterable[Planned], memory: Memory, this_try: ThisTry, session_id: str
) -> dict[str, list[str]]:
    """The executions that earlier rounds may have left running, by session. ``session_id``: of this try."""
    if memory.has_ended_statements or this_try.number == 1:
        return {}
    # Airflow 3.4 may have discarded what the earlier round remembered.
    writes = (statement for statement in planned if statement.is_write)
    left = {session_id: [one for statement in writes for one in this_try.ids_of_earlier_rounds(statement)]}
    for known in memory.statements_left:
        if known.execution_id not in (ids := left.setdefault(known.session_id, [])):
            ids.append(known.execution_id)
    return left


def _edited(planned: Sequence[Planned], statements: Iterable[StatementMemory]) -> StatementMemory | None:
    """A statement that has, or may have, taken effect, and that the task no longer has in its place."""
    digests = {statement.position: statement.digest for statement in planned}
    changed = (known for known in statements if digests.get(known.position) != known.digest)
    return next((known for known in changed if known.outcome != FAILED), None)
