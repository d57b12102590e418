"""The sensor that waits for a run that something else has started, or will start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from inspect import unwrap
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.api.connection import DEFAULT_CONN_ID
from airflow_provider_wherobots.compat import (
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseOperator,
    BaseSensorOperator,
    PokeReturnValue,
    TaskDeferralError,
)
from airflow_provider_wherobots.config import (
    COPY_LOG_ON_RESUME,
    DEFAULT_DEFERRABLE,
    MAX_OUTAGE_SECONDS,
    POLLING_INTERVAL,
    WAIT_POST_RUN_LOGS,
    configured,
)
from airflow_provider_wherobots.exceptions import (
    WherobotsArgumentException,
    WherobotsException,
    WherobotsRunFailedException,
    WherobotsRunTimedOutException,
    WherobotsTaskKilledException,
)
from airflow_provider_wherobots.links.run import WherobotsRunLink, WherobotsSparkUiLink
from airflow_provider_wherobots.operators.wherobots_task import (
    FAILED_TRIGGER,
    TRIGGER_TIMEOUT,
    is_unrendered,
)
from airflow_provider_wherobots.runs.poll_delays import MIN_POLL_SECONDS
from airflow_provider_wherobots.sensors.awaits_run import AwaitsRun
from airflow_provider_wherobots.stored import ignore_unknown

if TYPE_CHECKING:
    from airflow.sdk import XComArg

    from airflow_provider_wherobots.compat import Context
    from airflow_provider_wherobots.tasks.sensor_try import SensorTry

MIN_RESCHEDULE_SECONDS = 10.0
"""The shortest delay between two pokes with ``mode="reschedule"``.

