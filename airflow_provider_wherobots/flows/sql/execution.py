"""Following one execution: performs what its state machine (``machine``) asks for, and tells it what has come of it."""

from __future__ import annotations

import logging
from dataclasses import replace

from airflow_provider_wherobots.api.errors import ConnectionLostError, NotWrittenError, WherobotsApiError
from airflow_provider_wherobots.api.sql.messages import ExecuteSql, ExecutionProgress, RetrieveResults
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.effects import Disconnect, Flow, Note, Receive, Transmit, perform
from airflow_provider_wherobots.flows.sql import transitions
from airflow_provider_wherobots.flows.sql.cancel import CANCEL_BUDGET_SECONDS, last_word_after_cancel
from airflow_provider_wherobots.flows.sql.connection import Dialling
from airflow_provider_wherobots.flows.sql.machine import Attachment, Do, Ended, Step
from airflow_provider_wherobots.flows.sql.notes import Notes
from airflow_provider_wherobots.flows.sql.options import Statement, StatementOptions
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.steady import SteadyClock

MIN_WAIT_SECONDS = 0.001
"""The shortest single wait: less may not move the clock."""
MAX_WAIT_SECONDS = 30.0
"""The longest single wait, so that a change of the wall clock never hides a deadline for longer."""


class StatementExecution:
    """One execution as one flow follows it. To attach, the statement's text is not needed."""

    def __init__(self, statement: Statement, options: StatementOptions) -> None:
        self._statement = statement
        self._options = options
        self._what = f"Statement {words.short(statement.execution_id)}"
        self._notes = Notes(self._what, options.progress)
        self._dialling = Dialling(options.url, options.max_outage_seconds)
        self._clock = SteadyClock()
        self._moment = 0.0

    def run(self, step: Step) -> Flow[StatementOutcome]:
        """Follow the execution to its end."""
        yield from self._tick()
        started_at = self._moment if self._options.started_at is None else self._options.started_at
        earlier_seconds = max(0.0, self._moment - started_at)
        while not isinstance(step.execution.state, Ended):
            yield from self._tick()
            step = yield from (self._stop(step) if self._is_late else self._perform(step))
            yield from self._notes.write(step.says)
        outcome = step.execution.state.outcome
        if step.execution.contact.open_questions and outcome.state is not StatementState.RUNNING:
            # A late response must not be taken for one about the next statement.
            yield Disconnect()
        return replace(outcome, seconds=round(earlier_seconds + self._clock.seconds, 3), started_at=started_at)

    def _tick(self, longest: float = 0.0) -> Flow[None]:
        self._moment = yield from self._clock.read(longest)

    @property
    def _left(self) -> float:
        """Seconds until the deadline."""
        return float("inf") if self._options.deadline is None else self._options.deadline - self._moment

    @property
    def _is_late(self) -> bool:
        return self._left <= 0

    def _perform(self, step: Step) -> Flow[Step]:
        match step.do:
            case Do.SEND | Do.ASK:
                return (yield from self._write(step))
            case Do.REPLACE:
                return (yield from self._replace(step))
        due, now = step.execution.due, self._clock.seconds
        if due is not None and now >= due:
            return transitions.due(step.execution, now)
        return (yield from self._listen(step, due))

    def _write(self, step: Step) -> Flow[Step]:
        statement, execution, now = self._statement, step.execution, self._clock.seconds
        message: ExecuteSql | RetrieveResults
        if step.do is Do.SEND:
            message = ExecuteSql(statement.execution_id, statement.text, statement.store)
        else:
            message = RetrieveResults(statement.execution_id, statement.geometry, execution.attaches)
        try:
            yield from perform(Transmit(message))
        except ConnectionLostError as error:
            return transitions.lost(execution, error, now, was_written=not isinstance(error, NotWrittenError))
        return transitions.written(execution, now)

    def _listen(self, step: Step, due: float | None) -> Flow[Step]:
        wait = min(MAX_WAIT_SECONDS, self._left, float("inf") if due is None else due - self._clock.seconds)
        wait = max(MIN_WAIT_SECONDS, wait)
        try:
            message = yield from perform(Receive(wait))
        except ConnectionLostError as error:
            yield from self._tick(wait)
            return transitions.lost(step.execution, error, self._clock.seconds)
        yield from self._tick(wait)
        if message is None:
            return step
        now = self._clock.seconds
        if message.execution_id == self._statement.execution_id:
            self._dialling.heard(now)
            if isinstance(message, ExecutionProgress):
                yield from self._notes.progress(message, now)
        return transitions.heard(step.execution, message, now)

    def _replace(self, step: Step) -> Flow[Step]:
        failure: WherobotsApiError | None = step.loss
        try:
            failure = yield from self._dialling.attempt(self._clock, failure, self._left)
        except WherobotsApiError as error:
            return transitions.given_up(step.execution, words.quoted(str(error)))
        if failure is not None:
            return replace(step, loss=failure)
        return transitions.replaced(step.execution, words.quoted(str(step.loss)), self._clock.seconds)

    def _stop(self, step: Step) -> Flow[Step]:
        """End at the deadline."""
        yield Note(logging.WARNING, f"{self._what} has reached the task's {self._options.limit_name}")
        stopped = transitions.stopped(step.execution)
        if stopped is not None:
            return stopped
        execution_id = self._statement.execution_id
        last = yield from last_word_after_cancel(execution_id, CANCEL_BUDGET_SECONDS, self._options.url)
        yield from self._tick(CANCEL_BUDGET_SECONDS)
        is_lost = step.do is Do.REPLACE or step.execution.contact.attachment is Attachment.ASKING
        return transitions.stopped_after_cancel(step.execution, last, has_contact=not is_lost)
