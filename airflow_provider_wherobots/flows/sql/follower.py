"""Follows one execution: is told what happens to it, and says what to do next. No I/O, and no clock of its own.

Theory of operation
===================

The **state** is what is known of the execution. The **attachment** is whether the session sends its events to the open
connection. The flow (``statement``) asks :meth:`Follower.next`, does it, and tells what came of it. Times are those of
the flow's monotonic clock.

The session may lose its final event, and may forget an execution that still runs. It cancels the executions of a lost
connection after two minutes, unless another connection attaches. Hence five rules:

* The statement is written once. It is written again only if nothing of it was written.
* Each connection that has not sent it attaches first, also to cancel it.
* After silence the state is requested. The response is a state, or an error message that does not show how it ends.
* An outcome is ``UNKNOWN`` only if the session can no longer report it within the limits.
* A ``cancelled`` is known to have stopped the statement before its commit only on the connection that has sent it. On
  another one the session may have cancelled it as an orphan: unknown.

States and events. An event that a row does not name leaves the state as it is; messages about other executions are
ignored. "The end" stands for ``succeeded`` (FETCHING if a result is wanted that has not come, else ENDED),
``failed`` (FAILING) and ``cancelled`` (ENDED). A "sign of life" is another state, or progress.

============  ======================================================  =============================================
State        Event                                                   Next
============  ======================================================  =============================================
SENDING       written, or lost while it was written                   RUNNING
RUNNING *     the end                                                 FETCHING, FAILING or ENDED
RUNNING       silence                                                 RUNNING: a request
RUNNING       the time to hand over                                   HANDING_OVER: a request to attach
HANDING_OVER  response ``attached``                                   ENDED (RUNNING)
HANDING_OVER  another response                                        RUNNING, never to be handed over
RUNNING *     response "not found", if no events come here            ENDED (NOT_FOUND)
RUNNING *     response with an error                                  FORGOTTEN
FORGOTTEN     a sign of life                                          RUNNING
FORGOTTEN     due                                                     ENDED (UNKNOWN)
RUNNING **    an error that no request explains                       ERROR_SEEN
ERROR_SEEN    a sign of life                                          RUNNING
ERROR_SEEN    ``failed``, or due                                      ENDED (FAILED)
FAILING       an error message, due, or loss                          ENDED (FAILED)
FETCHING      the result                                              ENDED (SUCCEEDED)
FETCHING      an unreadable message, or due                           FETCHING: a request, twice on a connection
FETCHING      an error message, or no request is left                 ENDED (NO_RESULT)
CANCELLING    due                                                     CANCELLING: a request to attach, and a cancel
CANCELLING    the end, "not found", or the budget is over             ENDED (DEADLINE, or SUCCEEDED)
any           a message that is too large, while a request is open    ENDED: it has succeeded
any           loss; four requests without a sign of life              the same, FORGOTTEN: RUNNING; another connection
                                                                      and a request to attach
any           no other connection in time                             ENDED: UNKNOWN; NOT_SENT; NO_RESULT if FETCHING
any           the deadline                                            ENDED: FAILED if FAILING; DEADLINE if unsent or
                                                                      FETCHING; else CANCELLING
============  ======================================================  =============================================

(*) HANDING_OVER, ERROR_SEEN and FORGOTTEN too. (**) FORGOTTEN too. ``Follower.due`` is when something is due.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.errors import ConnectionLostError, WherobotsApiError
from airflow_provider_wherobots.api.sql import messages as sql
from airflow_provider_wherobots.api.sql.messages import CANCELLED, FAILED, SUCCEEDED
from airflow_provider_wherobots.flows.retry import CANCEL_BUDGET_SECONDS
from airflow_provider_wherobots.flows.sql.outcome import Effect, StatementOutcome, StatementState
from airflow_provider_wherobots.io.base import Note

NEVER = float("inf")
REQUEST_AFTER = (30.0, 60.0, 120.0, 240.0)
"""Seconds of silence before the state is requested, the first time and each further time."""
POLL_AFTER = (5.0, 10.0, 20.0, 30.0)
"""The same if the session does not send later events to a connection that has attached."""
FETCH_AGAIN_SECONDS = 120.0
"""How long a result may take before it is requested again: each request serializes it again."""
MAX_FETCHES, MAX_FETCHES_IN_ALL = 2, 4
"""How often a result is requested: on one connection, and in all."""
ERROR_SECONDS = 5.0
"""How long the error message of a failed execution may take, and its state after an error message."""
FORGOTTEN_SECONDS = 600.0
"""How long to wait for the final event if the session responds without a state, and shows no sign of life."""
FORGOTTEN_WRITE_SECONDS = 86_400.0
"""The same for a write while its task is deferred, which holds no worker: as long as a session lives by default. To
give it up would cancel it, if it still runs.
"""
CONFIRM_SECONDS = 1.5
"""How long the session can take to confirm a cancel before it is sent again."""
MAX_CANCEL_CONNECTS = 3
"""How often a cancel opens a connection. A worker that is being stopped cannot pause between two attempts."""
PROGRESS_SECONDS = 10.0
"""The shortest time between two log lines about progress."""
COMMIT_UNKNOWN = "CommitStateUnknownException"
"""The exception of Apache Iceberg for a commit whose response was lost."""
ORPHAN = (
    "it was cancelled after the connection to the session was lost. The session cancels the statements of a lost "
    "connection, and a part of this one may have taken effect before"
)

CancelAnswer: TypeAlias = sql.StateUpdated | sql.ExecutionResult | sql.ExecutionError
"""The final state of an execution after its cancel, or that the session does not know it."""


class ExecutionState(Enum):
    """What is known of the execution."""

    SENDING = "nothing of the statement was written yet"
    RUNNING = "it was sent, and no end of it is known"
    HANDING_OVER = "it was requested that another connection can attach"
    FORGOTTEN = "the session has responded without a state: only an event can report the end"
    ERROR_SEEN = "an error message has come that no request explains: it has failed, unless a state contradicts that"
    FAILING = "it has failed; its error message may come"
    FETCHING = "it has succeeded, and its result was requested"
    CANCELLING = "it is being cancelled, until the deadline"
    ENDED = "it is no longer followed"


class Attachment(Enum):
    """Which connection this is to the execution."""

    SENDER = "it has sent the statement, or will: events come here"
    ATTACHING = "it has requested to attach, and has no response yet"
    ATTACHED = "the session has confirmed that events come here"
    POLLING = "an older session: it responds, but sends no events here"


class Do(Enum):
    """What the flow does next, and then tells the follower."""

    LISTEN = "wait for a message until something is due; then `received` or `lost`, if there is something to tell"
    WRITE = "write the messages; then `written` or `lost`"
    CONNECT = "open another connection; then `replaced`, `lost` or `given_up`"


@dataclass(eq=False)
class Follower:
    """Follows one execution, from its first ``state`` on.

    :param has_sent: whether the open connection sends the statement, or has sent it; otherwise it attaches.
    :param statement: the message that executes it, with ``SENDING``.
    :param hand_over_at: when another process may follow it.
    :param forgotten_seconds: how long to wait for its end if the session no longer reports its state.
    :param least_level: of the messages that are logged.
    """

    id: str
    state: ExecutionState
    now: float
    has_sent: bool = False
    statement: sql.ExecuteSql | None = None
    wants_result: bool = False
    geometry: str = "ewkt"
    deadline: float = NEVER
    limit_name: str = ""
    hand_over_at: float = NEVER
    forgotten_seconds: float = FORGOTTEN_SECONDS
    least_level: int = logging.DEBUG

    outcome: StatementOutcome | None = field(default=None, init=False)
    last: CancelAnswer | None = field(default=None, init=False)
    loss: WherobotsApiError | None = field(default=None, init=False)
    until: float = field(default=NEVER, init=False)
    notes: list[Note] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.attachment = Attachment.SENDER if self.has_sent else Attachment.ATTACHING
        self._noted: set[str] = set()
        self._progress: tuple[float, sql.ExecutionProgress | None] = (-NEVER, None)
        self._text = ""  # An error message that is, or may be, the statement's failure.
        self._why = ""  # Why its state is not known.
        self._fetches = self._fetches_in_all = 1
        self._cancels = self._cancel_connects = 0
        self._was_in_contact = False  # Whether events came here all the time until the cancel.
        self._writes = True
        self._begin()

    def _begin(self) -> None:
        """Begin with a connection."""
        self.open_requests = 0  # That have no response yet.
        self._quiet_since = self.now  # When it last showed a sign of life or was queried.
        self._unreported_since = self.now  # When its state was last reported or requested.
        self._silences = 0  # Those that were followed by a request, since the last event.
        self._without_response = 0  # Requests since any sign of the execution.

    @property
    def due(self) -> float:
        """When something is due even if no message comes."""
        due = self.until
        if self.state in (ExecutionState.RUNNING, ExecutionState.HANDING_OVER):
            # Also while progress comes: the final event may be lost.
            delays = POLL_AFTER if self.attachment is Attachment.POLLING else REQUEST_AFTER
            quiet = self._quiet_since + delays[min(self._silences, len(delays) - 1)]
            due = min(quiet, self._unreported_since + REQUEST_AFTER[-1])
        return min(due, self.hand_over_at) if self.state is ExecutionState.RUNNING else due

    @property
    def messages(self) -> tuple[sql.ClientMessage, ...]:
        """What is to be written."""
        if self.state is ExecutionState.SENDING and self.statement is not None:
            return (self.statement,)
        is_cancelling = self.state is ExecutionState.CANCELLING
        attaches = (
            self.attachment is not Attachment.SENDER or is_cancelling or self.state is ExecutionState.HANDING_OVER
        )
        request = sql.RetrieveResults(self.id, self.geometry, attaches)
        if not is_cancelling:
            return (request,)
        cancel = sql.CancelExecution(self.id)
        # Not again before there is a response, which may carry a whole result. Where its events come, the first cancel
        # needs none.
        asks = not self.open_requests and (self._cancels or not self._gets_events)
        return (request, cancel) if asks else (cancel,)

    @property
    def _gets_events(self) -> bool:
        """Whether its end is reported here without a request."""
        return self.attachment in (Attachment.SENDER, Attachment.ATTACHED)

    # What to do

    def next(self, now: float) -> Do:
        """What to do next, unless there is an outcome."""
        self.now = now
        if now >= self.deadline:
            self._reach_deadline()
        elif not self._writes and self.loss is None and now >= self.due:
            self._come_due()
        return Do.CONNECT if self.loss is not None else Do.WRITE if self._writes else Do.LISTEN

    def _reach_deadline(self) -> None:
        if self.state is ExecutionState.CANCELLING:
            return self._end_cancel(None, "no time was left")
        self._note(
            logging.WARNING, f"The task's {self.limit_name} was reached: ending statement {words.short(self.id)}"
        )
        match self.state:
            case ExecutionState.SENDING:
                self._end(StatementState.DEADLINE, "it was not sent", at_deadline=Effect.NONE)
            case ExecutionState.FAILING:
                self._fail()
            case ExecutionState.FETCHING:
                text = "it had succeeded, but its result was not fetched in time"
                self._end(StatementState.DEADLINE, text, at_deadline=Effect.TAKEN)
            case _:
                # Without a connection that is attached, the session may cancel it before.
                self._was_in_contact = self._gets_events
                self._writes, self.loss, self.until = True, None, NEVER
                self.state, self.deadline = ExecutionState.CANCELLING, self.now + CANCEL_BUDGET_SECONDS

    def _come_due(self) -> None:
        """What the state waits for has not come in time."""
        match self.state:
            case ExecutionState.ERROR_SEEN | ExecutionState.FAILING:
                self._fail()
            case ExecutionState.FORGOTTEN:
                self._end(StatementState.UNKNOWN, self._why)
            case ExecutionState.FETCHING:
                self._fetch("the session does not respond")
            case ExecutionState.CANCELLING:
                self._writes = True
            case ExecutionState.RUNNING if self.now >= self.hand_over_at:
                self.state, self._writes = ExecutionState.HANDING_OVER, True
            case _ if self._without_response >= len(REQUEST_AFTER):
                self.lost(ConnectionLostError("sqlSession", "the session does not respond"))
            case _:
                self._silences += 1
                self._without_response += 1
                self._writes = True
                self._note(logging.DEBUG, f"{self._name}: requesting its state from the session")

    # What the flow has done, or could not do

    def written(self) -> None:
        """The messages were written."""
        self._writes, requests = False, sum(isinstance(one, sql.RetrieveResults) for one in self.messages)
        if self.state is ExecutionState.SENDING:
            self.state = ExecutionState.RUNNING
            self._begin()
        elif self.state is ExecutionState.FETCHING:
            self.until = self.now + FETCH_AGAIN_SECONDS
        elif self.state is ExecutionState.CANCELLING:
            self._cancels += 1
            self.until = self.now + CONFIRM_SECONDS
        self._quiet_since = self._unreported_since = self.now
        self.open_requests += requests

    def lost(self, error: WherobotsApiError, *, was_written: bool = True) -> None:
        """The connection is lost, or was not replaced. ``was_written``: some of what was written may have arrived."""
        self.loss = error
        if self.state is ExecutionState.FAILING:
            self._fail()
        elif self.state is ExecutionState.SENDING and was_written:
            self.written()
        elif self.state is ExecutionState.CANCELLING and self._cancel_connects >= MAX_CANCEL_CONNECTS:
            self._end_cancel(None, error.reason)

    def replaced(self) -> None:
        """Another connection is open."""
        why, self.loss, self._writes = self.loss.reason if self.loss else "", None, True
        if self.state is ExecutionState.SENDING:
            return
        self.attachment, self._was_in_contact = Attachment.ATTACHING, False
        self._begin()
        if self.state is ExecutionState.FETCHING:
            self._fetches = 0
            self._fetch(why)
        elif self.state is ExecutionState.FORGOTTEN:
            self.state = ExecutionState.RUNNING
        elif self.state is ExecutionState.CANCELLING:
            self._cancel_connects += 1

    def given_up(self, why: str) -> None:
        """No other connection can be opened."""
        match self.state:
            case ExecutionState.SENDING:
                self._end(StatementState.NOT_SENT, f"it was not sent: {why}")
            case ExecutionState.FETCHING:
                self._end_without_result(why)
            case ExecutionState.CANCELLING:
                self._end_cancel(None, why)
            case _:
                why = f"the connection to the session was lost, and could not be replaced: {why}"
                self._end(StatementState.UNKNOWN, why)

    # What the session sends

    def received(self, message: sql.ServerMessage, now: float) -> None:
        """A message has come."""
        self.now = now
        if isinstance(message, sql.Unreadable):
            reason = words.quoted(message.reason)
            self._note(logging.WARNING, f"The session sent a message that cannot be read: {reason}")
            if self.state is ExecutionState.FETCHING:
                self._fetch("it is unreadable")
        elif isinstance(message, sql.TooLarge):
            # It names no execution. Without an open request it concerns another one, and the connection is lost next.
            if self.open_requests and self.state is not ExecutionState.FAILING:
                self._receive_too_large(message)
        elif message.execution_id == self.id:
            self._quiet_since, self._without_response = now, 0
            match message:
                case sql.ExecutionProgress():
                    self._receive_progress(message)
                case sql.ExecutionError():
                    self._receive_error(message)
                case _:
                    self._receive_state(message)

    def _receive_progress(self, message: sql.ExecutionProgress) -> None:
        self._silences = 0
        if self.state in (ExecutionState.ERROR_SEEN, ExecutionState.FORGOTTEN):
            self.state = ExecutionState.RUNNING
        noted_at, noted = self._progress
        if self.state is ExecutionState.CANCELLING:
            return
        if self.now - noted_at >= PROGRESS_SECONDS and message != noted and message.total:
            self._progress = self.now, message
            done = f"{message.completed} of {message.total} Spark tasks completed, {message.active} active"
            self.notes.append(Note(logging.INFO, f"{self._name}: {done}"))

    def _receive_error(self, message: sql.ExecutionError) -> None:
        text, is_response, is_not_found = words.quoted(message.message), self._take_response(), message.is_not_found
        match self.state:
            case ExecutionState.CANCELLING:
                if is_not_found:
                    self._end_cancel(message)
            case ExecutionState.FAILING:
                if not (is_not_found and (is_response or self._text)):
                    self._fail(text)
            case ExecutionState.FETCHING:
                if is_response or not is_not_found:
                    kind = StatementState.RESULT_FORGOTTEN if is_not_found else StatementState.NO_RESULT
                    self._end_without_result(text, kind)
            case _ if is_response:
                self._forget(text, is_not_found)
            # Else a late "not found": it responds to a request that has had another response since.
            case _ if not is_not_found:
                self._text = self._text if self.state is ExecutionState.ERROR_SEEN else text
                self.state, self.until = ExecutionState.ERROR_SEEN, self.now + ERROR_SECONDS

    def _forget(self, text: str, is_not_found: bool) -> None:
        """An error is the response to a request. It does not show how the statement ends."""
        if is_not_found and not self._gets_events:
            why = f"the connection to the session was lost, and over a new one it responds: {text}"
            return self._end(StatementState.NOT_FOUND, why)
        if self.state in (ExecutionState.ERROR_SEEN, ExecutionState.FORGOTTEN):
            return
        if self.state is ExecutionState.HANDING_OVER:
            self.hand_over_at = NEVER
        why = (
            f"{'the session no longer knows it' if is_not_found else 'the session does not report its state'} ({text})"
        )
        seconds = self.forgotten_seconds if self._gets_events else ERROR_SECONDS
        patience = words.duration(seconds)
        self._note(
            logging.WARNING,
            f"Waiting up to {patience} for the end of {self._name}, because {why}. To stop waiting, look whether it "
            "has ended. Then mark the task as success, or clear it, which executes the statement again",
        )
        self.state, self.until, self._text = ExecutionState.FORGOTTEN, self.now + seconds, "" if is_not_found else text
        self._why = f"{why}, and {patience} have passed since its last message"

    def _receive_state(self, message: sql.StateUpdated | sql.ExecutionResult) -> None:
        self._unreported_since, was_requested = self.now, self.open_requests > 0
        if isinstance(message, sql.StateUpdated):
            self._silences = 0
        else:
            self._take_response()
            if self.attachment is not Attachment.SENDER:
                self.attachment = Attachment.ATTACHED if message.attached else Attachment.POLLING
        if self.state is ExecutionState.CANCELLING:
            if message.is_final:
                self._end_cancel(message)
        elif self.state is ExecutionState.FAILING:
            pass
        elif message.state == SUCCEEDED:
            has_result = isinstance(message, sql.ExecutionResult) and (was_requested or message.results is not None)
            if has_result or not self.wants_result:
                self._succeed(message)
            elif self.state is not ExecutionState.FETCHING:
                self._fetches = self._fetches_in_all = 0
                self._fetch()
        elif self.state is not ExecutionState.FETCHING:
            self._receive_other_state(message)

    def _receive_other_state(self, message: sql.StateUpdated | sql.ExecutionResult) -> None:
        if message.state == CANCELLED:
            is_known = self.attachment is Attachment.SENDER
            state = StatementState.CANCELLED if is_known else StatementState.UNKNOWN
            self._end(state, "it was cancelled" if is_known else ORPHAN)
        elif message.state != FAILED:
            self._run_on(message)
        elif self.state is ExecutionState.ERROR_SEEN:
            self._fail()
        else:
            self._text = self._text if self.state is ExecutionState.FORGOTTEN else ""
            self.state, self.until = ExecutionState.FAILING, self.now + ERROR_SECONDS

    def _run_on(self, message: sql.StateUpdated | sql.ExecutionResult) -> None:
        name = words.short(message.state) or "in a state that the session does not name"
        self._note(logging.INFO, f"{self._name} is {name}")
        if self.state is ExecutionState.HANDING_OVER:
            if isinstance(message, sql.StateUpdated):
                return
            if message.attached:
                return self._end(StatementState.RUNNING)
            self.hand_over_at = NEVER
            text = "the session does not let the triggerer take over, so this worker follows it"
            self._note(logging.INFO, f"{self._name}: {text}")
        self.state = ExecutionState.RUNNING

    def _take_response(self) -> bool:
        """Whether a message can be the response to a request."""
        is_response, self.open_requests = self.open_requests > 0, max(0, self.open_requests - 1)
        return is_response

    # How it ends, and its result

    def _fetch(self, why: str = "") -> None:
        """Request the result, unless that was done often enough."""
        if self._fetches >= MAX_FETCHES or self._fetches_in_all >= MAX_FETCHES_IN_ALL:
            return self._end_without_result(why)
        self._fetches += 1
        self._fetches_in_all += 1
        self.state, self._writes = ExecutionState.FETCHING, True

    def _receive_too_large(self, message: sql.TooLarge) -> None:
        self._take_response()
        if not self.wants_result or self.state is ExecutionState.CANCELLING:
            return self._receive_state(sql.StateUpdated(self.id, SUCCEEDED))
        text = (
            f"it succeeded, but its result is larger than {message.limit_bytes / 2**20:g} MiB, the most that is "
            "fetched. Select less, or store it in a file: WherobotsSqlOperator(store=...)"
        )
        self._end(StatementState.RESULT_TOO_LARGE, text)

    def _succeed(self, message: sql.StateUpdated | sql.ExecutionResult) -> None:
        results = message.results if isinstance(message, sql.ExecutionResult) and self.wants_result else None
        # Older sessions tell the address in the event only, and only an attached connection shows a newer one.
        is_told = isinstance(message, sql.StateUpdated) or self.wants_result or self.attachment is Attachment.ATTACHED
        uri, is_lost = message.result_uri, message.result_uri is None and not is_told
        self._end(
            StatementState.SUCCEEDED, results=results, result_uri=uri, size=message.size, is_location_lost=is_lost
        )

    def _fail(self, text: str = "") -> None:
        text = text or self._text
        if COMMIT_UNKNOWN in text:
            why = f"its commit failed, and may have taken effect all the same: {text}"
            return self._end(StatementState.UNKNOWN, why)
        self._end(StatementState.FAILED, text or "the session sent no error message")

    def _end_cancel(self, last: CancelAnswer | None, why: str = "") -> None:
        """The cancel has done what it can. ``last`` is None if it is not known whether the execution has ended."""
        self.last, effect = last, Effect.UNKNOWN
        if last is None and self._cancels:
            text = "its cancel was sent, but not confirmed"
            self._note(logging.WARNING, f"{self._name} may still run: {text}")
        elif last is None:
            text = "it could not be cancelled, and may still run"
            said = f"could not be cancelled ({why}). It may continue to run. The session cancels it by itself, usually"
            self._note(logging.ERROR, f"{self._name} {said} two minutes after its connection was lost")
        elif isinstance(last, sql.ExecutionError):
            text = "the session does not know it"
            self._note(logging.INFO, f"{self._name} need not be cancelled: {words.quoted(last.message)}")
        elif last.state == CANCELLED:
            effect, text = Effect.NONE, "it was cancelled"
            if not self._was_in_contact:
                effect, text = Effect.UNKNOWN, f"{text}, perhaps by the session after the connection was lost"
            self._note(logging.INFO, f"{self._name} was cancelled")
        else:
            effect = {SUCCEEDED: Effect.TAKEN, FAILED: Effect.NONE}.get(last.state, Effect.UNKNOWN)
            text = f"it had already {last.state}"
            self._note(logging.INFO, f"{self._name} need not be cancelled: it has already {last.state}")
            if effect is Effect.TAKEN and not self.wants_result:
                return self._succeed(last)
        self._end(StatementState.DEADLINE, text, at_deadline=effect)

    def _end_without_result(self, why: str, state: StatementState = StatementState.NO_RESULT) -> None:
        self._end(state, f"it succeeded, but its result could not be fetched: {why}")

    def _end(self, state: StatementState, message: str = "", **more: Any) -> None:
        self.outcome = StatementOutcome(state, self.id, message, **more)
        self.state = ExecutionState.ENDED

    @property
    def _name(self) -> str:
        return f"Statement {words.short(self.id)}"

    def _note(self, level: int, text: str) -> None:
        """Let the flow log a message, each text once."""
        if text not in self._noted and level >= self.least_level:
            self._noted.add(text)
            self.notes.append(Note(level, text))
