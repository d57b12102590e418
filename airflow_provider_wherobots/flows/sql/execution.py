"""Following one execution: what is heard of it, what is asked, and when to conclude.

The session may lose its final event, and may forget an execution that still runs. It cancels the executions of a lost
connection after a grace period, unless another connection attaches to them. So silence is answered by a question, and
what can no longer be known is said to be unknown.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_provider_wherobots.api.errors import ConnectionLostError, NotWrittenError, WherobotsApiError
from airflow_provider_wherobots.api.sql.messages import (
    CANCELLED,
    SUCCEEDED,
    ExecuteSql,
    ExecutionError,
    ExecutionProgress,
    ExecutionResult,
    RetrieveResults,
    StateUpdated,
    Store,
    Unreadable,
)
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.effects import Flow, Note, Receive, Sleep, Transmit, attempt_to_connect, perform
from airflow_provider_wherobots.flows.known_fields import known_fields
from airflow_provider_wherobots.flows.retry import JITTER
from airflow_provider_wherobots.flows.sql.cancel import CANCEL_BUDGET_SECONDS, last_word_after_cancel
from airflow_provider_wherobots.flows.sql.connection import ATTEMPT_SECONDS, pause_after
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.steady import SteadyClock

RECONNECT_SECONDS = 60.0
"""How long a lost connection may take to be replaced. It is replaced once something of the execution is heard."""
LASTING_SECONDS = 30.0
"""How long a connection must have lasted for its loss to be answered at once, and not after a growing pause."""
ASK_AFTER = (30.0, 60.0, 120.0, 240.0)
"""Seconds of silence before the session is asked for the state, the first time and each further time."""
POLL_AFTER = (5.0, 10.0, 20.0, 30.0)
"""The same if the session does not send later events to a connection that has taken over."""
FETCH_AGAIN_SECONDS = 120.0
"""How long a result may take before it is asked for once more: each request serializes it anew."""
MAX_FETCHES = 2
"""How often a result is asked for on one connection."""
MAX_FETCHES_IN_ALL = 4
ERROR_SECONDS = 5.0
"""How long the error message of a failed execution may take."""
FORGOTTEN_SECONDS = 600.0
"""How long the final event of an execution that the session no longer knows is awaited after its last sign of life."""
PROGRESS_SECONDS = 10.0
"""The shortest time between two log lines about progress."""
MAX_NOTES = 20
"""How many different states and unreadable messages are logged."""
MIN_WAIT_SECONDS = 0.001
"""The shortest single wait: less may not move the clock."""
MAX_WAIT_SECONDS = 30.0
"""The longest single wait, so that a change of the wall clock never hides a deadline for longer."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement to be executed.

    :param execution_id: its id, made by the client; 1 to 255 characters.
    :param text: the SQL text.
    :param store: where its result goes; default None, it is fetched.
    :param geometry: how geometries are written: ``ewkt``, ``wkt``, ``wkb``, ``ewkb`` or ``geojson``; default ``ewkt``.
    :param wants_result: whether its result is fetched; default True. A stored one never is.
    """

    execution_id: str
    text: str = field(repr=False)
    store: Store | None = None
    geometry: str = "ewkt"
    wants_result: bool = True


@dataclass(frozen=True, slots=True)
class StatementOptions:
    """How a statement is followed; JSON-able, so that a trigger can carry it.

    :param url: address of the session's WebSocket, for opening it again; default empty, it is never opened again.
    :param deadline: when to cancel it, in epoch seconds; default None, never.
    :param limit_name: the argument that sets the deadline, for messages; default ``execution_timeout``.
    :param progress: whether progress is logged; default True.
    :param hand_over_after: seconds after which another process may follow it; default None, never.
    :param started_at: when it was sent, in epoch seconds; None if it is not sent yet.
    """

    url: str = ""
    deadline: float | None = None
    limit_name: str = "execution_timeout"
    progress: bool = True
    hand_over_after: float | None = None
    started_at: float | None = None

    def to_kwargs(self) -> dict[str, Any]:
        """The options as a JSON-able dict."""
        return asdict(self)

    @classmethod
    def from_kwargs(cls, kwargs: Mapping[str, Any]) -> StatementOptions:
        """Read options that another version of this package may have stored. Unknown ones are left out.

        :param kwargs: what :meth:`to_kwargs` made.
        """
        return cls(**known_fields(cls, kwargs))


class StatementExecution:
    """One execution as one flow follows it.

    :param statement: the statement; its text is not needed to attach.
    :param options: how to follow it.
    """

    def __init__(self, statement: Statement, options: StatementOptions) -> None:
        self._id = statement.execution_id
        self._statement = statement
        self._options = options
        self._what = f"Statement {words.short(self._id)}"
        self._wants_result = statement.wants_result and statement.store is None
        self._notes = _Notes(self._what, options.progress)
        self._clock = SteadyClock()
        self._longest = 0.0
        self._moment = 0.0
        self._started_at = 0.0
        self._earlier_seconds = 0.0
        # The statement, until some of it may have arrived.
        self._unsent: ExecuteSql | None = None
        self._was_sent = True
        # The connection: whether it is not the one that has sent the statement, whether the session sends later events
        # to it (None: it has not said so yet), since when nothing was heard after a loss, when it was opened, and how
        # often it was replaced since one that lasted.
        self._has_taken_over = False
        self._is_attached: bool | None = None
        self._was_running = False
        self._lost_at: float | None = None
        self._connected_at = 0.0
        self._losses = 0
        # What was heard, and when by the steady clock: of the execution at all, and of its state.
        self._heard_at = 0.0
        self._told_at = 0.0
        self._success: StateUpdated | ExecutionResult | None = None
        self._failed_at: float | None = None
        self._error = ""
        self._refusal = ""
        self._error_at: float | None = None
        self._forgotten_at: float | None = None
        self._forgotten_why = ""
        self._forgotten_seconds = FORGOTTEN_SECONDS
        # What was asked: when, whether that is unanswered, how many times since an event came, and since anything came.
        self._asked_at = 0.0
        self._is_asked = False
        self._asks = 0
        self._unanswered = 0
        self._fetches = 0
        self._fetches_in_all = 0
        self._is_handing_over = False
        self._may_hand_over = options.hand_over_after is not None

    def execute(self) -> Flow[StatementOutcome]:
        """Send the statement, and follow it."""
        self._unsent = ExecuteSql(self._id, self._statement.text, self._statement.store)
        self._was_sent = False
        return (yield from self._run())

    def attach(self) -> Flow[StatementOutcome]:
        """Take the execution over, and follow it."""
        self._has_taken_over = True
        return (yield from self._run())

    def fetch(self) -> Flow[StatementOutcome]:
        """Fetch the result of the execution, which is known to have succeeded."""
        self._success = StateUpdated(self._id, SUCCEEDED)
        return (yield from self._run())

    def _run(self) -> Flow[StatementOutcome]:
        yield from self._tick()
        self._started_at = self._moment if self._options.started_at is None else self._options.started_at
        self._earlier_seconds = max(0.0, self._moment - self._started_at)
        if self._is_late():
            return (yield from self._stop_at_deadline())
        outcome = yield from (self._write() if self._success is None else self._fetch())
        while outcome is None:
            yield from self._tick()
            outcome = yield from self._do_what_is_due()
            if outcome is None:
                outcome = yield from self._listen()
        return outcome

    def _tick(self) -> Flow[None]:
        self._moment = yield from self._clock.read(self._longest)
        self._longest = 0.0

    @property
    def _now(self) -> float:
        return self._clock.seconds

    # When something is due. All times are those of the steady clock; only the deadline is that of the wall clock.

    def _do_what_is_due(self) -> Flow[StatementOutcome | None]:
        if self._is_late():
            return (yield from self._stop_at_deadline())
        if _is_due(self._error_due(), self._now):
            return self._failed()
        if _is_due(self._forgotten_due(), self._now):
            quiet = words.duration(self._forgotten_seconds)
            return self._unknown(f"{self._forgotten_why}, and {quiet} have passed since its last sign of life")
        if _is_due(self._fetch_due(), self._now):
            return (yield from self._fetch("no answer has come"))
        if _is_due(self._ask_due(), self._now):
            return (yield from self._ask())
        if _is_due(self._hand_over_due(), self._now):
            self._may_hand_over, self._is_handing_over = False, True
            return (yield from self._write())
        return None

    def _next_wait(self) -> float:
        dues = (
            self._error_due(),
            self._forgotten_due(),
            self._fetch_due(),
            self._ask_due(),
            self._hand_over_due(),
        )
        wait = min([MAX_WAIT_SECONDS, *(due - self._now for due in dues if due is not None)])
        if self._options.deadline is not None:
            wait = min(wait, self._options.deadline - self._moment)
        return max(MIN_WAIT_SECONDS, wait)

    def _is_late(self) -> bool:
        return self._options.deadline is not None and self._moment >= self._options.deadline

    def _is_running(self) -> bool:
        """Whether it runs, as far as known, and the session knows it."""
        ends = (self._success, self._failed_at, self._error_at, self._forgotten_at)
        return all(end is None for end in ends)

    def _error_due(self) -> float | None:
        since = self._error_at if self._failed_at is None else self._failed_at
        return None if since is None else since + ERROR_SECONDS

    def _forgotten_due(self) -> float | None:
        if self._forgotten_at is None or self._success is not None or self._error_due() is not None:
            return None
        return max(self._forgotten_at, self._heard_at) + self._forgotten_seconds

    def _fetch_due(self) -> float | None:
        return None if self._success is None else self._asked_at + FETCH_AGAIN_SECONDS

    def _ask_due(self) -> float | None:
        if not self._is_running():
            return None
        delays = POLL_AFTER if self._is_attached is False else ASK_AFTER
        quiet = max(self._heard_at, self._asked_at) + delays[min(self._asks, len(delays) - 1)]
        # Progress is no reason not to ask for ever: the final event may be lost all the same.
        return min(quiet, max(self._told_at, self._asked_at) + ASK_AFTER[-1])

    def _hand_over_due(self) -> float | None:
        return self._options.hand_over_after if self._may_hand_over and self._is_running() else None

    # What is written

    def _ask(self) -> Flow[StatementOutcome | None]:
        if self._unanswered >= len(ASK_AFTER):
            return (yield from self._take_over(ConnectionLostError("sqlSession", "the session does not answer")))
        yield Note(logging.DEBUG, f"{self._what}: the session is asked for its state")
        self._asks += 1
        self._unanswered += 1
        return (yield from self._write())

    def _fetch(self, why: str = "") -> Flow[StatementOutcome | None]:
        if self._fetches >= MAX_FETCHES or self._fetches_in_all >= MAX_FETCHES_IN_ALL:
            return self._without_result(why)
        self._fetches += 1
        self._fetches_in_all += 1
        return (yield from self._write())

    def _write(self) -> Flow[StatementOutcome | None]:
        """Write the statement if that is still to be done, else ask for state and result."""
        try:
            yield from self._transmit()
        except ConnectionLostError as error:
            return (yield from self._take_over(error))
        return None

    def _transmit(self) -> Flow[None]:
        message: ExecuteSql | RetrieveResults
        if self._unsent is not None:
            message = self._unsent
        else:
            attach = self._has_taken_over or self._is_handing_over
            message = RetrieveResults(self._id, self._statement.geometry, attach)
            self._is_asked, self._asked_at = True, self._now
        try:
            yield from perform(Transmit(message))
        except NotWrittenError:
            raise
        except ConnectionLostError:
            self._mark_written()
            raise
        self._mark_written()

    def _mark_written(self) -> None:
        if self._unsent is not None:
            self._unsent, self._was_sent, self._heard_at, self._told_at = None, True, self._now, self._now

    def _take_over(self, error: WherobotsApiError) -> Flow[StatementOutcome | None]:
        """Replace the connection, and attach to the execution."""
        if self._failed_at is not None:
            return self._failed()
        yield from self._tick()
        if self._lost_at is None:
            self._lost_at = self._now
            # A connection that was never there is not lost.
            level = logging.DEBUG if isinstance(error, NotWrittenError) and not self._asks else logging.WARNING
            text = f"{words.quoted(str(error))}; connecting again for up to {words.duration(RECONNECT_SECONDS)}"
            yield Note(level, text)
        while True:
            yield from self._tick()
            if self._is_late():
                return (yield from self._stop_at_deadline())
            left = self._lost_at + RECONNECT_SECONDS - self._now
            if left <= 0 or not error.transient or not self._options.url:
                return self._lost(error)
            try:
                yield from self._connect(error, left)
            except WherobotsApiError as failure:
                error = failure
                continue
            if self._success is not None:
                self._fetches = 0
                return (yield from self._fetch(words.quoted(str(error))))
            try:
                yield from self._transmit()
            except ConnectionLostError as failure:
                error = failure
                continue
            return None

    def _connect(self, error: WherobotsApiError, left: float) -> Flow[None]:
        pause = min(pause_after(self._losses, error), self._within(left)) if self._losses else 0.0
        self._losses += 1
        if pause:
            yield Sleep(pause, JITTER)
        seconds = max(1.0, min(ATTEMPT_SECONDS, self._within(left - pause)))
        self._longest = pause * (1 + JITTER) + seconds
        yield from attempt_to_connect(self._options.url, seconds)
        # Nothing was written yet: then this is the connection that sends the statement.
        self._has_taken_over = self._has_taken_over or self._unsent is None
        self._connected_at = self._now
        self._is_attached, self._is_asked, self._unanswered, self._asks = None, False, 0, 0

    def _within(self, seconds: float) -> float:
        if self._options.deadline is None:
            return seconds
        return max(0.0, min(seconds, self._options.deadline - self._moment))

    # What is heard

    def _listen(self) -> Flow[StatementOutcome | None]:
        self._longest = self._next_wait()
        try:
            message = yield from perform(Receive(self._longest))
        except ConnectionLostError as error:
            return (yield from self._take_over(error))
        if message is None:
            return None
        yield from self._tick()
        if isinstance(message, Unreadable):
            yield from self._notes.unreadable(message)
            return (yield from self._fetch("it is unreadable")) if self._success is not None else None
        if message.execution_id != self._id:
            return None
        self._heard_at, self._lost_at, self._unanswered = self._now, None, 0
        if self._now - self._connected_at >= LASTING_SECONDS:
            self._losses = 0
        match message:
            case ExecutionProgress():
                self._asks, self._error_at = 0, None
                yield from self._notes.progress(message, self._now)
            case ExecutionError():
                return (yield from self._hear_error(message))
            case StateUpdated() | ExecutionResult():
                return (yield from self._hear_state(message))
        return None

    def _hear_error(self, message: ExecutionError) -> Flow[StatementOutcome | None]:
        text = words.quoted(message.message)
        if self._is_asked and (message.is_not_found or self._failed_at is None):
            return (yield from self._hear_refusal(text, message.is_not_found))
        if message.is_not_found and self._failed_at is None:
            # It is late: it answers a question that has been answered otherwise since.
            return None
        self._error = self._error or text
        if self._failed_at is not None:
            return self._failed()
        if self._success is not None:
            return self._without_result(text)
        self._error_at = self._now
        return None

    def _hear_refusal(self, text: str, is_not_found: bool) -> Flow[StatementOutcome | None]:
        """Hear an error instead of an answer. It says nothing about how the statement ends."""
        self._is_asked = self._is_handing_over = False
        if self._failed_at is not None:
            return None
        if self._success is not None:
            return self._without_result(text, is_forgotten=is_not_found)
        if self._has_taken_over and is_not_found:
            return self._unknown(f"the connection to it was replaced, and the session answers: {text}")
        if not is_not_found:
            # Or it was the statement's own failure, of which the state is still to come.
            self._refusal = text
        if self._forgotten_at is None:
            self._forgotten_at = self._now
            # Without having attached, no event comes.
            self._forgotten_seconds = ERROR_SECONDS if self._has_taken_over else FORGOTTEN_SECONDS
            why = "the session no longer knows it" if is_not_found else "the session does not tell its state"
            self._forgotten_why = f"{why} ({text})"
            yield Note(
                logging.WARNING,
                f"{self._what}: {self._forgotten_why}, but may still say how it ends. That is awaited for "
                f"{words.duration(self._forgotten_seconds)} after its last sign of life",
            )
        return None

    def _hear_state(self, message: StateUpdated | ExecutionResult) -> Flow[StatementOutcome | None]:
        self._told_at = self._now
        was_handing_over, was_asked = self._is_handing_over, self._is_asked
        if isinstance(message, ExecutionResult):
            self._is_asked = self._is_handing_over = False
            if self._has_taken_over:
                self._is_attached = message.attached
        else:
            self._asks = 0
        if self._failed_at is not None:
            return None
        match message.state:
            case "succeeded":
                return (yield from self._succeed(message, was_asked))
            case _ if self._success is not None:
                return None
            case "failed":
                self._failed_at = self._now
                return self._failed() if self._error else None
            case "cancelled":
                return self._cancelled()
        self._was_running = self._has_taken_over
        self._error_at, self._error = None, ""
        if self._refusal:
            self._forgotten_at, self._refusal = None, ""
        yield from self._notes.running(message.state)
        if was_handing_over and isinstance(message, ExecutionResult):
            if message.attached:
                return self._ended(StatementState.RUNNING)
            yield Note(
                logging.INFO, f"{self._what}: the session lets no other connection take over; it is followed here"
            )
        return None

    def _succeed(self, message: StateUpdated | ExecutionResult, was_asked: bool) -> Flow[StatementOutcome | None]:
        if not self._wants_result or (isinstance(message, ExecutionResult) and (was_asked or message.results)):
            return self._succeeded(message)
        if self._success is not None:
            return None
        self._success = message
        return (yield from self._fetch())

    # How it ends

    def _ended(self, state: StatementState, message: str = "", **more: Any) -> StatementOutcome:
        return StatementOutcome(
            state,
            self._id,
            message,
            seconds=round(self._earlier_seconds + self._now, 3),
            started_at=self._started_at,
            was_sent=self._was_sent,
            was_running=self._was_running,
            **more,
        )

    def _succeeded(self, message: StateUpdated | ExecutionResult) -> StatementOutcome:
        is_answer = isinstance(message, ExecutionResult)
        return self._ended(
            StatementState.SUCCEEDED,
            results=message.results if isinstance(message, ExecutionResult) and self._wants_result else None,
            result_uri=message.result_uri,
            size=message.size,
            # Older sessions tell the address in the event only, and only an attached connection shows a newer one.
            is_location_lost=is_answer
            and message.result_uri is None
            and not self._wants_result
            and self._is_attached is not True,
        )

    def _failed(self) -> StatementOutcome:
        text = self._error or self._refusal or "the session sent no error message"
        return self._ended(StatementState.FAILED, text)

    def _cancelled(self) -> StatementOutcome:
        if self._has_taken_over:
            return self._unknown(
                "it was cancelled after its connection was replaced. The session itself cancels what a lost connection "
                "ran, and some of it may have taken effect before",
                is_cancelled=True,
            )
        return self._ended(StatementState.CANCELLED, "it was cancelled")

    def _unknown(self, why: str, *, is_cancelled: bool = False) -> StatementOutcome:
        return self._ended(StatementState.UNKNOWN, why, is_cancelled=is_cancelled)

    def _without_result(self, why: str, *, is_forgotten: bool = False) -> StatementOutcome:
        text = f"it succeeded, but its result could not be fetched: {why}"
        return self._ended(StatementState.GAVE_UP, text, is_result_forgotten=is_forgotten)

    def _lost(self, error: WherobotsApiError) -> StatementOutcome:
        text = words.quoted(str(error))
        if self._unsent is not None:
            return self._ended(StatementState.GAVE_UP, f"it was not sent: {text}")
        if self._success is not None:
            return self._without_result(text)
        return self._unknown(f"the connection to the session was lost, and could not be replaced: {text}")

    def _stop_at_deadline(self) -> Flow[StatementOutcome]:
        yield Note(logging.WARNING, f"{self._what} has reached the task's {self._options.limit_name}")
        if self._unsent is not None:
            return self._ended(StatementState.DEADLINE, "it was not sent")
        if self._failed_at is not None:
            return self._failed()
        if self._success is not None:
            return self._ended(StatementState.DEADLINE, "it had succeeded, but its result was not fetched in time")
        last = yield from last_word_after_cancel(self._id, CANCEL_BUDGET_SECONDS, self._options.url)
        yield from self._clock.read(CANCEL_BUDGET_SECONDS)
        if isinstance(last, StateUpdated | ExecutionResult):
            if last.state == SUCCEEDED and not self._wants_result:
                return self._succeeded(last)
            said = "was cancelled" if last.state == CANCELLED else f"had already {last.state}"
            return self._ended(StatementState.DEADLINE, f"it {said}", is_cancelled=last.state == CANCELLED)
        said = "cancelling it is not confirmed" if last is None else "the session does not know it"
        return self._ended(StatementState.DEADLINE, said)


class _Notes:
    """Logs that a statement runs, its progress, and what cannot be read: each briefly.

    :param what: names the statement.
    :param progress: whether progress is logged.
    """

    def __init__(self, what: str, progress: bool) -> None:
        self._what = what
        self._may_say_progress = progress
        self._progress: ExecutionProgress | None = None
        self._progress_at = float("-inf")
        self._said: set[str] = set()

    def running(self, state: str) -> Flow[None]:
        yield from self._once(
            logging.INFO, f"{self._what} is {words.short(state) or 'in a state that the session does not name'}"
        )

    def unreadable(self, message: Unreadable) -> Flow[None]:
        text = words.quoted(message.reason)
        yield from self._once(logging.WARNING, f"The session sent a message that cannot be read: {text}")

    def progress(self, message: ExecutionProgress, seconds: float) -> Flow[None]:
        is_due = seconds - self._progress_at >= PROGRESS_SECONDS
        if self._may_say_progress and is_due and message != self._progress and message.total:
            self._progress, self._progress_at = message, seconds
            done = f"{message.completed} of {message.total} tasks completed, {message.active} active"
            yield Note(logging.INFO, f"{self._what}: {done}")

    def _once(self, level: int, text: str) -> Flow[None]:
        # Few: the session could make up states without end.
        if text not in self._said and len(self._said) < MAX_NOTES:
            self._said.add(text)
            yield Note(level, text)


def _is_due(due: float | None, seconds: float) -> bool:
    return due is not None and seconds >= due
