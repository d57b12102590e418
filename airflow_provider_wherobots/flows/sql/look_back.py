"""How the statements that earlier tries of a task have sent ended, as far as the record and the session know.

A worker can die at any moment. Its session cancels what it executed after a grace period, or the statement ends within
it. So a retry checks the task's writes first:

=======================================================  ===============================================================
a write                                                  is
=======================================================  ===============================================================
has taken effect, by the record or the session           not executed again
still runs                                               followed to its end
has certainly written nothing, or was never sent         executed
was sent, and its outcome cannot be known                in doubt: nothing is executed
=======================================================  ===============================================================

A statement that can be repeated (``sql/repeatable.py``) is executed again, unless a write after it has taken effect,
or it still runs: a task that fails because of what it has read reads again. ``USE`` and ``SET`` are always executed
again, as the session of the retry may be a new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from airflow_provider_wherobots.api.sql.messages import Store
from airflow_provider_wherobots.flows.effects import Flow
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.record import ExecutionIds, SqlRecord, Word, mark_of
from airflow_provider_wherobots.flows.sql.statement import StatementOptions, attach

SUCCESSES = (StatementState.SUCCEEDED, StatementState.GAVE_UP)
"""A statement that was attached to gives up only on its result."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A statement of a task. ``occurrence`` is how many equal statements precede it in the task. ``only_reads``: it
    changes no table; ``changes_session``: it changes how those after it are executed; ``is_returned``: what it returns
    is a part of what the task returns.
    """

    text: str = field(repr=False)
    may_repeat: bool
    wants_result: bool = True
    store: Store | None = None
    occurrence: int = 0
    only_reads: bool = True
    changes_session: bool = False
    is_returned: bool = False

    @property
    def mark(self) -> str:
        """Its mark in the record, and in the ids of its executions."""
        return mark_of(self.text, self.store, self.occurrence)


@dataclass(slots=True)
class Found:
    """What earlier tries have done. ``outcomes`` has the statements that are not executed again, by their place, and
    the try that sent each; with one that has not succeeded, or whose result is lost, the task fails. ``in_doubt`` is
    the place of a write that an earlier try may have done; ``is_edited``: it had another statement in this place.
    ``learned`` has keys for the record.
    """

    outcomes: dict[int, tuple[int, StatementOutcome]] = field(default_factory=dict)
    in_doubt: int | None = None
    is_edited: bool = False
    learned: list[str] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        ended = (outcome.state not in SUCCESSES for _, outcome in self.outcomes.values())
        return self.in_doubt is not None or any(ended)


@dataclass(slots=True)
class SqlLookBack:
    """Checks the statements of a task in a session whose WebSocket is open."""

    statements: Sequence[Planned]
    ids: ExecutionIds
    record: SqlRecord
    options: StatementOptions
    geometry: str = "ewkt"
    _found: Found = field(default_factory=Found, init=False)

    def run(self) -> Flow[Found]:
        """Check the writes, and then the statements before and after the writes that are done."""
        yield from self._check_writes()
        if self._found.in_doubt is None:
            yield from self._presume_earlier()
        if not self._found.is_over:
            yield from self._find_running()
        return self._found

    def _check_writes(self) -> Flow[None]:
        found, marks = self._found, {statement.mark for statement in self.statements}
        for index, statement in enumerate(self.statements):
            if statement.may_repeat:
                continue
            if (settled := (yield from self._settle(statement))) is not None:
                found.outcomes[index] = settled
                if found.is_over:
                    return
                continue
            found.is_edited = self.record.knows_others(marks)
            if found.is_edited or self.record.in_doubt(statement.mark):
                found.in_doubt = index
                return

    def _settle(self, statement: Planned) -> Flow[tuple[int, StatementOutcome] | None]:
        """The outcome of a write that is not to be executed any more; None for any other."""
        mark = statement.mark
        if (number := self.record.succeeded_in(mark)) is not None:
            return number, (yield from self._success(statement, number))
        for number in self.record.in_doubt(mark):
            outcome = yield from self._query(statement, number)
            if outcome.state in SUCCESSES or outcome.was_running or self._has_failed_now(outcome, number):
                return number, outcome
            if outcome.state is StatementState.FAILED and (key := self.record.write(Word.NO_EFFECT, mark, number)):
                self._found.learned.append(key)
        return None

    def _success(self, statement: Planned, number: int) -> Flow[StatementOutcome]:
        """A write that has succeeded, with its result if it is wanted and still there. Most writes have none."""
        if statement.wants_result:
            outcome = yield from self._query(statement, number)
            if outcome.state is StatementState.SUCCEEDED:
                return outcome
        return StatementOutcome(StatementState.SUCCEEDED, self.ids.of(number, statement.mark))

    def _presume_earlier(self) -> Flow[None]:
        """A statement before a write that was sent has succeeded, as statements are executed in order."""
        outcomes = self._found.outcomes
        for index in range(max(outcomes, default=0)):
            statement = self.statements[index]
            if statement.may_repeat and not statement.changes_session and index not in outcomes:
                outcomes[index] = yield from self._presumed(statement)

    def _presumed(self, statement: Planned) -> Flow[tuple[int, StatementOutcome]]:
        number = self.record.earlier_tries[0]
        outcome = StatementOutcome(StatementState.SUCCEEDED, self.ids.of(number, statement.mark))
        if not (statement.wants_result and statement.only_reads):
            return number, outcome
        for number in self.record.earlier_tries:
            found = yield from self._query(statement, number)
            if found.state in SUCCESSES:
                return number, found
        why = "it must have succeeded, because a later one was sent, but the session no longer knows it, so its result"
        return number, replace(outcome, state=StatementState.GAVE_UP, message=f"{why} cannot be fetched")

    def _find_running(self) -> Flow[None]:
        begin = max(self._found.outcomes, default=-1) + 1
        passed: dict[int, tuple[int, StatementOutcome]] = {}
        for index, statement in enumerate(self.statements[begin:], begin):
            if not statement.may_repeat:
                break
            for number in self.record.earlier_tries:
                outcome = yield from self._query(statement, number)
                has_failed_now = self._has_failed_now(outcome, number)
                if outcome.was_running or outcome.state in SUCCESSES or has_failed_now:
                    passed[index] = number, outcome
                    break
            else:
                break
            if outcome.was_running or has_failed_now:
                self._found.outcomes.update(passed)
                return
        # What this try has read, if it was started before.
        own = {index: found for index, found in passed.items() if found[0] == self.record.try_number}
        self._found.outcomes.update(own)

    def _has_failed_now(self, outcome: StatementOutcome, number: int) -> bool:
        """Whether a statement has failed in this try, which was started before: then the try fails."""
        return outcome.state is StatementState.FAILED and number == self.record.try_number

    def _query(self, statement: Planned, number: int) -> Flow[StatementOutcome]:
        """Request the state of an execution. One that runs is followed to its end."""
        execution_id = self.ids.of(number, statement.mark)
        options, wants_result = self.options, statement.wants_result
        return (yield from attach(execution_id, options, geometry=self.geometry, wants_result=wants_result))
