"""One try of a task that follows a run: an operator that created it, or a sensor that waits for it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.compat import HAS_PARTITIONS, is_asset
from airflow_provider_wherobots.exceptions import (
    WherobotsException,
    WherobotsExecutionTimeoutException,
    WherobotsResultLostException,
    WherobotsResultNotPrintedException,
    WherobotsResultRefusedException,
    WherobotsRunCancelledException,
    WherobotsRunFailedException,
    WherobotsRunNotStartedException,
    WherobotsRunPendingException,
    WherobotsRunTimedOutException,
    WherobotsTaskKilledException,
    WherobotsUnavailableException,
)
from airflow_provider_wherobots.flows.cancel import cancel_run
from airflow_provider_wherobots.flows.follow import COPY_SECONDS, LAST_LOOK_SECONDS, FollowOptions, copy_log, settle_run
from airflow_provider_wherobots.flows.retry import send
from airflow_provider_wherobots.links.run import WherobotsRunLink, WherobotsSparkUiLink
from airflow_provider_wherobots.logs.result import MARKER, PARTITIONS, read_partitions
from airflow_provider_wherobots.runs.outcome import Ending, Outcome
from airflow_provider_wherobots.runs.summary import spark_ui_url
from airflow_provider_wherobots.tasks.run_attempt import RunAttempt
from airflow_provider_wherobots.tasks.task_try import TaskTry
from airflow_provider_wherobots.words import reason_of
from airflow_provider_wherobots.xcoms import RESULT_KEY, RUN_ID_KEY, RUN_SUMMARY_KEY, SPARK_UI_URL_KEY

if TYPE_CHECKING:
    from airflow_provider_wherobots.operators.follows_run import FollowsRun

T = TypeVar("T", bound="FollowsRun")

MAX_COPIES_BYTES = 1_000_000
"""How much of results the events of one asset may hold together: they are sent in the request that ends the task."""
FAILED_TRIGGER_OUTAGE_SECONDS = 30.0
"""How long the last poll of a run is tried after its trigger has failed, or has given it up."""

EXCEPTIONS: Mapping[Ending, type[WherobotsException]] = {
    Ending.FAILED: WherobotsRunFailedException,
    Ending.NOT_STARTED: WherobotsRunNotStartedException,
    Ending.PENDING_TOO_LONG: WherobotsRunPendingException,
    Ending.TIMED_OUT: WherobotsRunTimedOutException,
    Ending.CANCELLED: WherobotsRunCancelledException,
    Ending.DEADLINE: WherobotsExecutionTimeoutException,
    Ending.GAVE_UP: WherobotsUnavailableException,
}


class RunTry(TaskTry[T, RunAttempt]):
    """What the tries of ``WherobotsRunOperator`` and ``WherobotsRunSensor`` share: what they push, and how they end."""

    def finish_resumed(self, outcome: Outcome) -> Any:
        """Finish a task that a trigger has waited for, and copy the run's log, if ``[wherobots]`` configures it.

        The copy takes up to 15 minutes, so it comes after the XComs.
        """
        try:
            return self.finish(outcome)
        finally:
            try:
                self._copy_log(outcome)
            # A kill too: the run has ended, and how it ended is how the task ends.
            except Exception as error:
                self.log.warning("The log of run %s could not be copied: %s", outcome.run_id, reason_of(error))

    def _copy_log(self, outcome: Outcome) -> None:
        run_id, deadline = outcome.run_id, self.deadline
        # When a run is given up, the service has not answered for a long time.
        is_readable = outcome.ending is not Ending.GAVE_UP
        if not (self.task.copy_log_on_resume and self.task.poll_logs and is_readable):
            return
        seconds = COPY_SECONDS if deadline is None else min(COPY_SECONDS, deadline - time.time())
        if seconds <= 0:
            self.log.warning("Not copying the log of run %s: execution_timeout has passed", run_id)
            return
        self.attempt.run(copy_log, run_id, seconds)

    def finish(self, outcome: Outcome) -> Any:
        """Push what is known of the run. Return its id or its result, or raise the exception of the task."""
        task = self.task
        if outcome.summary is not None:
            self._push(RUN_SUMMARY_KEY, outcome.summary)
            if spark_ui := outcome.summary.get(SPARK_UI_URL_KEY):
                self._push_address(WherobotsSparkUiLink(), spark_ui)
        result = self._take_result(outcome)
        if outcome.cancel_failed:
            outcome = self._cancelled_again(outcome)
        if outcome.ending is not Ending.COMPLETED:
            failure = self._failure(outcome)
            if isinstance(failure, WherobotsException):
                failure.in_short = outcome.in_short()
            raise failure
        if task.return_result and outcome.result is None:
            raise self._no_result(outcome)
        self._add_to_events(outcome, result)
        return result if task.return_result else outcome.run_id

    def _no_result(self, outcome: Outcome) -> WherobotsException:
        completed, url = f"Run {outcome.run_id} completed, but", self._run_url(outcome.run_id)
        mend = "No retry follows, as the script would print it again. Mend the script, and clear the task"
        if not outcome.has_wrong_result:
            return WherobotsResultLostException(
                f"{completed} {self.task.without_result}. The log may still be growing."
                f" {self._after_lost_result()}. {url}"
            )
        if outcome.result_refused:
            kind, what = WherobotsResultRefusedException, f"its result is not used, {outcome.result_refused}"
        else:
            kind = WherobotsResultNotPrintedException
            what = f"'{MARKER}' is not at the beginning of its line: {outcome.result_logged}\nUse print(), not a logger"
        return kind(f"{completed} {what}\n{mend}. {url}")

    def _after_lost_result(self) -> str:
        """What follows when the log of a completed run has no result."""
        return "A retry reads it again"

    def _cancelled_again(self, outcome: Outcome) -> Outcome:
        """Repeat the cancel that has failed at the deadline, or at ``max_pending_seconds``."""
        try:
            is_cancelled = self.attempt.run(cancel_run, outcome.run_id, LAST_LOOK_SECONDS) is None
        except Exception as error:
            self.log.error("Run %s could not be cancelled: %s", outcome.run_id, reason_of(error))
            return outcome
        command = words.command(f"runs cancel --yes {outcome.run_id}", self.task.wherobots_conn_id)
        then = " at first, and succeeded when it was repeated" if is_cancelled else f". To cancel it: {command}"
        return replace(outcome, reason=outcome.reason + then)

    def _take_result(self, outcome: Outcome) -> Any:
        """Push and return a run's result; None if there is none. No log of the provider contains it."""
        task = self.task
        if outcome.result is None:
            return None
        result = json.loads(outcome.result)
        how = "not pushed, because of do_xcom_push=False"
        if result is None:
            how = "null, for which Airflow stores no XCom"
        elif task.do_xcom_push:
            self._push(RESULT_KEY, result)
            how = f"XCom '{RESULT_KEY}'"
        self.log.info("Result: %s of JSON (%s)", words.counted(len(outcome.result.encode()), "byte"), how)
        return result

    def _add_to_events(self, outcome: Outcome, result: Any) -> None:
        """Add the run to the event of each asset (dataset on 2.11) in ``outlets``, without keys that are there already.

        An asset that does not exist is logged and left out. The author of the DAG decides what an alias stands for.
        """
        outlets = [outlet for outlet in self.task.outlets if is_asset(outlet)]
        partitions = self._read_partitions(result) if outlets else []
        if partitions:
            # Airflow stores a copy of the rest with each partition.
            result = {key: value for key, value in result.items() if key != PARTITIONS}
        summary = outcome.summary or {}
        measured = {key: summary.get(key) for key in ("cost_usd", "queued_seconds", "ran_seconds")}
        if len(partitions) * len(json.dumps(result)) > MAX_COPIES_BYTES:
            self.log.warning(
                "The events have no result, as the copies for %d partitions would exceed %s. It is in the XCom %r",
                len(partitions),
                words.size(MAX_COPIES_BYTES),
                RESULT_KEY,
            )
            result = None
        extra = {"run_id": outcome.run_id, "run_url": self._run_url(outcome.run_id), **measured, "result": result}
        for outlet in outlets:
            try:
                event = self.context["outlet_events"][outlet]
                event.extra = {**extra, **event.extra}
                if partitions:
                    event.add_partitions(partitions)
            except Exception as error:
                self.log.warning("The event of outlet %r has no details of the run: %s", outlet, reason_of(error))

    def _read_partitions(self, result: Any) -> list[str]:
        try:
            partitions = read_partitions(result) if HAS_PARTITIONS else []
        except ValueError as error:
            self.log.warning("Not using the result's partitions: %s", error)
            return []
        if partitions:
            self.log.info("Each asset of the task has one event per partition (%d)", len(partitions))
        return partitions

    def _failure(self, outcome: Outcome) -> Exception:
        """The exception that the task fails with."""
        return EXCEPTIONS[outcome.ending](outcome.describe(self._run_url(outcome.run_id)))

    def _settle_after_trigger_failure(self, run_id: str) -> Outcome | None:
        """Return the outcome of a run that has ended. Otherwise cancel the run if ``cancel_on_kill``; return None."""
        run = self._look_at(run_id)
        if run is not None and run.is_terminal:
            return self.attempt.run(settle_run, run, follow_options(self.task, time.time(), None))
        if self.task.cancel_on_kill:
            self.attempt.run(cancel_run, run_id)
        return None

    def _look_at(self, run_id: str) -> Run | None:
        """A run that nothing follows any more; None if it cannot be read."""
        try:
            self.attempt.adopt(run_id)
            return self.attempt.run(send, calls.get_run(run_id), FAILED_TRIGGER_OUTAGE_SECONDS)
        except WherobotsTaskKilledException:
            raise
        except Exception as error:
            self.log.warning("The status of run %s is unknown: %s", run_id, reason_of(error))
            return None

    def _follow_here(self, options: FollowOptions) -> Outcome:
        return self.attempt.follow(options, lambda _key, url: self._push_address(WherobotsSparkUiLink(), url))

    def _announce(self, run: Run) -> None:
        url = self._run_url(run.id)
        self._push(RUN_ID_KEY, run.id)
        if url:
            self._push_address(WherobotsRunLink(), url)
        # A run that the task re-attaches to may already have a Spark UI.
        if (spark_ui := spark_ui_url(run)) is not None:
            self._push_address(WherobotsSparkUiLink(), spark_ui)
        self.log.info("Run %s (%s): %s", words.short(run.id), words.short(run.name), url)

    def _run_url(self, run_id: str) -> str:
        """The address of a run's page. Empty if the connection cannot be read: that must not hide how the run ended."""
        try:
            return self.task.hook.settings.run_url(run_id)
        except Exception as error:
            self.log.warning("The address of run %s is not known: %s", run_id, reason_of(error))
            return ""


def follow_options(task: FollowsRun, started_at: float, deadline: float | None) -> FollowOptions:
    """The options to follow a run, from the task's arguments. The run is not known yet."""
    return FollowOptions(
        run_id="",
        started_at=started_at,
        deadline=deadline,
        polling_interval=task.polling_interval,
        poll_logs=task.poll_logs,
        wait_post_run_logs_timeout_seconds=task.wait_post_run_logs_timeout_seconds,
        max_outage_seconds=task.max_outage_seconds,
        cancel_at_deadline=task.cancel_on_kill,
        return_result=task.return_result,
    )
