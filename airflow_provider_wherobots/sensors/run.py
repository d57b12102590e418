"""The sensor that waits for a run that something else has started."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.api.connection import DEFAULT_CONN_ID
from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.compat import (
    FAILED_TRIGGER,
    TRIGGER_TIMEOUT,
    AirflowSensorTimeout,
    AirflowSkipException,
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
    WherobotsException,
    WherobotsRunFailedException,
    WherobotsRunTimedOutException,
    kind_of_call,
)
from airflow_provider_wherobots.links.run import WherobotsRunLink, WherobotsSparkUiLink
from airflow_provider_wherobots.stored import ignore_unknown
from airflow_provider_wherobots.tasks.wherobots_task import FollowsRun, is_unrendered

if TYPE_CHECKING:
    from airflow.sdk import XComArg

    from airflow_provider_wherobots.api.runs.models import Run
    from airflow_provider_wherobots.compat import Context
    from airflow_provider_wherobots.tasks.run_attempt import RunAttempt

_RUN_ID = re.compile(r"[!-~]{1,255}")


class WherobotsRunSensor(FollowsRun["RunAttempt"], BaseSensorOperator):
    """Wait for the end of a run that this task did not start, and succeed or fail as the run does.

    Returns the run's id. The sensor starts no run, and cancels none unless ``cancel_on_kill=True``. To wait for a run
    of which only the name is known, find its id with ``WherobotsHook.list_runs`` in a task before the sensor.

    XComs and links are the same as for ``WherobotsRunOperator``: ``run_id`` and ``run_url`` from the first poke on,
    ``spark_ui_url`` as soon as it is known, ``run_summary`` at the end, and with ``poll_logs`` ``result``, if the
    script printed one.

    With ``deferrable=True`` the first poke defers while the run is active, and the triggerer waits. With
    ``deferrable=False`` Airflow pokes, as it pokes every sensor: ``mode``, ``poke_interval``, ``timeout``,
    ``soft_fail``, ``never_fail``, ``silent_fail`` and ``exponential_backoff`` are Airflow's own.

    :param run_id: the run's id, such as the output of a ``WherobotsRunOperator`` with ``wait_for_completion=False``.
        Templated.
    :param wherobots_conn_id: id of the connection; default ``wherobots_default``. Templated.
    :param poll_logs: whether the run's log goes into the task log; default False. With ``deferrable=False`` it is
        copied once the run has ended.
    :param polling_interval: the longest delay between two polls of the triggerer in seconds, 2 or more; default
        ``[wherobots] polling_interval``, 30. The delay starts at 6 s, and grows by one for every two minutes waited.
    :param wait_post_run_logs_timeout_seconds: how long to wait for late log lines after the end, in seconds; default
        ``[wherobots] wait_post_run_logs_timeout_seconds``, 60.
    :param deferrable: whether the triggerer waits, so that no worker is held; default
        ``[wherobots] default_deferrable``, True.
    :param cancel_on_kill: whether a kill of the task cancels the run; default False. So does a ``timeout`` while the
        task is deferred, and an ``execution_timeout``.
    :param max_outage_seconds: how long the service may be unreachable before the task gives up, in seconds; default
        ``[wherobots] max_outage_seconds``, 600.
    :raises AirflowSensorTimeout: if ``timeout`` passes. Not retried.
    :raises WherobotsException: the subclass says how the task failed. The failure of the run is not retried, because
        its status is final.
    """

    template_fields: Sequence[str] = ("run_id", "wherobots_conn_id")
    ui_color = "#d5f0e6"
    operator_extra_links = (WherobotsRunLink(), WherobotsSparkUiLink())
    _announced: tuple[str, str | None] | None = None
    """The status and the Spark UI of the run when its links were last pushed."""

    def __init__(
        self,
        *,
        run_id: str | XComArg,
        wherobots_conn_id: str = DEFAULT_CONN_ID,
        poll_logs: bool = False,
        polling_interval: float | None = None,
        wait_post_run_logs_timeout_seconds: float | None = None,
        deferrable: bool | None = None,
        cancel_on_kill: bool = False,
        max_outage_seconds: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.run_id = run_id
        self.wherobots_conn_id = wherobots_conn_id
        self.poll_logs = poll_logs
        self.polling_interval = self._seconds(POLLING_INTERVAL, polling_interval)
        self.wait_post_run_logs_timeout_seconds = self._seconds(WAIT_POST_RUN_LOGS, wait_post_run_logs_timeout_seconds)
        self.deferrable = configured(DEFAULT_DEFERRABLE) if deferrable is None else deferrable
        self.cancel_on_kill = cancel_on_kill
        self.max_outage_seconds = self._seconds(MAX_OUTAGE_SECONDS, max_outage_seconds)
        self.copy_log_on_resume = configured(COPY_LOG_ON_RESUME)
        self._check_flags("poll_logs", "deferrable", "cancel_on_kill")
        if not is_unrendered(run_id):
            self._checked_run_id()

    def poke(self, context: Context) -> PokeReturnValue:
        """Look at the run once. While it is active, the task defers with ``deferrable=True``.

        :param context: the task's context.
        :returns: whether the run has completed, and its id.
        """
        with self._apply_retry_rules():
            run_id, attempt = self._checked_run_id(), self._new_attempt(context)
            run = self._look(attempt, run_id)
            self._announce(attempt, run)
            if run.is_terminal:
                outcome = attempt.follow(attempt.options(run_id, time.time(), attempt.deadline))
                return PokeReturnValue(True, attempt.finish(outcome))
            if attempt.may_defer:
                now, (limit_name, seconds) = time.time(), self.limit
                deadline = attempt.deadline if limit_name == "execution_timeout" else now + seconds
                attempt.defer_to_trigger(attempt.options(run_id, now, deadline))
            return PokeReturnValue(False)

    @ignore_unknown
    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> Any:
        """Finish the task after the trigger has followed the run.

        :param context: the task's context.
        :param event: the trigger's event.
        :returns: the run's id.
        """
        from airflow_provider_wherobots.runs.outcome import Outcome

        with self._apply_retry_rules():
            attempt, outcome = self._new_attempt(context), Outcome.from_event(event)
            with attempt.copying_log(outcome):
                return attempt.finish(outcome)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral. If the trigger failed, finish with the run's outcome if it has ended.

        :param next_method: what Airflow calls next; ``__fail__`` after a crash or timeout.
        :param next_kwargs: its arguments.
        :param context: the task's context.
        """
        attempt = self._new_attempt(context)
        if attempt.starts_over(next_method, next_kwargs):
            return self.execute(context)
        if next_method == FAILED_TRIGGER:
            event = self._event_after_trigger_failure(attempt, (next_kwargs or {}).get("error"))
            if event is not None:
                next_method, next_kwargs = "execute_complete", {"event": event}
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except (WherobotsException, AirflowSensorTimeout, TaskDeferralError) as error:
            if self.never_fail:
                # Airflow 2.11 looks at soft_fail only.
                raise AirflowSkipException(str(error)) from error
            raise

    def on_kill(self) -> None:
        """Cancel the run with ``cancel_on_kill=True``. A signal handler calls this, so it must import nothing."""
        self._was_killed = True
        if self._attempt is not None:
            self._attempt.kill()

    @property
    def limit(self) -> tuple[str, float]:
        """The argument that limits a try, and its seconds."""
        _, seconds = super().limit
        if seconds is None or seconds > self.timeout:
            return "timeout", float(self.timeout)
        return "execution_timeout", seconds

    def _new_attempt(self, context: Context) -> RunAttempt:
        from airflow_provider_wherobots.tasks.run_attempt import RunAttempt

        return self._begin(context, lambda: RunAttempt(self, context))

    def _look(self, attempt: RunAttempt, run_id: str) -> Run:
        """The run. An outage is tolerated, and for a minute that the service does not know the run yet."""
        from airflow_provider_wherobots import words
        from airflow_provider_wherobots.api.runs import calls
        from airflow_provider_wherobots.flows.retry import REFUSED_SECONDS, send

        attempt.adopt(run_id)
        tolerated = min(self.max_outage_seconds, self.limit[1])
        try:
            return attempt.run(send, calls.get_run(run_id), tolerated, refused_seconds=REFUSED_SECONDS)
        except WherobotsApiError as error:
            raise kind_of_call(error)(f"Run {words.short(run_id)}: {error}") from error

    def _announce(self, attempt: RunAttempt, run: Run) -> None:
        """Push the run's links, and tell its status, if a poke before has not done so."""
        from airflow_provider_wherobots import words
        from airflow_provider_wherobots.runs.summary import spark_ui_url

        seen = (run.status, spark_ui_url(run))
        if seen == self._announced:
            return
        self._announced = seen
        attempt.announce(run)
        if not run.is_terminal:
            self.log.info("Run %s is %s", words.short(run.id), words.short(run.status))

    def _event_after_trigger_failure(self, attempt: RunAttempt, error: object) -> dict[str, Any] | None:
        """The event in the place of the trigger's: how the run ended, or that the wait timed out; None if neither.

        An active run is cancelled if ``cancel_on_kill``.
        """
        from airflow_provider_wherobots.runs.outcome import Ending, Outcome

        run_id = str(self.run_id)
        outcome, timed_out = attempt.settle_after_trigger_failure(run_id), str(error) == TRIGGER_TIMEOUT
        # The trigger may have cancelled it: the timeout is the cause.
        is_cause = outcome is None or (outcome.ending is Ending.CANCELLED and self.cancel_on_kill)
        if timed_out and is_cause:
            status = "active" if outcome is None else outcome.status
            reason = "the triggerer did not end the wait in time, so Airflow did"
            outcome = Outcome(Ending.DEADLINE, run_id, status, reason, ended_at=time.time())
        return None if outcome is None else outcome.to_event()

    def _checked_run_id(self) -> str:
        # A template of an XCom that is not there renders to "None".
        if not isinstance(self.run_id, str) or not _RUN_ID.fullmatch(self.run_id) or self.run_id == "None":
            raise self._wrong(f"run_id={self.run_id!r}: must be the id of a run")
        return self.run_id

    def _may_retry(self, error: BaseException) -> bool:
        is_final = isinstance(error, WherobotsRunFailedException | WherobotsRunTimedOutException)
        return super()._may_retry(error) and not is_final

    @contextmanager
    def _apply_retry_rules(self) -> Iterator[None]:
        try:
            with super()._apply_retry_rules():
                yield
        except (WherobotsException, AirflowSensorTimeout) as error:
            if self.soft_fail or self.never_fail:
                # Airflow does not log what it skips the task for.
                self.log.warning("%s", error)
            raise
