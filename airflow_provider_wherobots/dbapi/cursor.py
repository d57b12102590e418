"""A cursor as PEP 249 describes it, which waits for each statement's end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.api.sql.messages import Store
from airflow_provider_wherobots.dbapi.result_set import ResultSet
from airflow_provider_wherobots.exceptions import WherobotsSqlException, without_retry
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.hooks.sql_failures import InDoubtError, failure_of_hook, in_doubt, refused
from airflow_provider_wherobots.io.base import WriteNote
from airflow_provider_wherobots.messages import words
from airflow_provider_wherobots.sql.parameters import Parameters, bind
from airflow_provider_wherobots.sql.statements import StatementKind, kind_of, masked

if TYPE_CHECKING:
    from airflow_provider_wherobots.dbapi.connection import Connection

STORED = Store("parquet", single=True, presigned_url=True)
"""How a result is stored to be downloaded as a file."""


class Cursor(ResultSet):
    """Executes statements one after the other, and holds the result of the last one.

    :param connection: the connection.
    :param note: takes the statements, and the warning about a result that may be cut.
    :param log_sql: whether statements are noted, with their literals masked; default True.
    :param fails_if_cut: whether a result that may be cut is an error, and not a warning; default False.
    """

    def __init__(
        self, connection: Connection, note: WriteNote, *, log_sql: bool = True, fails_if_cut: bool = False
    ) -> None:
        super().__init__(note, connection.written, fails_if_cut=fails_if_cut)
        self._connection = connection
        self._log_sql = log_sql

    def execute(self, operation: str, parameters: Parameters | None = None) -> Cursor:
        """Execute a statement, and wait for its end.

        :param operation: the statement, one.
        :param parameters: a mapping or a sequence, see :func:`airflow_provider_wherobots.sql.parameters.bind`.
        :returns: this cursor.
        :raises WherobotsArgumentException: if the parameters do not fit; nothing was sent. Not retried.
        :raises WherobotsException: of another kind if it did not succeed.
        """
        self._execute(operation, parameters)
        return self

    def execute_stored(self, operation: str, parameters: Parameters | None = None) -> str | None:
        """Execute a statement whose result is stored in one Parquet file: the way to all rows.

        :param operation: the statement, one.
        :param parameters: see :meth:`execute`.
        :returns: presigned URL of the file; None if the result has no rows, as nothing is stored then.
        :raises WherobotsException: as :meth:`execute` does, and if the address of its result is unknown.
        """
        return self._execute(operation, parameters, STORED).result_uri

    def close(self) -> None:
        """Cancel the statement that still runs, which only an interruption leaves behind, and drop the result."""
        self.clear()
        self._connection.cancel_running()

    def _execute(self, operation: str, parameters: Parameters | None, store: Store | None = None) -> StatementOutcome:
        self.clear()
        with self._written.no_retry():
            statement = self._bound(operation, parameters)
            try:
                kind, outcome = kind_of(statement), self._connection.execute(statement, store)
            except InDoubtError as error:
                doubt, session_id = error.doubt, error.doubt.session_id or self._connection.session_id
                raise without_retry(
                    in_doubt("The statement", doubt.why, doubt.execution_id, session_id, is_final=True)
                ) from error
            if outcome.state is not StatementState.SUCCEEDED:
                may_repeat = kind is not StatementKind.WRITE
                raise failure_of_hook(outcome, self._connection.session_id, may_repeat=may_repeat)
            if store is None:
                self.take(outcome, is_read=kind is StatementKind.READ)
            elif outcome.is_location_lost:
                raise WherobotsSqlException(
                    "the statement succeeded, but the session no longer knows where its result is stored"
                )
        return outcome

    def _bound(self, operation: str, parameters: Parameters | None) -> str:
        if not isinstance(operation, str) or not operation.strip():
            # Without the value, which may hold statements with their literals.
            kind = "is empty" if isinstance(operation, str) else f"is of type {type(operation).__name__}"
            raise refused(f"sql: must be a string that is not empty, but {kind}")
        try:
            statement = bind(operation, parameters)
        except InvalidArgumentError as error:
            raise refused(str(error)) from error
        if self._log_sql:
            self._note(logging.INFO, f"Executing: {words.quoted(masked(operation))}")
        return statement
