"""How an execution ends: the outcomes, and the fetching of its result, which may be the last step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_provider_wherobots.api.sql.messages import SUCCEEDED, ExecutionResult, StateUpdated, TooLarge
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.sql.machine import (
    Attachment,
    Do,
    Ended,
    Execution,
    Fetching,
    Sending,
    State,
    Step,
)
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState

MAX_FETCHES = 2
"""How often a result is requested on one connection."""
MAX_FETCHES_IN_ALL = 4


def fetch(execution: Execution, state: Fetching, why: str = "") -> Step:
    """Ask for the result, unless that was done often enough."""
    if state.fetches >= MAX_FETCHES or state.fetches_in_all >= MAX_FETCHES_IN_ALL:
        return without_result(execution, why)
    again = replace(state, fetches=state.fetches + 1, fetches_in_all=state.fetches_in_all + 1)
    return Step(moved(execution, again), Do.ASK)


def too_large(execution: Execution, message: TooLarge) -> Step:
    execution = replace(execution, contact=execution.contact.responded())
    if not execution.wants_result:
        return succeeded(execution, StateUpdated(execution.id, SUCCEEDED))
    text = (
        f"it succeeded, but its result is larger than {words.size(message.limit_bytes)}, the most that is fetched. "
        "Select less, or store it in a file: WherobotsSqlOperator(store=...)"
    )
    return ended(execution, StatementState.GAVE_UP, text, is_too_large=True)


def succeeded(execution: Execution, message: StateUpdated | ExecutionResult) -> Step:
    is_response, wants_result = isinstance(message, ExecutionResult), execution.wants_result
    return ended(
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


def failed(execution: Execution, text: str) -> Step:
    return ended(execution, StatementState.FAILED, text or "the session sent no error message")


def cancelled(execution: Execution) -> Step:
    if execution.contact.attachment is Attachment.SENDER:
        return ended(execution, StatementState.CANCELLED, "it was cancelled")
    return unknown(
        execution,
        "it was cancelled after its connection was replaced. The session itself cancels what a lost connection ran, "
        "and some of it may have taken effect before",
        is_cancelled=True,
    )


def unknown(execution: Execution, why: str, *, is_cancelled: bool = False) -> Step:
    return ended(execution, StatementState.UNKNOWN, why, is_cancelled=is_cancelled)


def without_result(execution: Execution, why: str, *, is_forgotten: bool = False) -> Step:
    text = f"it succeeded, but its result could not be fetched: {why}"
    return ended(execution, StatementState.GAVE_UP, text, is_result_forgotten=is_forgotten)


def ended(execution: Execution, state: StatementState, message: str = "", **more: Any) -> Step:
    outcome = StatementOutcome(
        state,
        execution.id,
        message,
        was_sent=not isinstance(execution.state, Sending),
        was_running=execution.was_running,
        **more,
    )
    return Step(moved(execution, Ended(outcome)))


def moved(execution: Execution, state: State) -> Execution:
    return replace(execution, state=state)


def name_of(execution: Execution) -> str:
    return f"Statement {words.short(execution.id)}"
