"""Cancelling an execution: bounded in time, and every result is logged."""

from __future__ import annotations

import logging

from airflow_provider_wherobots.api.errors import ConnectionLostError, WherobotsApiError
from airflow_provider_wherobots.api.sql.messages import (
    CANCELLED,
    CancelExecution,
    ExecutionError,
    ExecutionResult,
    RetrieveResults,
    StateUpdated,
)
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.effects import Connect, Flow, Note, Receive, Transmit, perform
from airflow_provider_wherobots.flows.sql.steady import SteadyClock

CANCEL_BUDGET_SECONDS = 25.0
"""How long a cancel is tried. Airflow limits a trigger's ``on_kill`` to 30 s."""
WORKER_CANCEL_BUDGET_SECONDS = 3.8
"""The same in a killed worker process, to which Airflow 3 leaves 5 s."""
CONFIRM_SECONDS = 1.5
"""How long the session may take to say that the execution was cancelled, before it is asked for its state."""
CONNECT_SECONDS = 10.0


def cancel(
    execution_id: str, budget_seconds: float = CANCEL_BUDGET_SECONDS, *, url: str = "", listen: bool = True
) -> Flow[bool]:
    """Cancel an execution on the open WebSocket. Never raises a ``WherobotsApiError``.

    :param execution_id: its id.
    :param budget_seconds: how long to try, in seconds; default 25.
    :param url: address of the session's WebSocket, which is opened if none is open; default empty, none is opened.
    :param listen: whether to wait for the session's word; default True. False is for a thread that cancels what another
        one follows on the same WebSocket.
    :returns: whether the execution has ended; without ``listen``, whether the cancel was written.
    """
    if not listen:
        return (yield from _written(execution_id, budget_seconds, url))
    return (yield from last_word_after_cancel(execution_id, budget_seconds, url)) is not None


def last_word_after_cancel(
    execution_id: str, budget_seconds: float, url: str
) -> Flow[StateUpdated | ExecutionResult | ExecutionError | None]:
    """Cancel an execution, and learn in which state it has ended.

    :param execution_id: its id.
    :param budget_seconds: how long to try, in seconds.
    :param url: address of the session's WebSocket, which is opened if none is open.
    :returns: the message with its final state, or that it is not known; None if it is not known to have ended.
    """
    clock, what = SteadyClock(), f"Statement {words.short(execution_id)}"
    yield from clock.read()
    if not (yield from _written(execution_id, budget_seconds, url)):
        return None
    try:
        last = yield from _last_word(execution_id, budget_seconds, clock)
    except ConnectionLostError:
        last = None
    if last is None:
        yield Note(logging.WARNING, f"{what}: its cancel was sent, but is not confirmed")
    elif isinstance(last, ExecutionError):
        yield Note(logging.INFO, f"{what} needs no cancelling: {words.quoted(last.message)}")
    elif last.state == CANCELLED:
        yield Note(logging.INFO, f"{what} was cancelled")
    else:
        yield Note(logging.INFO, f"{what} needs no cancelling: it has already {last.state}")
    return last


def _written(execution_id: str, budget_seconds: float, url: str) -> Flow[bool]:
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
            f"Statement {words.short(execution_id)} could not be cancelled ({words.quoted(str(error))}). It may run "
            "on. The session cancels it by itself, usually two minutes after its connection was lost",
        )
        return False
    return True


def _last_word(
    execution_id: str, budget_seconds: float, clock: SteadyClock
) -> Flow[StateUpdated | ExecutionResult | ExecutionError | None]:
    longest, ask_at = 2 * CONNECT_SECONDS, None
    while True:
        yield from clock.read(longest)
        if ask_at is None:
            ask_at = clock.seconds + CONFIRM_SECONDS
        elif clock.seconds >= ask_at:
            # Once: the answer may carry a whole result.
            ask_at = float("inf")
            yield from perform(Transmit(RetrieveResults(execution_id)))
        left = budget_seconds - clock.seconds
        if left <= 0:
            return None
        longest = min(left, max(0.0, ask_at - clock.seconds))
        message = yield from perform(Receive(longest))
        if message is None or message.execution_id != execution_id:
            continue
        if isinstance(message, StateUpdated | ExecutionResult) and message.is_final:
            return message
        if isinstance(message, ExecutionError) and message.is_not_found:
            return message
