"""What every task of this provider has: its connection, its XComs, a kill, and which failures are retried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from sys import float_info
from typing import TYPE_CHECKING, Any

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

    Base = BaseOperator
else:
    # As an operator it would hide the arguments of Airflow's operator or sensor.
    Base = object

DEFER_MARGIN_SECONDS = 120.0
"""How long after the trigger's deadline Airflow's deferral timeout comes, as a backstop for a dead triggerer."""
FAILED_TRIGGER = "__fail__"
"""``next_method`` with which Airflow resumes a task whose trigger crashed or timed out."""
TRIGGER_TIMEOUT = "Trigger timeout"
"""The ``error`` that Airflow passes if the deferral timed out (``TriggerFailureReason``)."""


class WherobotsTask(Base):
    """What ``WherobotsRunOperator``, ``WherobotsRunSensor`` and the operators of SQL share."""

    deferrable: bool

    _made_attempt: Any = None
    _was_killed: bool = False

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

    @property
    def _attempt(self) -> Any:
        """The object that makes this try's calls, and that a kill stops. A subclass decides its class."""
        if self._made_attempt is None:
            self._made_attempt = self._make_attempt()
            # The signal may come between any two of these lines. It is never lost, and a second kill does nothing.
            if self._was_killed:
                self._made_attempt.kill()
        return self._made_attempt

    def _make_attempt(self) -> Attempt:
        raise NotImplementedError

    def on_kill(self) -> None:
        """Stop, and end what the task has begun: cancel its run or statement, and stop a session of its own.

        Airflow calls this in a signal handler, seconds before it ends the process.
        """
        # Imports nothing, because a signal handler calls this.
        self._was_killed = True
        if self._made_attempt is not None:
            self._made_attempt.kill()

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


def push(task: WherobotsTask, context: Context, key: str, value: Any) -> None:
    """Push an XCom. A failure is logged, and does not fail the task."""
    try:
        context["ti"].xcom_push(key=key, value=value)
    except Exception as error:
        from airflow_provider_wherobots.words import reason_of

        task.log.warning("XCom %s could not be pushed: %s", key, reason_of(error))


def pull(task: WherobotsTask, context: Context, key: str) -> Any:
    """Pull an XCom of this task instance. None if there is none."""
    return context["ti"].xcom_pull(task_ids=task.task_id, key=key, map_indexes=context["ti"].map_index)


def deadline_margin(execution_timeout: float) -> float:
    """How long before ``execution_timeout`` the provider gives up, in seconds."""
    return min(15.0, max(2.0, execution_timeout * 0.05))
