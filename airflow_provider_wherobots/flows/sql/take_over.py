"""A statement that another process has begun: following it and cancelling it, by its ids alone."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.sql import calls
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.effects import Flow, attempt
from airflow_provider_wherobots.flows.sql.session import (
    SessionAddressError,
    SessionEndedError,
    SessionWait,
    SessionWaitTimeoutError,
    await_session,
)
from airflow_provider_wherobots.flows.sql.statement import (
    StatementOptions,
    StatementOutcome,
    StatementState,
    attach,
    cancel,
)

LOOK_UP_SECONDS = 4.0


def follow_in_session(session_id: str, execution_id: str, options: StatementOptions) -> Flow[StatementOutcome]:
    """Find the session's address, and attach to an execution. Never executes anything, and fetches no result. The
    outcome is ``UNKNOWN`` if the session has ended or cannot be reached. ``options.url`` is replaced.
    """
    seconds = options.max_outage_seconds
    # It has executed a statement: if the service does not know it now, it has ended.
    wait = SessionWait(seconds, seconds, options.deadline, appearance_seconds=0.0)
    try:
        session = yield from await_session(session_id, wait)
    except SessionWaitTimeoutError as error:
        state = StatementState.DEADLINE if error.at_deadline else StatementState.UNKNOWN
        return StatementOutcome(state, execution_id, f"its session cannot be reached ({words.quoted(str(error))})")
    except (SessionEndedError, SessionAddressError) as error:
        return StatementOutcome(StatementState.UNKNOWN, execution_id, words.quoted(str(error)))
    except WherobotsApiError as error:
        reason = f"its session cannot be reached ({words.quoted(str(error))})"
        return StatementOutcome(StatementState.UNKNOWN, execution_id, reason)
    found = replace(options, url=session.socket_url)
    return (yield from attach(execution_id, found, wants_result=False))


def cancel_in_session(session_id: str, execution_id: str, budget_seconds: float) -> Flow[bool]:
    """Find the session's address, and cancel an execution; True if it ended. Never raises ``WherobotsApiError``."""
    try:
        session = yield from attempt(calls.get_session(session_id).at_once(), LOOK_UP_SECONDS)
        url = session.socket_url if session is not None and session.is_ready else ""
    except (WherobotsApiError, ValueError):
        url = ""
    return (yield from cancel(execution_id, budget_seconds - LOOK_UP_SECONDS, url=url))
