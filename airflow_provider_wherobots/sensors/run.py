"""The sensor that waits for a run that something else has started, or will start."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from inspect import unwrap
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.runs.lookup import check_run_id, moment_of
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.api.runs.payload import check_run_name
from airflow_provider_wherobots.compat import (
    AIRFLOW,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseOperator,
    BaseSensorOperator,
    Context,
    PokeReturnValue,
    TaskDeferralError,
    delete_xcom,
)
from airflow_provider_wherobots.config import DEFAULT_DEFERRABLE, MAX_OUTAGE_SECONDS, POLLING_INTERVAL, configured
from airflow_provider_wherobots.exceptions import (
    WherobotsArgumentException,
    WherobotsException,
    WherobotsRequestException,
    WherobotsRunFailedException,
    WherobotsRunTimedOutException,
    WherobotsTaskKilledException,
    WherobotsUnavailableException,
)
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.follow import MIN_DELAY_SECONDS, FollowOptions
from airflow_provider_wherobots.flows.named_run import NamedRun, await_run, get_created_run
from airflow_provider_wherobots.flows.outcome import Ending, Outcome
from airflow_provider_wherobots.flows.unforeseen import reason_of
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from airflow_provider_wherobots.links.run import WherobotsRunLink, WherobotsSparkUiLink
from airflow_provider_wherobots.operators.airflow_3_0 import forget_earlier_try, is_resumed_retry, remember_deferral
from airflow_provider_wherobots.operators.follows_run import (
    EXCEPTIONS,
    FollowsRun,
    defer_timeout,
)
from airflow_provider_wherobots.operators.payload import is_unrendered, naming
from airflow_provider_wherobots.operators.wherobots_task import (
    DEFER_MARGIN_SECONDS,
    FAILED_TRIGGER,
    TRIGGER_TIMEOUT,
    deadline_margin,
)
from airflow_provider_wherobots.triggers.named_run import WherobotsNamedRunTrigger
from airflow_provider_wherobots.triggers.run import WherobotsRunTrigger
from airflow_provider_wherobots.triggers.sensor import WherobotsSensorTrigger
from airflow_provider_wherobots.xcoms import RESULT_KEY, RUN_ID_KEY, RUN_SUMMARY_KEY, RUN_URL_KEY

if TYPE_CHECKING:
    from airflow.sdk import XComArg

CLOCK_MARGIN_SECONDS = 60.0
"""How far the service's clock may be behind Airflow's, so that a run of this DAG run is still found by its name."""
DUE = f"{{{{ dag_run.run_after - macros.timedelta(seconds={CLOCK_MARGIN_SECONDS:g}) }}}}"
"""The default of ``created_after`` as a template, for a task that starts in the triggerer."""
MIN_RESCHEDULE_SECONDS = 10.0
"""The shortest delay between two looks with ``mode="reschedule"``.

