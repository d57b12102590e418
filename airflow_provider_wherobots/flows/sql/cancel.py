"""Cancelling executions: bounded in time, and every result is logged. Nothing here raises a ``WherobotsApiError``."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from airflow_provider_wherobots.api.sql.messages import CANCELLED, FAILED, ExecutionError
from airflow_provider_wherobots.flows.retry import CANCEL_BUDGET_SECONDS
from airflow_provider_wherobots.flows.sql.connection import Connector
from airflow_provider_wherobots.flows.sql.follower import ExecutionState, Follower, LastWord
from airflow_provider_wherobots.flows.sql.statement import follow
from airflow_provider_wherobots.io.base import Io
from airflow_provider_wherobots.messages import words

MIN_SECONDS = 0.5
"""How long a cancel takes at least: it is written though no time is left."""


async def end_earlier(io: Io, execution_ids: Sequence[str], url: str) -> str:
    """After a clear: cancel the executions of earlier rounds that still run. Returns the id of one that may still run;
    empty if none does.

    The trigger of a cleared task cancels its statement too. That may come later than the new try, and never comes if no
    triggerer runs at that moment. Then the same write would be executed twice at the same time.
    """
    for execution_id in execution_ids:
        last = await last_word_after_cancel(io, execution_id, CANCEL_BUDGET_SECONDS, url, least_level=logging.WARNING)
        if last is None:
            return execution_id
        if not isinstance(last, ExecutionError) and last.state == CANCELLED:
            await io.note(logging.INFO, f"Cancelled statement {words.short(execution_id)} of before the clear")
    return ""


async def last_word_after_cancel(
    io: Io,
    execution_id: str,
    budget_seconds: float = CANCEL_BUDGET_SECONDS,
    url: str = "",
    *,
    has_sent: bool = False,
    least_level: int = logging.INFO,
) -> LastWord | None:
    """Cancel an execution on the open WebSocket, or at ``url`` if none is open, and log its final state. None if it is
    not known to have ended.

    ``has_sent``: the open WebSocket has sent the statement. Another one attaches to it first.
    """
    moment = io.monotonic()
    deadline = moment + max(MIN_SECONDS, budget_seconds)
    follower = Follower(
        execution_id, ExecutionState.CANCELLING, moment, has_sent, deadline=deadline, least_level=least_level
    )
    await follow(io, follower, Connector(url, budget_seconds))
    return follower.last


def wrote_nothing(last: LastWord | None, *, was_in_contact: bool) -> bool:
    """Whether a statement has certainly written nothing, by its last word after its cancel.

    One that was cancelled has not if the connection that has sent it has also asked for the cancel, and
    ``was_in_contact`` all the time: Spark stops it before its commit. Otherwise the session or somebody else may have
    cancelled it, and part of it may have taken effect.
    """
    if last is None or isinstance(last, ExecutionError):
        return False
    return last.state == FAILED or (last.state == CANCELLED and was_in_contact)
