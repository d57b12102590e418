"""The exceptions of a task whose SQL did not succeed, and their messages.

Two callers share the table. A retry of the operator queries the session for the outcome of a statement. A retry of a
task that uses the hook executes its statements again: so there a write that may have taken effect is never retried.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow_provider_wherobots.api.errors import AuthenticationError, PermissionDeniedError, WherobotsApiError
from airflow_provider_wherobots.exceptions import (
    NOT_RETRIED,
    WherobotsArgumentException,
    WherobotsException,
    WherobotsExecutionTimeoutException,
    WherobotsSqlException,
    WherobotsSqlOutcomeUnknownException,
    WherobotsSqlSessionException,
    WherobotsSqlStatementCancelledException,
    WherobotsSqlStatementFailedException,
    WherobotsTaskKilledException,
    WherobotsUnavailableException,
    kind_of_call,
    without_retry,
)
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.session import SessionFailedError
from airflow_provider_wherobots.logs.causes import cause_in
from airflow_provider_wherobots.messages import words

if TYPE_CHECKING:
    from airflow_provider_wherobots.dbapi.connection import Written
    from airflow_provider_wherobots.dbapi.errors import Error

EXCEPTIONS: Mapping[StatementState, type[WherobotsException]] = {
    StatementState.FAILED: WherobotsSqlStatementFailedException,
    StatementState.CANCELLED: WherobotsSqlStatementCancelledException,
    StatementState.UNKNOWN: WherobotsSqlOutcomeUnknownException,
    StatementState.DEADLINE: WherobotsExecutionTimeoutException,
    StatementState.GAVE_UP: WherobotsUnavailableException,
}
WITHOUT_EFFECT = (StatementState.FAILED,)
"""The ends of a statement that has written nothing."""

_REPEATABLE = "A retry of the task may execute it again"
_LOOK = "It may have taken effect. Check the table"
_ASKS = "It may have taken effect. A retry of the task asks the session, and does not execute it again unless it failed"
_OPERATORS_ADVICE = (
    "Look whether it has taken effect. Then clear the task, which executes all its statements again, or mark it as "
    "success"
)
_WRITTEN = "The task is not retried: an earlier statement of it has written, and a retry would execute that again"
_HOOKS_ADVICE = f"{_LOOK} before you execute it again. The task is not retried, because a retry would execute it"


def failure(
    outcome: StatementOutcome,
    what: str,
    session_id: str,
    limit_seconds: float | None,
    *,
    may_repeat: bool,
    is_last: bool,
) -> WherobotsException:
    """Make the operator's exception for a statement that did not succeed. ``what`` names the statement, such as
    ``Statement 1 of 2 (MERGE INTO …)``; ``may_repeat`` is whether a retry can execute it again, ``is_last`` whether no
    retry follows.
    """
    made = _of_outcome(outcome, what, session_id, limit_seconds, _advice(may_repeat, is_last))
    # A retry would pay for the same result again.
    return without_retry(made) if outcome.is_too_large else made


def in_doubt(
    what: str, why: str, execution_id: str, session_id: str, *, is_final: bool
) -> WherobotsSqlOutcomeUnknownException:
    """Make the operator's exception for a statement that an earlier try has sent, and whose outcome nobody knows.

    ``is_final``: no retry follows.
    """
    advice = f"No retry follows. {_OPERATORS_ADVICE}" if is_final else "A retry of the task finds out"
    return WherobotsSqlOutcomeUnknownException(
        f"Outcome unknown: an earlier try of this task has sent, or may have sent, {what[:1].lower()}{what[1:]}, and "
        f"how it ended cannot be known: {why}. This try has executed nothing. {advice}\n"
        f"Execution {execution_id} in SQL session {session_id}"
    )


def _advice(may_repeat: bool, is_last: bool) -> str:
    if may_repeat:
        return _REPEATABLE
    return _OPERATORS_ADVICE if is_last else _ASKS


def not_connected(error: WherobotsApiError) -> WherobotsException:
    """Make the exception for a session that was ready, but refused the connection."""
    if error.transient or isinstance(error, (AuthenticationError, PermissionDeniedError)):
        return kind_of_call(error)(str(error))
    # It has ended since the last poll: a retry requests a session again, and may get another one.
    return WherobotsSqlSessionException(str(error))


def failure_of_hook(error: Error, may_repeat: bool, *, written: Written | None = None) -> Exception:
    """Make the exception of a task that uses the hook. An error in the use of the cursor is not changed.

    ``written``: what the statements before it have done.
    """
    made, is_final = _made(error, may_repeat)
    if not isinstance(made, WherobotsException):
        return made
    if is_final or isinstance(made, NOT_RETRIED):
        return without_retry(made)
    if written is not None and written.may_have:
        return without_retry(type(made)(f"{made}\n{_WRITTEN}"))
    return made


def _made(error: Error, may_repeat: bool) -> tuple[Exception, bool]:
    """The exception, and whether a retry cannot help or must not follow."""
    # Imported here: a DAG file that uses the operator needs none.
    from airflow_provider_wherobots.dbapi.errors import (
        DataError,
        OperationalError,
        ProgrammingError,
        RefusedError,
        StatementError,
        StoppedError,
    )

    match error:
        case StatementError(outcome=outcome):
            advice = _REPEATABLE if may_repeat else _HOOKS_ADVICE
            made = _of_outcome(outcome, "The statement", error.session_id, None, advice)
            is_final = outcome.is_too_large or (
                not may_repeat and outcome.was_sent and outcome.state not in WITHOUT_EFFECT
            )
        case DataError():
            # The statement has succeeded.
            made, is_final = WherobotsSqlException(str(error)), not may_repeat
        case ProgrammingError():
            made, is_final = WherobotsArgumentException(str(error)), True
        case StoppedError():
            made, is_final = WherobotsTaskKilledException(str(error)), False
        case RefusedError(__cause__=WherobotsApiError() as cause):
            made, is_final = not_connected(cause), False
        case OperationalError(__cause__=SessionFailedError() as cause):
            made, is_final = WherobotsSqlSessionException(str(cause)), False
        case OperationalError(__cause__=WherobotsApiError() as cause):
            made, is_final = kind_of_call(cause)(str(cause)), False
        case _:
            return error, False
    return made, is_final


def _of_outcome(
    outcome: StatementOutcome, what: str, session_id: str, limit_seconds: float | None, advice: str
) -> WherobotsException:
    kind = EXCEPTIONS.get(outcome.state, WherobotsSqlOutcomeUnknownException)
    if outcome.is_too_large:
        kind = WherobotsSqlException
    said = _said(outcome, what, limit_seconds, advice)
    return kind(f"{said}\nExecution {outcome.execution_id} in SQL session {session_id}")


def _said(outcome: StatementOutcome, what: str, limit_seconds: float | None, advice: str) -> str:
    why = outcome.message
    match outcome.state:
        case StatementState.FAILED:
            cause = cause_in(why)
            return f"{what} failed: {why}\n{cause}" if cause else f"{what} failed: {why}"
        case StatementState.CANCELLED:
            return f"{what} was cancelled on the service's side"
        case StatementState.DEADLINE:
            limit = "" if limit_seconds is None else f" ({words.duration(limit_seconds)})"
            return f"{what} had not ended when the task's execution_timeout{limit} was reached; {why}"
        case StatementState.GAVE_UP if not outcome.was_sent:
            return f"{what} was not executed: {why}"
        case StatementState.GAVE_UP:
            return f"{what}: {why}"
    return f"Outcome unknown: {what[:1].lower()}{what[1:]} was sent, but how it ended cannot be known: {why}. {advice}"
