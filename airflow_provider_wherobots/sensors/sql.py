"""The sensor that waits for the first row of a query."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from inspect import unwrap
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_wherobots.api.endpoint import workload_history_url
from airflow_provider_wherobots.compat import (
    RETRY_RESUMES_DEFERRAL,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseOperator,
    BaseSensorOperator,
    Context,
    trigger_at,
)
from airflow_provider_wherobots.exceptions import WherobotsSqlException, WherobotsSqlSessionException
from airflow_provider_wherobots.flows.sql.session import SessionWaitTimeoutError
from airflow_provider_wherobots.hooks.sql import WherobotsSqlHook
from airflow_provider_wherobots.links.sql import WherobotsSqlSessionLink
from airflow_provider_wherobots.operators.sql_task import SqlTask, as_values
from airflow_provider_wherobots.operators.wherobots_task import FAILED_TRIGGER, argument_errors, push
from airflow_provider_wherobots.sensors.run import MIN_RESCHEDULE_SECONDS, NEVER_SKIPPED
from airflow_provider_wherobots.sql.reads import is_read
from airflow_provider_wherobots.stored import ignore_unknown
from airflow_provider_wherobots.tasks.sql_plan import check_session_id
from airflow_provider_wherobots.xcoms import SQL_SESSION_ID_KEY

# Last: if the extra is missing, the hook's module reports it.
from airflow.providers.common.sql.sensors.sql import SqlSensor  # isort: skip

if TYPE_CHECKING:
    from airflow.sdk import XComArg

READY_SECONDS = 15.0
"""How long one poke waits on a worker for a session that starts."""
MAX_DOUBLED_PAUSES = 64
"""How often ``exponential_backoff`` may double a pause: at about a thousand Airflow's sensor fails."""
STARTING_SECONDS = 30.0
"""The delay until the next poke if the session is starting. A session that is ready and not used ends by itself."""


