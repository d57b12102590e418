"""A statement: executing it, following it to its end, and attaching to it from elsewhere.

A statement is sent once. If its connection is lost, the flow opens another one and attaches to the execution. Only a
statement of which certainly nothing was written is sent again. What follows from each event is decided in ``machine``
and ``transitions``; here it is performed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

from airflow_provider_wherobots.api.errors import ConnectionLostError, NotWrittenError, WherobotsApiError
from airflow_provider_wherobots.api.sql.messages import ExecuteSql, ExecutionProgress, RetrieveResults, Store
from airflow_provider_wherobots.flows.effects import Disconnect, Flow, Note, Receive, Transmit, monotonic, now, perform
from airflow_provider_wherobots.flows.retry import CANCEL_BUDGET_SECONDS, DEFAULT_MAX_OUTAGE_SECONDS
from airflow_provider_wherobots.flows.sql import transitions
from airflow_provider_wherobots.flows.sql.cancel import last_word_after_cancel
from airflow_provider_wherobots.flows.sql.connection import Connector
from airflow_provider_wherobots.flows.sql.machine import (
    Attachment,
    Contact,
    Do,
    Ended,
    Execution,
    Fetching,
    Running,
    Sending,
    Step,
)
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.messages import words
from airflow_provider_wherobots.stored import StoredOptions

MIN_WAIT_SECONDS = 0.001
"""The shortest single wait: less may not move the clock."""
MAX_WAIT_SECONDS = 30.0
"""The longest single wait, so that a change of the wall clock never hides a deadline for longer."""
PROGRESS_SECONDS = 10.0
"""The shortest time between two log lines about progress."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement to be executed. A stored result is never fetched, regardless of ``wants_result``."""

    execution_id: str
    text: str = field(repr=False)
    store: Store | None = None
    geometry: str = "ewkt"
    wants_result: bool = True


@dataclass(frozen=True, slots=True)
class StatementOptions(StoredOptions):
    """How a statement is followed; JSON-able, so that a trigger can carry it.

    :param url: address of the session's WebSocket, for opening it again; default empty, it is never opened again.
    :param deadline: when to cancel it, in epoch seconds; default None, never.
    :param limit_name: the argument that sets the deadline, for messages; default ``execution_timeout``.
    :param hand_over_after: seconds after which another process may follow it; default None, never.
    :param started_at: when it was sent, in epoch seconds; None if it is not sent yet.
    :param max_outage_seconds: how long a lost WebSocket may take to be replaced, in seconds; default 600.
    :param session_id: id of the session, to ask the service about it while its host cannot be reached; default empty,
        the service is not asked.
    """

    url: str = ""
    deadline: float | None = None
    limit_name: str = "execution_timeout"
    hand_over_after: float | None = None
    started_at: float | None = None
    max_outage_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS
    session_id: str = ""


def execute(statement: Statement, options: StatementOptions) -> Flow[StatementOutcome]:
    """Execute a statement on the open WebSocket, and follow it to its end. Its id must be new. Failures of the
    connection are outcomes too; with ``hand_over_after`` the outcome may be ``RUNNING``.
    """
    wants_result = statement.wants_result and statement.store is None
    begun = Execution(statement.execution_id, wants_result, Sending(options.hand_over_after))
    return (yield from _Follower(statement, options).run(Step(begun, Do.SEND)))


def attach(
    execution_id: str, options: StatementOptions, *, geometry: str = "ewkt", wants_result: bool = True
) -> Flow[StatementOutcome]:
    """Follow an execution that another connection has begun. Never executes anything. Opens a WebSocket to
    ``options.url`` if none is open, before it asks the service about the session.
    """
    begun = Execution(execution_id, wants_result, Running(), Contact(Attachment.ATTACHING, 0.0, 0.0))
    statement = Statement(execution_id, "", geometry=geometry)
    return (yield from _Follower(statement, options).run(Step(begun, Do.REQUEST)))


def fetch(execution_id: str, options: StatementOptions, *, geometry: str = "ewkt") -> Flow[StatementOutcome]:
    """Fetch the result of an execution that is known to have succeeded, such as one that a trigger has followed. Opens
    a WebSocket to ``options.url`` if none is open. The outcome is ``SUCCEEDED`` with the result, or ``GAVE_UP``.
    """
    begun = Execution(execution_id, True, Fetching(0.0, 1, 1))
    statement = Statement(execution_id, "", geometry=geometry)
    return (yield from _Follower(statement, options).run(Step(begun, Do.REQUEST)))


