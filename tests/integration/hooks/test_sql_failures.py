"""Which exception an error of a SQL connection becomes, and whether Airflow retries it."""

from typing import Any

import pytest

from airflow_provider_wherobots import exceptions
from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    ConnectionLostError,
    NotFoundError,
    PermissionDeniedError,
    WherobotsApiError,
)
from airflow_provider_wherobots.compat import AirflowFailException
from airflow_provider_wherobots.dbapi import errors
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.session import SessionWaitTimeoutError
from airflow_provider_wherobots.hooks.sql_failures import failure


def outcome(state: StatementState, **fields: Any) -> errors.StatementError:
    return errors.StatementError(StatementOutcome(state, "e1", "the reason", **fields))


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
            "Statement e1 failed: the reason",
        ),
        (
            outcome(StatementState.CANCELLED),
            exceptions.WherobotsSqlStatementCancelledException,
            False,
            "Statement e1 was cancelled on the service's side",
        ),
        (
            outcome(StatementState.UNKNOWN),
            exceptions.WherobotsSqlOutcomeUnknownException,
            False,
            "Outcome unknown: Statement e1 was sent, but the reason",
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
            True,
            "Statement e1 had not ended in time",
        ),
        (
            outcome(StatementState.GAVE_UP, was_sent=False),
            exceptions.WherobotsUnavailableException,
            True,
            "Statement e1 was not executed: the reason",
        ),
        (
            outcome(StatementState.GAVE_UP, was_sent=True),
            exceptions.WherobotsSqlException,
            False,
            "Statement e1: the reason",
        ),
        (errors.DataError("unreadable"), exceptions.WherobotsSqlException, False, "unreadable"),
        (errors.ProgrammingError("wrong"), exceptions.WherobotsArgumentException, False, "wrong"),
        (errors.StoppedError("stopped"), exceptions.WherobotsTaskKilledException, True, "stopped"),
        (
            caused(errors.OperationalError, SessionWaitTimeoutError("s1", "PENDING", "too slow", False)),
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
            caused(errors.RefusedError, NotFoundError("op", 404)),
            exceptions.WherobotsSqlSessionException,
            True,
            "the error",
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
def test_each_error_becomes_an_exception_of_its_kind(
    error: errors.Error, kind: type[Exception], is_retried: bool, says: str
) -> None:
    made = failure(error)
    assert isinstance(made, kind)
    assert type(made).__name__ == kind.__name__
    assert isinstance(made, AirflowFailException) is not is_retried
    assert says in str(made)


@pytest.mark.parametrize("error", [errors.InterfaceError("closed"), errors.NotSupportedError("no")])
def test_an_error_of_the_program_stays_what_it_is(error: errors.Error) -> None:
    assert failure(error) is error
