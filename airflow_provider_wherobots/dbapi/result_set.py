"""The result of a statement, as a cursor of PEP 249 holds it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wherobots.exceptions import WherobotsException, WherobotsSqlException, without_retry
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome
from airflow_provider_wherobots.hooks.sql_failures import Written, refused
from airflow_provider_wherobots.io.base import WriteNote
from airflow_provider_wherobots.sql.results import (
    MAX_ROWS,
    Column,
    ResultTooLargeError,
    Row,
    UnreadableResultError,
    columns_of,
    for_frames,
    for_xcom,
    read_table,
    rows_of,
    to_pandas,
)

if TYPE_CHECKING:
    import pandas
    import pyarrow

TRUNCATED = (
    f"the result has exactly {MAX_ROWS:,} rows, the most that the service returns: it may be truncated. Select fewer, "
    "or store all rows in a file: WherobotsSqlOperator(store=...), or get_df(..., stored=True) of the hook"
)


class ResultSet:
    """The result of one statement. A handler takes it for a cursor.

    :param note: takes the warning about a result that may be cut.
    :param written: what the task has written; default nothing.
    :param fails_if_cut: whether a result that may be cut is an error, and not a warning; default False.
    """

    arraysize = 1
    """The default number of rows of :meth:`fetchmany`."""

    def __init__(self, note: WriteNote, written: Written | None = None, *, fails_if_cut: bool = False) -> None:
        self._note = note
        self._written = written or Written()
        self._fails_if_cut = fails_if_cut
        ResultSet.close(self)

    def close(self) -> None:
        """Drop the result."""
        self.description: tuple[Column, ...] | None = None
        """The columns of the result set; None if the last statement has none, such as DDL."""
        self.query_id: str | None = None
        """The id of the last execution that has succeeded; None without one. Airflow's lineage has it too."""
        self.stored_at: str | None = None
        """The address of its result if that was stored; None if it has no rows."""
        self._table: pyarrow.Table | None = None
        self._rows: list[Row] | None = None
        self._is_read = False

    @property
    def rowcount(self) -> int:
        """How many rows the result set has; -1 without one. The service does not count the rows that DML changes."""
        return -1 if self._table is None else int(self._table.num_rows)

    def take(self, outcome: StatementOutcome, *, is_read: bool) -> None:
        """Hold the result of a statement that has succeeded. ``is_read``: it must have one, and may be executed again.

        :raises WherobotsSqlException: if the result cannot be read, or may be cut and that is an error.
        """
        ResultSet.close(self)
        self._is_read, self.query_id = is_read, outcome.execution_id
        try:
            table = read_table(outcome.results)
        except UnreadableResultError as error:
            raise self._lost(str(error), is_final=isinstance(error, ResultTooLargeError)) from error
        if table is None:
            if is_read:
                raise self._lost("the session has sent no result")
            self._rows = []
            return
        if table.num_rows == MAX_ROWS:
            if self._fails_if_cut:
                raise self._lost(f"{TRUNCATED}. With on_truncated='warn' the task takes these rows", is_final=True)
            self._note(logging.WARNING, f"{TRUNCATED[0].upper()}{TRUNCATED[1:]}")
        self._table, self.description = table, columns_of(table)

    def fetchone(self) -> Row | None:
        """The next row; None if there is none left.

        :raises WherobotsArgumentException: as :meth:`fetchall` does.
        """
        rows = self.fetchmany(1)
        return rows[0] if rows else None

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """The next rows.

        :param size: how many at most; default :attr:`arraysize`.
        :raises WherobotsArgumentException: as :meth:`fetchall` does.
        """
        rows = self._remaining()
        wanted = self.arraysize if size is None else size
        self._rows = rows[wanted:]
        return rows[:wanted]

    def fetchall(self) -> list[Row]:
        """All rows that are left; none after a statement without a result set, such as DDL.

        :raises WherobotsArgumentException: if nothing was executed, or the last execution failed or stored its result.
        """
        rows, self._rows = self._remaining(), []
        return rows

    def fetch_pandas(self) -> pandas.DataFrame:
        """The whole result set as a pandas DataFrame; one without columns if there is no result set.

        A BIGINT column with NULL has the type ``Int64``, so that its numbers stay exact. Columns of the same name and
        maps are changed, see :func:`airflow_provider_wherobots.sql.results.for_frames`.

        :raises ImportError: if pandas is not installed.
        """
        with self._reading():
            return to_pandas(self._table_for_frames())

    def fetch_records(self) -> list[dict[str, Any]]:
        """The whole result set as a list with a dict per row; empty if there is no result set or no row.

        Columns of the same name and maps are changed as by :meth:`fetch_pandas`. Decimals and timestamps are text.
        """
        with self._reading():
            table = self._table_for_frames()
            return [for_xcom(dict(zip(table.column_names, row, strict=True))) for row in rows_of(table)]

    def _table_for_frames(self) -> pyarrow.Table:
        import pyarrow

        table, changes = for_frames(pyarrow.table({}) if self._table is None else self._table)
        for change in changes:
            self._note(logging.INFO, change)
        return table

    def _remaining(self) -> list[Row]:
        if self._rows is None:
            if self._table is None:
                raise refused(
                    "there are no rows to fetch: nothing was executed, or the last execution failed or stored its "
                    "result in a file"
                )
            with self._reading():
                self._rows = rows_of(self._table)
        return self._rows

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """The context in which values are read: Python's types do not hold every date that Spark's do."""
        with self._written.no_retry():
            try:
                yield
            except (ValueError, OverflowError) as error:
                raise self._lost(f"a value of its result cannot be read: {error}") from error

    def _lost(self, why: str, *, is_final: bool = False) -> WherobotsException:
        """The exception for a result that cannot be had. A retry would execute again what has succeeded.

        ``is_final``: a retry could not have it either.
        """
        error = WherobotsSqlException(f"the statement succeeded, but {why}")
        return error if self._is_read and not is_final else without_retry(error)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.fetchone, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
