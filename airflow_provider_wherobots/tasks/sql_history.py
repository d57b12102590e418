"""What a try of a SQL task knows of the tries before it, and what it records for the tries after it.

``flows/sql/record.py`` describes the record. This module reads it from Airflow, writes it to Airflow, and queries the
session for outcomes that the record does not have.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.compat import Context, note_for_retry, state_at_kill, xcom_keys_of_earlier_try
from airflow_provider_wherobots.exceptions import WherobotsSqlException, WherobotsUnavailableException
from airflow_provider_wherobots.flows.sql.cancel import end_earlier
from airflow_provider_wherobots.flows.sql.look_back import Found, Planned, SqlLookBack
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome
from airflow_provider_wherobots.flows.sql.record import (
    CLEARED_KEY,
    ExecutionIds,
    SqlRecord,
    Word,
    key_of,
    word_of,
)
from airflow_provider_wherobots.flows.sql.statement import StatementOptions
from airflow_provider_wherobots.flows.tries import first_since_clear, is_last
from airflow_provider_wherobots.messages.unforeseen import reason_of
from airflow_provider_wherobots.operators.wherobots_task import pull, push
from airflow_provider_wherobots.sql.repeatable import only_reads
from airflow_provider_wherobots.tasks.begun_tries import last_begun
from airflow_provider_wherobots.tasks.run_suffix import pass_on_suffix, suffix_of_task

if TYPE_CHECKING:
    from airflow_provider_wherobots.operators.executes_sql import ExecutesSql
    from airflow_provider_wherobots.tasks.sql_attempt import SqlAttempt


class SqlHistory:
    """The statements of a task's tries. Its execution ids have a common ``suffix``, which is empty if not known."""

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
        """Whether this try or an earlier one has sent a write whose outcome is not known."""
        writes = (statement.mark for statement in self._planned if not statement.may_repeat)
        return self.record.sent_now() is not None or any(map(self.record.in_doubt, writes))

    def id_of(self, statement: Planned) -> str:
        """The id under which this try executes a statement first."""
        execution_id = self.ids.of(self.try_number, statement.mark)
        # If this try was started before, it has executed USE and SET already.
        is_used = self.record.was_started_before and statement.changes_session
        return self.ids.of_second(execution_id) if is_used else execution_id

    def begin(self, *, is_resumed: bool = False) -> Collection[str]:
        """Read the record of the try before, or of an earlier start of this one. Pass it on, and return its XCom keys.

        The XComs still exist if Airflow resumes a try that has not begun (``is_resumed``). Otherwise Airflow has
        deleted them.
        """
        keys: Collection[str] | None = ()
        if is_resumed:
            keys = [key for key in self._possible_keys() if pull(self._task, self._context, key)]
        else:
            keys = xcom_keys_of_earlier_try(self._ti)
        is_restarted = last_begun(self._ti) == self.try_number
        self.record = SqlRecord.begin(keys, self.try_number, self._first, is_restarted=is_restarted)
        for key in self.record.to_keys():
            self._must_record(key)
        pass_on_suffix(self._push, self._context, self.ids.identity)
        return keys or ()

    def resume(self, kept: Collection[str] | None) -> None:
        """Read the record that this try had when it deferred."""
        self.record = SqlRecord.resume(kept, self.try_number, self._first)

    def resume_sent(self, mark: str) -> None:
        """Restore after a deferral which write this try has sent."""
        self.record.write(Word.SENT, mark, self.try_number)

    def kept(self) -> dict[str, Any]:
        """The record as a deferral stores it."""
        return {"record": self.record.kept(), "suffix": self.ids.identity}

    def sending(self, statement: Planned, execution_id: str) -> None:
        """Record that a write is about to be sent. If that fails, it must not be sent."""
        self._writes[execution_id] = self.try_number, statement.mark
        if (key := self.record.write(Word.SENT, statement.mark, self.try_number)) is not None:
            self._must_record(key)

    def attaching(self, execution_id: str) -> None:
        """Let a kill record the outcome of the write that this try has sent, and now follows again."""
        if (mark := self.record.sent_now()) is not None:
            self._writes[execution_id] = self.try_number, mark

    def record_outcome(self, outcome: StatementOutcome, statement: Planned, earlier_try: int | None) -> None:
        """Record an outcome of a statement, as it is rendered now. ``earlier_try`` is None if this try has sent it."""
        mark = self.record.sent_now() if earlier_try is None else statement.mark
        if earlier_try is not None and statement.may_repeat:
            return
        if mark is not None and (word := word_of(outcome)) is not None:
            self.record_key(self.record.write(word, mark, earlier_try or self.try_number))

    def record_kill(self) -> None:
        """Record which writes a kill has cancelled; on Airflow 2.11 also that the task was cleared."""
        for execution_id, has_succeeded in self._attempt.ended_at_kill.items():
            if execution_id in self._writes:
                number, mark = self._writes[execution_id]
                word = Word.SUCCEEDED if has_succeeded else Word.NO_EFFECT
                self.record_key(self.record.write(word, mark, number))
        try:
            if state_at_kill(self._ti) == "restarting":
                note_for_retry(self._ti, CLEARED_KEY)
        except Exception as error:
            self._task.log.warning("A retry will not know whether the task was cleared: %s", reason_of(error))

    def record_key(self, key: str | None) -> None:
        """Record a key for the next try, if there is one. Without the key, that try queries the session."""
        if key is not None:
            self._push(key, True)
            note_for_retry(self._ti, key)

    def end_what_a_clear_left(self, url: str, session_id: str) -> None:
        """Cancel the statements of tries before the last clear. The task fails if one of them may still run."""
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
                f"session {session_id}. This try has executed nothing: clear the task again"
            )

    def look_back(self, options: StatementOptions) -> tuple[Found, str]:
        """Find the outcomes of the statements of the tries since the last clear. If a write is in doubt, also why."""
        found, why = self._look(options), "the SQL session cannot report what it has written"
        if found.is_edited:
            return found, "the statement has changed: it was edited, or is rendered differently"
        return found, why

    def _look(self, options: StatementOptions) -> Found:
        if not self.record.earlier_tries:
            return Found()
        look_back = SqlLookBack(self._planned, self.ids, self.record, options, geometry=self._task.geometry)
        with self._attempt.in_flight(self._possibly_running(), options.url):
            found = self._attempt.run(look_back.run())
        for key in found.learned:
            self.record_key(key)
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

    def _must_record(self, key: str) -> None:
        why, cause = "Airflow's audit log cannot be written", None
        try:
            self._ti.xcom_push(key=key, value=True)
            if note_for_retry(self._ti, key):
                return
        except Exception as error:
            why, cause = reason_of(error), error
        raise WherobotsSqlException(
            f"Nothing more is executed: XCom {key}, by which a retry knows what this try has executed, could not be "
            f"pushed: {why}"
        ) from cause

    def _possible_keys(self) -> list[str]:
        marks = [statement.mark for statement in self._planned if not statement.may_repeat]
        tries = range(1, self.try_number)
        words = [key_of(word, number, mark) for mark in marks for number in tries for word in Word]
        return [*words, *(f"sql_since-{number}" for number in tries)]

    def _push(self, key: str, value: Any) -> None:
        push(self._task, self._context, key, value)
