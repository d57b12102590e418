"""What follows from each event of an execution, by the rules of ``machine``."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from airflow_provider_wherobots.api.errors import ConnectionLostError, WherobotsApiError
from airflow_provider_wherobots.api.sql.messages import (
    CANCELLED,
    FAILED,
    SUCCEEDED,
    ExecutionError,
    ExecutionProgress,
    ExecutionResult,
    ServerMessage,
    StateUpdated,
    TooLarge,
    Unreadable,
)
from airflow_provider_wherobots.flows.effects import Note
from airflow_provider_wherobots.flows.sql.cancel import LastWord, wrote_nothing
from airflow_provider_wherobots.flows.sql.machine import (
    ERROR_SECONDS,
    FORGOTTEN_SECONDS,
    FORGOTTEN_WRITE_SECONDS,
    REQUEST_AFTER,
    Attachment,
    Contact,
    Do,
    Ended,
    ErrorSeen,
    Execution,
    Failing,
    Fetching,
    Forgotten,
    HandingOver,
    Running,
    Sending,
    State,
    Step,
)
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.messages import words

MAX_FETCHES = 2
"""How often a result is requested on one connection."""
MAX_FETCHES_IN_ALL = 4
COMMIT_UNKNOWN = "CommitStateUnknownException"
"""The exception of Apache Iceberg for a commit whose response was lost."""


# What the flow has done, or could not do


def written(execution: Execution, now: float) -> Step:
    """The statement or a request was written."""
    match execution.state:
        case Sending(hand_over_at):
            return Step(replace(execution, state=Running(hand_over_at), contact=Contact(Attachment.SENDER, now, now)))
        case Fetching() as state:
            execution = execution.moved(replace(state, requested_at=now))
    return Step(replace(execution, contact=execution.contact.requested(now)))


def lost(execution: Execution, error: WherobotsApiError, now: float, *, was_written: bool = True) -> Step:
    """The connection is lost. ``was_written``: some of the last message may have arrived."""
    if isinstance(execution.state, Failing):
        return _failed(execution, execution.state.text)
    if isinstance(execution.state, Sending) and was_written:
        execution = written(execution, now).execution
    return Step(execution, Do.REPLACE, loss=error)


def replaced(execution: Execution, why: str, now: float) -> Step:
    """Another connection is open."""
    if isinstance(execution.state, Sending):
        return Step(execution, Do.SEND)
    execution = replace(execution, contact=Contact(Attachment.ATTACHING, now, now))
    match execution.state:
        case Fetching() as state:
            return _fetch(execution, replace(state, fetches=0), why)
        case Forgotten(before=before):
            execution = execution.moved(before)
    return Step(execution, Do.REQUEST)


def given_up(execution: Execution, why: str) -> Step:
    """No other connection could be opened."""
    match execution.state:
        case Sending():
            return _ended(execution, StatementState.GAVE_UP, f"it was not sent: {why}")
        case Fetching():
            return _without_result(execution, why)
    return _unknown(execution, f"the connection to the session was lost, and could not be replaced: {why}")


def stopped(execution: Execution) -> Step | None:
    """The deadline is reached. None if the execution may run, and must be cancelled first."""
    match execution.state:
        case Sending():
            return _ended(execution, StatementState.DEADLINE, "it was not sent")
        case Failing(text=text):
            return _failed(execution, text)
        case Fetching():
            text = "it had succeeded, but its result was not fetched in time"
            return _ended(execution, StatementState.DEADLINE, text, has_succeeded=True)
    return None


def stopped_after_cancel(execution: Execution, last: LastWord | None, *, has_contact: bool) -> Step:
    """The deadline is reached, and the execution was cancelled. ``last`` is None if the session has not reported its
    state.
    """
    if isinstance(last, StateUpdated | ExecutionResult):
        if last.state == SUCCEEDED and not execution.wants_result:
            return _succeeded(execution, last)
        is_without_effect = wrote_nothing(last, was_in_contact=has_contact)
        text = "it was cancelled" if last.state == CANCELLED else f"it had already {last.state}"
        if last.state == CANCELLED and not is_without_effect:
            text += ", perhaps by the session after the connection was lost"
        more = {"wrote_nothing": is_without_effect, "has_succeeded": last.state == SUCCEEDED}
        return _ended(execution, StatementState.DEADLINE, text, **more)
    text = "its cancel was sent, but not confirmed" if last is None else "the session does not know it"
    return _ended(execution, StatementState.DEADLINE, text)


def due(execution: Execution, now: float) -> Step:
    """What a state waits for has not come in time."""
    contact = execution.contact
    match execution.state:
        case ErrorSeen(text=text) | Failing(text=text):
            return _failed(execution, text)
        case Forgotten(why=why, patience=patience):
            quiet = words.duration(patience)
            return _unknown(execution, f"{why}, and {quiet} have passed since its last message")
        case Fetching() as state:
            return _fetch(execution, state, "the session does not respond")
        case Running(hand_over_at) if hand_over_at is not None and now >= hand_over_at:
            return Step(execution.moved(HandingOver()), Do.REQUEST)
    if contact.without_response >= len(REQUEST_AFTER):
        return lost(execution, ConnectionLostError("sqlSession", "the session does not respond"), now)
    contact = replace(contact, silences=contact.silences + 1, without_response=contact.without_response + 1)
    note = Note(logging.DEBUG, f"{execution.name}: requesting its state from the session")
    return Step(replace(execution, contact=contact), Do.REQUEST, (note,))


# What the session sends


def received(execution: Execution, message: ServerMessage, now: float) -> Step:
    if isinstance(message, Unreadable):
        note = Note(logging.WARNING, f"The session sent a message that cannot be read: {words.quoted(message.reason)}")
        step = Step(execution)
        if isinstance(execution.state, Fetching):
            step = _fetch(execution, execution.state, "it is unreadable")
        return replace(step, notes=(note,))
    if isinstance(message, TooLarge):
        # It names no execution. Without an open request it concerns another one, and the connection is lost next.
        is_response = execution.contact.open_requests and not isinstance(execution.state, Failing)
        return _too_large(execution, message) if is_response else Step(execution)
    if message.execution_id != execution.id:
        return Step(execution)
    execution = replace(execution, contact=execution.contact.alive(now))
    if isinstance(execution.state, Forgotten):
        execution = execution.moved(replace(execution.state, since=now))
    match message:
        case ExecutionProgress():
            alive = execution.moved(_without_error(execution.state, now))
            return Step(replace(alive, contact=replace(alive.contact, silences=0)))
        case ExecutionError():
            return _received_error(execution, message, now)
    return _received_state(execution, message, now)


def _received_error(execution: Execution, message: ExecutionError, now: float) -> Step:
    text, state, is_response = words.quoted(message.message), execution.state, execution.contact.open_requests > 0
    execution = replace(execution, contact=execution.contact.responded())
    match state:
        case Failing():
            is_late = message.is_not_found and (is_response or state.text)
            return Step(execution) if is_late else _failed(execution, text)
        case Fetching() if is_response or not message.is_not_found:
            return _without_result(execution, text, is_forgotten=message.is_not_found)
        case Running() | HandingOver() | ErrorSeen() | Forgotten() if is_response:
            return _refused(execution, text, message.is_not_found, now)
        case Running() | Forgotten() if not message.is_not_found:
            return Step(execution.moved(ErrorSeen(text, now + ERROR_SECONDS, state)))
        case ErrorSeen() if not message.is_not_found:
            return Step(execution.moved(replace(state, until=now + ERROR_SECONDS)))
    # A late "not found": it responds to a request that has had another response since.
    return Step(execution)


def _refused(execution: Execution, text: str, is_not_found: bool, now: float) -> Step:
    """An error is the response to a request. It does not show how the statement ends."""
    contact = execution.contact
    if is_not_found and not contact.gets_events:
        why = f"the connection to the session was lost, and over a new one it responds: {text}"
        return _ended(execution, StatementState.UNKNOWN, why, is_not_found=True)
    if isinstance(execution.state, ErrorSeen | Forgotten):
        return Step(execution)
    before = execution.state if isinstance(execution.state, Running) else Running()
    why = f"{'the session no longer knows it' if is_not_found else 'the session does not report its state'} ({text})"
    patience = FORGOTTEN_SECONDS if execution.wants_result else FORGOTTEN_WRITE_SECONDS
    if not contact.gets_events:
        patience = ERROR_SECONDS
    note = Note(
        logging.WARNING,
        f"{execution.name}: {why}, but may still report how it ended. Waiting for that up to "
        f"{words.duration(patience)} after its last message",
    )
    forgotten = Forgotten(now, why, patience, "" if is_not_found else text, before)
    return Step(execution.moved(forgotten), notes=(note,))


def _received_state(execution: Execution, message: StateUpdated | ExecutionResult, now: float) -> Step:
    state, was_requested = execution.state, execution.contact.open_requests > 0
    execution = replace(execution, contact=execution.contact.reported(message, now))
    if isinstance(state, Failing):
        return Step(execution)
    if message.state == SUCCEEDED:
        has_result = isinstance(message, ExecutionResult) and (was_requested or message.results is not None)
        if has_result or not execution.wants_result:
            return _succeeded(execution, message)
        return Step(execution) if isinstance(state, Fetching) else _fetch(execution, Fetching(now))
    if isinstance(state, Fetching):
        return Step(execution)
    if message.state == FAILED:
        if isinstance(state, ErrorSeen):
            return _failed(execution, state.text)
        refusal = state.refusal if isinstance(state, Forgotten) else ""
        return Step(execution.moved(Failing(now + ERROR_SECONDS, refusal)))
    if message.state == CANCELLED:
        return _cancelled(execution)
    return _runs(execution, message, now)


def _runs(execution: Execution, message: StateUpdated | ExecutionResult, now: float) -> Step:
    name = words.short(message.state) or "in a state that the session does not name"
    notes = [Note(logging.INFO, f"{execution.name} is {name}")]
    state = _without_error(execution.state, now)
    if isinstance(state, Forgotten) and state.refusal:
        state = state.before
    if isinstance(state, HandingOver) and isinstance(message, ExecutionResult):
        if message.attached:
            return _ended(execution, StatementState.RUNNING)
        state = Running()
        text = "the session does not let the triggerer take over, so this worker follows it"
        notes.append(Note(logging.INFO, f"{execution.name}: {text}"))
    return Step(execution.moved(state), notes=tuple(notes))


def _without_error(state: State, now: float) -> State:
    """The state without an error message that was not the statement's failure."""
    if not isinstance(state, ErrorSeen):
        return state
    return replace(state.before, since=now) if isinstance(state.before, Forgotten) else state.before


