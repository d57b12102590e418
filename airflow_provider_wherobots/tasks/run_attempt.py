"""What a task that follows a run does in one call from Airflow: an operator that created it, or a sensor.

At the end: what only a running task knows of its create request, its local files and OpenLineage's properties.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.errors import NotFoundError, WherobotsApiError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.api.runs.payload import FILE_DEPENDENCY_SUFFIXES, Keys, local_files, local_path
from airflow_provider_wherobots.compat import (
    AIRFLOW,
    HAS_PARTITIONS,
    AirflowSensorTimeout,
    Context,
    conf,
    dags_folder,
    is_asset,
)
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
from airflow_provider_wherobots.files import FileSource, absolute
from airflow_provider_wherobots.flows.cancel import cancel_run, cancel_runs_of
from airflow_provider_wherobots.flows.follow import (
    COPY_SECONDS,
    LAST_LOOK_SECONDS,
    FollowOptions,
    copy_log,
    follow_run,
    settle_run,
)
from airflow_provider_wherobots.flows.quota import QuotaWait
from airflow_provider_wherobots.flows.retry import CANCEL_BUDGET_SECONDS, WORKER_CANCEL_BUDGET_SECONDS, send
from airflow_provider_wherobots.flows.submit import NotReplacedError, UnclearCreateError
from airflow_provider_wherobots.io.worker import WorkerIo
from airflow_provider_wherobots.links.run import WherobotsRunLink, WherobotsSparkUiLink
from airflow_provider_wherobots.logs.result import MARKER, PARTITIONS, read_partitions
from airflow_provider_wherobots.runs.memory import Memory, Past
from airflow_provider_wherobots.runs.outcome import (
    CANCELLED_AT_LAST,
    LEFT_ALONE,
    LEFT_AT_LAST,
    LOOK_UPS,
    NOT_FOUND_AGAIN,
    NOT_THERE,
    REATTACHED,
    Ending,
    Outcome,
)
from airflow_provider_wherobots.runs.summary import spark_ui_url
from airflow_provider_wherobots.stored import (
    RESULT_KEY,
    RUN_ID_KEY,
    RUN_SUMMARY_KEY,
    RUNS_KEY,
    SPARK_UI_URL_KEY,
    StoredOptions,
)
from airflow_provider_wherobots.task_memory import TaskMemory
from airflow_provider_wherobots.tasks.attempt import Attempt
from airflow_provider_wherobots.triggers.run import WherobotsRunTrigger
from airflow_provider_wherobots.words import reason_of

if TYPE_CHECKING:
    from airflow_provider_wherobots.tasks.wherobots_task import FollowsRun

KILL_SECONDS = WORKER_CANCEL_BUDGET_SECONDS if (3, 0) <= AIRFLOW < (3, 4) else CANCEL_BUDGET_SECONDS
"""How long a cancel is retried in a kill. Airflow 2.11 and 3.4 leave 60 s (``killed_task_cleanup_time``), after lost
heartbeats 3.4 leaves 5 s.
"""
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

    @property
    def quota_wait(self) -> QuotaWait:
        """The rest of the wait for quota."""
        return QuotaWait.from_kwargs(self.quota or {})


class RunAttempt(Attempt):
    """Gets and follows a run, pushes what is known of it, and cancels it in a kill."""

    task: FollowsRun[RunAttempt]

    def __init__(self, task: FollowsRun[RunAttempt], context: Context, job: str = "") -> None:
        super().__init__(task, task.hook, context, may_defer=task.deferrable)
        self._job = job
        self.memory: TaskMemory | None = None
        """What the task remembers; None with ``durable=False``, and for a sensor. A kill that knows no run cancels the
        runs with its identity.
        """
        self.may_have_run = False
        """Whether the task has a run, or has looked for one."""
        self._run_id: str | None = None
        self._cancelled: set[str] = set()

    # The run, and a kill

    def adopt(self, run_id: str) -> None:
        """Set the run that :meth:`kill` cancels from now on."""
        self._run_id = run_id
        self.get_ready()
        if not self.was_killed:
            return
        if self.task.cancel_on_kill and run_id not in self._cancelled:
            self._run_on_new_session(cancel_run, run_id, KILL_SECONDS)
        raise WherobotsTaskKilledException(f"The task was killed before it could follow run {run_id}")

    def _new_io(self) -> AbstractContextManager[WorkerIo]:
        return self._hook.io(
            self.note,
            publish=lambda _key, url: self.push_address(WherobotsSparkUiLink(), url),
            remember=None if self.memory is None else self.memory.remember,
        )

    def follow(self, options: FollowOptions) -> Outcome:
        """Follow a run to its end."""
        self.adopt(options.run_id)
        outcome = self.run(follow_run, options)
        self._run_id = None
        return outcome

    def _end_runs_of(self, memory: Memory) -> None:
        """Cancel the runs that have the identity of the task, in the seconds that Airflow leaves after a kill."""
        self._cancelled.update(self._run_on_new_session(cancel_runs_of, memory, KILL_SECONDS))

    def _end_all(self) -> bool:
        """Cancel the run, or the runs that the task may have while it is looked for or created."""
        if not self.task.cancel_on_kill:
            return True
        if self._run_id is not None:
            if self._run_on_new_session(cancel_run, self._run_id, KILL_SECONDS) is None:
                self._cancelled.add(self._run_id)
        elif self.memory is not None:
            self._end_runs_of(self.memory.now)
        return self._run_id is not None or self.memory is not None

    def look_at(self, run_id: str) -> Run | None:
        """A run that nothing follows any more; None if it cannot be read."""
        try:
            self.adopt(run_id)
            return self.run(send, calls.get_run(run_id), FAILED_TRIGGER_OUTAGE_SECONDS)
        except WherobotsTaskKilledException:
            raise
        except Exception as error:
            self.log.warning("The status of run %s is unknown: %s", run_id, reason_of(error))
            return None

    def settle_after_trigger_failure(self, run_id: str) -> Outcome | None:
        """Return the outcome of a run that has ended. Otherwise cancel the run if ``cancel_on_kill``; return None."""
        run = self.look_at(run_id)
        if run is not None and run.is_terminal:
            return self.run(settle_run, run, self.options(run_id, time.time(), None))
        if self.task.cancel_on_kill:
            self.run(cancel_run, run_id)
        return None

    def end_runs(self, error: BaseException) -> None:
        """Cancel the runs of the task, which fails without following them, if no retry follows. Never raises."""
        try:
            if self._has_ended_all or not self.task.cancel_on_kill or self.is_retried(error):
                return
            if self._run_id is not None:
                seconds = KILL_SECONDS if self.was_killed else CANCEL_BUDGET_SECONDS
                self._run_on_new_session(cancel_run, self._run_id, seconds)
            elif self.task.durable:
                self._end_runs_since_clear()
            # Airflow calls "on_kill" after a timeout.
            self._has_ended_all = True
        except Exception as failure:
            command = words.command("orphans", self.task.wherobots_conn_id)
            text = "The runs of this task could not be cancelled (%s). To find them: %s"
            self.log.error(text, reason_of(failure), command)

    def _end_runs_since_clear(self) -> None:
        memory = (self.memory or self._read_memory()).now
        is_unused = memory.past_of_runs is Past.NOTHING and self.this_try.is_first and not memory.passed_over
        if is_unused and not self.may_have_run:
            return
        if self.was_killed:
            self._end_runs_of(memory)
        else:
            self._cancel_runs_of(memory)

    def _cancel_runs_of(self, memory: Memory) -> list[str]:
        """Cancel the active runs with the task's identity. Returns the ids of the cancelled."""
        self.log.info("Cancelling the active runs of this task, if there are any, because no retry follows")
        return self.run(cancel_runs_of, memory, CANCEL_BUDGET_SECONDS)

    def end_possible_run(self, error: WherobotsApiError, *, is_retried: bool) -> str:
        """Cancel a run that a failed submission may have left, if no retry looks for it. Returns a sentence on it."""
        may_exist = "The run may exist and be active"
        if is_retried:
            does = "looks it up by its name first" if self.task.durable else "creates a new one (durable=False)"
            return f"{may_exist}; a retry of the task {does}"
        is_unclear = isinstance(error, UnclearCreateError | NotReplacedError) or error.operation in LOOK_UPS
        may_cancel = is_unclear and self.task.cancel_on_kill
        if self.memory is not None and may_cancel and (found := self._cancel_runs_of(self.memory.now)):
            return f"Run {', '.join(found)} was found and cancelled, because no retry follows"
        command = words.command("orphans", self.task.wherobots_conn_id)
        return f"{may_exist}, and no retry will look it up. To look: {command}"

    def end_without_follower(self, run_id: str) -> str:
        """Cancel a run that this try gave up, if no retry follows. Returns what happens to the run."""
        command = words.command(f"runs cancel --yes {run_id}", self.task.wherobots_conn_id)
        to_cancel = f". To cancel it: {command}"
        if not self.this_try.is_last:
            return f"{REATTACHED if self.task.durable else NOT_FOUND_AGAIN}{to_cancel}"
        if not self.task.cancel_on_kill:
            return f"{LEFT_ALONE}{to_cancel}"
        try:
            failure = self.run(cancel_run, run_id)
        except Exception as error:
            self.log.error("Run %s could not be cancelled: %s", run_id, reason_of(error))
            return f"{LEFT_AT_LAST}{to_cancel}"
        if isinstance(failure, NotFoundError):
            return NOT_THERE.format(self.task.hook.settings.endpoint.base_url)
        return CANCELLED_AT_LAST if failure is None else f"{LEFT_AT_LAST}{to_cancel}"

    # What the task remembers, and a deferral

    def begin(self, kept: Mapping[str, Any] | None = None) -> None:
        """Begin a try. ``kept`` is the document that it kept while it was deferred, if it starts over."""
        if self.task.durable:
            self.memory = self._read_memory(kept)
            self.memory.remember(self.memory.now)

    def _read_memory(self, kept: Mapping[str, Any] | None = None) -> TaskMemory:
        """What the task remembers of its earlier tries."""
        # A function may execute several operators, which it tells apart by their arguments.
        is_inside = self.task.task_id != self.context["ti"].task_id
        return TaskMemory.begin(self.context, self.log, job=self._job if is_inside else "", carried=kept)

    def is_retried(self, error: BaseException) -> bool:
        """Whether a retry follows if the task fails with this exception."""
        return not (self.this_try.is_last or self.was_killed) and self.task.may_retry(error)

    def options(self, run_id: str, started_at: float, deadline: float | None, *, is_new: bool = False) -> FollowOptions:
        """The options to follow a run, from the task's arguments."""
        task = self.task
        limit_name, seconds = task.limit
        return FollowOptions(
            run_id=run_id,
            started_at=started_at,
            deadline=deadline,
            polling_interval=task.polling_interval,
            poll_logs=task.poll_logs,
            wait_post_run_logs_timeout_seconds=task.wait_post_run_logs_timeout_seconds,
            max_outage_seconds=task.max_outage_seconds,
            cancel_at_deadline=task.cancel_on_kill,
            execution_timeout=seconds,
            return_result=task.return_result,
            limit_name=limit_name,
            is_new=is_new,
            max_pending_seconds=task.max_pending_seconds,
        )

    def defer_to_trigger(self, options: FollowOptions, **kept: Any) -> NoReturn:
        """Let the triggerer follow the run. The task resumes with ``kept``."""
        self.log.info("%s", options.describe(deferred=True))
        trigger = WherobotsRunTrigger(self.task.wherobots_conn_id, options.to_kwargs(), self.task.cancel_on_kill)
        self.defer(trigger, "execute_complete", kept, options.deadline)

    def kept(self, **more: Any) -> dict[str, Any]:
        """What the try keeps while it is deferred."""
        return Deferred(None if self.memory is None else self.memory.now.to_json(), **more).to_kwargs()

    def resume(self, stored: Mapping[str, Any]) -> Deferred:
        """Read what the try has kept, and remember what it knew. After a failed trigger it has kept nothing."""
        kept = Deferred.from_kwargs(stored)
        if kept.memory is not None:
            self.memory = TaskMemory.resume(self.context, self.log, kept.memory)
        elif self.task.durable:
            self.memory = self._read_memory()
        return kept

    # What the task tells

    def announce(self, run: Run) -> None:
        """Push what is known of a run that the task follows from now on."""
        url = self.run_url(run.id)
        self.push(RUN_ID_KEY, run.id)
        if url:
            self.push_address(WherobotsRunLink(), url)
        # A run that the task re-attaches to may already have a Spark UI.
        if (spark_ui := spark_ui_url(run)) is not None:
            self.push_address(WherobotsSparkUiLink(), spark_ui)
        self.log.info("Run %s (%s): %s", words.short(run.id), words.short(run.name), url)

    def keep(self, run_id: str, status: str, summary: Mapping[str, Any] | None = None) -> None:
        """Remember what this try has seen of a run, and push that of all tries: Airflow deletes the XComs of a try
        when the next begins.
        """
        known = {key: value for key, value in (summary or {}).items() if value is not None}
        ids = {"try_number": self.context["ti"].try_number, "run_id": run_id, "run_url": self.run_url(run_id)}
        seen = {"cost_usd": None, **known, **ids, "status": words.short(status)}
        if self.memory is not None:
            self.memory.remember(self.memory.now.with_try(seen))
        self.push(RUNS_KEY, [seen] if self.memory is None else list(self.memory.now.tries))

    def run_url(self, run_id: str) -> str:
        """The address of a run's page. Empty if the connection cannot be read: that must not hide how the run ended."""
        try:
            return self.task.hook.settings.run_url(run_id)
        except Exception as error:
            self.log.warning("The address of run %s is not known: %s", run_id, reason_of(error))
            return ""

    # The end

    @contextmanager
    def copying_log(self, outcome: Outcome) -> Iterator[None]:
        """Copy the log of a run that a trigger has followed, if ``[wherobots]`` configures it.

        The copy takes up to 15 minutes, so it comes at the end of this context, after the XComs.
        """
        try:
            yield
        finally:
            # When a run is given up, the service has not answered for a long time.
            is_readable = outcome.ending is not Ending.GAVE_UP
            if self.task.copy_log_on_resume and self.task.poll_logs and is_readable:
                self._copy_log(outcome.run_id)

    def _copy_log(self, run_id: str) -> None:
        try:
            deadline = self.deadline
            seconds = COPY_SECONDS if deadline is None else min(COPY_SECONDS, deadline - time.time())
            if seconds > 0:
                self.run(copy_log, run_id, seconds)
            else:
                self.log.warning("Not copying the log of run %s: execution_timeout has passed", run_id)
        # A kill too: the run has ended, and how it ended is how the task ends.
        except Exception as error:
            self.log.warning("The log of run %s could not be copied: %s", run_id, reason_of(error))

    def finish(self, outcome: Outcome, *, left: str = REATTACHED, retry: str = "A retry reads it again") -> Any:
        """Push what is known of the run. Return its id or its result, or raise the exception of the task.

        :param outcome: how following the run ended.
        :param left: what becomes of a run that was given up, as a sentence.
        :param retry: what follows if the log of a completed run has no result, as a sentence.
        """
        if outcome.summary is not None:
            self.push(RUN_SUMMARY_KEY, outcome.summary)
            if spark_ui := outcome.summary.get(SPARK_UI_URL_KEY):
                self.push_address(WherobotsSparkUiLink(), spark_ui)
        result = self._take_result(outcome)
        if outcome.cancel_failed:
            outcome = self._cancelled_again(outcome)
        if outcome.ending is not Ending.COMPLETED:
            raise self._failure(outcome, left)
        if self.task.return_result and outcome.result is None:
            raise self._no_result(outcome, retry)
        self._add_to_events(outcome, result)
        return result if self.task.return_result else outcome.run_id

    def _failure(self, outcome: Outcome, left: str) -> Exception:
        limit_name, _ = self.task.limit
        text = outcome.describe(self.run_url(outcome.run_id), left=left, limit_name=limit_name)
        if outcome.ending is Ending.DEADLINE and limit_name == "timeout":
            return AirflowSensorTimeout(text)
        kind = WherobotsResultRefusedException if outcome.value_refused else EXCEPTIONS[outcome.ending]
        failure = kind(text)
        failure.in_short = outcome.in_short()
        return failure

    def _no_result(self, outcome: Outcome, retry: str) -> WherobotsException:
        completed, url = f"Run {outcome.run_id} completed, but", self.run_url(outcome.run_id)
        mend = "No retry follows, because the script would print it again. Correct the script, and clear the task"
        if not outcome.has_wrong_result:
            return WherobotsResultLostException(f"{completed} {self.task.without_result}. {retry}. {url}")
        if outcome.result_refused:
            kind, what = WherobotsResultRefusedException, f"its result is not used, {outcome.result_refused}"
        else:
            kind = WherobotsResultNotPrintedException
            what = f"'{MARKER}' is not at the beginning of its line: {outcome.result_logged}\nUse print(), not a logger"
        return kind(f"{completed} {what}\n{mend}. {url}")

    def _cancelled_again(self, outcome: Outcome) -> Outcome:
        """Repeat the cancel that has failed at the deadline, or at ``max_pending_seconds``."""
        try:
            is_cancelled = self.run(cancel_run, outcome.run_id, LAST_LOOK_SECONDS) is None
        except Exception as error:
            self.log.error("Run %s could not be cancelled: %s", outcome.run_id, reason_of(error))
            return outcome
        command = words.command(f"runs cancel --yes {outcome.run_id}", self.task.wherobots_conn_id)
        then = " at first, and succeeded when it was repeated" if is_cancelled else f". To cancel it: {command}"
        return replace(outcome, reason=outcome.reason + then)

    def _take_result(self, outcome: Outcome) -> Any:
        """Push and return a run's result; None if there is none. No log of the provider contains it."""
        if outcome.result is None:
            return None
        result = json.loads(outcome.result)
        how = "not pushed, because of do_xcom_push=False"
        if result is None:
            how = "null, for which Airflow stores no XCom"
        elif self.task.do_xcom_push:
            self.push(RESULT_KEY, result)
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
        extra = {"run_id": outcome.run_id, "run_url": self.run_url(outcome.run_id), **measured, "result": result}
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


