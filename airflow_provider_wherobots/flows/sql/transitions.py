"""What follows from each event of an execution: what the flow has done, what is due, what is heard. See ``machine``."""

from __future__ import annotations

import logging
from dataclasses import replace

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
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.effects import Note
from airflow_provider_wherobots.flows.sql.cancel import LastWord
from airflow_provider_wherobots.flows.sql.endings import (
    cancelled,
    ended,
    failed,
    fetch,
    moved,
    name_of,
    succeeded,
    too_large,
    unknown,
    without_result,
)
from airflow_provider_wherobots.flows.sql.machine import (
    ASK_AFTER,
    ERROR_SECONDS,
    FORGOTTEN_SECONDS,
    Accused,
    Attachment,
    Contact,
    Do,
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
from airflow_provider_wherobots.flows.sql.outcome import StatementState

# What the flow has done, or what it could not do


def written(execution: Execution, now: float) -> Step:
    """The statement or a question was written."""
    match execution.state:
        case Sending(hand_over_at):
            return Step(replace(execution, state=Running(hand_over_at), contact=Contact(Attachment.SENDER, now, now)))
        case Fetching() as state:
            execution = moved(execution, replace(state, asked_at=now))
    return Step(replace(execution, contact=execution.contact.asked(now)))


def lost(execution: Execution, error: WherobotsApiError, now: float, *, was_written: bool = True) -> Step:
    """The connection is lost. ``was_written``: some of what was to be written may have arrived."""
    if isinstance(execution.state, Failing):
        return failed(execution, execution.state.words)
    if isinstance(execution.state, Sending) and was_written:
        execution = written(execution, now).execution
    return Step(execution, Do.REPLACE, loss=error)


def replaced(execution: Execution, why: str, now: float) -> Step:
    """Another connection is open."""
    if isinstance(execution.state, Sending):
        return Step(execution, Do.SEND)
    execution = replace(execution, contact=Contact(Attachment.ASKING, now, now))
    match execution.state:
        case Fetching() as state:
            return fetch(execution, replace(state, fetches=0), why)
        case Forgotten(before=before):
            execution = moved(execution, before)
    return Step(execution, Do.ASK)


def given_up(execution: Execution, why: str) -> Step:
    """No other connection could be opened."""
    match execution.state:
        case Sending():
            return ended(execution, StatementState.GAVE_UP, f"it was not sent: {why}")
        case Fetching():
            return without_result(execution, why)
    return unknown(execution, f"the connection to the session was lost, and could not be replaced: {why}")


def stopped(execution: Execution) -> Step | None:
    """The deadline is reached. None if the execution may run, and must be cancelled first."""
    match execution.state:
        case Sending():
            return ended(execution, StatementState.DEADLINE, "it was not sent")
        case Failing(words=text):
            return failed(execution, text)
        case Fetching():
            text = "it had succeeded, but its result was not fetched in time"
            return ended(execution, StatementState.DEADLINE, text, has_succeeded=True)
    return None


def stopped_after_cancel(execution: Execution, last: LastWord | None, *, has_contact: bool = True) -> Step:
    """The deadline is reached, and the execution was cancelled. ``last`` is None if the session has not reported its
    state. ``has_contact``: the session had not cancelled it before, as one whose connection is lost.
    """
    if isinstance(last, StateUpdated | ExecutionResult):
        if last.state == SUCCEEDED and not execution.wants_result:
            return succeeded(execution, last)
        has_succeeded, is_cancelled = last.state == SUCCEEDED, last.state == CANCELLED
        said = "it was cancelled" if is_cancelled else f"it had already {last.state}"
        if is_cancelled and not has_contact:
            is_cancelled, said = False, f"{said}, perhaps by the session after the connection was lost"
        more = {"is_cancelled": is_cancelled, "has_succeeded": has_succeeded}
        return ended(execution, StatementState.DEADLINE, said, **more)
    said = "cancelling it is not confirmed" if last is None else "the session does not know it"
    return ended(execution, StatementState.DEADLINE, said)


def due(execution: Execution, now: float) -> Step:
    """What a state waits for has not come in time."""
    contact = execution.contact
    match execution.state:
        case Accused(words=text) | Failing(words=text):
            return failed(execution, text)
        case Forgotten(why=why, patience=patience):
            quiet = words.duration(patience)
            return unknown(execution, f"{why}, and {quiet} have passed since its last sign of life")
        case Fetching() as state:
            return fetch(execution, state, "the session does not respond")
        case Running(hand_over_at) if hand_over_at is not None and now >= hand_over_at:
            return Step(moved(execution, HandingOver()), Do.ASK)
    if contact.without_response >= len(ASK_AFTER):
        return lost(execution, ConnectionLostError("sqlSession", "the session does not respond"), now)
    contact = replace(contact, silences=contact.silences + 1, without_response=contact.without_response + 1)
    note = Note(logging.DEBUG, f"{name_of(execution)}: requesting its state from the session")
    return Step(replace(execution, contact=contact), Do.ASK, (note,))


# What is heard


def heard(execution: Execution, message: ServerMessage, now: float) -> Step:
    """A message has come."""
    if isinstance(message, Unreadable):
        note = Note(logging.WARNING, f"The session sent a message that cannot be read: {words.quoted(message.reason)}")
        step = Step(execution)
        if isinstance(execution.state, Fetching):
            step = fetch(execution, execution.state, "it is unreadable")
        return replace(step, says=(note,))
    if isinstance(message, TooLarge):
        # It names no execution. Without a question it is none of ours, and the loss of the connection follows.
        is_ours = execution.contact.open_questions and not isinstance(execution.state, Failing)
        return too_large(execution, message) if is_ours else Step(execution)
    if message.execution_id != execution.id:
        return Step(execution)
    execution = replace(execution, contact=execution.contact.heard(now))
    if isinstance(execution.state, Forgotten):
        execution = moved(execution, replace(execution.state, since=now))
    match message:
        case ExecutionProgress():
            alive = moved(execution, _acquitted(execution.state, now))
            return Step(replace(alive, contact=replace(alive.contact, silences=0)))
        case ExecutionError():
            return _heard_error(execution, message, now)
    return _heard_state(execution, message, now)


def _heard_error(execution: Execution, message: ExecutionError, now: float) -> Step:
    text, state, is_response = words.quoted(message.message), execution.state, execution.contact.open_questions > 0
    execution = replace(execution, contact=execution.contact.responded())
    match state:
        case Failing():
            is_late = message.is_not_found and (is_response or state.words)
            return Step(execution) if is_late else failed(execution, text)
        case Fetching() if is_response or not message.is_not_found:
            return without_result(execution, text, is_forgotten=message.is_not_found)
        case Running() | HandingOver() | Accused() | Forgotten() if is_response:
            return _refused(execution, text, message.is_not_found, now)
        case Running() | Forgotten() if not message.is_not_found:
            return Step(moved(execution, Accused(text, now + ERROR_SECONDS, state)))
        case Accused() if not message.is_not_found:
            return Step(moved(execution, replace(state, until=now + ERROR_SECONDS)))
    # A late "not found": it responds to a request that has had another response since.
    return Step(execution)


def _refused(execution: Execution, text: str, is_not_found: bool, now: float) -> Step:
    """An error is the response to a question. It says nothing about how the statement ends."""
    contact = execution.contact
    if is_not_found and not contact.gets_events:
        return unknown(execution, f"the connection to it was replaced, and the session responds: {text}")
    if isinstance(execution.state, Accused | Forgotten):
        return Step(execution)
    before = execution.state if isinstance(execution.state, Running) else Running()
    why = f"{'the session no longer knows it' if is_not_found else 'the session does not report its state'} ({text})"
    patience = FORGOTTEN_SECONDS if contact.gets_events else ERROR_SECONDS
    note = Note(
        logging.WARNING,
        f"{name_of(execution)}: {why}, but may still report its end. Waiting for that for up to "
        f"{words.duration(patience)} after its last sign of life",
    )
    forgotten = Forgotten(now, why, patience, "" if is_not_found else text, before)
    return Step(moved(execution, forgotten), says=(note,))


def _heard_state(execution: Execution, message: StateUpdated | ExecutionResult, now: float) -> Step:
    state, was_asked = execution.state, execution.contact.open_questions > 0
    execution = replace(execution, contact=execution.contact.told(message, now))
    if isinstance(state, Failing):
        return Step(execution)
    if message.state == SUCCEEDED:
        has_result = isinstance(message, ExecutionResult) and (was_asked or message.results is not None)
        if has_result or not execution.wants_result:
            return succeeded(execution, message)
        return Step(execution) if isinstance(state, Fetching) else fetch(execution, Fetching(now))
    if isinstance(state, Fetching):
        return Step(execution)
    if message.state == FAILED:
        if isinstance(state, Accused):
            return failed(execution, state.words)
        refusal = state.refusal if isinstance(state, Forgotten) else ""
        return Step(moved(execution, Failing(now + ERROR_SECONDS, refusal)))
    if message.state == CANCELLED:
        return cancelled(execution)
    return _runs(execution, message, now)


def _runs(execution: Execution, message: StateUpdated | ExecutionResult, now: float) -> Step:
    execution = replace(execution, was_running=execution.contact.attachment is not Attachment.SENDER)
    said = words.short(message.state) or "in a state that the session does not name"
    notes = [Note(logging.INFO, f"{name_of(execution)} is {said}")]
    state = _acquitted(execution.state, now)
    if isinstance(state, Forgotten) and state.refusal:
        state = state.before
    if isinstance(state, HandingOver) and isinstance(message, ExecutionResult):
        if message.attached:
            return ended(execution, StatementState.RUNNING)
        state = Running()
        text = "the session lets no other connection take over; following it here"
        notes.append(Note(logging.INFO, f"{name_of(execution)}: {text}"))
    return Step(moved(execution, state), says=tuple(notes))


def _acquitted(state: State, now: float) -> State:
    """The state without an error message that was not the statement's failure."""
    if not isinstance(state, Accused):
        return state
    return replace(state.before, since=now) if isinstance(state.before, Forgotten) else state.before
