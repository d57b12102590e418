"""What a task has that follows a run: an operator that created it, or a sensor that waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property, partial
from typing import Any, ClassVar

from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.compat import BaseOperatorLink, Context
from airflow_provider_wherobots.exceptions import (
    WherobotsException,
    WherobotsExecutionTimeoutException,
    WherobotsResultLostException,
    WherobotsRunCancelledException,
    WherobotsRunFailedException,
    WherobotsRunNotStartedException,
    WherobotsRunTimedOutException,
    WherobotsUnavailableException,
)
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.cancel import cancel_run
from airflow_provider_wherobots.flows.follow import FollowOptions, settle_run
from airflow_provider_wherobots.flows.outcome import Ending, Outcome
from airflow_provider_wherobots.flows.retry import send
from airflow_provider_wherobots.flows.summary import spark_ui_url
from airflow_provider_wherobots.links.run import WherobotsRunLink, WherobotsSparkUiLink, xcom_keys
from airflow_provider_wherobots.operators.outlets import add_to_events, extra_of
from airflow_provider_wherobots.operators.result import take_result
from airflow_provider_wherobots.operators.wherobots_task import DEFER_MARGIN_SECONDS, WherobotsTask
from airflow_provider_wherobots.operators.worker_attempt import WorkerAttempt
from airflow_provider_wherobots.xcoms import RUN_ID_KEY, RUN_SUMMARY_KEY, RUN_URL_KEY, SPARK_UI_URL_KEY

FAILED_TRIGGER_OUTAGE_SECONDS = 30.0

EXCEPTIONS: Mapping[Ending, type[WherobotsException]] = {
    Ending.FAILED: WherobotsRunFailedException,
    Ending.NOT_STARTED: WherobotsRunNotStartedException,
    Ending.TIMED_OUT: WherobotsRunTimedOutException,
    Ending.CANCELLED: WherobotsRunCancelledException,
    Ending.DEADLINE: WherobotsExecutionTimeoutException,
    Ending.GAVE_UP: WherobotsUnavailableException,
}


class FollowsRun(WherobotsTask):
    """What ``WherobotsRunOperator`` and ``WherobotsRunSensor`` share: what they push, and how they end."""

    cancel_on_kill: bool
    return_result: bool = False
    """Whether the task returns the run's result instead of its id."""
    always_prints_result: ClassVar[bool] = False
    """Whether a script that ends well has certainly printed a result."""

    @cached_property
    def _attempt(self) -> WorkerAttempt:
        return WorkerAttempt(self.hook, cancel_on_kill=self.cancel_on_kill)

    def on_kill(self) -> None:
        """Stop, and cancel the run if ``cancel_on_kill``.

        Airflow calls this in a signal handler, seconds before it ends the process.
        """
        self._attempt.kill()

    def _finish(self, context: Context, outcome: Outcome) -> Any:
        if outcome.summary is not None:
            self._push(context, RUN_SUMMARY_KEY, outcome.summary)
            if spark_ui := outcome.summary.get(SPARK_UI_URL_KEY):
                self._push_address(context, WherobotsSparkUiLink(), SPARK_UI_URL_KEY, spark_ui)
        must_have_result = self.return_result and self.always_prints_result
        result = take_result(
            outcome,
            partial(self._push, context),
            self.log,
            may_push=self.do_xcom_push,
            is_wanted=self.return_result and not must_have_result,
        )
        if outcome.ending is not Ending.COMPLETED:
            raise self._failure(outcome)
        if must_have_result and outcome.result is None:
            raise WherobotsResultLostException(
                f"Run {outcome.run_id} completed, but its result could not be read from its log; a retry starts a new"
                f" run. {self._run_url(outcome.run_id)}"
            )
        extra = extra_of(outcome, self._run_url(outcome.run_id), result)
        add_to_events(self.outlets, context, extra, self.log)
        return result if self.return_result else outcome.run_id

    def _failure(self, outcome: Outcome) -> Exception:
        """The exception that the task fails with."""
        return EXCEPTIONS[outcome.ending](outcome.describe(self._run_url(outcome.run_id)))

    def _settle_after_trigger_failure(self, run_id: str) -> Outcome | None:
        """Return the outcome of a run that has ended. Else return None, and cancel the run if ``cancel_on_kill``."""
        self._attempt.adopt(run_id)
        try:
            run = self._attempt.run(send(calls.get_run(run_id), FAILED_TRIGGER_OUTAGE_SECONDS))
        except WherobotsApiError as error:
            self.log.warning("The status of run %s is unknown: %s", run_id, error)
        else:
            if run.is_terminal:
                return self._attempt.run(settle_run(run, self.return_result))
        if self.cancel_on_kill:
            self._attempt.run(cancel_run(run_id))
        return None

    def _announce(self, context: Context, run: Run) -> None:
        url = self._run_url(run.id)
        ti = context["ti"]
        ti.xcom_push(key=RUN_ID_KEY, value=run.id)
        for key in xcom_keys(WherobotsRunLink(), RUN_URL_KEY):
            ti.xcom_push(key=key, value=url)
        # A run that the task re-attaches to may already have a Spark UI.
        if (spark_ui := spark_ui_url(run)) is not None:
            self._push_address(context, WherobotsSparkUiLink(), SPARK_UI_URL_KEY, spark_ui)
        self.log.info("Run %s (%s): %s", words.short(run.id), words.short(run.name), url)

    def _push_address(self, context: Context, link: BaseOperatorLink, key: str, url: str) -> None:
        for xcom_key in xcom_keys(link, key):
            self._push(context, xcom_key, url)

    def _run_url(self, run_id: str) -> str:
        return self.hook.settings.run_url(run_id)


def defer_timeout(options: FollowOptions) -> timedelta | None:
    """How long Airflow may let the task be deferred; None without a deadline.

    :param options: how the run is followed.
    """
    if options.deadline is None:
        return None
    return timedelta(seconds=max(0.0, options.deadline - options.started_at) + DEFER_MARGIN_SECONDS)