# How it ends, and its result


def _fetch(execution: Execution, state: Fetching, why: str = "") -> Step:
    """Request the result, unless that was done often enough."""
    if state.fetches >= MAX_FETCHES or state.fetches_in_all >= MAX_FETCHES_IN_ALL:
        return _without_result(execution, why)
    again = replace(state, fetches=state.fetches + 1, fetches_in_all=state.fetches_in_all + 1)
    return Step(execution.moved(again), Do.REQUEST)


def _too_large(execution: Execution, message: TooLarge) -> Step:
    execution = replace(execution, contact=execution.contact.responded())
    if not execution.wants_result:
        return _succeeded(execution, StateUpdated(execution.id, SUCCEEDED))
    text = (
        f"it succeeded, but its result is larger than {message.limit_bytes / 2**20:g} MiB, the most that is fetched. "
        "Select less, or store it in a file: WherobotsSqlOperator(store=...)"
    )
    return _ended(execution, StatementState.GAVE_UP, text, is_too_large=True)


def _succeeded(execution: Execution, message: StateUpdated | ExecutionResult) -> Step:
    is_response, wants_result = isinstance(message, ExecutionResult), execution.wants_result
    return _ended(
        execution,
        StatementState.SUCCEEDED,
        results=message.results if isinstance(message, ExecutionResult) and wants_result else None,
        result_uri=message.result_uri,
        size=message.size,
        # Older sessions tell the address in the event only, and only an attached connection shows a newer one.
        is_location_lost=is_response
        and message.result_uri is None
        and not wants_result
        and execution.contact.attachment is not Attachment.ATTACHED,
    )


