"""One try of the run sensor. It finds the run, follows it to its end on the worker or by deferring, and finishes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NoReturn

from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.runs.lookup import moment_of
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.compat import AirflowSensorTimeout, failing_since, keep_failing_since
from airflow_provider_wherobots.exceptions import WherobotsException, WherobotsUnavailableException, kind_of_call
from airflow_provider_wherobots.flows.follow import FollowOptions
from airflow_provider_wherobots.flows.named_run import NamedRun, await_run, get_created_run, poll_once
from airflow_provider_wherobots.links.run import WherobotsRunLink
from airflow_provider_wherobots.messages import words
from airflow_provider_wherobots.messages.unforeseen import reason_of
from airflow_provider_wherobots.runs.outcome import Ending, Outcome
from airflow_provider_wherobots.sensors.awaits_run import AwaitsRun
from airflow_provider_wherobots.tasks.run_try import EXCEPTIONS, RunTry, follow_options
from airflow_provider_wherobots.triggers.named_run import WherobotsNamedRunTrigger
from airflow_provider_wherobots.triggers.run import WherobotsRunTrigger
from airflow_provider_wherobots.xcoms import RUN_ID_KEY

CLOCK_MARGIN_SECONDS = 60.0
"""How far the service's clock may be behind Airflow's, so that a run of this DAG run is still found by its name."""


class SensorTry(RunTry[AwaitsRun]):
    """One try of a ``WherobotsRunSensor``."""

    def begin(self) -> Any:
        """Find the run and wait for its end."""
        task, options = self.task, self._options()
        run = self._find(options)
        if isinstance(run, Run):
            options = replace(options, run_id=run.id)
            if task.deferrable and run.is_active:
                self.log.info("%s", options.describe(deferred=True))
                self.attempt.adopt(run.id)
                self._defer_to(WherobotsRunTrigger, options)
            return self.finish(self._follow_here(options))
        if task.deferrable and run.ending is Ending.DEADLINE:
            named = self._named_run()
            self.log.info("%s", options.describe(deferred=True, what=f"the {named.describe()}"))
            self._defer_to(WherobotsNamedRunTrigger, options, run_name=named.name, created_after=named.created_after)
        return self.finish(run)

    def check_once(self) -> tuple[bool, str | None]:
        """Check the run once. Returns whether it has completed, and its id if so."""
        options, ti = self._options(), self.context["ti"]
        which = self._named_run() if self.task.run_id is None else str(self.task.run_id)
        try:
            run, since = self.attempt.run(poll_once(which, options, failing_since(ti)))
        except WherobotsApiError as error:
            if isinstance(which, str):
                raise _failed_call(which, error) from error
            reason = f"No {which.describe()} was found: {words.quoted(str(error))}"
            raise WherobotsUnavailableException(reason) from error
        try:
            keep_failing_since(ti, since)
        except Exception as error:
            self.log.warning(
                "The start of the outage could not be stored, so max_outage_seconds may count from a later poke: %s",
                reason_of(error),
            )
        if run is None:
            return False, None
        self._announce(run)
        if run.is_active:
            self.log.info("Run %s is %s", words.short(run.id), words.short(run.status))
            return False, None
        return True, self.finish(self._follow_here(replace(options, run_id=run.id)))

    def resume_with(self, event: Mapping[str, Any]) -> Any:
        """Finish with a trigger's event."""
        outcome = Outcome.from_event(event)
        if outcome.run_id and self._pull(RUN_ID_KEY) != outcome.run_id:
            # A trigger found the run, but could not push its id, or not before the run ended.
            self._push(RUN_ID_KEY, outcome.run_id)
            self._push_address(WherobotsRunLink(), self._run_url(outcome.run_id))
        return self.finish_resumed(outcome)

    def outcome_after_trigger_failure(self, timed_out: bool) -> Outcome | None:
        """Check the run, and cancel it if it is active and ``cancel_on_kill``.

        Returns how the run ended, or that the wait timed out; None if the task must fail as well.
        """
        task = self.task
        run_id = self._pull(RUN_ID_KEY) if task.run_id is None else str(task.run_id)
        if run_id:
            outcome = self._settle_after_trigger_failure(run_id)
            # A run found CANCELLED after a timeout may have been cancelled by the trigger: the timeout is the cause.
            if outcome is not None and not (timed_out and outcome.ending is Ending.CANCELLED and task.cancel_on_kill):
                return outcome
        if not timed_out:
            return None
        what = f"run {run_id}" if run_id else self._named_run().describe()
        reason = f"the triggerer did not end the wait for {what} in time, so Airflow did"
        return Outcome(
            Ending.DEADLINE, "", "", f"The task's {task.limit[0]} was reached: {reason}", ended_at=time.time()
        )

    def _find(self, options: FollowOptions) -> Run | Outcome:
        """Find the run, and announce it. If the task can defer, the run is searched for once.

        Returns an outcome if there is no run. The outcome is ``DEADLINE`` if there is no run yet.
        """
        if self.task.run_id is not None:
            run_id = str(self.task.run_id)
            try:
                run: Run | Outcome = self.attempt.run(get_created_run(replace(options, run_id=run_id)))
            except WherobotsApiError as error:
                raise _failed_call(run_id, error) from error
        else:
            until = replace(options, deadline=options.started_at) if self.task.deferrable else options
            run = self.attempt.run(await_run(self._named_run(), until))
        if isinstance(run, Run):
            # No XCom is pulled: there is none yet, and Airflow 3 logs that as an error.
            self._announce(run)
        return run

    def _defer_to(self, trigger: type[WherobotsRunTrigger], options: FollowOptions, **which: Any) -> NoReturn:
        conn_id, cancels = self.task.wherobots_conn_id, self.task.cancel_on_kill
        made = trigger(conn_id, follow=options.to_kwargs(), cancel_on_kill=cancels, **which)
        self._defer(made, "execute_complete", timeout=self._defer_timeout(options.deadline))

    def _options(self) -> FollowOptions:
        started_at, (limit_name, seconds) = time.time(), self.task.limit
        deadline = self.deadline if limit_name == "execution_timeout" else started_at + seconds
        options = follow_options(self.task, started_at, deadline)
        return replace(options, execution_timeout=seconds, limit_name=limit_name)

    def _failure(self, outcome: Outcome) -> Exception:
        text, limit_name = outcome.reason, self.task.limit[0]
        if outcome.run_id:
            text = outcome.describe(self._run_url(outcome.run_id), limit_name=limit_name)
        if outcome.ending is Ending.DEADLINE and limit_name == "timeout":
            return AirflowSensorTimeout(text)
        return EXCEPTIONS[outcome.ending](text)

    def _named_run(self) -> NamedRun:
        created_after = moment_of(self.task.created_after)
        if created_after is None:
            created_after = _due(self.context["dag_run"]) - timedelta(seconds=CLOCK_MARGIN_SECONDS)
        return NamedRun(str(self.task.run_name), created_after.timestamp())


def _failed_call(run_id: str, error: WherobotsApiError) -> WherobotsException:
    return kind_of_call(error)(f"Run {words.short(run_id)}: {words.quoted(str(error))}")


def _due(dag_run: Any) -> datetime:
    """When a DAG run was due: the same for every try, and after a clear."""
    moments = [getattr(dag_run, "run_after", None)]
    if moments == [None]:
        # Airflow 2.11. By hand, the data interval is the last one before the logical date.
        moments = [getattr(dag_run, name, None) for name in ("data_interval_end", "logical_date")]
    due: datetime = max((moment for moment in moments if moment is not None), default=dag_run.start_date)
    return due
