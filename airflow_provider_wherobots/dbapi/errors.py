"""The exceptions of PEP 249."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from airflow_provider_wherobots.api.errors import reduced
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome


class Error(Exception):
    """Base class of all errors of this package."""

    __reduce__ = reduced


class InterfaceError(Error):
    """A closed connection or cursor is used."""


class DatabaseError(Error):
    """An error of the session or of a statement."""


class DataError(DatabaseError):
    """A result cannot be read."""


class OperationalError(DatabaseError):
    """There is no session, or the connection to it failed. Its ``__cause__`` is the reason."""


class RefusedError(OperationalError):
    """The session is ready, but refuses the connection. Its ``__cause__`` is the reason."""


class StoppedError(OperationalError):
    """The process is being stopped, so the connection neither sends nor waits any more."""


class ProgrammingError(DatabaseError):
    """Parameters do not fit the statement, and nothing was sent; or there is no result to fetch rows from."""


class NotSupportedError(DatabaseError):
    """The service has no such feature."""


class StatementError(DatabaseError):
    """A statement did not succeed.

    :param outcome: how it ended.
    :param session_id: id of its session; default empty.
    """

    def __init__(self, outcome: StatementOutcome, session_id: str = "") -> None:
        super().__init__(outcome.message or f"the statement has ended as {outcome.state}")
        self.outcome = outcome
        self.session_id = session_id


Failure: TypeAlias = Callable[[Error, bool], Exception]
"""Makes the exception to raise of one of this module's, and of whether its statement can be executed again."""


@contextmanager
def translated(failure: Failure | None, may_repeat: bool = False) -> Iterator[None]:
    """The context in which errors become the exceptions of the connection's owner."""
    try:
        yield
    except Error as error:
        if failure is None:
            raise
        raise failure(error, may_repeat) from error.__cause__
