"""Cancelling executions: bounded in time, and every result is logged. Nothing here raises a ``WherobotsApiError``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TypeAlias

from airflow_provider_wherobots.api.errors import ConnectionLostError, WherobotsApiError
from airflow_provider_wherobots.api.sql.messages import (
    CANCELLED,
    FAILED,
    SUCCEEDED,
    CancelExecution,
    ExecutionError,
    ExecutionResult,
    RetrieveResults,
    StateUpdated,
    TooLarge,
)
from airflow_provider_wherobots.flows.effects import (
    Connect,
    Flow,
    Note,
    Receive,
    Transmit,
    monotonic,
    perform,
)
from airflow_provider_wherobots.flows.retry import CANCEL_BUDGET_SECONDS
from airflow_provider_wherobots.messages import words

CONFIRM_SECONDS = 1.5
"""How long the session can take to confirm a cancel before the state is requested, and requested again."""
CONNECT_SECONDS = 10.0

LastWord: TypeAlias = StateUpdated | ExecutionResult | ExecutionError
"""The final state of an execution, or that the session does not know it."""


def end_earlier(execution_ids: Sequence[str], url: str) -> Flow[str]:
    """After a clear: cancel the executions of earlier rounds that still run. Returns the id of one that may still run;
    empty if none does.

    The trigger of a cleared task cancels its statement too. That may come later than the new try, and never comes if no
    triggerer runs at that moment. Then the same write would be executed twice at the same time.
    """
    for execution_id in execution_ids:
        last = yield from _end(execution_id, CANCEL_BUDGET_SECONDS, url, request_after=0.0)
        if last is None:
            return execution_id
        if not isinstance(last, ExecutionError) and last.state == CANCELLED:
            yield Note(logging.INFO, f"Cancelled statement {words.short(execution_id)} of before the clear")
    return ""


def wrote_nothing(last: LastWord | None, *, was_in_contact: bool) -> bool:
    """Whether a statement has certainly written nothing, by its last word after its cancel.

    One that was cancelled has not if the connection that has sent it has also asked for the cancel, and
    ``was_in_contact`` all the time: Spark stops it before its commit. Otherwise the session or somebody else may have
    cancelled it, and part of it may have taken effect.
    """
    if not isinstance(last, StateUpdated | ExecutionResult):
        return False
    return last.state == FAILED or (last.state == CANCELLED and was_in_contact)


def last_word_after_cancel(
    execution_id: str, budget_seconds: float = CANCEL_BUDGET_SECONDS, url: str = ""
) -> Flow[LastWord | None]:
    """Cancel an execution on the open WebSocket, or at ``url`` if none is open, and log its final state. None if it is
    not known to have ended.
    """
    what = f"Statement {words.short(execution_id)}"
    last = yield from _end(execution_id, budget_seconds, url)
    if isinstance(last, ExecutionError):
        yield Note(logging.INFO, f"{what} need not be cancelled: {words.quoted(last.message)}")
    elif last is not None and last.state == CANCELLED:
        yield Note(logging.INFO, f"{what} was cancelled")
    elif last is not None:
        yield Note(logging.INFO, f"{what} need not be cancelled: it has already {last.state}")
    return last


def _end(
    execution_id: str, budget_seconds: float, url: str, request_after: float = CONFIRM_SECONDS
) -> Flow[LastWord | None]:
    """The same, but only a failure is logged. The state of another connection's execution is requested at once, as its
    events may not come here.
    """
    until = (yield from monotonic()) + budget_seconds
    if not (yield from write_cancel(execution_id, budget_seconds, url)):
        return None
    try:
        last = yield from _last_word(execution_id, until, request_after)
    except ConnectionLostError:
        last = None
    if last is None:
        text = f"Statement {words.short(execution_id)} may still run: its cancel was sent, but not confirmed"
        yield Note(logging.WARNING, text)
    return last


def write_cancel(execution_id: str, budget_seconds: float, url: str) -> Flow[bool]:
    """Write the cancel of an execution, and return whether that was possible. Nothing is read: another thread may
    follow the execution on the same WebSocket.
    """
    try:
        try:
            yield from perform(Transmit(CancelExecution(execution_id)))
        except ConnectionLostError:
            if not url:
                raise
            yield from perform(Connect(url, max(0.5, min(CONNECT_SECONDS, budget_seconds * 0.6))))
            yield from perform(Transmit(CancelExecution(execution_id)))
    except WherobotsApiError as error:
        yield Note(
            logging.ERROR,
            f"Statement {words.short(execution_id)} could not be cancelled ({words.quoted(str(error))}). It may "
            "continue to run. The session cancels it by itself, usually two minutes after its connection was lost",
        )
        return False
    return True


def _last_word(execution_id: str, until: float, request_after: float) -> Flow[LastWord | None]:
    moment = yield from monotonic()
    request_at, is_requested = moment + request_after, False
    while moment < until:
        if moment >= request_at:
            # Not again before there is a response: it may carry a whole result.
            request_at, is_requested = float("inf"), True
            yield from perform(Transmit(RetrieveResults(execution_id, attach=True)))
        message = yield from perform(Receive(max(0.0, min(until, request_at) - moment)))
        moment = yield from monotonic()
        if isinstance(message, TooLarge) and is_requested:
            return StateUpdated(execution_id, SUCCEEDED)
        if message is None or message.execution_id != execution_id:
            continue
        if isinstance(message, StateUpdated | ExecutionResult) and message.is_final:
            return message
        if isinstance(message, ExecutionError) and message.is_not_found:
            return message
        if isinstance(message, ExecutionResult):
            request_at = moment + CONFIRM_SECONDS
    return None