class WherobotsSqlSensor(SqlTask, SqlSensor):
    """Execute a query in a SQL session of Wherobots Cloud again and again, until its first row is as expected.

    Each poke executes the query on a worker. Between two pokes the task is deferred, and no connection to the session
    is open: it holds no worker, and the session can end. After a poke that finds the session starting, the next poke
    follows half a minute later. The query is cancelled if the task is killed.

    Airflow's own arguments mean what they mean in other sensors: ``poke_interval`` (at least 10 s, except with
    ``mode="poke"``), ``timeout``, ``soft_fail``, ``silent_fail``, ``exponential_backoff``. ``mode`` counts with
    ``deferrable=False`` only. ``timeout`` also limits the wait for a session.

    XComs: ``session_id`` and ``session_url``.

    Source: the arguments of ``SqlSensor`` of Airflow's provider common.sql.

    :param sql: the query, or the name of a ``.sql`` file. One statement that only reads.
        Templated.
    :param parameters: values for ``%(name)s`` and ``%s``, and names for ``%(name)i`` and ``%i``, see
        :func:`~airflow_provider_wherobots.sql.parameters.bind`. Templated.
    :param success: takes the selected value, and returns whether the wait is over; default whether the value is true.
    :param failure: takes the selected value, and returns whether the task fails; default None, never.
    :param selector: takes the first row as a tuple, and returns the value; default its first field.
    :param fail_on_empty: whether the task fails if the query returns no row; default False.
    :param wherobots_conn_id: id of the connection; default ``wherobots_default``. Templated.
    :param runtime: runtime of the session, such as ``tiny``; default the connection's, else the organization's.
        Templated.
    :param region: compute region; default the connection's, else the organization's. Templated.
    :param version: Wherobots version; default the connection's, else the latest. Templated.
    :param session_key: only tasks with the same key and the same other arguments share a session; default None.
        Templated.
    :param session_id: id of the session to use; default None, a session is requested. Templated.
    :param shutdown_after_inactive_seconds: how long the session lives after its last client, in seconds; default the
        service's. A time shorter than ``poke_interval`` lets it end between two pokes.
    :param deferrable: whether the task is deferred between two pokes; default ``[wherobots] default_deferrable``, True.
    :raises AirflowSensorTimeout: if ``timeout`` passes. Not retried.
    :raises WherobotsException: the subclass says how the task failed, see
        :mod:`airflow_provider_wherobots.exceptions`.
    """

    template_fields: Sequence[str] = (
        "sql",
        "parameters",
        "wherobots_conn_id",
        "runtime",
        "region",
        "version",
        "session_key",
        "session_id",
    )
    template_ext: Sequence[str] = (".sql",)
    ui_color = "#d5f0e6"
    operator_extra_links = (WherobotsSqlSessionLink(),)
    selector: Callable[[Any], Any]
    _sql_hook: WherobotsSqlHook | None = None
    _began: datetime
    _pokes: int
    _try_number: int
    _is_starting: bool = False
    """Whether the last poke has found the session starting."""

    def __init__(
        self,
        *,
        sql: str | XComArg,
        parameters: Mapping[str, Any] | Sequence[Any] | XComArg | None = None,
        success: Callable[[Any], Any] | None = None,
        failure: Callable[[Any], Any] | None = None,
        selector: Callable[[Any], Any] = itemgetter(0),
        fail_on_empty: bool = False,
        wherobots_conn_id: str = WherobotsSqlHook.default_conn_name,
        runtime: str | Enum | None = None,
        region: str | Enum | None = None,
        version: str | Enum | None = None,
        session_key: str | XComArg | None = None,
        session_id: str | XComArg | None = None,
        shutdown_after_inactive_seconds: int | None = None,
        deferrable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        given: Any = {"sql": sql, "parameters": parameters, "success": success, "failure": failure, **kwargs}
        super().__init__(conn_id=wherobots_conn_id, selector=selector, fail_on_empty=fail_on_empty, **given)
        self.parameters = as_values(self.parameters)
        self.wherobots_conn_id = wherobots_conn_id
        self.session_id = session_id
        self._set_session_arguments(
            runtime=runtime,
            region=region,
            version=version,
            session_key=session_key,
            shutdown_after_inactive_seconds=shutdown_after_inactive_seconds,
            deferrable=deferrable,
        )
        for name in ("success", "failure", "selector"):
            value = getattr(self, name)
            if not callable(value) and (value is not None or name == "selector"):
                raise self._wrong(f"{name}={value!r}: must be a function that takes one value")
        self.is_session_given = session_id is not None
        if not self._holds_worker:
            self.poke_interval = max(self.poke_interval, MIN_RESCHEDULE_SECONDS)

    def execute(self, context: Context) -> Any:
        """Execute the query, and defer until the next poke.

        :param context: the task's context.
        """
        self._poke_and_defer(context, 1, context["ti"].start_date)

    @ignore_unknown
    def execute_after_pause(self, context: Context, event: Any = None, pokes: int = 1, began: str = "") -> Any:
        """Execute the query again, after the triggerer has waited.

        :param context: the task's context.
        :param event: the trigger's event; unused.
        :param pokes: how many pokes there were before; default 1.
        :param began: when the try began, in ISO 8601; default the task instance's start date.
        """
        self._poke_and_defer(context, pokes + 1, datetime.fromisoformat(began) if began else context["ti"].start_date)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral. Start over if there is no event, or if another try has stored the arguments.

        :param next_method: what Airflow calls next; ``__fail__`` after a crash or timeout.
        :param next_kwargs: its arguments.
        :param context: the task's context.
        """
        kept, number = next_kwargs or {}, context["ti"].try_number
        # Airflow 3.0 and 3.1.0 hand a retry the failure of the try before.
        if next_method == FAILED_TRIGGER and not (RETRY_RESUMES_DEFERRAL and number > 1):
            return super().resume_execution(next_method, next_kwargs, context)
        has_event = "event" in kept
        if has_event and kept.get("try_number", number) == number:
            # Not the method of Airflow's sensor: with soft_fail it skips the task after any error.
            return BaseOperator.resume_execution(self, next_method, next_kwargs, context)
        if not (has_event or RETRY_RESUMES_DEFERRAL):
            # As in TaskTry.starts_over.
            self.deferrable, self.mode = False, "poke"
        return self._poke_and_defer(context, 1, datetime.now(UTC))

    def poke(self, context: Context) -> bool:
        """Execute the query once.

        :param context: the task's context.
        :returns: whether the wait is over.
        """
        self._is_starting = False
        if not isinstance(self.sql, str) or not is_read(self.sql):
            raise self._wrong("sql: must be one statement that only reads, as SELECT does")
        with argument_errors(self.task_id):
            check_session_id(self.session_id, is_given=self.is_session_given)
        if not self._holds_worker:
            self.session_wait_timeout = READY_SECONDS
        hook = self._sql_hook = self._make_hook()
        try:
            rows = hook.get_records(self.sql, self.parameters)
        except WherobotsSqlSessionException as error:
            if self._holds_worker or not isinstance(error.__cause__, SessionWaitTimeoutError):
                raise
            self.log.info("The SQL session is starting: the next poke is in %g s", STARTING_SECONDS)
            self._is_starting = True
            return False
        finally:
            self._announce(context, hook)
        if not rows:
            if self.fail_on_empty:
                raise WherobotsSqlException("The query returned no row (fail_on_empty=True)")
            return False
        value = self.selector(rows[0])
        if self.failure is not None and self.failure(value):
            raise WherobotsSqlException(f"failure(value) is true for {value!r}")
        return bool(value if self.success is None else self.success(value))

    def on_kill(self) -> None:
        """Cancel the query that is executed. Airflow calls this in a signal handler."""
        if self._sql_hook is not None:
            self._sql_hook.cancel_running()

    @property
    def _holds_worker(self) -> bool:
        return not self.deferrable and self.mode == "poke"

    def _poke_and_defer(self, context: Context, pokes: int, began: datetime | None) -> None:
        self._began, self._pokes, self._try_number = began or datetime.now(UTC), pokes, context["ti"].try_number
        with self._apply_retry_rules():
            try:
                # Without the decorator of Airflow 2.11, which takes this for a call from outside of a task, and warns.
                unwrap(BaseSensorOperator.execute)(self, context)
            except AirflowSkipException as skipped:
                # With soft_fail or never_fail Airflow's sensor skips the task after errors of poke, even after a kill.
                if isinstance(cause := skipped.__cause__, NEVER_SKIPPED):
                    raise cause from cause.__cause__
                raise

    def _get_next_poke_interval(self, started_at: Any, run_duration: Callable[[], float], poke_count: int) -> float:
        """Airflow's sensor calls this after a poke, to wait on the worker, or for the scheduler."""
        if self.deferrable:
            self._defer_until_next_poke()
        return self._pause(started_at, run_duration, poke_count)

    def _pause(self, *since: Any) -> float:
        if self._is_starting:
            return STARTING_SECONDS
        pause: float = super()._get_next_poke_interval(*since)
        # With exponential_backoff the first pauses, and the one before the timeout, are shorter than poke_interval.
        return pause if self._holds_worker else max(MIN_RESCHEDULE_SECONDS, pause)

    def _defer_until_next_poke(self) -> NoReturn:
        def waited() -> float:
            return (datetime.now(UTC) - self._began).total_seconds()

        if waited() > self.timeout:
            late = f"The query's first row was not as expected within timeout={self.timeout:g} s"
            raise (AirflowSkipException if self.soft_fail or self.never_fail else AirflowSensorTimeout)(late)
        pause = timedelta(seconds=self._pause(self._began, waited, min(self._pokes, MAX_DOUBLED_PAUSES)))
        self.defer(
            trigger=trigger_at(datetime.now(UTC) + pause),
            method_name="execute_after_pause",
            kwargs={"pokes": self._pokes, "began": self._began.isoformat(), "try_number": self._try_number},
        )
        raise AssertionError("a deferral returns")

    def _announce(self, context: Context, hook: WherobotsSqlHook) -> None:
        """Push the id of the session, and the link to it."""
        if hook.session is not None:
            push(self, context, SQL_SESSION_ID_KEY, hook.session.id)
            for key in WherobotsSqlSessionLink().address_keys:
                push(self, context, key, workload_history_url(hook.settings.endpoint.base_url))
