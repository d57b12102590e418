"""One try of the operator that creates a run: gets a run, follows it to its end here or by deferring, and finishes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.errors import NotFoundError, WherobotsApiError
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.api.runs.runtimes import after_out_of_memory, published_name
from airflow_provider_wherobots.compat import TaskDeferralError, TaskDeferred
from airflow_provider_wherobots.exceptions import (
    WherobotsTaskKilledException,
    WherobotsUnavailableException,
    kind_of_call,
)
from airflow_provider_wherobots.flows.cancel import cancel_run, cancel_runs_of
from airflow_provider_wherobots.flows.follow import FollowOptions
from airflow_provider_wherobots.flows.quota import AwaitingQuota, QuotaNotFreedError, QuotaWait
from airflow_provider_wherobots.flows.retry import CANCEL_BUDGET_SECONDS
from airflow_provider_wherobots.flows.submit import NotReplacedError, Rules, Submission, UnclearCreateError
from airflow_provider_wherobots.operators.creates_run import CreatesRun
from airflow_provider_wherobots.operators.wherobots_task import TRIGGER_TIMEOUT, argument_errors
from airflow_provider_wherobots.runs import measurements
from airflow_provider_wherobots.runs.memory import Memory, Past
from airflow_provider_wherobots.runs.outcome import (
    CANCELLED_AT_LAST,
    LEFT_ALONE,
    LEFT_AT_LAST,
    LOOK_UP,
    NO_RUN,
    NOT_FOUND_AGAIN,
    NOT_THERE,
    REATTACHED,
    Ending,
    Outcome,
    describe_no_run,
)
from airflow_provider_wherobots.runs.run_name import default_run_name
from airflow_provider_wherobots.runs.summary import RunSummary
from airflow_provider_wherobots.stored import StoredOptions
from airflow_provider_wherobots.tasks.local_files import find_uploads
from airflow_provider_wherobots.tasks.memory import TaskMemory, try_of
from airflow_provider_wherobots.tasks.run_try import EXCEPTIONS, RunTry, follow_options
from airflow_provider_wherobots.triggers.run import WherobotsRunTrigger
from airflow_provider_wherobots.words import places_of, reason_of
from airflow_provider_wherobots.xcoms import RUN_ID_KEY, RUN_LEFT_ACTIVE_KEY, RUNS_KEY

EARLIER_CANCEL_SECONDS = 300.0
"""A re-attached run that ends CANCELLED within this time was cancelled by an earlier try, whose kill takes up to a
minute to show.
"""


@dataclass(frozen=True, slots=True)
class Deferred(StoredOptions):
    """What a try keeps while it is deferred.

    :param memory: what the task remembers, as a document; None with ``durable=False``.
    :param reattached: whether the run is that of an earlier try.
    :param started_at: when this try got the run, in epoch seconds.
    :param quota: the wait for quota, as long as there is no run.
    """

    memory: dict[str, Any] | None = None
    reattached: bool = False
    started_at: float = 0.0
    quota: dict[str, Any] | None = None


class SubmitTry(RunTry[CreatesRun]):
    """One try of a ``WherobotsRunOperator``."""

    _memory: TaskMemory | None = None
    """What the task remembers; None with ``durable=False``."""
    _may_have_run = False
    """Whether this try has a run, or has looked for one."""

    def begin(self, carried: Mapping[str, Any] | None = None) -> Any:
        """Get a run and wait for its end. Return its id or result.

        ``carried`` is what the try kept while it was deferred, if it starts over.
        """
        with self._round():
            if self.task.durable:
                self._hold(self._read_memory(Deferred.from_kwargs(carried or {}).memory))
            return self._work(self._new_quota_wait())

    def resume_after_quota_wait(self, stored: Mapping[str, Any]) -> Any:
        """Repeat the create call. ``stored`` is what the try has kept."""
        kept = Deferred.from_kwargs(stored)
        with self._round():
            self._resume_memory(kept)
            return self._work(QuotaWait.from_kwargs(kept.quota or {}))

    def resume_with(self, event: Mapping[str, Any], stored: Mapping[str, Any]) -> Any:
        """Finish with a trigger's event, or begin again if the run ended because an earlier try had cancelled it.

        ``stored`` is what the try has kept.
        """
        kept = Deferred.from_kwargs(stored)
        with self._round():
            self._resume_memory(kept)
            self._may_have_run = True
            outcome = Outcome.from_event(event)
            if not self._is_to_be_repeated(outcome, kept.reattached, kept.started_at):
                return self.finish_resumed(outcome)
            return self._work(self._new_quota_wait(), is_replacement=True)

    def end_before_look_up(self, error: BaseException, *, may_have_run: bool = False) -> None:
        """Cancel the runs of the task, if the try ends before it has looked for them and no retry follows. Never
        raises. ``may_have_run``: the task may have one even if it remembers none.
        """
        try:
            if not self.task.durable or not self.task.cancel_on_kill or self._is_retried(error):
                return
            memory = (self._memory or self._read_memory()).now
            this_try = try_of(self.context)
            if memory.past_of_runs is Past.NOTHING and this_try.is_first and not (memory.passed_over or may_have_run):
                return
            if self.attempt.was_killed:
                if not self.attempt.has_ended_runs:
                    self.attempt.end_runs_of(memory)
            else:
                self._cancel_runs_of(memory)
        except Exception as failure:
            command = words.command("orphans", self.task.wherobots_conn_id)
            text = "Runs of earlier tries could not be looked up (%s). To find them: %s"
            self.log.error(text, reason_of(failure), command)

    def outcome_after_trigger_failure(self, next_kwargs: Mapping[str, Any] | None) -> Outcome | None:
        """Check the run, and cancel it if it is active and ``cancel_on_kill``. None if the task must fail as well."""
        run_id = self._pull(RUN_ID_KEY)
        if not run_id:
            self.end_before_look_up(TaskDeferralError("the trigger failed"), may_have_run=True)
            return None
        outcome = self._settle_after_trigger_failure(run_id)
        # A run found CANCELLED after a timeout was cancelled by the trigger: the timeout is the cause.
        timed_out = str((next_kwargs or {}).get("error")) == TRIGGER_TIMEOUT
        return None if outcome is not None and timed_out and outcome.ending is Ending.CANCELLED else outcome

    def finish_after_trigger_failure(self, outcome: Outcome) -> Any:
        """Finish with the outcome of a run whose trigger has failed."""
        with self._round():
            self._may_have_run = True
            if self.task.durable:
                self._memory = self._read_memory()
            return self.finish_resumed(outcome)

    def finish(self, outcome: Outcome) -> Any:
        """Send the metrics of the run's end, and finish like every task that follows a run.

        A run that was given up is followed on if this worker can read it.
        """
        if outcome.ending is Ending.GAVE_UP and outcome.run_id:
            outcome = self._follow_on(outcome)
        self.task.run_id = outcome.run_id
        if self.task.runtime_on_out_of_memory and outcome.is_out_of_memory and not self._is_last:
            outcome = self._choose_runtime(outcome, self.task.runtime_on_out_of_memory)
        self._keep(outcome.run_id, outcome.status, outcome.summary)
        self._emit(measurements.of_end(outcome, self._metric_tags, cancelled_at_deadline=self.task.cancel_on_kill))
        return super().finish(outcome)

    @contextmanager
    def _round(self) -> Iterator[None]:
        """The time in which the try works. How it ends is remembered, and if no retry follows, nothing is left."""
        try:
            yield
        except (TaskDeferred, KeyboardInterrupt):
            raise
        except BaseException as error:
            if not self._may_have_run:
                self.end_before_look_up(error)
            if self._memory is not None and not self.attempt.was_killed and not self._is_retried(error):
                self._memory.remember(self._memory.now.over())
            raise
        if self._memory is not None:
            self._memory.remember(self._memory.now.done(self.context["ti"].try_number))

    def _hold(self, memory: TaskMemory) -> None:
        self._memory = self.attempt.memory = memory
        memory.remember(memory.now)

    def _read_memory(self, carried: Mapping[str, Any] | None = None) -> TaskMemory:
        """What the task remembers of its earlier tries."""
        task = self.task
        # A function may execute several operators, which it tells apart by their arguments.
        is_inside = task.task_id != self.context["ti"].task_id
        job = "\x1f".join((task.task_id, repr(task.run_python), repr(task.run_jar))) if is_inside else ""
        return TaskMemory.begin(self.context, self.log, job=job, carried=carried)

    def _resume_memory(self, kept: Deferred) -> None:
        if kept.memory is not None:
            self._memory = self.attempt.memory = TaskMemory.resume(self.context, self.log, kept.memory)

    def _kept(self, **more: Any) -> dict[str, Any]:
        memory = None if self._memory is None else self._memory.now.to_json()
        return Deferred(memory=memory, **more).to_kwargs()

    def _failure(self, outcome: Outcome) -> Exception:
        left = self._end_run_without_follower(outcome.run_id) if outcome.ending is Ending.GAVE_UP else ""
        return EXCEPTIONS[outcome.ending](outcome.describe(self._run_url(outcome.run_id), left=left))

    @property
    def _is_last(self) -> bool:
        """Whether Airflow makes no other try after this one fails."""
        return try_of(self.context).is_last

    def _is_retried(self, error: BaseException) -> bool:
        return not (self._is_last or self.attempt.was_killed) and self.task.may_retry(error)

    def _keep(self, run_id: str, status: str, summary: Mapping[str, Any] | None = None) -> None:
        """Remember what this try has seen of a run, and push that of all tries: Airflow deletes the XComs of a try
        when the next begins.
        """
        known = {key: value for key, value in (summary or {}).items() if value is not None}
        ids = {"try_number": self.context["ti"].try_number, "run_id": run_id, "run_url": self._run_url(run_id)}
        seen = {"cost_usd": None, **known, **ids, "status": words.short(status)}
        if self._memory is not None:
            self._memory.remember(self._memory.now.with_try(seen))
        self._push(RUNS_KEY, [seen] if self._memory is None else list(self._memory.now.tries))

    def _choose_runtime(self, outcome: Outcome, wanted: str | Sequence[str]) -> Outcome:
        """Remember the runtime of the next try, after a run that had too little memory. The message says which."""
        memory, given = self._memory, self.task.given_runtime
        asked = (given, *(self.task.runtimes_of_round(memory.now) if memory is not None else ()))[-1]
        failed_on = (outcome.summary or {}).get("runtime") or asked
        chosen, same = after_out_of_memory(failed_on, wanted), f"A retry keeps runtime {failed_on or '(the default)'}"
        if asked and published_name(asked) != published_name(failed_on):
            # The task has been edited since the run was created.
            text = f"A retry gets runtime {asked}; this run had {failed_on}"
        elif memory is None or not memory.is_kept:
            text = f"{same}: another one is only remembered in Airflow's task state store (3.3 or later)"
        elif chosen is None:
            text = f"{same}: runtime_on_out_of_memory={wanted!r} has none after it"
        else:
            memory.remember(memory.now.with_runtime(given, chosen))
            text = f"A retry gets runtime {chosen} instead of {failed_on or 'the default'}"
        self.log.warning("Run %s was out of memory. %s", outcome.run_id, text)
        return replace(outcome, next_try=text)

    def _follow_on(self, outcome: Outcome) -> Outcome:
        """Follow a run that was given up, as long as this worker can read it. Returns how that ended.

        After an outage the task defers again, so that it takes no worker slot. If only the triggerer cannot reach the
        service, that happens once per ``max_outage_seconds``.
        """
        run_id = outcome.run_id
        try:
            while outcome.ending is Ending.GAVE_UP and (run := self._look_at(run_id)) is not None:
                self.log.warning("Run %s was given up (%s), but this worker can read it", run_id, outcome.reason)
                if not outcome.outage_seconds:
                    # The trigger has failed without a failed poll, and would fail again at once.
                    self.task.deferrable = False
                outcome = self._follow(run, self.deadline, reattached=False, started_at=time.time())
        except WherobotsTaskKilledException:
            raise
        except Exception as error:
            # What has failed the trigger may fail here too, and must not keep the run from being cancelled.
            self.log.error("Run %s can no longer be followed: %s\n%s", run_id, reason_of(error), places_of(error))
        return outcome

    def _end_run_without_follower(self, run_id: str) -> str:
        """Cancel a run that this try gave up, if no retry follows. Returns what happens to the run."""
        task = self.task
        to_cancel = f". To cancel it: {words.command(f'runs cancel --yes {run_id}', task.wherobots_conn_id)}"
        if not self._is_last:
            return f"{REATTACHED if task.durable else NOT_FOUND_AGAIN}{to_cancel}"
        if not task.cancel_on_kill:
            return f"{LEFT_ALONE}{to_cancel}"
        try:
            failure = self.attempt.run(cancel_run, run_id)
        except Exception as error:
            self.log.error("Run %s could not be cancelled: %s", run_id, reason_of(error))
            return f"{LEFT_AT_LAST}{to_cancel}"
        if isinstance(failure, NotFoundError):
            return NOT_THERE.format(task.hook.settings.endpoint.base_url)
        return CANCELLED_AT_LAST if failure is None else f"{LEFT_AT_LAST}{to_cancel}"

    def _cancel_runs_of(self, memory: Memory) -> list[str]:
        """Cancel the active runs with the task's identity. Returns the ids of the cancelled."""
        self.log.info("Cancelling the active runs of this task, if there are any, because no retry follows")
        return self.attempt.run(cancel_runs_of, memory, CANCEL_BUDGET_SECONDS)

    def _end_possible_run(self, error: WherobotsApiError, *, is_retried: bool) -> str:
        """Cancel a run that a failed submission may have left, if no retry looks for it. Returns a sentence on it."""
        task, memory, may_exist = self.task, self._memory, "The run may exist and be active"
        if is_retried:
            does = "looks it up by its name first" if task.durable else "creates a new one (durable=False)"
            return f"{may_exist}; a retry of the task {does}"
        is_unclear = isinstance(error, UnclearCreateError | NotReplacedError) or error.operation == LOOK_UP
        if memory is not None and is_unclear and task.cancel_on_kill and (found := self._cancel_runs_of(memory.now)):
            return f"Run {', '.join(found)} was found and cancelled, because no retry follows"
        command = words.command("orphans", task.wherobots_conn_id)
        return f"{may_exist}, and no retry will look it up. To look: {command}"

    def _new_quota_wait(self) -> QuotaWait:
        return QuotaWait(self.task.max_quota_wait_seconds, self.task.deferrable, self.deadline)

    def _work(self, quota: QuotaWait, *, is_replacement: bool = False) -> Any:
        """Get a run and follow it to its end, on this worker or by deferring.

        A run that an earlier try has cancelled is replaced once. ``is_replacement``: it has been.
        """
        task = self.task
        while True:
            with task.script_of_this_try(self.context):
                submission = self._submit(quota)
            task.run_id = submission.run.id
            self._announce(submission.run)
            self._keep(submission.run.id, submission.run.status, RunSummary.of_run(submission.run).to_json())
            if submission.reattached:
                self._emit(measurements.of_reattachment(submission.run, self._metric_tags))
            if not task.wait_for_completion:
                self._push(RUN_LEFT_ACTIVE_KEY, True)
                self.attempt.adopt(submission.run.id)
                return submission.run.id
            reattached, started_at = submission.reattached and not is_replacement, time.time()
            outcome = self._follow(submission.run, quota.deadline, reattached, started_at)
            if not self._is_to_be_repeated(outcome, reattached, started_at):
                return self.finish(outcome)
            quota, is_replacement = self._new_quota_wait(), True

    def _submit(self, quota: QuotaWait) -> Submission:
        task = self.task
        payload = task.payload_to_send(self.context, None if self._memory is None else self._memory.now)
        if self._memory is not None and (raised := task.runtimes_of_round(self._memory.now)):
            too_small = ", ".join(runtime or "the default" for runtime in raised[:-1])
            self.log.info("Using runtime %s, as earlier runs were out of memory on %s", raised[-1], too_small)
        uploads = find_uploads(task, payload, self.context)
        try:
            with argument_errors(task.task_id):
                submission = self.attempt.submit(
                    payload,
                    task.region_to_send,
                    None if self._memory is None else self._memory.now,
                    Rules(task.cancel_on_kill, task.reuse_completed, self.context["ti"].try_number - 1),
                    max_outage_seconds=task.max_outage_seconds,
                    quota=quota,
                    uploads=uploads,
                    command=default_run_name(self.context["ti"].dag_id, task.task_id),
                )
        except QuotaNotFreedError as error:
            raise self._no_quota(error) from error
        except WherobotsApiError as error:
            is_look = error.operation == LOOK_UP
            if is_look and try_of(self.context).is_first:
                raise kind_of_call(error)(describe_no_run(error, task.max_outage_seconds, again=NO_RUN)) from error
            # A refusal of the look-up must not end the retries: they may re-attach to a run of an earlier try.
            kind = WherobotsUnavailableException if is_look else kind_of_call(error)
            again = self._end_possible_run(error, is_retried=self._is_retried(kind()))
            self._may_have_run = True
            raise kind(describe_no_run(error, task.max_outage_seconds, again=again)) from error
        if isinstance(submission, AwaitingQuota):
            self._await_quota(submission)
        self._may_have_run = True
        return submission

    def _await_quota(self, awaiting: AwaitingQuota) -> NoReturn:
        # There is no run: not the one that is replaced.
        self._push(RUN_ID_KEY, "")
        self._defer_for_quota(awaiting, self._kept())

    def _follow(self, run: Run, deadline: float | None, reattached: bool, started_at: float) -> Outcome:
        task = self.task
        # A run that has ended needs no trigger.
        is_deferred = task.deferrable and run.is_active
        options = self._options(run.id, deadline, started_at, is_new=not reattached and run.is_active)
        self.log.info("%s", options.describe(is_deferred))
        if is_deferred:
            self._defer(
                WherobotsRunTrigger(task.wherobots_conn_id, options.to_kwargs(), task.cancel_on_kill),
                "execute_complete",
                self._kept(reattached=reattached, started_at=started_at),
                self._defer_timeout(deadline),
            )
        return self._follow_here(options)

    def _options(
        self, run_id: str, deadline: float | None, started_at: float, *, is_new: bool = False
    ) -> FollowOptions:
        options = follow_options(self.task, started_at, deadline)
        return replace(options, run_id=run_id, execution_timeout=self._execution_timeout, is_new=is_new)

    def _after_lost_result(self) -> str:
        if self._is_last:
            return "No retry follows"
        finds_run = self._memory is not None and self._memory.is_kept and self.task.reuse_completed
        return f"{super()._after_lost_result()} first" if finds_run else "A retry starts a new run"

    def _is_to_be_repeated(self, outcome: Outcome, reattached: bool, started_at: float) -> bool:
        """Whether the run of an earlier try ended in a way that makes this try create a new run."""
        if not reattached:
            return False
        if outcome.ending is Ending.CANCELLED and outcome.ended_at - started_at < EARLIER_CANCEL_SECONDS:
            why = "was cancelled by an earlier try"
        elif self.task.return_result and outcome.ending is Ending.COMPLETED and outcome.result is None:
            if outcome.has_wrong_result:
                return False
            why = "completed, but its result could not be read from its log"
        else:
            return False
        self.log.info("Run %s %s; creating a new run", outcome.run_id, why)
        self._keep(outcome.run_id, outcome.status, outcome.summary)
        if self._memory is not None:
            self._memory.remember(self._memory.now.looked([outcome.run_id]))
        return True