class _Follower:
    """Follows one execution. To attach, the statement's text is not needed."""

    def __init__(self, statement: Statement, options: StatementOptions) -> None:
        self._statement = statement
        self._options = options
        self._what = f"Statement {words.short(statement.execution_id)}"
        self._connector = Connector(options.url, options.max_outage_seconds, options.session_id)
        self._moment = self._began = self._steady = 0.0
        self._logged: set[str] = set()
        self._progress: ExecutionProgress | None = None
        self._progress_at = float("-inf")

    def run(self, step: Step) -> Flow[StatementOutcome]:
        yield from self._tick()
        self._began = self._steady
        started_at = self._moment if self._options.started_at is None else self._options.started_at
        earlier_seconds = max(0.0, self._moment - started_at)
        while not isinstance(step.execution.state, Ended):
            yield from self._tick()
            step = yield from (self._stop(step) if self._left <= 0 else self._perform(step))
            for note in step.notes:
                if note.text not in self._logged:
                    self._logged.add(note.text)
                    yield note
        outcome = step.execution.state.outcome
        if step.execution.contact.open_requests and outcome.state is not StatementState.RUNNING:
            # A late response must not be taken for one about the next statement.
            yield Disconnect()
        return replace(outcome, seconds=round(earlier_seconds + self._seconds, 3), started_at=started_at)

    def _tick(self) -> Flow[None]:
        self._moment = yield from now()
        self._steady = yield from monotonic()

    @property
    def _seconds(self) -> float:
        """Seconds since the flow began."""
        return self._steady - self._began

    @property
    def _left(self) -> float:
        """Seconds until the deadline."""
        return float("inf") if self._options.deadline is None else self._options.deadline - self._moment

    def _perform(self, step: Step) -> Flow[Step]:
        match step.do:
            case Do.SEND | Do.REQUEST:
                return (yield from self._write(step))
            case Do.REPLACE:
                return (yield from self._replace(step))
        due, seconds = step.execution.due, self._seconds
        if due is not None and seconds >= due:
            return transitions.due(step.execution, seconds)
        return (yield from self._listen(step, due))

    def _write(self, step: Step) -> Flow[Step]:
        statement, execution, seconds = self._statement, step.execution, self._seconds
        message: ExecuteSql | RetrieveResults
        if step.do is Do.SEND:
            message = ExecuteSql(statement.execution_id, statement.text, statement.store)
        else:
            message = RetrieveResults(statement.execution_id, statement.geometry, execution.attaches)
        try:
            yield from perform(Transmit(message))
        except ConnectionLostError as error:
            return transitions.lost(execution, error, seconds, was_written=not isinstance(error, NotWrittenError))
        return transitions.written(execution, seconds)

    def _listen(self, step: Step, due: float | None) -> Flow[Step]:
        wait = min(MAX_WAIT_SECONDS, self._left, float("inf") if due is None else due - self._seconds)
        wait = max(MIN_WAIT_SECONDS, wait)
        try:
            message = yield from perform(Receive(wait))
        except ConnectionLostError as error:
            yield from self._tick()
            return transitions.lost(step.execution, error, self._seconds)
        yield from self._tick()
        if message is None:
            return step
        seconds = self._seconds
        if message.execution_id == self._statement.execution_id:
            self._connector.works(self._steady)
            if isinstance(message, ExecutionProgress):
                yield from self._log_progress(message, seconds)
        return transitions.received(step.execution, message, seconds)

    def _log_progress(self, message: ExecutionProgress, seconds: float) -> Flow[None]:
        is_due = seconds - self._progress_at >= PROGRESS_SECONDS
        if is_due and message != self._progress and message.total:
            self._progress, self._progress_at = message, seconds
            done = f"{message.completed} of {message.total} Spark tasks completed, {message.active} active"
            yield Note(logging.INFO, f"{self._what}: {done}")

    def _replace(self, step: Step) -> Flow[Step]:
        failure: WherobotsApiError | None = step.loss
        try:
            failure = yield from self._connector.attempt(failure, self._left)
        except WherobotsApiError as error:
            return transitions.given_up(step.execution, words.quoted(str(error)))
        if failure is not None:
            return replace(step, loss=failure)
        return transitions.replaced(step.execution, words.quoted(str(step.loss)), self._seconds)

    def _stop(self, step: Step) -> Flow[Step]:
        execution_id, limit = self._statement.execution_id, self._options.limit_name
        text = f"The task's {limit} was reached: ending statement {words.short(execution_id)}"
        yield Note(logging.WARNING, text)
        stopped = transitions.stopped(step.execution)
        if stopped is not None:
            return stopped
        last = yield from last_word_after_cancel(execution_id, CANCEL_BUDGET_SECONDS, self._options.url)
        yield from self._tick()
        # Without a connection that is attached, the session may have cancelled it before.
        has_contact = step.do is not Do.REPLACE and step.execution.contact.gets_events
        return transitions.stopped_after_cancel(step.execution, last, has_contact=has_contact)
