"""The rule of tasks that use the SQL hook: after a write they are not retried, as a retry would write again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_wherobots.compat import (
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTerminated,
    AirflowTaskTimeout,
    is_ended_by_user,
)
from airflow_provider_wherobots.exceptions import (
    WherobotsException,
    WherobotsExecutionTimeoutException,
    WherobotsSqlException,
    without_retry,
)
from airflow_provider_wherobots.messages.unforeseen import reason_of

_WRITTEN = (
    "The task is not retried: one of its statements has written, or may have, and a retry would execute it again. "
    "Check the table"
)


class Written:
    """Whether a task that uses the hook may have written. If so, no failure of it is retried."""

    def __init__(self) -> None:
        self.may_have = False

    @contextmanager
    def no_retry(self) -> Iterator[None]:
        """The context in which an exception becomes one that Airflow does not retry, once the task may have written."""
        try:
            yield
        except (Exception, AirflowTaskTimeout, AirflowTaskTerminated) as error:
            if not self.may_have or isinstance(error, AirflowFailException | AirflowSkipException):
                raise
            if isinstance(error, AirflowTaskTerminated) and is_ended_by_user():
                # The user has said what becomes of the task.
                raise
            if isinstance(error, WherobotsException):
                raise without_retry(type(error)(f"{error}\n{_WRITTEN}")) from error
            is_late = isinstance(error, AirflowTaskTimeout)
            kind = WherobotsExecutionTimeoutException if is_late else WherobotsSqlException
            raise without_retry(kind(f"{reason_of(error)}\n{_WRITTEN}")) from error
