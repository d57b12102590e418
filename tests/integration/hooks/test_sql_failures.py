"""Which exception a failure of SQL becomes, and whether Airflow retries it."""

from typing import Any

import pytest

from airflow_provider_wherobots import exceptions
from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    BadRequestError,
    ConnectionLostError,
    QuotaError,
    WherobotsApiError,
)
from airflow_provider_wherobots.compat import AirflowFailException
from airflow_provider_wherobots.dbapi.failures import failure, failure_of_hook, failure_of_session
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.session import SessionWaitTimeoutError


@pytest.mark.parametrize(
    ("state", "fields", "kind", "is_final", "says"),
    [
        (
            StatementState.FAILED,
            {},
            exceptions.WherobotsSqlStatementFailedException,
            False,
            "The statement failed: the reason\nExecution e1 in SQL session s1",
        ),
        (
            StatementState.CANCELLED,
            {},
            exceptions.WherobotsSqlStatementCancelledException,
            True,
            "The statement was cancelled on the service's side",
        ),
        (
            StatementState.UNKNOWN,
            {},
            exceptions.WherobotsSqlOutcomeUnknownException,
            False,
            "Outcome unknown of the statement: the reason. It may have taken effect",
        ),
        (StatementState.RUNNING, {}, exceptions.WherobotsSqlOutcomeUnknownException, False, "Outcome unknown"),
        (
            StatementState.DEADLINE,
            {},
            exceptions.WherobotsExecutionTimeoutException,
            False,
            "The statement had not ended when the task's execution_timeout was reached; the reason",
        ),
        (
            StatementState.NOT_SENT,
            {},
            exceptions.WherobotsUnavailableException,
            False,
            "The statement was not executed: the reason",
        ),
        (StatementState.NO_RESULT, {}, exceptions.WherobotsUnavailableException, False, "The statement: the reason"),
        (
            # A retry would compute the same result again.
            StatementState.RESULT_TOO_LARGE,
            {},
            exceptions.WherobotsSqlException,
            True,
            "The statement: the reason",
        ),
    ],
)
def test_the_operator_and_the_hook_have_one_table_of_how_a_statement_ended(
    state: StatementState, fields: dict[str, Any], kind: type[Exception], is_final: bool, says: str
) -> None:
    outcome = StatementOutcome(state, "e1", "the reason", **fields)
    of_hook = failure_of_hook(outcome, "s1", may_repeat=False)
    of_operator = failure(outcome, "The statement", "s1", None, may_repeat=False, is_last=False)
    assert type(of_hook).__name__ == type(of_operator).__name__ == kind.__name__
    assert isinstance(of_hook, kind)
    assert isinstance(of_hook, AirflowFailException) is is_final
    assert says in str(of_hook)
    assert says in str(of_operator)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (SessionWaitTimeoutError("too slow", False), exceptions.WherobotsSqlSessionException),
        (ConnectionLostError("op", "gone"), exceptions.WherobotsUnavailableException),
        (QuotaError("op", 403), exceptions.WherobotsQuotaException),
        (AuthenticationError("op", 401), exceptions.WherobotsUnavailableException),
        (BadRequestError("op", 422), exceptions.WherobotsRequestException),
    ],
)
def test_a_session_that_cannot_be_used(error: WherobotsApiError, kind: type[Exception]) -> None:
    made = failure_of_session(error)
    assert type(made).__name__ == kind.__name__
    assert isinstance(made, AirflowFailException) is (kind is exceptions.WherobotsRequestException)
    assert str(error) in str(made)


def test_a_statement_that_failed_by_a_known_exception_names_the_cause() -> None:
    why = "org.apache.spark.SparkException: x\n\tat y\nCaused by: java.lang.OutOfMemoryError: Java heap space"
    error = failure_of_hook(StatementOutcome(StatementState.FAILED, "e1", why), "s1", may_repeat=True)
    cause = "Probable cause: out of memory (java.lang.OutOfMemoryError: Java heap space). Request a larger runtime"
    assert f"{why}\n{cause}" in str(error)
    assert str(error).endswith("\nExecution e1 in SQL session s1")