Until the scheduler has handled the executor's report of one look, it takes that report for the end of the next one, and
fails the task (apache/airflow issue 67287).
"""
_FINAL = (WherobotsRunFailedException, WherobotsRunTimedOutException)


class WherobotsRunSensor(FollowsRun, BaseSensorOperator):
    """Wait for the end of a run that this task did not start, and succeed or fail as the run does.

    The run is known by its id, such as that of a ``WherobotsRunOperator`` with ``wait_for_completion=False``, or by its
    name. By name it need not exist yet: the sensor waits for it, takes the newest one, and follows that. It starts no
    run, and cancels none unless ``cancel_on_kill=True``. Returns the run's id.

    XComs and links are those of ``WherobotsRunOperator``: ``run_id`` and ``run_url`` as soon as the run is found,
    ``spark_ui_url`` as soon as it is known, ``run_summary`` at the end, and ``result``, if the script printed one.

    Airflow's own arguments mean what they mean in other sensors. ``timeout`` (seconds; default
    ``[sensors] default_timeout``, 7 days) limits each try, from its start to the run's end. With ``soft_fail=True`` or
    ``never_fail=True`` the task is skipped where it would fail. ``mode="reschedule"`` counts with ``deferrable=False``
    only.

    :param run_id: the run's id. Give either this or ``run_name``. Templated.
    :param run_name: the run's name, or the ``name`` of the ``WherobotsRunOperator`` that creates it. 8 to 255
        characters of ``[A-Za-z0-9_.-]``. Templated.
    :param created_after: with ``run_name``: runs created before it do not count. A datetime, or ISO 8601 text; without
        an offset it is UTC. Default: a minute before the DAG run was due. Templated.
    :param wherobots_conn_id: id of the connection; default ``wherobots_default``.
    :param poll_logs: whether the run's log goes into the task log; default False.
    :param polling_interval: the longest delay between two polls in seconds, above 0; default ``poke_interval``, else
        ``[wherobots] polling_interval``, 30. The delay starts at 2 s, or 5 s if the wait for late log lines hides
        that; it is never below 2 s, and grows with the wait.
    :param poke_interval: the same, by the name it has in other sensors; with ``mode="reschedule"`` the delay between
        two looks, which is at least 10 s. A number of seconds or a timedelta.
    :param wait_post_run_logs_timeout_seconds: how long to wait for late log lines after the end, in seconds; default
        60.
    :param deferrable: whether the triggerer waits, so that no worker is held; default
        ``[wherobots] default_deferrable``, True.
    :param cancel_on_kill: whether a kill or timeout of the task cancels the run; default False.
    :param max_outage_seconds: how long the service may be unreachable before the task gives up, in seconds; default
        ``[wherobots] max_outage_seconds``, 600.
    :param start_from_trigger: whether the task starts in the triggerer, without a worker; default False. The worker
        starts it all the same before Airflow 3.3, in a mapped task, and if a template reads an XCom.
    :raises AirflowSensorTimeout: if ``timeout`` passes. Not retried.
    :raises WherobotsException: the subclass says how the task failed. The failure of a run that is given by its id is
        not retried, because its status is final.
    """

    template_fields: Sequence[str] = ("run_id", "run_name", "created_after")
    ui_color = "#d5f0e6"
    operator_extra_links = (WherobotsRunLink(), WherobotsSparkUiLink())

    def __init__(
        self,
        *,
        run_id: str | XComArg | None = None,
        run_name: str | XComArg | None = None,
        created_after: datetime | str | XComArg | None = None,
        wherobots_conn_id: str = WherobotsHook.default_conn_name,
        poll_logs: bool = False,
        polling_interval: float | None = None,
        poke_interval: timedelta | float | None = None,
        wait_post_run_logs_timeout_seconds: float = 60,
        deferrable: bool | None = None,
        cancel_on_kill: bool = False,
        max_outage_seconds: float | None = None,
        start_from_trigger: bool = False,
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
            polling_interval = max(self.poke_interval, MIN_DELAY_SECONDS)
        self.polling_interval = self._seconds(POLLING_INTERVAL, polling_interval, above_0=True)
        if poke_interval is None:
            self.poke_interval = self.polling_interval
        if self.mode == "reschedule":
            self.poke_interval = max(self.poke_interval, MIN_RESCHEDULE_SECONDS)
        self.wait_post_run_logs_timeout_seconds = self._number(
            "wait_post_run_logs_timeout_seconds", wait_post_run_logs_timeout_seconds
        )
        self.deferrable = configured(DEFAULT_DEFERRABLE) if deferrable is None else deferrable
        self.cancel_on_kill = cancel_on_kill
        self.max_outage_seconds = self._seconds(MAX_OUTAGE_SECONDS, max_outage_seconds)
        self.start_from_trigger = start_from_trigger
        for argument in ("poll_logs", "deferrable", "cancel_on_kill", "start_from_trigger"):
            if not isinstance(value := getattr(self, argument), bool):
                raise self._wrong(f"{argument}={value!r}: must be True or False")
        self._check_arguments(is_unrendered)
        can_start = self.deferrable and AIRFLOW >= (3, 3)
        self.start_from_trigger = start_from_trigger and can_start and not self._needs_xcom
        if self.start_from_trigger:
            self.start_trigger_args = self._start_trigger_args()

    def execute(self, context: Context) -> Any:
        """Find the run and wait for its end.

        :param context: the task's context.
        :returns: the run's id.
        """
        with self._apply_sensor_rules():
            return self._begin_try(context)

    def execute_complete(self, context: Context, event: Mapping[str, Any], **of_later_versions: Any) -> Any:
        """Finish the task after the trigger has followed the run.

        :param context: the task's context.
        :param event: the trigger's event.
        :param of_later_versions: arguments that a worker of a later version added when it deferred; ignored.
        :returns: the run's id.
        """
        with self._apply_sensor_rules():
            # Nothing has checked what was rendered in the triggerer, if the task started there.
            self._check_arguments(lambda value: False)
            if self.start_from_trigger and context["ti"].try_number > 1:
                self._forget_earlier_try(context)
            outcome = Outcome.from_event(event)
            if outcome.run_id and self._pull(context, RUN_ID_KEY) != outcome.run_id:
                # A trigger found it, and could not push it, or not as fast as the run ended.
                self._push(context, RUN_ID_KEY, outcome.run_id)
                self._push_address(context, WherobotsRunLink(), RUN_URL_KEY, self._run_url(outcome.run_id))
            return self._finish(context, outcome)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral. If the trigger failed, finish with the run's outcome if it has ended.

        :param next_method: what Airflow calls next; ``__fail__`` after a crash or timeout.
        :param next_kwargs: its arguments.
        :param context: the task's context.
        """
        with self._apply_sensor_rules():
            if is_resumed_retry(partial(self._pull, context), context["ti"].try_number):
                self._began_at = time.time()
                forget_earlier_try(partial(self._push, context))
                return self._begin_try(context)
            if next_method == FAILED_TRIGGER:
                timed_out = str((next_kwargs or {}).get("error")) == TRIGGER_TIMEOUT
                if (outcome := self._outcome_after_trigger_failure(context, timed_out)) is not None:
                    return self._finish(context, outcome)
            # Not the sensor's own: its rules are applied here, alike on every version, and with the reason.
            return BaseOperator.resume_execution(self, next_method, next_kwargs, context)

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once, with ``mode="reschedule"``: Airflow's sensor calls this, and frees the worker in between.

        :param context: the task's context.
        :returns: whether the run has completed, and its id.
        """
        with self._apply_sensor_rules():
            options = self._follow_options(context)
            run = self._find(context, options, waits=False)
            if not isinstance(run, Run):
                if run.ending is not Ending.DEADLINE:
                    self._finish(context, run)
                return PokeReturnValue(False)
            if run.is_active:
                self.log.info("Run %s is %s", words.short(run.id), words.short(run.status))
                return PokeReturnValue(False)
            return PokeReturnValue(True, self._follow_here(context, replace(options, run_id=run.id)))

    def _begin_try(self, context: Context) -> Any:
        self._check_arguments(lambda value: False)
        if not self.deferrable and self.mode == "reschedule":
            # Without the decorator of Airflow 2.11, which takes this for a call from outside of a task, and warns.
            run_id: str = unwrap(BaseSensorOperator.execute)(self, context)
            return run_id
        options = self._follow_options(context)
        run = self._find(context, options, waits=not self.deferrable)
        if isinstance(run, Run):
            options = replace(options, run_id=run.id)
            if self.deferrable and run.is_active:
                self.log.info("%s", options.describe(deferred=True))
                self._defer(context, options, WherobotsRunTrigger, {})
            return self._follow_here(context, options)
        if self.deferrable and run.ending is Ending.DEADLINE:
            named = self._named_run(context)
            self.log.info("%s", options.describe(deferred=True, what=f"The {named.describe()},"))
            arguments = {"run_name": named.name, "created_after": named.created_after}
            self._defer(context, options, WherobotsNamedRunTrigger, arguments)
        return self._finish(context, run)

    def _find(self, context: Context, options: FollowOptions, *, waits: bool) -> Run | Outcome:
        """Find the run, and announce it.

        :param waits: whether to wait for a run that is given by its name; otherwise one look is taken.
        :returns: the run; or an outcome that says why there is none, which is ``DEADLINE`` if there is none yet.
        """
        if self.run_id is not None:
            run: Run | Outcome = self._get_run(replace(options, run_id=str(self.run_id)))
        else:
            until = options if waits else replace(options, deadline=options.started_at)
            run = self._attempt.run(await_run(self._named_run(context), until))
        if isinstance(run, Run) and self._pull(context, RUN_ID_KEY) != run.id:
            self._announce(context, run)
        return run

    def _get_run(self, options: FollowOptions) -> Run:
        try:
            return self._attempt.run(get_created_run(options))
        except WherobotsApiError as error:
            kind = WherobotsUnavailableException if error.transient else WherobotsRequestException
            raise kind(f"Run {words.short(options.run_id)}: {words.quoted(str(error))}") from error

    def _follow_here(self, context: Context, options: FollowOptions) -> Any:
        publish = partial(self._push_address, context, WherobotsSparkUiLink())
        return self._finish(context, self._attempt.follow(options, publish))

    def _defer(
        self,
        context: Context,
        options: FollowOptions,
        trigger: type[WherobotsRunTrigger],
        arguments: dict[str, Any],
    ) -> NoReturn:
        remember_deferral(partial(self._push, context), context["ti"].try_number)
        self.defer(
            trigger=trigger(
                self.wherobots_conn_id, follow=options.to_kwargs(), cancel_on_kill=self.cancel_on_kill, **arguments
            ),
            method_name="execute_complete",
            timeout=defer_timeout(options),
        )

    @property
    def _needs_xcom(self) -> bool:
        """Whether a template reads an XCom. On Airflow 3.3.1 rendering one in the triggerer does not come to an end."""
        values = (self.run_id, self.run_name, self.created_after)
        return any(not isinstance(value, str | datetime | None) or "xcom" in str(value) for value in values)

    def _start_trigger_args(self) -> Any:
        from airflow.triggers.base import StartTriggerArgs

        created_after = self.created_after or DUE
        limit_name, seconds = self._limit
        return StartTriggerArgs(
            trigger_cls=f"{WherobotsSensorTrigger.__module__}.{WherobotsSensorTrigger.__qualname__}",
            trigger_kwargs={
                "wherobots_conn_id": self.wherobots_conn_id,
                "follow": self._options(0.0, None).to_kwargs(),
                "cancel_on_kill": self.cancel_on_kill,
                # Airflow shortens its own timeout to `execution_timeout`.
                "margin": deadline_margin(seconds) if limit_name == "execution_timeout" else DEFER_MARGIN_SECONDS,
                "run_id": self.run_id,
                "run_name": self.run_name,
                "created_after": None if self.run_name is None else str(created_after),
            },
            next_method="execute_complete",
            next_kwargs=None,
            timeout=timedelta(seconds=self.timeout + DEFER_MARGIN_SECONDS),
        )

    def _follow_options(self, context: Context) -> FollowOptions:
        started_at = time.time()
        limit_name, seconds = self._limit
        deadline = self._deadline(context) if limit_name == "execution_timeout" else started_at + seconds
        return self._options(started_at, deadline)

    def _options(self, started_at: float, deadline: float | None) -> FollowOptions:
        limit_name, seconds = self._limit
        return FollowOptions(
            run_id="",
            started_at=started_at,
            deadline=deadline,
            execution_timeout=seconds,
            limit_name=limit_name,
            polling_interval=self.polling_interval,
            poll_logs=self.poll_logs,
            wait_post_run_logs_timeout_seconds=self.wait_post_run_logs_timeout_seconds,
            max_outage_seconds=self.max_outage_seconds,
            cancel_at_deadline=self.cancel_on_kill,
        )

    @property
    def _limit(self) -> tuple[str, float]:
        """The argument that limits a try, and its seconds."""
        if self.execution_timeout is not None and self.execution_timeout.total_seconds() <= self.timeout:
            return "execution_timeout", self.execution_timeout.total_seconds()
        return "timeout", float(self.timeout)

    def _outcome_after_trigger_failure(self, context: Context, timed_out: bool) -> Outcome | None:
        # A trigger in which the task has started may not have pushed it.
        run_id = self._pull(context, RUN_ID_KEY) if self.run_id is None else str(self.run_id)
        if run_id:
            outcome = self._settle_after_trigger_failure(run_id)
            # A run found CANCELLED after a timeout may have been cancelled by the trigger: the timeout is the cause.
            if outcome is not None and not (timed_out and outcome.ending is Ending.CANCELLED and self.cancel_on_kill):
                return outcome
        if not timed_out:
            return None
        what = f"run {run_id}" if run_id else self._named_run(context).describe()
        reason = f"Airflow ended the wait for {what}, because the triggerer did not"
        return Outcome(
            Ending.DEADLINE, "", "", f"The task's {self._limit[0]} was reached: {reason}", ended_at=time.time()
        )

    def _forget_earlier_try(self, context: Context) -> None:
        """Delete what an earlier try pushed at its end. Airflow deletes XComs only for a try that a worker starts."""
        for key in (RESULT_KEY, RUN_SUMMARY_KEY):
            try:
                delete_xcom(context["ti"], key)
            except Exception as error:
                self.log.warning("XCom %s of an earlier try could not be deleted: %s", key, reason_of(error))

    def _failure(self, outcome: Outcome) -> Exception:
        text, limit_name = outcome.reason, self._limit[0]
        if outcome.run_id:
            text = outcome.describe(self._run_url(outcome.run_id), limit_name=limit_name)
        if outcome.ending is Ending.DEADLINE and limit_name == "timeout":
            return AirflowSensorTimeout(text)
        return EXCEPTIONS[outcome.ending](text)

    def _may_retry(self, error: WherobotsException) -> bool:
        # By name, a retry may find a newer run.
        return super()._may_retry(error) and (self.run_name is not None or not isinstance(error, _FINAL))

    @contextmanager
    def _apply_sensor_rules(self) -> Iterator[None]:
        """Skip the task where it would fail, if it says so; otherwise apply the retry rules."""
        try:
            with self._apply_retry_rules():
                yield
        except (WherobotsArgumentException, WherobotsTaskKilledException):
            raise
        except (WherobotsException, AirflowSensorTimeout, TaskDeferralError) as error:
            flag = "soft_fail" if self.soft_fail else "never_fail"
            if not getattr(self, flag):
                raise
            self.log.warning("The task is skipped (%s=True): %s", flag, error)
            raise AirflowSkipException(f"{flag}=True: {error}") from error

    def _named_run(self, context: Context) -> NamedRun:
        created_after = moment_of(self.created_after)
        if created_after is None:
            created_after = _due(context["dag_run"]) - timedelta(seconds=CLOCK_MARGIN_SECONDS)
        return NamedRun(str(self.run_name), created_after.timestamp())

    def _check_arguments(self, is_unrendered: Callable[[Any], bool]) -> None:
        if (self.run_id is None) == (self.run_name is None):
            raise self._wrong(f"run_id={self.run_id!r}, run_name={self.run_name!r}: exactly one must be given")
        with naming(self.task_id):
            if self.run_id is not None and not is_unrendered(self.run_id):
                check_run_id(self.run_id)
            if self.run_name is not None and not is_unrendered(self.run_name):
                check_run_name("run_name", self.run_name)
            if not is_unrendered(self.created_after):
                moment_of(self.created_after)


def _due(dag_run: Any) -> datetime:
    """When a DAG run was due: the same for every try, and after a clear."""
    moments = [getattr(dag_run, "run_after", None)]
    if moments == [None]:
        # Airflow 2.11. By hand, the data interval is the last one before the logical date.
        moments = [getattr(dag_run, name, None) for name in ("data_interval_end", "logical_date")]
    due: datetime = max((moment for moment in moments if moment is not None), default=dag_run.start_date)
    return due
