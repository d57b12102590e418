"""The value that a task returns, made of the results of its statements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots import words
from airflow_provider_wherobots.compat import mask_secret
from airflow_provider_wherobots.dbapi.connection import ResultSet
from airflow_provider_wherobots.exceptions import WherobotsSqlException
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome

if TYPE_CHECKING:
    from airflow_provider_wherobots.operators.sql_task import SqlTask


class SqlResults:
    """The results of a task's statements so far."""

    def __init__(self, task: SqlTask) -> None:
        self._task = task
        self._values: list[Any] = []
        self._descriptions: list[Any] = []
        self.rows: int | None = None
        """How many rows the last result has; None without a result."""

    @property
    def is_holding(self) -> bool:
        """Whether this process holds results that the task returns. A deferral would lose them."""
        return any(value is not None for value in self._values)

    def add_none(self, count: int) -> None:
        """Add statements without a result."""
        self._values += [None] * count
        self._descriptions += [None] * count

    def add(self, outcome: StatementOutcome, *, is_read: bool) -> None:
        """Read the result of a statement that has succeeded."""
        found = ResultSet(self._task.log.log, fails_if_cut=self._task.on_truncated == "fail")
        found.take(outcome, is_read=is_read)
        self.rows = found.rowcount if found.description else None
        self._values.append(_value(found, self._task.handler))
        self._descriptions.append(found.description)

    def value(self, last: StatementOutcome) -> Any:
        """The value that the task returns. ``last`` is the outcome of its last statement."""
        task = self._task
        if task.store is not None:
            return self._address(last)
        if not task._should_run_output_processing():
            return None
        if task.returns_one:
            return task._process_output(self._values[-1:], self._descriptions[-1:])[-1]
        return task._process_output(self._values, self._descriptions)

    def _address(self, last: StatementOutcome) -> str | None:
        log, store = self._task.log, self._task.checked_store()
        if last.result_uri is None:
            if last.is_location_lost:
                raise WherobotsSqlException(
                    "The last statement has succeeded and its result is stored, but the session no longer knows where"
                )
            log.info("The result has no rows, so nothing was stored: the task returns None")
            return None
        size = "" if last.size is None else f" ({words.size(last.size)})"
        if store is not None and store.presigned_url:
            # Everyone who knows the URL can read the file.
            mask_secret(last.result_uri)
            log.info("The result is stored%s; its presigned URL is what the task returns", size)
        else:
            log.info("The result is stored at %s%s", words.quoted(last.result_uri), size)
        return last.result_uri


def _value(found: ResultSet, handler: Any) -> Any:
    """What a task returns of a result."""
    if callable(handler):
        return handler(found)
    if found.description is None:
        return None
    return found.fetch_records() if handler == "records" else found.fetch_pandas()
