"""One try of the operator that creates a run: gets a run, follows it to its end here or by deferring, and finishes."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.compat import note_for_retry, state_at_kill
from airflow_provider_wherobots.exceptions import WherobotsUnavailableException, kind_of_call
from airflow_provider_wherobots.flows import measurements
from airflow_provider_wherobots.flows.cancel import cancel_run, cancel_runs_by_suffix
from airflow_provider_wherobots.flows.outcome import (
    CANCELLED_AT_LAST,
    LEFT_ALONE,
    LEFT_AT_LAST,
    LOOK_UP,
    NOT_FOUND_AGAIN,
    REATTACHED,
    Ending,
    Outcome,
    describe_no_run,
)
from airflow_provider_wherobots.flows.quota import AwaitingQuota, QuotaNotFreedError, QuotaWait
from airflow_provider_wherobots.flows.retry import CANCEL_BUDGET_SECONDS
from airflow_provider_wherobots.flows.run_name import durable_suffix
from airflow_provider_wherobots.flows.submit import NotReplacedError, Submission, UnclearCreateError, submit_run
from airflow_provider_wherobots.flows.tries import (
    begins_after_clear,
    first_since_clear,
    is_last,
    was_cancelled_for_earlier_try,
)
from airflow_provider_wherobots.flows.twins import TwinWatch
from airflow_provider_wherobots.flows.unforeseen import reason_of
from airflow_provider_wherobots.operators.creates_run import CreatesRun
from airflow_provider_wherobots.operators.wherobots_task import TRIGGER_TIMEOUT, naming
from airflow_provider_wherobots.stored import ignore_unknown
from airflow_provider_wherobots.tasks.begun_tries import last_begun
from airflow_provider_wherobots.tasks.local_files import find_uploads
from airflow_provider_wherobots.tasks.run_suffix import (
    earlier_try_had_run,
    earlier_try_has_not_replaced,
    new_suffix,
    pass_on_clear,
    pass_on_suffix,
    suffix_of_task,
)
from airflow_provider_wherobots.tasks.run_try import EXCEPTIONS, RunTry, follow_options
from airflow_provider_wherobots.triggers.run import WherobotsRunTrigger
from airflow_provider_wherobots.xcoms import RUN_ID_KEY, RUN_LEFT_ACTIVE_KEY, TO_REPLACE_KEY


class SubmitTry(RunTry[CreatesRun]):
    """One try of a ``WherobotsRunOperator``."""

    _suffix = ""
    """The suffix of the names of the task's runs; empty until it is known."""

    def begin(self, suffix: str = "") -> Any:
        """Create the run, or re-attach to the run of an earlier try. Wait for its end, and return its id or result.

        ``suffix`` is empty if it is not known.
        """
        ti, task = self.context["ti"], self.task
        self.attempt.is_left_for_retry = self._is_left_for_retry
        first, begun = first_since_clear(ti.try_number, ti.max_tries, task.retries or 0), last_begun(ti)
        cleared = begins_after_clear(ti.try_number, first, begun) or earlier_try_has_not_replaced(self.context)
        if is_restarted := begun == ti.try_number:
            self.log.info("Airflow has started this try before: its run is looked up")
        self.note_begun()
        if task.durable:
            if task.task_id == ti.task_id:
                self._suffix = suffix or suffix_of_task(self.context)
                pass_on_suffix(self._push, self.context, self._suffix)
            else:
                job = "\x1f".join((task.task_id, repr(task.run_python), repr(task.run_jar)))
                self._suffix = new_suffix(self.context, job)
        expects_run = self._had_run or earlier_try_had_run(self.context)
        return self._work(
            self._new_quota_wait(),
            look_first=ti.try_number > 1 or is_restarted,
            expects_run=expects_run,
            replace=cleared and task.cancel_on_kill,
            reuse_completed=task.reuse_completed and not cleared and expects_run,
            # The keys are then those of this try.
            reuse_ended=is_restarted and expects_run,
        )

    @ignore_unknown
    def resume_after_quota_wait(self, quota: Mapping[str, Any], suffix: str = "") -> Any:
        """Repeat the create call. ``suffix`` is empty if it is not known."""
        self._suffix = suffix
        return self._work(QuotaWait.from_kwargs(quota), look_first=True)

    @ignore_unknown
    def resume_with(
        self,
        event: Mapping[str, Any],
        reattached: bool = False,
        started_at: float = 0.0,
        suffix: str = "",
    ) -> Any:
        """Finish with a trigger's event, or begin again if the run ended because the previous try had cancelled it.

        ``started_at`` is when this try got the run, in epoch seconds. ``suffix`` is empty if it is not known.
        """
        self._suffix = suffix
        outcome = Outcome.from_event(event)
        if not self._is_to_be_repeated(outcome, reattached, started_at):
            return self.finish_resumed(outcome)
        return self._work(self._new_quota_wait(), look_first=True, is_fresh=True)

    def outcome_after_trigger_failure(self, next_kwargs: Mapping[str, Any] | None) -> Outcome | None:
        """Check the run, and cancel it if it is active and ``cancel_on_kill``. None if the task must fail as well."""
        run_id = self._pull(RUN_ID_KEY)
        if not run_id:
            return None
        outcome = self._settle_after_trigger_failure(run_id)
        # A run found CANCELLED after a timeout was cancelled by the trigger: the timeout is the cause.
        timed_out = str((next_kwargs or {}).get("error")) == TRIGGER_TIMEOUT
        return None if outcome is not None and timed_out and outcome.ending is Ending.CANCELLED else outcome

    def finish(self, outcome: Outcome) -> Any:
        """Send the metrics of the run's end, and finish like every task that follows a run.

        A run that was given up is polled once more if no retry follows: it may have ended during the outage.
        """
        if outcome.ending is Ending.GAVE_UP and outcome.run_id and self._is_last:
            outcome = self._outcome_if_ended(outcome.run_id) or outcome
        self.task.run_id = outcome.run_id
        self._emit(measurements.of_end(outcome, self._metric_tags, cancelled_at_deadline=self.task.cancel_on_kill))
        return super().finish(outcome)

    def _failure(self, outcome: Outcome) -> Exception:
        left = self._end_run_without_follower(outcome.run_id) if outcome.ending is Ending.GAVE_UP else ""
        return EXCEPTIONS[outcome.ending](outcome.describe(self._run_url(outcome.run_id), left=left))

    @property
    def _is_last(self) -> bool:
        ti = self.context["ti"]
        return is_last(ti.try_number, ti.max_tries)

    def _is_left_for_retry(self) -> bool:
        """Whether not a user but something else, such as an eviction, ends the worker, and a retry follows."""
        if not self.task.durable:
            return False
        ti = self.context["ti"]
        try:
            state = state_at_kill(ti)
        except Exception as error:
            unknown = "The run is cancelled, as it is unknown whether a user has ended the task"
            self.attempt.note(logging.WARNING, f"{unknown}: {reason_of(error)}")
            return False
        if state == "restarting":
            # On 2.11 nothing else distinguishes the next try from a retry.
            note_for_retry(ti, TO_REPLACE_KEY)
        is_late = self.deadline is not None and time.time() >= self.deadline
        if is_late or self._is_last or state not in ("running", "up_for_retry"):
            return False
        left = f"The run is left active for the retry: no user has ended the task (state: {state})"
        self.attempt.note(logging.INFO, left)
        return True

    def _end_run_without_follower(self, run_id: str) -> str:
        """Cancel a run that this try gave up, if no retry follows. Returns what happens to the run."""
        task = self.task
        if not self._is_last:
            return REATTACHED if task.durable else NOT_FOUND_AGAIN
        if not task.cancel_on_kill:
            return LEFT_ALONE
        try:
            is_cancelled = self.attempt.run(cancel_run(run_id))
            self.attempt.run(TwinWatch(run_id, self._suffix, time.time()).check_last(may_wait=False))
        except Exception as error:
            self.log.error("Run %s could not be cancelled: %s", run_id, reason_of(error))
            is_cancelled = False
        return CANCELLED_AT_LAST if is_cancelled else LEFT_AT_LAST

    def _end_possible_run(self, error: WherobotsApiError, *, is_retried: bool) -> str:
        """Cancel a run that a failed submission may have left, if no retry looks for it. Returns a sentence on it."""
        task, may_exist = self.task, "The run may exist and be active"
        if is_retried:
            does = "looks it up by its name first" if task.durable else "creates a new one (durable=False)"
            return f"{may_exist}; a retry of the task {does}"
        is_unclear = isinstance(error, UnclearCreateError | NotReplacedError) or error.operation == LOOK_UP
        if task.durable and task.cancel_on_kill and is_unclear:
            found = self.attempt.run(cancel_runs_by_suffix(self._suffix, CANCEL_BUDGET_SECONDS))
            if found:
                return f"Run {', '.join(found)} was found and cancelled, because no retry follows"
        return f"{may_exist}, and no retry will look it up"

    def _new_quota_wait(self) -> QuotaWait:
        return QuotaWait(self.task.max_quota_wait_seconds, self.task.deferrable, self.deadline)

    def _work(
        self,
        quota: QuotaWait,
        *,
        look_first: bool,
        expects_run: bool = False,
        replace: bool = False,
        reuse_completed: bool = False,
        reuse_ended: bool = False,
        is_fresh: bool = False,
    ) -> Any:
        """Get a run and follow it to its end, on this worker or by deferring.

        ``look_first``: an earlier try may have left a run; ``expects_run``: it has had one. With ``replace`` that run
        is cancelled and replaced, and with ``reuse_completed`` it counts as this try's run if it has completed, with
        ``reuse_ended`` if it has ended. A run that the previous try cancelled is replaced once. ``is_fresh``: it has
        already been replaced.
        """
        task = self.task
        while True:
            with task.script_of_this_try(self.context):
                submission = self._submit(
                    quota,
                    look_first=look_first,
                    expects_run=expects_run,
                    replace=replace,
                    reuse_completed=reuse_completed,
                    reuse_ended=reuse_ended,
                )
            task.run_id = submission.run.id
            self._announce(submission.run)
            note_for_retry(self.context["ti"], RUN_ID_KEY)
            if submission.reattached:
                self._emit(measurements.of_reattachment(submission.run, self._metric_tags))
            twin_suffix = self._suffix if submission.may_have_twin else ""
            if not task.wait_for_completion:
                self._push(RUN_LEFT_ACTIVE_KEY, True)
                twins = TwinWatch(submission.run.id, twin_suffix, time.time())
                self.attempt.run(twins.check_last(may_wait=True))
                self.attempt.adopt(submission.run.id)
                return submission.run.id
            reattached, started_at = submission.reattached and not is_fresh, time.time()
            outcome = self._follow(submission.run, quota.deadline, reattached, started_at, twin_suffix)
            if not self._is_to_be_repeated(outcome, reattached, started_at):
                return self.finish(outcome)
            quota, look_first, replace, is_fresh = self._new_quota_wait(), True, False, True
            expects_run = reuse_completed = reuse_ended = False

    def _submit(self, quota: QuotaWait, *, look_first: bool, **if_found: bool) -> Submission:
        task = self.task
        payload = task.payload_to_send(self.context, self._suffix)
        if task.durable:
            self._suffix = durable_suffix(payload["name"])
        flow = submit_run(
            payload,
            task.region_to_send,
            durable=task.durable,
            look_first=look_first,
            max_outage_seconds=task.max_outage_seconds,
            quota=quota,
            uploads=find_uploads(task, payload, self.context),
            **if_found,
        )
        suffix = self._suffix if task.durable else ""
        try:
            with naming(task.task_id):
                submission = self.attempt.submit(flow, suffix, older_may_exist=look_first)
        except QuotaNotFreedError as error:
            raise self._no_quota(error) from error
        except WherobotsApiError as error:
            if if_found.get("replace") and (isinstance(error, NotReplacedError) or error.operation == LOOK_UP):
                pass_on_clear(self._push, self.context)
            # A refusal of the look-up must not end the retries: they may re-attach to a run of an earlier try.
            kind = WherobotsUnavailableException if error.operation == LOOK_UP else kind_of_call(error)
            again = self._end_possible_run(error, is_retried=not self._is_last and task.may_retry(kind()))
            raise kind(describe_no_run(error, task.max_outage_seconds, again=again)) from error
        if isinstance(submission, AwaitingQuota):
            suffix = self._suffix if submission.wait.unclear and task.cancel_on_kill else ""
            self._defer_for_quota(submission, {"suffix": self._suffix}, suffix)
        return submission

    def _follow(
        self, run: Run, deadline: float | None, reattached: bool, started_at: float, twin_suffix: str
    ) -> Outcome:
        task = self.task
        options = replace(
            follow_options(task, started_at, deadline),
            run_id=run.id,
            execution_timeout=self._execution_timeout,
            is_new=not reattached and run.is_active,
            twin_suffix=twin_suffix,
        )
        self.log.info("%s", options.describe(task.deferrable))
        if task.deferrable:
            self._defer(
                WherobotsRunTrigger(task.wherobots_conn_id, options.to_kwargs(), task.cancel_on_kill),
                "execute_complete",
                {"reattached": reattached, "started_at": started_at, "suffix": self._suffix},
                self._defer_timeout(deadline),
            )
        return self._follow_here(options)

    def _is_to_be_repeated(self, outcome: Outcome, reattached: bool, started_at: float) -> bool:
        """Whether the run of an earlier try ended in a way that makes this try create a new run."""
        if was_cancelled_for_earlier_try(outcome, reattached, started_at):
            why = "was cancelled by the previous try"
        elif reattached and self._must_have_result and outcome.ending is Ending.COMPLETED and outcome.result is None:
            why = "completed, but its result could not be read from its log"
        else:
            return False
        self.log.info("Run %s %s; a new run is created", outcome.run_id, why)
        return True