OPENLINEAGE = "airflow.providers.openlineage"


def find_sources(payload: Mapping[str, Any], context: Context) -> dict[Keys, FileSource]:
    """Each local file, by where it is in the body.

    A relative path starts from the DAG file's folder. On Airflow 3 that folder is in the version of the DAG bundle that
    the DAG run began with, so a retry uploads the same file.
    """
    sources = {}
    for keys, argument, uri in local_files(payload):
        path = Path(local_path(f"{argument}={uri!r}", uri))
        is_dependency = keys[0] == "environment"
        folder, root = (Path("/"), None) if path.is_absolute() else _folder_and_root(context)
        sources[keys] = FileSource(
            argument,
            uri,
            absolute(folder, str(path)),
            root,
            may_be_folder=is_dependency,
            endings=FILE_DEPENDENCY_SUFFIXES if is_dependency else (),
        )
    return sources


def _folder_and_root(context: Context) -> tuple[Path, Path]:
    """The DAG file's folder, and the folder that a relative path must not lead out of."""
    folder = Path(context["dag"].fileloc).absolute().parent
    bundle = getattr(context["ti"], "bundle_instance", None)
    root = Path(bundle.path if bundle is not None else dags_folder())
    # `dag.test()` runs a DAG file from anywhere.
    return folder, root if folder.is_relative_to(root) or folder.resolve().is_relative_to(root.resolve()) else folder