def _failed(execution: Execution, text: str) -> Step:
    if COMMIT_UNKNOWN in text:
        return _unknown(execution, f"its commit failed, and may have taken effect all the same: {text}")
    return _ended(execution, StatementState.FAILED, text or "the session sent no error message")


def _cancelled(execution: Execution) -> Step:
    if execution.contact.attachment is Attachment.SENDER:
        return _ended(execution, StatementState.CANCELLED, "it was cancelled")
    return _unknown(
        execution,
        "it was cancelled after the connection to the session was lost. The session cancels the statements of a lost "
        "connection, and a part of this one may have taken effect before",
    )


def _unknown(execution: Execution, why: str) -> Step:
    return _ended(execution, StatementState.UNKNOWN, why)


def _without_result(execution: Execution, why: str, *, is_forgotten: bool = False) -> Step:
    text = f"it succeeded, but its result could not be fetched: {why}"
    return _ended(execution, StatementState.GAVE_UP, text, is_result_forgotten=is_forgotten)


def _ended(execution: Execution, state: StatementState, message: str = "", **more: Any) -> Step:
    outcome = StatementOutcome(
        state,
        execution.id,
        message,
        was_sent=not isinstance(execution.state, Sending),
        **more,
    )
    return Step(execution.moved(Ended(outcome)))
