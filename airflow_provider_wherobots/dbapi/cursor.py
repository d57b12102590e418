"""A cursor as PEP 249 describes it, which waits for each statement's end."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.api.sql.messages import Store
from airflow_provider_wherobots.dbapi.errors import DataError, InterfaceError, ProgrammingError, StatementError
from airflow_provider_wherobots.drivers.base import WriteNote
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.messages import words
from airflow_provider_wherobots.sql.frames import for_frames, to_pandas, to_polars
from airflow_provider_wherobots.sql.masking import masked
from airflow_provider_wherobots.sql.parameters import Parameters, bind
from airflow_provider_wherobots.sql.reads import is_read
from airflow_provider_wherobots.sql.repeatable import creates_view
from airflow_provider_wherobots.sql.results import (
    MAX_ROWS,
    Column,
    Row,
    UnreadableResultError,
    columns_of,
    read_table,
    rows_of,
)

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from airflow_provider_wherobots.dbapi.connection import Connection

TRUNCATED_WARNING = (
    f"the result has exactly {MAX_ROWS:,} rows, the most that the service returns: it may be truncated. Store the "
    "result in a file to get all rows, or select fewer"
)


STORED = Store("parquet", single=True, presigned_url=True)
"""How a result is stored to be downloaded as a file."""


class Cursor:
    """Executes statements one after the other, and holds the result of the last one.

    :param connection: the connection.
    :param note: takes the statements, and the warning about a result that may be cut.
    :param log_sql: whether statements are noted, with their literals masked; default True.
    """

    arraysize = 1
    """The default number of rows of :meth:`fetchmany`."""

    def __init__(self, connection: Connection, note: WriteNote, *, log_sql: bool = True) -> None:
        self.connection = connection
        self._note = note
        self._log_sql = log_sql
        self._is_closed = False
        self._table: pyarrow.Table | None = None
        self._description: tuple[Column, ...] | None = None
        self._rows: list[Row] | None = None
        self._query_id: str | None = None
        self.may_repeat = False
        """Whether the last statement can be executed again."""

    @property
    def description(self) -> tuple[Column, ...] | None:
        """The columns of the result set; None if the last statement has none, such as DDL."""
        return self._description

    @property
    def rowcount(self) -> int:
        """How many rows the result set has; -1 without one. The service does not count the rows that DML changes."""
        return -1 if self._table is None else int(self._table.num_rows)

    @property
    def query_id(self) -> str | None:
        """The id of the last execution; None before the first."""
        return self._query_id

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

    def take(self, outcome: StatementOutcome, *, is_read: bool) -> None:
        """Hold the result of a statement that another flow has executed. ``is_read``: it must have one."""
        self._check_open()
        self._clear()
        with self.connection.translated(is_read):
            self._take(outcome, is_read)

    def fetchone(self) -> Row | None:
        """The next row; None if there is none left.

        :raises ProgrammingError: as :meth:`fetchall` does.
        """
        rows = self.fetchmany(1)
        return rows[0] if rows else None

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """The next rows.

        :param size: how many at most; default :attr:`arraysize`.
        :raises ProgrammingError: as :meth:`fetchall` does.
        """
        rows = self._remaining()
        wanted = self.arraysize if size is None else size
        self._rows = rows[wanted:]
        return rows[:wanted]

    def fetchall(self) -> list[Row]:
        """All rows that are left; none after a statement without a result set, such as DDL.

        :raises ProgrammingError: if nothing was executed, or the last execution failed or stored its result.
        """
        rows, self._rows = self._remaining(), []
        return rows

    def fetch_pandas(self) -> pandas.DataFrame:
        """The whole result set as a pandas DataFrame; one without columns if there is no result set.

        A BIGINT column with NULL has the type ``Int64``, so that its numbers stay exact. Columns of the same name and
        maps are changed, see :func:`airflow_provider_wherobots.sql.frames.for_frames`.

        :raises ImportError: if pandas is not installed.
        """
        with self._reading():
            return to_pandas(self._frame())

    def fetch_polars(self) -> polars.DataFrame:
        """The whole result set as a polars DataFrame; one without columns if there is no result set.

        Columns of the same name and maps are changed as in :meth:`fetch_pandas`.

        :raises ImportError: if polars is not installed.
        """
        with self._reading():
            return to_polars(self._frame())

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
            with self.connection.translated(self.may_repeat):
                raise DataError("the statement succeeded, but the session no longer knows where its result is stored")
        return outcome.result_uri

    def _execute(
        self, operation: str, parameters: Parameters | None, log_sql: bool, store: Store | None = None
    ) -> StatementOutcome:
        self._check_open()
        self._clear()
        with self.connection.translated():
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
        repeatability = self.connection.repeatability
        self.may_repeat = repeatability.may_repeat(statement)
        writes = not (self.may_repeat or creates_view(statement))
        with self.connection.translated(self.may_repeat):
            try:
                outcome = self.connection.execute(statement, store)
            except Exception:
                raise
            except BaseException:
                # Such as a timeout of the task: the statement may succeed before its cancel.
                repeatability.has_written |= not self.connection.undo_running() and writes
                raise
            may_have_written = outcome.state in (StatementState.SUCCEEDED, StatementState.CANCELLED)
            repeatability.has_written |= may_have_written and writes
            self._take(outcome, is_read(statement) and store is None)
        return outcome

    def _clear(self) -> None:
        self._table = self._description = self._rows = self._query_id = None
        self.may_repeat = False

    def _take(self, outcome: StatementOutcome, is_read: bool) -> None:
        self._query_id = outcome.execution_id
        if outcome.state is not StatementState.SUCCEEDED:
            raise StatementError(outcome, self.connection.session_id)
        try:
            table = read_table(outcome.results)
        except UnreadableResultError as error:
            raise DataError(f"the statement succeeded, but {error}") from error
        if table is None:
            if is_read:
                raise DataError("the statement succeeded, but the session has sent no result")
            self._rows = []
            return
        self._table = table
        self._description = columns_of(table, outcome.results.geo_columns if outcome.results else ())
        if table.num_rows == MAX_ROWS:
            if self.connection.fails_if_cut:
                self._table = self._description = None
                raise DataError(f"the statement succeeded, but on_truncated='fail': {TRUNCATED_WARNING}")
            self._note(logging.WARNING, f"{TRUNCATED_WARNING[0].upper()}{TRUNCATED_WARNING[1:]}")

    def _remaining(self) -> list[Row]:
        self._check_open()
        if self._rows is None:
            if self._table is None:
                with self.connection.translated():
                    raise ProgrammingError(
                        "there are no rows to fetch: nothing was executed, or the last execution failed or stored its "
                        "result in a file"
                    )
            with self._reading():
                self._rows = rows_of(self._table)
        return self._rows

    def _frame(self) -> pyarrow.Table:
        import pyarrow

        self._check_open()
        table, changes = for_frames(pyarrow.table({}) if self._table is None else self._table)
        for change in changes:
            self._note(logging.INFO, change)
        return table

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """The context in which values are read: Python's types do not hold every date that Spark's do."""
        with self.connection.translated(self.may_repeat):
            try:
                yield
            except (ValueError, OverflowError) as error:
                raise DataError(
                    f"the statement succeeded, but a value of its result cannot be read: {error}"
                ) from error

    def _check_open(self) -> None:
        if self._is_closed:
            with self.connection.translated():
                raise InterfaceError("the cursor is closed")

    def __iter__(self) -> Iterator[Row]:
        return iter(self.fetchone, None)

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