def add_parent_job(
    payload: dict[str, Any], wanted: bool | None, context: Context, warn: Callable[[str], None]
) -> dict[str, Any]:
    """Add the properties that tell the run's Spark which task has started it. Properties of the user win.

    With them the lineage that Spark reports belongs to the task. Source: the page "Passing parent job information to
    Spark jobs" of ``apache-airflow-providers-openlineage``. ``wanted=None`` takes ``[openlineage]
    spark_inject_parent_job_info``. Never fails: an error is a warning.
    """
    environment = payload.get("environment") or {"dependencies": []}
    configs: Mapping[str, str] = environment.get("sparkConfigs") or {}
    try:
        if wanted is None:
            wanted = conf.getboolean("openlineage", "spark_inject_parent_job_info", fallback=False)
        if not wanted:
            return payload
        from airflow.providers.openlineage.utils.spark import inject_parent_job_information_into_spark_properties

        found = inject_parent_job_information_into_spark_properties(dict(configs), context)
    except Exception as error:
        warn(f"Creating the run without OpenLineage's properties: {_explain(error)}")
        return payload
    added = {key: str(value) for key, value in found.items() if key not in configs and value is not None}
    if not added:
        return payload
    return {**payload, "environment": {**environment, "sparkConfigs": {**added, **configs}}}


def _explain(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and OPENLINEAGE.startswith(error.name or "-"):
        return "apache-airflow-providers-openlineage is not installed"
    return reason_of(error)
