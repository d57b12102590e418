"""After a clear: what the tries before it still execute is cancelled before the statements are executed again.

A clear makes the trigger cancel its statement. That may come later than the new try, and never comes if no triggerer
runs at that moment. Without this the same write would be executed twice at the same time.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.effects import Flow, Note
from airflow_provider_wherobots.flows.sql.cancel import CANCEL_BUDGET_SECONDS
from airflow_provider_wherobots.flows.sql.statement import cancel, is_running


def end_earlier(execution_ids: Sequence[str], url: str, budget_seconds: float = CANCEL_BUDGET_SECONDS) -> Flow[str]:
    """Cancel the executions that still run.

    :param execution_ids: their ids; the session need not know them.
    :param url: address of the session's WebSocket, which is open.
    :param budget_seconds: how long one cancel is tried, in seconds; default 25.
    :returns: the id of one that may still run; empty if none does.
    :raises ConnectionLostError: when the connection is lost.
    """
    for execution_id in execution_ids:
        if (yield from is_running(execution_id)):
            yield Note(logging.INFO, f"The task was cleared: its statement {words.short(execution_id)} is cancelled")
            if not (yield from cancel(execution_id, budget_seconds, url=url)):
                return execution_id
    return ""
