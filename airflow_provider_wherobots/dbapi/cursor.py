"""A cursor as PEP 249 describes it, which waits for each statement's end."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.api.sql.messages import Store
from airflow_provider_wherobots.dbapi.errors import DataError, InterfaceError, ProgrammingError
from airflow_provider_wherobots.dbapi.result_set import ResultSet
from airflow_provider_wherobots.drivers.base import WriteNote
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.messages import words
from airflow_provider_wherobots.sql.masking import masked
from airflow_provider_wherobots.sql.parameters import Parameters, bind
from airflow_provider_wherobots.sql.reads import StatementKind, is_read, kind_of

if TYPE_CHECKING:
    from airflow_provider_wherobots.dbapi.connection import Connection

STORED = Store("parquet", single=True, presigned_url=True)
"""How a result is stored to be downloaded as a file."""


class Cursor(ResultSet):
    """Executes statements one after the other, and holds the result of the last one.

    :param connection: the connection.
    :param note: takes the statements, and the warning about a result that may be cut.
    :param log_sql: whether statements are noted, with their literals masked; default True.
    """

    def __init__(self, connection: Connection, note: WriteNote, *, log_sql: bool = True) -> None:
        super().__init__(note, connection.failure, fails_if_cut=connection.fails_if_cut)
        self.connection = connection
        self._log_sql = log_sql
        self._is_closed = False

    @property
    def _session_id(self) -> str:
        return self.connection.session_id

    def execute(self, operation: str, parameters: Parameters | None = None) -> Cursor:
        """Execute a statement, and wait for its end.

        :param operation: the statement, one.
        :param parameters: a mapping or a sequence, see :func:`airflow_provider_wherobots.sql.parameters.bind`.
        :returns: this cursor.
        :raises ProgrammingError: if the parameters do not fit; nothing was sent.
        :raises StatementError: if it did not succeed.
        :raises OperationalError: if the connection failed.
        """
        self._execute(operation, parameters, self._log_sql)
        return self

    def executemany(self, operation: str, seq_of_parameters: Iterable[Parameters]) -> None:
        """Execute a statement once for each set of parameters. It leaves no result set.

        :param operation: the statement.
        :param seq_of_parameters: the sets of parameters.
        """
        for index, parameters in enumerate(seq_of_parameters):
            self._execute(operation, parameters, self._log_sql and index == 0)
        self._clear()
        self._rows = []

    def close(self) -> None:
        """Cancel the statement that still runs, which only an interruption leaves behind, and drop the result."""
        if not self._is_closed:
            self._is_closed = True
            self._clear()
            self.connection.cancel_running()

    def setinputsizes(self, sizes: Sequence[Any]) -> None:
        """Do nothing, as PEP 249 allows."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Do nothing, as PEP 249 allows."""

    def execute_stored(self, operation: str, parameters: Parameters | None = None) -> str | None:
        """Execute a statement whose result is stored in one Parquet file: the way to all rows.

        :param operation: the statement, one.
        :param parameters: see :meth:`execute`.
        :returns: presigned URL of the file; None if the result has no rows, as nothing is stored then.
        :raises DataError: if the statement succeeded, but the address of its result is unknown.
        :raises Error: as :meth:`execute` does.
        """
        outcome = self._execute(operation, parameters, self._log_sql, STORED)
        self._rows = None
        if outcome.is_location_lost:
            with self._translated(self.may_repeat):
                raise DataError("the statement succeeded, but the session no longer knows where its result is stored")
        return outcome.result_uri

    def _execute(
        self, operation: str, parameters: Parameters | None, log_sql: bool, store: Store | None = None
    ) -> StatementOutcome:
        self._check_open()
        self._clear()
        with self._translated():
            if not isinstance(operation, str) or not operation.strip():
                # Without the value, which may hold statements with their literals.
                kind = "is empty" if isinstance(operation, str) else f"is of type {type(operation).__name__}"
                raise ProgrammingError(f"sql: must be a string that is not empty, but {kind}")
            try:
                statement = bind(operation, parameters)
            except InvalidArgumentError as error:
                raise ProgrammingError(str(error)) from error
            if log_sql:
                self._note(logging.INFO, f"Executing: {words.quoted(masked(operation))}")
        self.may_repeat = kind_of(statement) is not StatementKind.WRITE
        written = self.connection.written
        with self._translated(self.may_repeat):
            try:
                outcome = self.connection.execute(statement, store)
            except Exception:
                raise
            except BaseException:
                # Such as a timeout of the task: the statement may succeed before its cancel.
                written.may_have |= not self.connection.undo_running() and not self.may_repeat
                raise
            may_have_written = outcome.state in (StatementState.SUCCEEDED, StatementState.CANCELLED)
            written.may_have |= may_have_written and not self.may_repeat
            self._take(outcome, is_read(statement) and store is None)
        return outcome

    def _check_open(self) -> None:
        if self._is_closed:
            with self._translated():
                raise InterfaceError("the cursor is closed")
