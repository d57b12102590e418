"""The operator that runs a Python script or a JAR on Wherobots Cloud.

A DAG file imports this each time it is parsed, so each method of a running task imports what it needs itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from enum import Enum
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_wherobots.api.connection import DEFAULT_CONN_ID
from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.runs.payload import build_payload, checked_choice, checked_runtimes, whole_seconds
from airflow_provider_wherobots.api.runs.runtimes import after_out_of_memory, published_name
from airflow_provider_wherobots.api.storage import checked_upload_to
from airflow_provider_wherobots.compat import (
    FAILED_TRIGGER,
    TRIGGER_TIMEOUT,
    BaseOperator,
    TaskDeferralError,
    TaskDeferred,
    is_in_task,
)
from airflow_provider_wherobots.config import (
    COPY_LOG_ON_RESUME,
    DEFAULT_DEFERRABLE,
    MAX_OUTAGE_SECONDS,
    MAX_PENDING_SECONDS,
    MAX_QUOTA_WAIT_SECONDS,
    POLLING_INTERVAL,
    WAIT_POST_RUN_LOGS,
    configured,
)
from airflow_provider_wherobots.exceptions import (
    WherobotsException,
    WherobotsRunCancelledException,
    WherobotsTaskKilledException,
    WherobotsUnavailableException,
    kind_of_call,
)
from airflow_provider_wherobots.links.run import WherobotsRunLink, WherobotsSparkUiLink
from airflow_provider_wherobots.runs.run_name import default_run_name, durable_run_name
from airflow_provider_wherobots.stored import RUN_ID_KEY, RUN_LEFT_ACTIVE_KEY
from airflow_provider_wherobots.tasks.wherobots_task import FollowsRun, argument_errors, is_unrendered, refuse_argument

if TYPE_CHECKING:
    from airflow_provider_wherobots.api.runs.models import Run
    from airflow_provider_wherobots.compat import Context
    from airflow_provider_wherobots.flows.quota import QuotaWait
    from airflow_provider_wherobots.flows.submit import Submission
    from airflow_provider_wherobots.runs.memory import Memory
    from airflow_provider_wherobots.runs.outcome import Outcome
    from airflow_provider_wherobots.tasks.run_attempt import RunAttempt

EARLIER_CANCEL_SECONDS = 300.0
"""A re-attached run that ends CANCELLED within this time was cancelled by an earlier try, whose kill takes up to a
minute to show.
"""
_FLAGS = (
    "poll_logs",
    "deferrable",
    "durable",
    "cancel_on_kill",
    "wait_for_completion",
    "retry_cancelled",
    "reuse_completed",
    "return_result",
)


class WherobotsRunOperator(FollowsRun["RunAttempt"], BaseOperator):
    """Run a Python script or a JAR on Wherobots Cloud, follow it to its end, and copy its log into the task log.

    Creates the run (``POST /runs``), pushes its id and address to XCom, and defers to
    :class:`~airflow_provider_wherobots.triggers.run.WherobotsRunTrigger`. A retry re-attaches to a run that is still
    active. The run is cancelled if the task is killed, marked or cleared, or reaches its ``execution_timeout``.
    Returns the run's id, or with ``return_result`` what the script printed as its result:
    ``print("airflow-result:", json.dumps(value))``.

    XComs: ``run_id``, ``run_url`` and ``runs`` (the run of each attempt) as soon as there is a run, ``spark_ui_url`` as
    soon as it is known,
    ``run_summary`` (fields of :class:`~airflow_provider_wherobots.runs.summary.RunSummary`) once the run has ended,
    regardless of its status, and ``result`` with it, if the script printed one. Once the run has completed, both go
    into the event of each asset (dataset on 2.11) in ``outlets``. If the result is an object with a list
    ``partitions``, on 3.3 each asset has an event for each of them.

    :param run_python: ``{"uri": str, "args": list}``: the script to run. The URI is an ``s3://`` address, or a path of
        the worker (relative to the DAG file's folder, absolute, or ``file://``), whose file is uploaded. Give either
        this or ``run_jar``. Templated.
    :param run_jar: ``{"uri": str, "args": list, "mainClass": str}``: the JAR to run, likewise. Templated.
    :param name: 8 to 255 characters of ``[A-Za-z0-9_.-]``; default ``{dag_id}.{task_id}``. With ``durable`` a suffix is
        added. Templated.
    :param runtime: id of the runtime, such as ``tiny``; default the connection's, else the organization's. Templated.
    :param runtime_on_out_of_memory: the runtime of the retry after a run that has definitely run out of memory.
        ``next`` is the next larger published one of the same family. A list is tried in order. Later retries keep it;
        a clear begins with ``runtime`` again. Needs Airflow 3.3; default None, the same runtime. Templated.
    :param region: compute region, such as ``aws-us-west-2``; default the connection's, else the organization's.
        Templated.
    :param version: Wherobots version; default the connection's, else ``latest``. Templated.
    :param environment: ``{"sparkConfigs", "dependencies", "sparkDriverDiskGB", "sparkExecutorDiskGB"}``. The
        ``filePath`` of a dependency may be a path too, also of a folder, which is uploaded as a zip file. Templated.
    :param timeout_seconds: seconds after which the service ends the run, or a timedelta, which is rounded up to whole
        seconds; default the task's ``execution_timeout``, else the service's 3600. Templated.
    :param wherobots_conn_id: id of the connection; default ``wherobots_default``. Templated.
    :param poll_logs: whether the run's log goes into the task log; default True.
    :param polling_interval: the longest delay between two polls in seconds, 2 or more; default
        ``[wherobots] polling_interval``, 30. The delay starts at 6 s, and grows by one for every two minutes that
        this attempt has followed the run. Each delay is up to 10 % longer at random.
    :param wait_post_run_logs_timeout_seconds: how long to wait for late log lines after the end, in seconds; default
        ``[wherobots] wait_post_run_logs_timeout_seconds``, 60. Time during which the service limits the API key
        does not count.
    :param deferrable: whether the triggerer waits, so that no worker is held; default
        ``[wherobots] default_deferrable``, True.
    :param durable: whether a retry finds the run of the attempt before it and re-attaches to it; default True. False
        sends the name as it is, and every attempt creates a new run.
    :param cancel_on_kill: whether the run is cancelled if the task is killed, reaches its timeout, or fails for good
        because it can no longer follow the run; default True.
    :param wait_for_completion: whether to wait for the run's end; default True. False returns once it is created.
    :param max_outage_seconds: how long the service may be unreachable, or refuse an API key that has worked, before the
        task gives up, in seconds; default ``[wherobots] max_outage_seconds``, 600.
    :param max_quota_wait_seconds: how long an attempt waits for quota before it fails, in seconds; default
        ``[wherobots] max_quota_wait_seconds``, 3600. 0 fails it at once. With ``deferrable`` a long wait is deferred.
    :param max_pending_seconds: how long after its creation the run may be PENDING, in seconds. Then the task cancels
        it, also with ``cancel_on_kill=False``, and fails; a retry creates a new run. Default
        ``[wherobots] max_pending_seconds``, 0: no limit. Needs ``wait_for_completion``.
    :param retry_cancelled: whether a run that was cancelled on the service's side may be retried, with a new run;
        default False. A ``retry_policy`` (Airflow 3.3) decides instead, if there is one.
    :param reuse_completed: whether a retry takes over a completed run of an earlier attempt, instead of repeating the
        job; default True. A worker may be killed between the run's end and the task's end. Below Airflow 3.3 a retry
        does not know of that run, and repeats the job. A cleared task creates a new run.
    :param return_result: whether the task returns the run's result instead of its id; default False. If the log has
        none, it fails: a retry reads the log again, and creates a new run only if there is still none. A malformed
        result fails it without a retry.
    :param openlineage_inject_parent_job_info: whether the run's Spark is told which task started it, for OpenLineage;
        default ``[openlineage] spark_inject_parent_job_info``, False. Needs ``apache-airflow-providers-openlineage``.
    :param upload_to: ``s3://`` address of the folder that local files are uploaded to; default the connection's, else
        one in the organization's managed storage. Templated.
    :raises WherobotsException: the subclass says how the task failed, see
        :mod:`airflow_provider_wherobots.exceptions`.
    """

    template_fields: Sequence[str] = (
        "wherobots_conn_id",
        "run_python",
        "run_jar",
        "name",
        "runtime",
        "runtime_on_out_of_memory",
        "region",
        "version",
        "environment",
        "timeout_seconds",
        "upload_to",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "run_python": "json",
        "run_jar": "json",
        "environment": "json",
    }
    ui_color = "#d5f0e6"
    operator_extra_links = (WherobotsRunLink(), WherobotsSparkUiLink())
    run_id: str | None = None
    """The run's id, once the task has one: for subclasses, and for code that calls ``execute``."""

    def __init__(
        self,
        *,
        run_python: Mapping[str, Any] | None = None,
        run_jar: Mapping[str, Any] | None = None,
        name: str | None = None,
        runtime: str | Enum | None = None,
        runtime_on_out_of_memory: str | Enum | Sequence[str | Enum] | None = None,
        region: str | Enum | None = None,
        version: str | Enum | None = None,
        environment: Mapping[str, Any] | None = None,
        timeout_seconds: int | str | timedelta | None = None,
        wherobots_conn_id: str = DEFAULT_CONN_ID,
        poll_logs: bool = True,
        polling_interval: float | None = None,
        wait_post_run_logs_timeout_seconds: float | None = None,
        deferrable: bool | None = None,
        durable: bool = True,
        cancel_on_kill: bool = True,
        wait_for_completion: bool = True,
        max_outage_seconds: float | None = None,
        max_quota_wait_seconds: float | None = None,
        max_pending_seconds: float | None = None,
        retry_cancelled: bool = False,
        reuse_completed: bool = True,
        return_result: bool = False,
        openlineage_inject_parent_job_info: bool | None = None,
        upload_to: str | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_argument(kwargs.get("task_id", ""), kwargs, "dependencies", "environment={'dependencies': [...]}")
        super().__init__(**kwargs)
        self.run_python = run_python
        self.run_jar = run_jar
        self.name = name
        self.runtime = runtime
        self.runtime_on_out_of_memory: Any = runtime_on_out_of_memory
        self.region = region
        self.version = version
        self.environment = environment
        self.timeout_seconds = whole_seconds(timeout_seconds)
        self.wherobots_conn_id = wherobots_conn_id
        self.poll_logs = poll_logs
        self.polling_interval = self._seconds(POLLING_INTERVAL, polling_interval)
        self.wait_post_run_logs_timeout_seconds = self._seconds(WAIT_POST_RUN_LOGS, wait_post_run_logs_timeout_seconds)
        self.deferrable = configured(DEFAULT_DEFERRABLE) if deferrable is None else deferrable
        self.durable = durable
        self.cancel_on_kill = cancel_on_kill
        self.wait_for_completion = wait_for_completion
        self.max_outage_seconds = self._seconds(MAX_OUTAGE_SECONDS, max_outage_seconds)
        self.copy_log_on_resume = configured(COPY_LOG_ON_RESUME)
        self.max_quota_wait_seconds = self._seconds(MAX_QUOTA_WAIT_SECONDS, max_quota_wait_seconds)
        self.max_pending_seconds = self._seconds(MAX_PENDING_SECONDS, max_pending_seconds)
        self.retry_cancelled = retry_cancelled
        self.reuse_completed = reuse_completed
        self.upload_to = upload_to
        self.return_result = return_result
        self.openlineage_inject_parent_job_info = openlineage_inject_parent_job_info
        self._check_flags(*_FLAGS)
        if return_result and not wait_for_completion:
            raise self._wrong(
                "return_result=True: needs wait_for_completion=True, as a result comes with the run's end"
            )
        if max_pending_seconds and not wait_for_completion:
            raise self._wrong("max_pending_seconds: needs wait_for_completion=True, to see whether the run starts")
        if runtime_on_out_of_memory is not None and not (durable and wait_for_completion):
            raise self._wrong(
                "runtime_on_out_of_memory: needs durable=True and wait_for_completion=True, to know how the run before"
                " has ended"
            )
        if not isinstance(value := openlineage_inject_parent_job_info, bool | None):
            raise self._wrong(f"openlineage_inject_parent_job_info={value!r}: must be True, False or None")
        self._checked_payload(self._name_or_default("dag"), is_unrendered)
        # In a function, its task has the retries.
        if runtime_on_out_of_memory is not None and not self.retries and not is_in_task():
            raise self._wrong("runtime_on_out_of_memory: needs retries, because only a retry gets the other runtime")

    # The life of a task

    def execute(self, context: Context) -> Any:
        """Create the run, or re-attach to it, and wait for its end.

        :param context: the task's context.
        :returns: the run's id, or its result.
        """
        with self._working(context) as attempt:
            attempt.begin()
            return self._run(attempt)

    def execute_after_quota_wait(self, context: Context, event: Any, **stored: Any) -> Any:
        """Repeat the create call, after the triggerer has waited for quota.

        :param context: the task's context.
        :param event: the trigger's event; unused.
        :param stored: what the task stored when it deferred.
        :returns: the run's id, or its result.
        """
        with self._working(context) as attempt:
            return self._run(attempt, attempt.resume(stored).quota_wait)

    def execute_complete(self, context: Context, event: dict[str, Any], **stored: Any) -> Any:
        """Finish the task after the trigger has followed the run. If an earlier try had cancelled it, begin again.

        :param context: the task's context.
        :param event: the trigger's event.
        :param stored: what the task stored when it deferred.
        :returns: the run's id, or its result.
        """
        from airflow_provider_wherobots.runs.outcome import Outcome

        with self._working(context) as attempt:
            kept = attempt.resume(stored)
            attempt.may_have_run = True
            outcome = Outcome.from_event(event)
            if self._is_to_be_repeated(attempt, outcome, kept.reattached, kept.started_at):
                return self._run(attempt, is_replacement=True)
            with attempt.copying_log(outcome):
                return self._finish(attempt, outcome)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral. If the trigger failed, finish with the run's outcome, or cancel an active run.

        Without an event the task starts over. On Airflow 3.0 and 3.1.0 a retry of a deferred task does so too.

        :param next_method: what Airflow calls next; ``__fail__`` after a crash or timeout.
        :param next_kwargs: its arguments.
        :param context: the task's context.
        """
        with self._working(context) as attempt:
            if attempt.starts_over(next_method, next_kwargs):
                attempt.begin((next_kwargs or {}).get("memory"))
                return self._run(attempt)
            if next_method == FAILED_TRIGGER:
                outcome = self._outcome_after_trigger_failure(attempt, next_kwargs)
                if outcome is not None:
                    next_method, next_kwargs = "execute_complete", {"event": outcome.to_event()}
        return super().resume_execution(next_method, next_kwargs, context)

    def on_kill(self) -> None:
        """Cancel the run, unless ``cancel_on_kill=False``. A signal handler calls this, so it must import nothing."""
        self._was_killed = True
        if self._attempt is not None:
            self._attempt.kill()

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], context: Context, *args: Any, **kwargs: Any
    ) -> None:
        """Render the arguments. Airflow calls this for mapped tasks too.

        If it fails and no retry follows, runs of earlier tries are cancelled: nothing of the task is called after that.
        """
        try:
            super()._do_render_template_fields(parent, template_fields, context, *args, **kwargs)
        except BaseException as error:
            if parent is self and is_in_task():
                self._new_attempt(context).end_runs(error)
            raise

    def _may_retry(self, error: BaseException) -> bool:
        is_wanted = self.retry_cancelled and isinstance(error, WherobotsRunCancelledException)
        return is_wanted or super()._may_retry(error)

    def _new_attempt(self, context: Context) -> RunAttempt:
        from airflow_provider_wherobots.tasks.run_attempt import RunAttempt

        job = "\x1f".join((self.task_id, repr(self.run_python), repr(self.run_jar)))
        return self._begin(context, lambda: RunAttempt(self, context, job))

    @contextmanager
    def _working(self, context: Context) -> Iterator[RunAttempt]:
        """The work of one call from Airflow. Remembers how it ended, and cancels the run if no retry follows."""
        with self._apply_retry_rules():
            try:
                attempt = self._new_attempt(context)
                yield attempt
            except (TaskDeferred, KeyboardInterrupt):
                raise
            except BaseException as error:
                attempt = self._new_attempt(context)
                # An exception of this provider comes after the run's end, or after what is to become of it was decided.
                if not (attempt.may_have_run and isinstance(error, WherobotsException)):
                    attempt.end_runs(error)
                if attempt.memory is not None and not attempt.was_killed and not attempt.is_retried(error):
                    attempt.memory.remember(attempt.memory.now.over())
                raise
            if attempt.memory is not None:
                attempt.memory.remember(attempt.memory.now.done(context["ti"].try_number))

    # From the create request to the run's end

    def _run(self, attempt: RunAttempt, quota: QuotaWait | None = None, *, is_replacement: bool = False) -> Any:
        """Get a run and follow it to its end, on this worker or by deferring. ``quota`` is the rest of a wait.

        If an earlier try has cancelled the run, this creates one new run. ``is_replacement`` says that it already did.
        """
        from airflow_provider_wherobots.runs.summary import RunSummary, of_reattachment

        while True:
            quota = quota or attempt.quota_wait(self.max_quota_wait_seconds)
            with self.script_of_this_try(attempt.context):
                submission = self._submit(attempt, quota)
            run = submission.run
            self.run_id = run.id
            attempt.announce(run)
            attempt.keep(run.id, run.status, RunSummary.of_run(run).to_json())
            if submission.reattached:
                attempt.emit(of_reattachment(run, attempt.metric_tags))
            if not self.wait_for_completion:
                attempt.push(RUN_LEFT_ACTIVE_KEY, True)
                attempt.adopt(run.id)
                return run.id
            reattached, started_at = submission.reattached and not is_replacement, time.time()
            outcome = self._follow(attempt, run, quota.deadline, started_at, reattached=reattached)
            if not self._is_to_be_repeated(attempt, outcome, reattached, started_at):
                return self._finish(attempt, outcome)
            quota, is_replacement = None, True

    def _submit(self, attempt: RunAttempt, quota: QuotaWait) -> Submission:
        """Get a run, or defer while the organization is full."""
        from airflow_provider_wherobots.flows.quota import AwaitingQuota, QuotaNotFreedError
        from airflow_provider_wherobots.flows.submit import Rules, submit_run
        from airflow_provider_wherobots.flows.upload import FileUploads
        from airflow_provider_wherobots.tasks.run_attempt import find_sources

        memory = None if attempt.memory is None else attempt.memory.now
        payload = self.payload_to_send(attempt.context, memory)
        if memory is not None and (raised := self._runtimes_of_round(memory)):
            too_small = ", ".join(runtime or "the default" for runtime in raised[:-1])
            self.log.info("Using runtime %s, as earlier runs were out of memory on %s", raised[-1], too_small)
        try:
            with argument_errors(self.task_id), attempt.open() as io:
                files = find_sources(payload, attempt.context)
                submission = io.run(
                    submit_run,
                    payload,
                    self.region_to_send,
                    memory,
                    Rules(self.cancel_on_kill, self.reuse_completed, attempt.context["ti"].try_number - 1),
                    max_outage_seconds=self.max_outage_seconds,
                    quota=quota,
                    uploads=FileUploads(files, self._folder_of_uploads, self.max_outage_seconds),
                    command=default_run_name(attempt.context["ti"].dag_id, self.task_id),
                )
        except QuotaNotFreedError as error:
            raise attempt.no_quota(error) from error
        except WherobotsApiError as error:
            raise self._no_run(attempt, error) from error
        if isinstance(submission, AwaitingQuota):
            # No run exists yet. The XCom may still name the one that is replaced.
            attempt.push(RUN_ID_KEY, "")
            attempt.defer_for_quota(submission, "execute_after_quota_wait", attempt.kept())
        attempt.may_have_run = True
        # A kill during the create call did not know the run's id yet.
        attempt.adopt(submission.run.id)
        return submission

    def _no_run(self, attempt: RunAttempt, error: WherobotsApiError) -> WherobotsException:
        """The exception of a try that could not get a run. A run that it may have created is cancelled, if no retry
        looks for it.
        """
        from airflow_provider_wherobots.runs.outcome import LOOK_UPS, NO_RUN, describe_no_run

        kind, again, is_look = kind_of_call(error), NO_RUN, error.operation in LOOK_UPS
        if not (is_look and attempt.this_try.is_first):
            # A refusal of the look-up must not end the retries: they may re-attach to a run of an earlier try.
            kind = WherobotsUnavailableException if is_look else kind
            again = attempt.end_possible_run(error, is_retried=attempt.is_retried(kind()))
            attempt.may_have_run = True
        return kind(describe_no_run(error, self.max_outage_seconds, again=again))

    def _follow(
        self,
        attempt: RunAttempt,
        run: Run,
        deadline: float | None,
        started_at: float,
        *,
        reattached: bool,
    ) -> Outcome:
        """Follow a run to its end: defer, if the task may, or wait on this worker."""
        options = attempt.options(run.id, started_at, deadline, is_new=not reattached and run.is_active)
        # A run that has ended needs no trigger.
        if attempt.may_defer and run.is_active:
            attempt.defer_to_trigger(options, **attempt.kept(reattached=reattached, started_at=started_at))
        self.log.info("%s", options.describe(deferred=False))
        return attempt.follow(options)

    def _is_to_be_repeated(self, attempt: RunAttempt, outcome: Outcome, reattached: bool, started_at: float) -> bool:
        """Whether the run of an earlier try ended in a way that makes this try create a new run."""
        from airflow_provider_wherobots.runs.outcome import Ending

        if not reattached:
            return False
        may_have_cancelled = self.cancel_on_kill or self.max_pending_seconds
        is_soon = outcome.ended_at - started_at < EARLIER_CANCEL_SECONDS
        if outcome.ending is Ending.CANCELLED and is_soon and may_have_cancelled:
            why = "was cancelled by an earlier attempt"
        elif self.return_result and outcome.ending is Ending.COMPLETED and outcome.result is None:
            if outcome.has_wrong_result:
                return False
            why = "completed, but its result could not be read from its log"
        else:
            return False
        self.log.info("Run %s %s; creating a new run", outcome.run_id, why)
        attempt.keep(outcome.run_id, outcome.status, outcome.summary)
        if attempt.memory is not None:
            attempt.memory.remember(attempt.memory.now.looked([outcome.run_id]))
        return True

    # The end

    def _finish(self, attempt: RunAttempt, outcome: Outcome) -> Any:
        """Remember and measure how the run ended. Return its id or its result, or raise the exception of the task.

        A run that was given up is followed on if this worker can read it.
        """
        from airflow_provider_wherobots.runs.outcome import Ending
        from airflow_provider_wherobots.runs.summary import of_end

        if outcome.ending is Ending.GAVE_UP and outcome.run_id:
            outcome = self._follow_on(attempt, outcome)
        self.run_id = outcome.run_id
        if self.runtime_on_out_of_memory and outcome.is_out_of_memory and not attempt.this_try.is_last:
            outcome = self._choose_runtime(attempt, outcome)
        attempt.keep(outcome.run_id, outcome.status, outcome.summary)
        attempt.emit(of_end(outcome, attempt.metric_tags, cancelled_at_deadline=self.cancel_on_kill))
        left = attempt.end_without_follower(outcome.run_id) if outcome.ending is Ending.GAVE_UP else ""
        return attempt.finish(outcome, left=left, retry=self._after_lost_result(attempt))

    def _follow_on(self, attempt: RunAttempt, outcome: Outcome) -> Outcome:
        """Follow a run that was given up, as long as this worker can read it. Returns how that ended.

        After an outage the task defers again, so that it takes no worker slot. If only the triggerer cannot reach the
        service, that happens once per ``max_outage_seconds``.
        """
        from airflow_provider_wherobots.runs.outcome import Ending
        from airflow_provider_wherobots.words import places_of, reason_of

        run_id = outcome.run_id
        try:
            while outcome.ending is Ending.GAVE_UP and (run := attempt.look_at(run_id)) is not None:
                self.log.warning("Run %s was given up (%s), but this worker can read it", run_id, outcome.reason)
                # The trigger may have failed without a failed poll, and would then fail again at once.
                attempt.may_defer = attempt.may_defer and outcome.outage_seconds > 0
                outcome = self._follow(attempt, run, attempt.deadline, time.time(), reattached=False)
        except WherobotsTaskKilledException:
            raise
        except Exception as error:
            # What has failed the trigger may fail here too, and must not keep the run from being cancelled.
            self.log.error("Run %s can no longer be followed: %s\n%s", run_id, reason_of(error), places_of(error))
        return outcome

    def _choose_runtime(self, attempt: RunAttempt, outcome: Outcome) -> Outcome:
        """Remember the runtime of the next try, after a run that had too little memory. The message says which."""
        memory, given, wanted = attempt.memory, self._given_runtime, self.runtime_on_out_of_memory
        asked = (given, *(self._runtimes_of_round(memory.now) if memory is not None else ()))[-1]
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

    def _after_lost_result(self, attempt: RunAttempt) -> str:
        """What follows when the log of a completed run has no result."""
        if attempt.this_try.is_last:
            return "No retry follows"
        finds_run = attempt.memory is not None and attempt.memory.is_kept and self.reuse_completed
        return "A retry reads it again first" if finds_run else "A retry starts a new run"

    def _outcome_after_trigger_failure(
        self, attempt: RunAttempt, next_kwargs: Mapping[str, Any] | None
    ) -> Outcome | None:
        """Check the run, and cancel it if it is active and ``cancel_on_kill``. None if the task must fail as well."""
        from airflow_provider_wherobots.runs.outcome import Ending

        attempt.may_have_run = True
        run_id = attempt.pull(RUN_ID_KEY)
        if not run_id:
            attempt.end_runs(TaskDeferralError("the trigger failed"))
            return None
        outcome = attempt.settle_after_trigger_failure(run_id)
        # A run found CANCELLED after a timeout was cancelled by the trigger: the timeout is the cause.
        timed_out = str((next_kwargs or {}).get("error")) == TRIGGER_TIMEOUT
        return None if outcome is not None and timed_out and outcome.ending is Ending.CANCELLED else outcome

    # The body of POST /runs. It is built twice by the same rules: when the DAG is parsed, to check the arguments that
    # are known then; and before it is sent.

    def payload_to_send(self, context: Context, memory: Memory | None) -> dict[str, Any]:
        """Build the body after all arguments are rendered. Without a memory the name is sent as it is."""
        from airflow_provider_wherobots.tasks.run_attempt import add_parent_job

        settings, name = self.hook.settings, self._name_or_default(context["ti"].dag_id)
        payload = self._checked_payload(name)
        for key, default in (("runtime", settings.runtime), ("version", settings.version)):
            if default is not None:
                payload.setdefault(key, default)
        if self.execution_timeout is not None:
            payload.setdefault("timeoutSeconds", max(1, ceil(self.execution_timeout.total_seconds())))
        if memory is not None:
            payload["name"] = durable_run_name(name, memory.identity)
            if raised := self._runtimes_of_round(memory):
                payload["runtime"] = raised[-1]
        return add_parent_job(payload, self.openlineage_inject_parent_job_info, context, self.log.warning)

    @contextmanager
    def script_of_this_try(self, context: Context) -> Iterator[None]:
        """The time in which a script that is made for each try exists. ``@task.wherobots`` makes one."""
        yield

    @property
    def region_to_send(self) -> str | None:
        """The task's region, else the connection's; None takes the organization's."""
        region: str | None = checked_choice("region", self.region)
        return region or self.hook.settings.region

    @property
    def _given_runtime(self) -> str:
        """The task's rendered runtime; empty for the default."""
        return checked_choice("runtime", self.runtime) or ""

    def _runtimes_of_round(self, memory: Memory) -> tuple[str, ...]:
        """The task's runtime, and those chosen instead after runs that were out of memory; empty if none was."""
        return memory.runtimes_of(self._given_runtime) if self.runtime_on_out_of_memory else ()

    @property
    def _folder_of_uploads(self) -> str | None:
        """The folder that local files are uploaded to; None for the organization's storage."""
        if self.upload_to is None:
            return self.hook.settings.upload_to
        return checked_upload_to("upload_to", self.upload_to)

    def _name_or_default(self, dag_id: str) -> str:
        return self.name if self.name is not None else default_run_name(dag_id, self.task_id)

    def _checked_payload(self, name: str, is_unrendered: Callable[[Any], bool] = lambda value: False) -> dict[str, Any]:
        with argument_errors(self.task_id):
            if self.upload_to is not None and not is_unrendered(self.upload_to):
                checked_upload_to("upload_to", self.upload_to)
            # Airflow also stores the arguments, so members of an enum are replaced by their values.
            self.runtime = checked_choice("runtime", self.runtime, is_unrendered)
            self.runtime_on_out_of_memory = checked_runtimes(
                "runtime_on_out_of_memory", self.runtime_on_out_of_memory, self.runtime, is_unrendered
            )
            self.region = checked_choice("region", self.region, is_unrendered)
            self.version = checked_choice("version", self.version, is_unrendered)
            return build_payload(
                name=name,
                run_python=self.run_python,
                run_jar=self.run_jar,
                runtime=self.runtime,
                version=self.version,
                timeout_seconds=self.timeout_seconds,
                environment=self.environment,
                is_unrendered=is_unrendered,
            )
