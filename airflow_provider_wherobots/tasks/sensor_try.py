"""One try of the run sensor. It looks at the run. While the run is active, the task defers, or Airflow pokes again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.compat import AirflowSensorTimeout, Context
from airflow_provider_wherobots.exceptions import kind_of_call
from airflow_provider_wherobots.flows.retry import REFUSED_SECONDS, send
from airflow_provider_wherobots.operators.follows_run import FollowsRun
from airflow_provider_wherobots.operators.wherobots_task import TRIGGER_TIMEOUT
from airflow_provider_wherobots.runs.outcome import Ending, Outcome
from airflow_provider_wherobots.runs.summary import spark_ui_url
from airflow_provider_wherobots.tasks.run_attempt import RunAttempt
from airflow_provider_wherobots.tasks.run_try import EXCEPTIONS, RunTry, follow_options
from airflow_provider_wherobots.triggers.run import WherobotsRunTrigger


class SensorTry(RunTry[FollowsRun]):
    """One try of a ``WherobotsRunSensor``, which passes its ``run_id`` and ``timeout``."""

    def __init__(self, task: FollowsRun, context: Context, attempt: RunAttempt, run_id: str, timeout: float) -> None:
        super().__init__(task, context, attempt)
        self._run_id, self._timeout = run_id, timeout

    def check(self) -> tuple[bool, str | None]:
        """Look at the run, and defer while it is active, if the task can. Returns whether it has completed, and its id
        if so.
        """
        run = self._look()
        seen = (run.status, spark_ui_url(run))
        if seen != self.attempt.announced:
            self.attempt.announced = seen
            self._announce(run)
            if not run.is_terminal:
                self.log.info("Run %s is %s", words.short(run.id), words.short(run.status))
        if run.is_terminal:
            options = follow_options(self.task, time.time(), self.deadline)
            return True, self.finish(self._follow_here(replace(options, run_id=self._run_id)))
        if self.task.deferrable:
            self._defer_to_trigger()
        return False, None

    def resume_with(self, event: Mapping[str, Any]) -> Any:
        """Finish with a trigger's event."""
        return self.finish_resumed(Outcome.from_event(event))

    def event_after_trigger_failure(self, error: object) -> dict[str, Any] | None:
        """The event in the place of the trigger's: how the run ended, or that the wait timed out; None if neither.

        An active run is cancelled if ``cancel_on_kill``.
        """
        outcome, timed_out = self._settle_after_trigger_failure(self._run_id), str(error) == TRIGGER_TIMEOUT
        # The trigger may have cancelled it: the timeout is the cause.
        is_cause = outcome is None or (outcome.ending is Ending.CANCELLED and self.task.cancel_on_kill)
        if timed_out and is_cause:
            status = "active" if outcome is None else outcome.status
            reason = "the triggerer did not end the wait in time, so Airflow did"
            outcome = Outcome(Ending.DEADLINE, self._run_id, status, reason, ended_at=time.time())
        return None if outcome is None else outcome.to_event()

    def _look(self) -> Run:
        """The run. An outage is tolerated, and for a minute that the service does not know the run yet."""
        self.attempt.adopt(self._run_id)
        tolerated = min(self.task.max_outage_seconds, self._limit[1])
        try:
            return self.attempt.run(send, calls.get_run(self._run_id), tolerated, refused_seconds=REFUSED_SECONDS)
        except WherobotsApiError as error:
            raise kind_of_call(error)(f"Run {words.short(self._run_id)}: {words.quoted(str(error))}") from error

    def _defer_to_trigger(self) -> NoReturn:
        now, (limit_name, seconds) = time.time(), self._limit
        deadline = self.deadline if limit_name == "execution_timeout" else now + seconds
        options = replace(
            follow_options(self.task, now, deadline),
            run_id=self._run_id,
            execution_timeout=seconds,
            limit_name=limit_name,
        )
        self.log.info("%s", options.describe(deferred=True))
        trigger = WherobotsRunTrigger(self.task.wherobots_conn_id, options.to_kwargs(), self.task.cancel_on_kill)
        self._defer(trigger, "execute_complete", timeout=self._defer_timeout(deadline))

    def _failure(self, outcome: Outcome) -> Exception:
        limit_name = self._limit[0]
        text = outcome.describe(self._run_url(outcome.run_id), limit_name=limit_name)
        if outcome.ending is Ending.DEADLINE and limit_name == "timeout":
            return AirflowSensorTimeout(text)
        return EXCEPTIONS[outcome.ending](text)

    @property
    def _limit(self) -> tuple[str, float]:
        """The argument that limits a try, and its seconds."""
        seconds = self._execution_timeout
        if seconds is None or seconds > self._timeout:
            return "timeout", self._timeout
        return "execution_timeout", seconds
