"""Which exception an error of a SQL connection becomes, and whether Airflow retries it."""

from typing import Any

import pytest

from airflow_provider_wherobots import exceptions
from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    BadRequestError,
    ConnectionLostError,
    NotFoundError,
    PermissionDeniedError,
    ResponseError,
    WherobotsApiError,
)
from airflow_provider_wherobots.compat import AirflowFailException
from airflow_provider_wherobots.dbapi import errors
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.session import SessionWaitTimeoutError
from airflow_provider_wherobots.hooks.sql_failures import failure, failure_of_hook


def outcome(state: StatementState, **fields: Any) -> errors.StatementError:
    return errors.StatementError(StatementOutcome(state, "e1", "the reason", **fields), "s1")


def caused(kind: type[errors.Error], cause: WherobotsApiError) -> errors.Error:
    error = kind("the error")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind", "is_retried", "says"),
    [
        (
            outcome(StatementState.FAILED),
            exceptions.WherobotsSqlStatementFailedException,
            True,
            "The statement failed: the reason\nExecution e1 in SQL session s1",
        ),
        (
            outcome(StatementState.CANCELLED),
            exceptions.WherobotsSqlStatementCancelledException,
            False,
            "The statement was cancelled on the service's side",
        ),
        (
            outcome(StatementState.UNKNOWN),
            exceptions.WherobotsSqlOutcomeUnknownException,
            False,
            "It may have taken effect. Check the table before you execute it again",
        ),
        (
            outcome(StatementState.RUNNING),
            exceptions.WherobotsSqlOutcomeUnknownException,
            False,
            "Outcome unknown",
        ),
        (
            outcome(StatementState.DEADLINE),
            exceptions.WherobotsExecutionTimeoutException,
            False,
            "The statement had not ended when the task's execution_timeout was reached; the reason",
        ),
        (
            outcome(StatementState.GAVE_UP, was_sent=False),
            exceptions.WherobotsUnavailableException,
            True,
            "The statement was not executed: the reason",
        ),
        (
            outcome(StatementState.GAVE_UP, was_sent=True),
            exceptions.WherobotsUnavailableException,
            False,
            "The statement: the reason",
        ),
        (errors.DataError("unreadable"), exceptions.WherobotsSqlException, False, "unreadable"),
        (errors.ProgrammingError("wrong"), exceptions.WherobotsArgumentException, False, "wrong"),
        (errors.StoppedError("stopped"), exceptions.WherobotsTaskKilledException, True, "stopped"),
        (
            caused(errors.OperationalError, SessionWaitTimeoutError("too slow", False)),
            exceptions.WherobotsSqlSessionException,
            True,
            "too slow",
        ),
        (
            caused(errors.OperationalError, ConnectionLostError("op", "gone")),
            exceptions.WherobotsUnavailableException,
            True,
            "gone",
        ),
        (
            caused(errors.OperationalError, NotFoundError("op", 404)),
            exceptions.WherobotsRequestException,
            False,
            "404",
        ),
        (
            caused(errors.RefusedError, ConnectionLostError("op", "gone")),
            exceptions.WherobotsUnavailableException,
            True,
            "gone",
        ),
        (
            caused(errors.RefusedError, NotFoundError("op", 404)),
            exceptions.WherobotsSqlSessionException,
            True,
            "404",
        ),
        (
            caused(errors.RefusedError, BadRequestError("op", 400)),
            exceptions.WherobotsSqlSessionException,
            True,
            "400",
        ),
        (
            caused(errors.RefusedError, ResponseError("op", 410)),
            exceptions.WherobotsSqlSessionException,
            True,
            "410",
        ),
        (
            caused(errors.RefusedError, AuthenticationError("op", 401)),
            exceptions.WherobotsRequestException,
            False,
            "401",
        ),
        (
            caused(errors.RefusedError, PermissionDeniedError("op", 403)),
            exceptions.WherobotsRequestException,
            False,
            "403",
        ),
    ],
)
def test_an_error_of_a_write_becomes_an_exception_of_its_kind(
    error: errors.Error, kind: type[Exception], is_retried: bool, says: str
) -> None:
    made = failure_of_hook(error, may_repeat=False)
    assert isinstance(made, kind)
    assert type(made).__name__ == kind.__name__
    assert isinstance(made, AirflowFailException) is not is_retried
    assert says in str(made)


@pytest.mark.parametrize("error", [errors.InterfaceError("closed"), errors.NotSupportedError("no")])
def test_an_error_of_the_program_stays_what_it_is(error: errors.Error) -> None:
    assert failure_of_hook(error, may_repeat=False) is error


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (outcome(StatementState.UNKNOWN), "the reason. A retry of the task may execute it again"),
        (outcome(StatementState.GAVE_UP, was_sent=True), "The statement: the reason"),
        (errors.DataError("unreadable"), "unreadable"),
    ],
)
def test_what_only_reads_is_retried(error: errors.Error, says: str) -> None:
    made = failure_of_hook(error, may_repeat=True)
    assert not isinstance(made, AirflowFailException)
    assert says in str(made)
    assert "written" not in str(made)


def test_a_result_that_is_too_large_is_not_computed_again_by_a_retry() -> None:
    ended = StatementOutcome(StatementState.GAVE_UP, "e1", "its result is too large", is_too_large=True)
    of_operator = failure(ended, "Statement", "s1", None, may_repeat=True, is_last=False)
    of_hook = failure_of_hook(errors.StatementError(ended, "s1"), may_repeat=True)
    for made in (of_operator, of_hook):
        assert isinstance(made, AirflowFailException)
        assert type(made).__name__ == "WherobotsSqlException"


def test_the_operator_and_the_hook_have_one_table() -> None:
    ended = StatementOutcome(StatementState.FAILED, "e1", "the reason")
    of_operator = failure(ended, "Statement 1 of 2", "s1", None, may_repeat=False, is_last=True)
    of_hook = failure_of_hook(errors.StatementError(ended, "s1"), may_repeat=False)
    assert type(of_operator) is type(of_hook)
    assert str(of_operator).replace("Statement 1 of 2", "The statement") == str(of_hook)


def test_a_statement_that_failed_by_a_known_exception_names_the_cause() -> None:
    why = "org.apache.spark.SparkException: x\n\tat y\nCaused by: java.lang.OutOfMemoryError: Java heap space"
    found = StatementOutcome(StatementState.FAILED, "e1", why)
    cause = "Probable cause: out of memory (java.lang.OutOfMemoryError: Java heap space). Request a larger runtime"
    for error in (
        failure(found, "Statement 1", "s1", None, may_repeat=True, is_last=False),
        failure_of_hook(errors.StatementError(found, "s1"), may_repeat=True),
    ):
        assert f"{why}\n{cause}" in str(error)
        assert str(error).endswith("\nExecution e1 in SQL session s1")
