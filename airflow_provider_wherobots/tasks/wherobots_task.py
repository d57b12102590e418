"""What every task of this provider has: its connection, the rules of its arguments, and which failures are retried.

A DAG file imports this, so it imports nothing that only a running task needs. Airflow imports a DAG file's operators
again each time it parses the file. Source: "Top level Python Code" on Airflow's page "Best Practices".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from sys import float_info
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.compat import AirflowFailException, AirflowSkipException, Context
from airflow_provider_wherobots.config import SECTION, Option, configured
from airflow_provider_wherobots.exceptions import (
    NOT_RETRIED,
    WherobotsArgumentException,
    WherobotsException,
    without_retry,
)

if TYPE_CHECKING:
    from airflow_provider_wherobots.compat import BaseOperator
    from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
    from airflow_provider_wherobots.tasks.attempt import Attempt

A = TypeVar("A", bound="Attempt")

if TYPE_CHECKING:

    class Base(BaseOperator, Generic[A]):
        """An operator of Airflow."""
else:
    # As an operator it would hide the arguments of Airflow's operator or sensor.
    Base = Generic


class WherobotsTask(Base[A]):
    """What ``WherobotsRunOperator``, ``WherobotsRunSensor`` and ``WherobotsSqlOperator`` share.

    What a task does in one call from Airflow is in an :class:`~airflow_provider_wherobots.tasks.attempt.Attempt`, of a
    class that only a running task imports.
    """

    deferrable: bool
    max_outage_seconds: float

    _attempt: A | None = None
    """The call from Airflow that is under way, or was last. A kill ends what it has begun."""
    _was_killed = False

    @property
    def wherobots_conn_id(self) -> str:
        """Id of the connection. It is checked each time that it is set: by a DAG file, and once it is rendered."""
        return self._wherobots_conn_id

    @wherobots_conn_id.setter
    def wherobots_conn_id(self, value: str) -> None:
        # The output of another task has references.
        if value in ("", "None") or not (isinstance(value, str) or hasattr(value, "iter_references")):
            raise self._wrong(f"wherobots_conn_id={value!r}: must be the id of a connection")
        self._wherobots_conn_id = value

    @cached_property
    def hook(self) -> WherobotsHook:
        """The hook of this task's connection."""
        from airflow_provider_wherobots.hooks.wherobots import WherobotsHook

        return WherobotsHook(self.wherobots_conn_id)

    def _begin(self, context: Context, make: Callable[[], A]) -> A:
        """The attempt of a call from Airflow, which is made once."""
        attempt = self._attempt
        if attempt is None or attempt.context is not context:
            self._attempt = attempt = make()
            # The signal may come between any two of these lines. It is never lost, and a second kill does nothing.
            if self._was_killed:
                attempt.kill()
        return attempt

    @contextmanager
    def _apply_retry_rules(self) -> Iterator[None]:
        """Fail the task without a retry if a retry cannot help, unless the task says otherwise."""
        try:
            yield
        except KeyboardInterrupt:
            # Ctrl-C in "airflow dags test", which calls no on_kill.
            self.on_kill()
            raise
        except WherobotsException as error:
            if error.__cause__ and str(error.__cause__) in str(error):
                # Airflow would print its text a second time.
                error.__cause__ = None
            if self.may_retry(error) or isinstance(error, AirflowFailException):
                raise
            raise without_retry(error) from error.__cause__

    def may_retry(self, error: BaseException) -> bool:
        """Whether Airflow may retry the task after an exception, if it has retries left."""
        has_policy = getattr(self, "retry_policy", None) is not None
        # A skip is raised by a template or a handler of the user's.
        is_final = isinstance(error, AirflowFailException | AirflowSkipException)
        return not is_final and (has_policy or self._may_retry(error))

    def _may_retry(self, error: BaseException) -> bool:
        """Whether a retry may help."""
        return not isinstance(error, NOT_RETRIED)

    def _seconds(self, option: Option, value: Any) -> float:
        if value is None:
            return self._number(f"[{SECTION}] {option.name}", configured(option), least=option.least)
        return self._number(option.name, value, least=option.least)

    def _number(self, argument: str, value: Any, *, above_0: bool = False, least: float = 0) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        # Excludes infinity and NaN.
        if is_number and least <= value <= float_info.max and (value > 0 or not above_0):
            return float(value)
        allowed = "above 0" if above_0 else f"{least:g} or more"
        raise self._wrong(f"{argument}={value!r}: must be a finite number of seconds, {allowed}")

    def _check_flags(self, *arguments: str) -> None:
        for argument in arguments:
            if not isinstance(value := getattr(self, argument), bool):
                raise self._wrong(f"{argument}={value!r}: must be True or False")

    def _wrong(self, what: str) -> WherobotsException:
        return _wrong_argument(f"{self.task_id}: {what}")


@contextmanager
def argument_errors(task_id: str) -> Iterator[None]:
    """The context in which an ``InvalidArgumentError`` becomes a ``WherobotsArgumentException`` that names the task."""
    try:
        yield
    except InvalidArgumentError as error:
        raise _wrong_argument(f"{task_id}: {error}") from None


def _wrong_argument(text: str) -> WherobotsException:
    # Not by the retry rules: a worker makes a mapped task outside of them.
    return without_retry(WherobotsArgumentException(text))


def refuse_argument(task_id: str, kwargs: Mapping[str, Any], argument: str, instead: str) -> None:
    """Refuse an argument that an operator of Airflow or of Wherobots' package has, and this one has not."""
    if argument in kwargs:
        raise _wrong_argument(f"{task_id}: {argument}: use {instead}")


def is_unrendered(value: Any) -> bool:
    """Whether a value must still be rendered: a template, or the output of another task."""
    if isinstance(value, str):
        return any(opening in value for opening in ("{{", "{%", "{#"))
    return hasattr(value, "iter_references")


class FollowsRun(WherobotsTask[A]):
    """What ``WherobotsRunOperator`` and ``WherobotsRunSensor`` share."""

    poll_logs: bool
    polling_interval: float
    wait_post_run_logs_timeout_seconds: float
    cancel_on_kill: bool
    copy_log_on_resume: bool
    durable: bool = False
    """Whether a retry finds the run of the try before, by what the task remembers."""
    max_pending_seconds: float = 0.0
    """How long the run may be PENDING. 0 is no limit."""
    return_result: bool = False
    """Whether the task returns the run's result instead of its id."""
    without_result: str = "it printed no result, a line that begins with 'airflow-result:'"
    """What is wrong with a log that has no result, in the words of the DAG's author."""

    @property
    def limit(self) -> tuple[str, float | None]:
        """The argument that limits a try, and its seconds; None without a limit."""
        seconds = self.execution_timeout
        return "execution_timeout", None if seconds is None else seconds.total_seconds()
