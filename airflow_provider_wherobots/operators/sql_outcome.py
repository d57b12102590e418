"""What a task fails with if a statement did not succeed, and what it says."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_wherobots.exceptions import (
    WherobotsException,
    WherobotsExecutionTimeoutException,
    WherobotsSqlOutcomeUnknownException,
    WherobotsSqlStatementCancelledException,
    WherobotsSqlStatementFailedException,
    WherobotsUnavailableException,
)
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState

EXCEPTIONS: Mapping[StatementState, type[WherobotsException]] = {
    StatementState.FAILED: WherobotsSqlStatementFailedException,
    StatementState.CANCELLED: WherobotsSqlStatementCancelledException,
    StatementState.UNKNOWN: WherobotsSqlOutcomeUnknownException,
    StatementState.DEADLINE: WherobotsExecutionTimeoutException,
    StatementState.GAVE_UP: WherobotsUnavailableException,
}


def failure(
    outcome: StatementOutcome, what: str, session_id: str, limit_seconds: float | None, may_repeat: bool
) -> WherobotsException:
    """Make the exception of a statement that did not succeed.

    :param outcome: how it ended.
    :param what: names the statement, such as ``Statement 1 of 2 (MERGE INTO …)``.
    :param session_id: id of its session.
    :param limit_seconds: the task's ``execution_timeout`` in seconds, or None.
    :param may_repeat: whether a retry may execute it again.
    """
    kind = EXCEPTIONS.get(outcome.state, WherobotsSqlOutcomeUnknownException)
    said = _said(outcome, what, limit_seconds, may_repeat)
    return kind(f"{said}\nExecution {outcome.execution_id} in SQL session {session_id}")


def unknown_of_earlier_try(what: str, execution_id: str, session_id: str) -> WherobotsSqlOutcomeUnknownException:
    """Make the exception of a statement that an earlier try has sent, and of which nothing is known any more.

    :param what: names the statement.
    :param execution_id: id of its execution by the previous try.
    :param session_id: id of the session that was asked about it.
    """
    return WherobotsSqlOutcomeUnknownException(
        f"Outcome unknown: an earlier try of this task may have executed {what[:1].lower()}{what[1:]}, and the SQL "
        f"session cannot say what it has written. {_ADVICE}\n"
        f"Execution {execution_id}, looked for in SQL session {session_id}"
    )


_ADVICE = (
    "It may have written: nothing is executed again. Look at what it writes to. If it has not written, clear the task; "
    "if it has, mark the task as successful. retry_unknown=True lets retries of the task execute it again"
)


_REPEATABLE = "A retry of the task may execute it again"


def _said(outcome: StatementOutcome, what: str, limit_seconds: float | None, may_repeat: bool) -> str:
    why = outcome.message
    match outcome.state:
        case StatementState.FAILED:
            return f"{what} failed: {why}"
        case StatementState.CANCELLED:
            return f"{what} was cancelled on the service's side"
        case StatementState.DEADLINE:
            limit = "" if limit_seconds is None else f" ({words.duration(limit_seconds)})"
            return f"{what} had not ended when the task's execution_timeout{limit} was reached; {why}"
        case StatementState.GAVE_UP if not outcome.was_sent:
            return f"{what} was not executed: {why}"
        case StatementState.GAVE_UP:
            return f"{what}: {why}"
    advice = _REPEATABLE if may_repeat else _ADVICE
    return f"Outcome unknown: {what[:1].lower()}{what[1:]} was sent, but how it ended cannot be known: {why}. {advice}"
