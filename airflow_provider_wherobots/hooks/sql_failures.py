"""Which exception of this provider an error of a SQL connection becomes."""

from __future__ import annotations

from airflow_provider_wherobots.api.errors import AuthenticationError, PermissionDeniedError, WherobotsApiError
from airflow_provider_wherobots.dbapi.errors import (
    DataError,
    Error,
    OperationalError,
    ProgrammingError,
    RefusedError,
    StatementError,
    StoppedError,
)
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

KEY_ERRORS = (AuthenticationError, PermissionDeniedError)


def failure(error: Error) -> Exception:
    """Make the exception that a task fails with. Kinds that a retry cannot help are not retried.

    :param error: an error of a connection or cursor.
    :returns: an exception of this provider, or the error itself if it is one of the program that uses the cursor.
    """
    match error:
        case StatementError():
            return _marked(_of_outcome(error.outcome))
        case ProgrammingError():
            return _marked(WherobotsArgumentException(str(error)))
        case DataError():
            # The statement has succeeded: a retry would execute it again.
            return without_retry(WherobotsSqlException(str(error)))
        case StoppedError():
            return WherobotsTaskKilledException(str(error))
        case RefusedError(__cause__=WherobotsApiError() as cause) if not isinstance(cause, KEY_ERRORS):
            # A retry asks for a session again, and may get another one.
            return WherobotsSqlSessionException(str(error))
        case OperationalError(__cause__=WherobotsApiError() as cause):
            return _marked(_of_call(cause))
    return error


def _of_outcome(outcome: StatementOutcome) -> WherobotsException:
    statement, why = f"Statement {outcome.execution_id}", outcome.message
    match outcome.state:
        case StatementState.FAILED:
            return WherobotsSqlStatementFailedException(f"{statement} failed: {why}")
        case StatementState.CANCELLED:
            return WherobotsSqlStatementCancelledException(f"{statement} was cancelled on the service's side")
        case StatementState.DEADLINE:
            return WherobotsExecutionTimeoutException(f"{statement} had not ended in time: {why}")
        case StatementState.GAVE_UP if not outcome.was_sent:
            return WherobotsUnavailableException(f"{statement} was not executed: {why}")
        case StatementState.GAVE_UP:
            # It has succeeded, and a retry would execute it again.
            return without_retry(WherobotsSqlException(f"{statement}: {why}"))
    return WherobotsSqlOutcomeUnknownException(
        f"Outcome unknown: {statement} was sent, but {why}. It may have written, so nothing executes it again"
    )


def _of_call(error: WherobotsApiError) -> WherobotsException:
    if isinstance(error, SessionFailedError):
        return WherobotsSqlSessionException(str(error))
    return kind_of_call(error)(str(error))


def _marked(error: WherobotsException) -> WherobotsException:
    return without_retry(error) if isinstance(error, NOT_RETRIED) else error
