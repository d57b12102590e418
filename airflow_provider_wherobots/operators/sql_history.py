"""What a try of a SQL task knows of the tries before it, and the word that it leaves for those after it.

The record is ``flows/sql/record.py``; here it is read from Airflow and written to it, and what it leaves open is asked.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.api.sql.messages import CANCELLED, FAILED, SUCCEEDED
from airflow_provider_wherobots.compat import Context, note_for_retry, state_at_kill, xcom_keys_of_earlier_try
from airflow_provider_wherobots.exceptions import WherobotsSqlException, WherobotsUnavailableException
from airflow_provider_wherobots.flows.sql.cancel import cancel, end_earlier
from airflow_provider_wherobots.flows.sql.look_back import Found, Planned, SqlLookBack
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
from airflow_provider_wherobots.flows.sql.statement import Statement, StatementOptions, execute
from airflow_provider_wherobots.flows.tries import first_since_clear, is_last
from airflow_provider_wherobots.flows.unforeseen import reason_of
from airflow_provider_wherobots.operators.run_suffix import leave_word, suffix_of_task
from airflow_provider_wherobots.operators.sql_plan import outcome_query
from airflow_provider_wherobots.operators.sql_results import first_value
from airflow_provider_wherobots.operators.wherobots_task import pull, push
from airflow_provider_wherobots.sql.masking import masked
from airflow_provider_wherobots.sql.repeatable import only_reads

if TYPE_CHECKING:
    from airflow_provider_wherobots.operators.executes_sql import ExecutesSql
    from airflow_provider_wherobots.operators.sql_attempt import SqlAttempt


class SqlHistory:
    """The statements of a task's tries. ``suffix`` is what the ids of its executions have in common; empty if it is not
    known.
    """

    def __init__(
        self, task: ExecutesSql, context: Context, attempt: SqlAttempt, planned: list[Planned], suffix: str
    ) -> None:
        self._task = task
        self._context = context
        self._attempt = attempt
        self._planned = planned
        self._ti = ti = context["ti"]
        self.try_number: int = ti.try_number
        self._first = first_since_clear(ti.try_number, ti.max_tries, task.retries or 0)
        self.ids = ExecutionIds(suffix or suffix_of_task(context))
        self.record = SqlRecord.resume(None, self.try_number, self._first)
        # The writes that may be under way: the try that has sent each, and its mark.
        self._writes: dict[str, tuple[int, str]] = {}

    @property
    def is_last(self) -> bool:
        """Whether no retry follows."""
        return is_last(self.try_number, self._ti.max_tries)

    @property
    def is_in_doubt(self) -> bool:
        """Whether this try or one before it has sent a write of which nobody knows the outcome."""
        writes = (statement.mark for statement in self._planned if not statement.may_repeat)
        return self.record.sent_now() is not None or any(map(self.record.in_doubt, writes))

    def begin(self, *, is_resumed: bool = False) -> Collection[str]:
        """Read what the try before has left, pass it on, and return the keys of its XComs. They are still there if
        Airflow 3.0 or 3.1.0 resumes a retry (``is_resumed``); otherwise Airflow has deleted them.
        """
        if is_resumed:
            told: Collection[str] | None = [
                key for key in self._possible_keys() if pull(self._task, self._context, key)
            ]
        else:
            told = xcom_keys_of_earlier_try(self._ti) if self.try_number > 1 else ()
        self.record = SqlRecord.begin(told, self.try_number, self._first)
        for key in self.record.to_keys():
            self._write_down(key)
        leave_word(self._push, self._context, self.ids.identity)
        return told or ()

    def resume(self, kept: Collection[str] | None) -> None:
        """Read what this try knew when it deferred."""
        self.record = SqlRecord.resume(kept, self.try_number, self._first)

    def resume_sent(self, mark: str) -> None:
        """Remember after a deferral which write this try has sent."""
        self.record.write(Word.SENT, mark, self.try_number)

    def kept(self) -> dict[str, Any]:
        """What a deferral keeps, and the task resumes with."""
        return {"record": self.record.to_keys(), "suffix": self.ids.identity}

    def sending(self, statement: Planned, execution_id: str) -> None:
        """Write down that a write is about to be sent. If that cannot be recorded, it must not be sent."""
        self._writes[execution_id] = self.try_number, statement.mark
        if (key := self.record.write(Word.SENT, statement.mark, self.try_number)) is not None:
            self._write_down(key)

    def attaching(self, execution_id: str) -> None:
        """A write that this try has sent, and a trigger has followed, is followed here."""
        if (mark := self.record.sent_now()) is not None:
            self._writes[execution_id] = self.try_number, mark

    def learn(self, outcome: StatementOutcome, statement: Planned, earlier_try: int | None) -> None:
        """Record what an outcome says. ``earlier_try`` is None if this try has sent the statement, ``statement`` is as
        it is rendered now.
        """
        mark = self.record.sent_now() if earlier_try is None else statement.mark
        if earlier_try is not None and statement.may_repeat:
            return
        if mark is not None and (word := word_of(outcome)) is not None:
            self.tell(self.record.write(word, mark, earlier_try or self.try_number))

    def learn_from_kill(self) -> None:
        """Write down what a kill has cancelled; on Airflow 2.11 also that the task was cleared."""
        for execution_id, state in self._attempt.ended_at_kill.items():
            if execution_id in self._writes and state in (SUCCEEDED, FAILED, CANCELLED):
                number, mark = self._writes[execution_id]
                word = Word.SUCCEEDED if state == SUCCEEDED else Word.NO_EFFECT
                self.tell(self.record.write(word, mark, number))
        if state_at_kill(self._ti) == "restarting":
            note_for_retry(self._ti, CLEARED_KEY)

    def tell(self, key: str | None) -> None:
        """Leave word for the next try. Without it, that try asks the session."""
        if key is not None:
            self._push(key, True)
            note_for_retry(self._ti, key)

    def end_what_a_clear_left(self, url: str, session_id: str) -> None:
        """Cancel the statements that tries before the last clear still execute; the task fails if one may still run."""
        earlier, reads = [], set()
        for statement in self._planned:
            ids = [self.ids.of(number, statement.mark) for number in self.record.tries_before_clear]
            earlier += ids
            if only_reads(statement.text):
                reads.update(ids)
        with self._attempt.in_flight(earlier, url):
            running = self._attempt.run(end_earlier(earlier, url, reads=reads))
        if running:
            raise WherobotsUnavailableException(
                f"The task was cleared, but its statement {running} could not be cancelled, and may still run in SQL "
                f"session {session_id}. Nothing was executed"
            )

    def look_back(self, options: StatementOptions) -> tuple[Found, str]:
        """Find out what became of the statements of the tries since the last clear; and if a write is in doubt, why."""
        found, why = self._look(options), "the SQL session cannot report what it has written"
        if found.is_edited:
            return found, "the statement has changed: it was edited, or is rendered differently"
        if found.in_doubt is not None and self._task.outcome_sql is not None:
            why = self._ask_outcome_sql(self._planned[found.in_doubt], options)
            found = self._look(options)
        return found, why

    def _look(self, options: StatementOptions) -> Found:
        if not self.record.earlier_tries:
            return Found()
        geometry, repeats = self._task.geometry, self._task.retry_unknown
        look_back = SqlLookBack(
            self._planned, self.ids, self.record, options, geometry=geometry, repeats_unknown=repeats
        )
        with self._attempt.in_flight(self._possibly_running(), options.url):
            found = self._attempt.run(look_back.run())
        for key in found.learned:
            self.tell(key)
        return found

    def _possibly_running(self) -> list[str]:
        running = []
        for statement in self._planned:
            is_read = statement.may_repeat
            for number in self.record.earlier_tries if is_read else self.record.in_doubt(statement.mark):
                running.append(self.ids.of(number, statement.mark))
                if not is_read:
                    self._writes[running[-1]] = number, statement.mark
        return running

    def _ask_outcome_sql(self, statement: Planned, options: StatementOptions) -> str:
        """Execute the query that reports whether a write in doubt has taken effect, and record its result. Returns why
        there is none.
        """
        query, tries, log = outcome_query(self._task), self.record.in_doubt(statement.mark), self._task.log
        # The table is not to change any more once it is asked.
        has_ended = [
            self._attempt.run(cancel(self.ids.of(number, statement.mark), url=options.url)) for number in tries
        ]
        execution_id = self.ids.of(self.try_number, mark_of(query))
        log.info("Executing outcome_sql (%s) as %s", masked(query), execution_id)
        with self._attempt.in_flight([execution_id], options.url):
            outcome = self._attempt.run(execute(Statement(execution_id, query), options))
        if outcome.state is not StatementState.SUCCEEDED:
            return f"outcome_sql is inconclusive: it ended as {outcome.state} ({outcome.message})"
        value = first_value(outcome, self._attempt.driver)
        if not isinstance(value, bool | int | float | Decimal):
            found = "NULL" if value is None else "not a boolean or number"
            return f"outcome_sql is inconclusive: its first value is {found}"
        if not value and not all(has_ended):
            return "outcome_sql is inconclusive: the cancel of the write is not confirmed, so it may still run"
        log.info("outcome_sql reports that the write %s taken effect", "has" if value else "has not")
        for number in tries[:1] if value else tries:
            self.tell(self.record.write(Word.SUCCEEDED if value else Word.NO_EFFECT, statement.mark, number))
        return ""

    def _write_down(self, key: str) -> None:
        try:
            self._ti.xcom_push(key=key, value=True)
        except Exception as error:
            raise self._no_word(key, reason_of(error)) from error
        if not note_for_retry(self._ti, key):
            raise self._no_word(key, "Airflow's audit log cannot be written")

    def _no_word(self, key: str, why: str) -> WherobotsSqlException:
        return WherobotsSqlException(
            f"Nothing more is executed: XCom {key}, by which a retry knows what this try has executed, could not be "
            f"pushed: {why}"
        )

    def _possible_keys(self) -> list[str]:
        marks = [statement.mark for statement in self._planned if not statement.may_repeat]
        tries = range(1, self.try_number)
        told = [key_of(word, number, mark) for mark in marks for number in tries for word in Word]
        return [*told, *(f"sql_since-{number}" for number in tries)]

    def _push(self, key: str, value: Any) -> None:
        push(self._task, self._context, key, value)
