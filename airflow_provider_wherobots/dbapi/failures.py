"""The exceptions of a task that uses SQL: a wrong argument, a session or a statement that failed.

A retry of the operator asks the session for the outcome of a write. A task that uses the hook is not retried after a
write: see :class:`Written`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.errors import QuotaError, WherobotsApiError
from airflow_provider_wherobots.compat import (
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTerminated,
    AirflowTaskTimeout,
    is_ended_by_user,
)
from airflow_provider_wherobots.exceptions import (
    NOT_RETRIED,
    WherobotsArgumentException,
    WherobotsException,
    WherobotsExecutionTimeoutException,
    WherobotsQuotaException,
    WherobotsSqlException,
    WherobotsSqlOutcomeUnknownException,
    WherobotsSqlSessionException,
    WherobotsSqlStatementCancelledException,
    WherobotsSqlStatementFailedException,
    WherobotsUnavailableException,
    kind_of_call,
    without_retry,
)
from airflow_provider_wherobots.flows.sql.journal import OutcomeUnknown
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.session import SessionFailedError
from airflow_provider_wherobots.logs.causes import cause_in
from airflow_provider_wherobots.sql.statements import masked
from airflow_provider_wherobots.words import reason_of

SHOWN_CHARS = 120
"""Characters of a statement that a message names."""
_REPEATABLE = "A retry of the task executes it again"
_ASKS = "It may have taken effect. A retry of the task asks the session, and does not execute it again unless it failed"
_MAY_HAVE = "It may have taken effect"


class OutcomeUnknownError(Exception):
    """A write of an earlier try may have taken effect, and nobody knows. It was not executed."""

    def __init__(self, unknown: OutcomeUnknown) -> None:
        super().__init__(unknown.why)
        self.unknown = unknown


def refused(text: str) -> WherobotsException:
    """Make the exception for a wrong argument or use, which no retry mends."""
    return without_retry(WherobotsArgumentException(text))


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
    advice = _REPEATABLE if may_repeat else "" if is_last else _ASKS
    return _of_outcome(outcome, what, session_id, limit_seconds, advice)


def failure_of_hook(outcome: StatementOutcome, session_id: str, *, may_repeat: bool) -> WherobotsException:
    """Make the hook's exception for a statement that did not succeed."""
    made = _of_outcome(outcome, "The statement", session_id, None, _REPEATABLE if may_repeat else _MAY_HAVE)
    return without_retry(made) if isinstance(made, NOT_RETRIED) else made


def failure_of_session(error: WherobotsApiError) -> WherobotsException:
    """Make the exception for a session that cannot be used. After a ``SessionFailedError`` a retry requests a session
    again, and may get another one.
    """
    if isinstance(error, SessionFailedError):
        return WherobotsSqlSessionException(str(error))
    if isinstance(error, QuotaError):
        return WherobotsQuotaException(str(error))
    made = kind_of_call(error)(str(error))
    return without_retry(made) if isinstance(made, NOT_RETRIED) else made


def outcome_unknown(
    what: str, why: str, execution_id: str, session_id: str, *, is_final: bool
) -> WherobotsSqlOutcomeUnknownException:
    """Make the exception for a statement that an earlier try has sent, and whose outcome nobody knows.

    ``is_final``: no retry follows.
    """
    sent, not_executed = "an earlier attempt has sent", "This attempt has not executed it"
    if is_final:
        said = f"{_check(what)}. Outcome unknown: {sent} it, or may have: {why}. {not_executed}"
    else:
        said = f"Outcome unknown: {sent} {_inside(what)}, or may have: {why}. {not_executed}. A retry looks again"
    return WherobotsSqlOutcomeUnknownException(f"{said}\nExecution {execution_id} in SQL session {session_id}")


def _inside(what: str) -> str:
    """A statement's name inside a sentence."""
    return f"{what[:1].lower()}{what[1:]}"


def _check(what: str) -> str:
    """What the user does about a statement whose outcome no retry finds out."""
    return (
        f"Check whether {_inside(what)} took effect. Then mark the task as success, or clear it, which executes all "
        "its statements again"
    )


def _of_outcome(
    outcome: StatementOutcome, what: str, session_id: str, limit_seconds: float | None, advice: str
) -> WherobotsException:
    """``advice`` is what follows an unknown outcome; if it is empty, the user has to look."""
    why = outcome.message
    kind: type[WherobotsException] = WherobotsSqlOutcomeUnknownException
    match outcome.state:
        case StatementState.FAILED:
            cause, kind = cause_in(why), WherobotsSqlStatementFailedException
            said = f"{what} failed: {why}\n{cause}" if cause else f"{what} failed: {why}"
        case StatementState.CANCELLED:
            kind, said = WherobotsSqlStatementCancelledException, f"{what} was cancelled on the service's side"
        case StatementState.DEADLINE:
            kind, limit = WherobotsExecutionTimeoutException, ""
            if limit_seconds is not None:
                limit = f" ({words.duration(limit_seconds)})"
            said = f"{what} had not ended when the task's execution_timeout{limit} was reached; {why}"
        case StatementState.NOT_SENT:
            kind, said = WherobotsUnavailableException, f"{what} was not executed: {why}"
        case StatementState.NO_RESULT | StatementState.RESULT_FORGOTTEN:
            kind, said = WherobotsUnavailableException, f"{what}: {why}"
        case StatementState.RESULT_TOO_LARGE:
            kind, said = WherobotsSqlException, f"{what}: {why}"
        case _:
            unknown = f"Outcome unknown of {_inside(what)}: {why}"
            said = f"{unknown}. {advice}" if advice else f"{_check(what)}. {unknown}"
    made = kind(f"{said}\nExecution {outcome.execution_id} in SQL session {session_id}")
    # A retry would pay for the same result again.
    return without_retry(made) if outcome.state is StatementState.RESULT_TOO_LARGE else made


class Written:
    """What a task that uses the hook may have written. If there is something, no failure of it is retried."""

    def __init__(self) -> None:
        self.statement = ""
        """The last write that has taken effect, or may have, without its literals; empty if there is none."""

    def add(self, statement: str) -> None:
        """Remember a write that has taken effect, or may have."""
        self.statement = words.quoted(masked(statement, SHOWN_CHARS))

    @contextmanager
    def no_retry_after_write(self) -> Iterator[None]:
        """The context in which an exception becomes one that Airflow does not retry, once the task may have written."""
        try:
            yield
        except (Exception, AirflowTaskTimeout, AirflowTaskTerminated) as error:
            if not self.statement or isinstance(error, AirflowFailException | AirflowSkipException):
                raise
            if isinstance(error, AirflowTaskTerminated) and is_ended_by_user():
                # The user has said what becomes of the task.
                raise
            advice = (
                f"The task is not retried, because this statement has written, or may have: {self.statement}. Check "
                "its table. Then clear the task, or mark it as success"
            )
            if isinstance(error, WherobotsException):
                raise without_retry(type(error)(f"{error}\n{advice}")) from error
            is_late = isinstance(error, AirflowTaskTimeout)
            kind = WherobotsExecutionTimeoutException if is_late else WherobotsSqlException
            raise without_retry(kind(f"{reason_of(error)}\n{advice}")) from error
