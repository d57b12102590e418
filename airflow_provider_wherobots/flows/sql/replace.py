"""After a clear: what the tries before it still execute is cancelled before the statements are executed again.

A clear makes the trigger cancel its statement. That may come later than the new try, and never comes if no triggerer
runs at that moment. Without this the same write would be executed twice at the same time.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from airflow_provider_wherobots.api.sql.messages import CANCELLED, ExecutionError
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.effects import Flow, Note
from airflow_provider_wherobots.flows.sql.cancel import CANCEL_BUDGET_SECONDS, cancel, end


def end_earlier(
    execution_ids: Sequence[str],
    url: str,
    budget_seconds: float = CANCEL_BUDGET_SECONDS,
    *,
    reads: Collection[str] = (),
) -> Flow[str]:
    """Cancel the executions that still run, and return the id of one that may still run; empty if none does. Never
    raises a ``WherobotsApiError``. ``reads`` only read: they are not queried, as the response would carry their result,
    and it does not matter if they run on.
    """
    for execution_id in execution_ids:
        if execution_id in reads:
            yield from cancel(execution_id, budget_seconds, url=url, listen=False)
            continue
        last = yield from end(execution_id, budget_seconds, url, ask_after=0.0)
        if last is None:
            return execution_id
        if not isinstance(last, ExecutionError) and last.state == CANCELLED:
            yield Note(logging.INFO, f"The task was cleared: its statement {words.short(execution_id)} was cancelled")
    return ""