Until the scheduler has handled the executor's report of one poke, it takes that report for the end of the next one, and
fails the task (apache/airflow issue 67287).
"""
NEVER_SKIPPED = (WherobotsArgumentException, WherobotsTaskKilledException)
"""What fails a task with ``soft_fail`` or ``never_fail`` too."""
_FINAL = (WherobotsRunFailedException, WherobotsRunTimedOutException)


class WherobotsRunSensor(AwaitsRun, BaseSensorOperator):
    """Wait for the end of a run that this task did not start, and succeed or fail as the run does.

    The run is given by its id, such as the id that a ``WherobotsRunOperator`` with ``wait_for_completion=False``
    returns, or by its name. A named run need not exist yet: the sensor waits for it, takes the newest run of that name,
    and follows it. It starts no run, and cancels none unless ``cancel_on_kill=True``. Returns the run's id.

    XComs and links are the same as for ``WherobotsRunOperator``: ``run_id`` and ``run_url`` as soon as the run is
    found, ``spark_ui_url`` as soon as it is known, ``run_summary`` at the end, and with ``poll_logs`` ``result``, if
    the script printed one.

    Airflow's own arguments mean what they mean in other sensors. ``timeout`` (seconds; default
    ``[sensors] default_timeout``, 7 days) limits each try, from its start to the run's end. With ``soft_fail=True`` or
    ``never_fail=True`` the task is skipped where it would fail. ``mode="reschedule"`` counts with ``deferrable=False``
    only.

    :param run_id: the run's id. Give either this or ``run_name``. Templated.
    :param run_name: the run's name, or the ``name`` of the ``WherobotsRunOperator`` that creates it. 8 to 255
        characters of ``[A-Za-z0-9_.-]``. Templated.
    :param created_after: with ``run_name``: runs created before it do not count. A datetime, or ISO 8601 text; without
        an offset it is UTC. Default: a minute before the DAG run was due. Templated.
    :param wherobots_conn_id: id of the connection; default ``wherobots_default``. Templated.
    :param poll_logs: whether the run's log goes into the task log; default False.
    :param polling_interval: the longest delay between two polls in seconds, 2 or more; default ``poke_interval``, else
        ``[wherobots] polling_interval``, 30. The delay starts at 6 s, and grows by one for every two minutes waited.
    :param poke_interval: the same, by the name it has in other sensors, but below 2 s it counts as 2 s; with
        ``mode="reschedule"`` the delay between two pokes, which is at least 10 s. A number of seconds or a timedelta.
    :param wait_post_run_logs_timeout_seconds: how long to wait for late log lines after the end, in seconds; default
        ``[wherobots] wait_post_run_logs_timeout_seconds``, 60.
    :param deferrable: whether the triggerer waits, so that no worker is held; default
        ``[wherobots] default_deferrable``, True.
    :param cancel_on_kill: whether a kill or timeout of the task cancels the run; default False.
    :param max_outage_seconds: how long the service may be unreachable before the task gives up, in seconds; default
        ``[wherobots] max_outage_seconds``, 600.
    :raises AirflowSensorTimeout: if ``timeout`` passes. Not retried.
    :raises WherobotsException: the subclass says how the task failed. The failure of a run that is given by its id is
        not retried, because its status is final.
    """

    template_fields: Sequence[str] = ("run_id", "run_name", "created_after", "wherobots_conn_id")
    ui_color = "#d5f0e6"
    operator_extra_links = (WherobotsRunLink(), WherobotsSparkUiLink())
    _this_try: SensorTry | None = None
    """The try that Airflow's sensor pokes."""

    def __init__(
        self,
        *,
        run_id: str | XComArg | None = None,
        run_name: str | XComArg | None = None,
        created_after: datetime | str | XComArg | None = None,
        wherobots_conn_id: str = DEFAULT_CONN_ID,
        poll_logs: bool = False,
        polling_interval: float | None = None,
        poke_interval: timedelta | float | None = None,
        wait_post_run_logs_timeout_seconds: float | None = None,
        deferrable: bool | None = None,
        cancel_on_kill: bool = False,
        max_outage_seconds: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs if poke_interval is None else {**kwargs, "poke_interval": poke_interval})
        self.run_id = run_id
        self.run_name = run_name
        self.created_after = created_after
        self.wherobots_conn_id = wherobots_conn_id
        self.poll_logs = poll_logs
        if polling_interval is None and poke_interval is not None:
            # Airflow has checked it, and allows 0.
            polling_interval = max(self.poke_interval, MIN_POLL_SECONDS)
        self.polling_interval = self._seconds(POLLING_INTERVAL, polling_interval)
        if poke_interval is None:
            self.poke_interval = self.polling_interval
        if self.mode == "reschedule":
            self.poke_interval = max(self.poke_interval, MIN_RESCHEDULE_SECONDS)
        self.wait_post_run_logs_timeout_seconds = self._seconds(WAIT_POST_RUN_LOGS, wait_post_run_logs_timeout_seconds)
        self.deferrable = configured(DEFAULT_DEFERRABLE) if deferrable is None else deferrable
        self.cancel_on_kill = cancel_on_kill
        self.max_outage_seconds = self._seconds(MAX_OUTAGE_SECONDS, max_outage_seconds)
        self.copy_log_on_resume = configured(COPY_LOG_ON_RESUME)
        self._check_flags("poll_logs", "deferrable", "cancel_on_kill")
        self.check_arguments(is_unrendered)

    def execute(self, context: Context) -> Any:
        """Find the run and wait for its end.

        :param context: the task's context.
        :returns: the run's id.
        """
        with self._apply_sensor_rules():
            return self._begin_try(self._new_try(context))

    @ignore_unknown
    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> Any:
        """Finish the task after the trigger has followed the run.

        :param context: the task's context.
        :param event: the trigger's event.
        :returns: the run's id.
        """
        with self._apply_sensor_rules():
            return self._new_try(context).resume_with(event)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral. If the trigger failed, finish with the run's outcome if it has ended.

        :param next_method: what Airflow calls next; ``__fail__`` after a crash or timeout.
        :param next_kwargs: its arguments.
        :param context: the task's context.
        """
        with self._apply_sensor_rules():
            this_try = self._new_try(context)
            if this_try.starts_over(next_method, next_kwargs):
                return self._begin_try(this_try)
            if next_method == FAILED_TRIGGER:
                timed_out = str((next_kwargs or {}).get("error")) == TRIGGER_TIMEOUT
                if (outcome := this_try.outcome_after_trigger_failure(timed_out)) is not None:
                    return this_try.finish_resumed(outcome)
            # Not the method of Airflow's sensor: its rules are applied here, alike on every version, with the reason.
            return BaseOperator.resume_execution(self, next_method, next_kwargs, context)

    def poke(self, context: Context) -> PokeReturnValue:
        """Check the run once, with ``mode="reschedule"``: Airflow's sensor calls this, and frees the worker in between.

        :param context: the task's context.
        :returns: whether the run has completed, and its id.
        """
        with self._apply_sensor_rules():
            return PokeReturnValue(*(self._this_try or self._new_try(context)).check_once())

    def _get_next_poke_interval(self, *since: Any) -> float:
        # With exponential_backoff it can be shorter than poke_interval.
        pause: float = super()._get_next_poke_interval(*since)
        return max(MIN_RESCHEDULE_SECONDS, pause) if self.mode == "reschedule" else pause

    def _begin_try(self, this_try: SensorTry) -> Any:
        self.check_arguments()
        if not self.deferrable and self.mode == "reschedule":
            self._this_try = this_try
            # Without the decorator of Airflow 2.11, which takes this for a call from outside of a task, and warns.
            try:
                return unwrap(BaseSensorOperator.execute)(self, this_try.context)
            except AirflowSkipException as skipped:
                # Airflow's sensor skips for any error that poke raises.
                if isinstance(cause := skipped.__cause__, NEVER_SKIPPED):
                    raise cause from cause.__cause__
                raise
        return this_try.begin()

    def _new_try(self, context: Context) -> SensorTry:
        from airflow_provider_wherobots.tasks.sensor_try import SensorTry

        return SensorTry(self, context, self._attempt)

    def _may_retry(self, error: BaseException) -> bool:
        # By name, a retry may find a newer run.
        return super()._may_retry(error) and (self.run_name is not None or not isinstance(error, _FINAL))

    @contextmanager
    def _apply_sensor_rules(self) -> Iterator[None]:
        """Apply the retry rules. With ``soft_fail`` or ``never_fail`` skip the task where it would fail."""
        try:
            with self._apply_retry_rules():
                yield
        except NEVER_SKIPPED:
            raise
        except (WherobotsException, AirflowSensorTimeout, TaskDeferralError) as error:
            flag = "soft_fail" if self.soft_fail else "never_fail"
            if not getattr(self, flag):
                raise
            self.log.warning("Skipping the task (%s=True): %s", flag, error)
            raise AirflowSkipException(f"{flag}=True: {error}") from error
