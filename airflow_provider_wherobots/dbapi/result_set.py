"""The result of a statement, as a cursor of PEP 249 holds it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Self

from airflow_provider_wherobots.dbapi.errors import DataError, Failure, ProgrammingError, StatementError, translated
from airflow_provider_wherobots.drivers.base import WriteNote
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.sql.frames import for_frames, to_pandas, to_polars
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

TRUNCATED_WARNING = (
    f"the result has exactly {MAX_ROWS:,} rows, the most that the service returns: it may be truncated. Store the "
    "result in a file to get all rows, or select fewer"
)


class ResultSet:
    """The result of one statement. A handler takes it for a cursor.

    :param note: takes the warning about a result that may be cut.
    :param failure: makes the exception to raise, see :class:`~airflow_provider_wherobots.dbapi.connection.Connection`.
    :param fails_if_cut: whether a result that may be cut is an error, and not a warning; default False.
    """

    arraysize = 1
    """The default number of rows of :meth:`fetchmany`."""

    def __init__(self, note: WriteNote, failure: Failure | None = None, *, fails_if_cut: bool = False) -> None:
        self._note = note
        self._failure = failure
        self._fails_if_cut = fails_if_cut
        self._table: pyarrow.Table | None = None
        self._description: tuple[Column, ...] | None = None
        self._rows: list[Row] | None = None
        self._query_id: str | None = None
        self.may_repeat = False
        """Whether the statement can be executed again."""

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

    def take(self, outcome: StatementOutcome, *, is_read: bool) -> None:
        """Hold the result of a statement. ``is_read``: it must have one.

        :raises StatementError: if it did not succeed.
        :raises DataError: if the result cannot be read, or may be cut and that is an error.
        """
        self._check_open()
        self._clear()
        with self._translated(is_read):
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
        """Drop the result."""
        self._clear()

    def _clear(self) -> None:
        self._table = self._description = self._rows = self._query_id = None
        self.may_repeat = False

    def _take(self, outcome: StatementOutcome, is_read: bool) -> None:
        self._query_id = outcome.execution_id
        if outcome.state is not StatementState.SUCCEEDED:
            raise StatementError(outcome, self._session_id)
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
            if self._fails_if_cut:
                self._table = self._description = None
                raise DataError(f"the statement succeeded, but on_truncated='fail': {TRUNCATED_WARNING}")
            self._note(logging.WARNING, f"{TRUNCATED_WARNING[0].upper()}{TRUNCATED_WARNING[1:]}")

    def _remaining(self) -> list[Row]:
        self._check_open()
        if self._rows is None:
            if self._table is None:
                with self._translated():
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
        with self._translated(self.may_repeat):
            try:
                yield
            except (ValueError, OverflowError) as error:
                raise DataError(
                    f"the statement succeeded, but a value of its result cannot be read: {error}"
                ) from error

    def _translated(self, may_repeat: bool = False) -> AbstractContextManager[None]:
        return translated(self._failure, may_repeat)

    @property
    def _session_id(self) -> str:
        return ""

    def _check_open(self) -> None:
        """A result set is never closed."""

    def __iter__(self) -> Iterator[Row]:
        return iter(self.fetchone, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
