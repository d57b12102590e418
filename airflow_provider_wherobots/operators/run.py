"""The operator that runs a Python script or a JAR on Wherobots Cloud."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_wherobots.api.connection import DEFAULT_CONN_ID
from airflow_provider_wherobots.api.runs.payload import whole_seconds
from airflow_provider_wherobots.compat import BaseOperator, is_in_task
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
from airflow_provider_wherobots.exceptions import WherobotsRunCancelledException
from airflow_provider_wherobots.links.run import WherobotsRunLink, WherobotsSparkUiLink
from airflow_provider_wherobots.operators.creates_run import CreatesRun
from airflow_provider_wherobots.operators.wherobots_task import FAILED_TRIGGER, refuse_argument

if TYPE_CHECKING:
    from airflow_provider_wherobots.compat import Context
    from airflow_provider_wherobots.tasks.submit_try import SubmitTry

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


class WherobotsRunOperator(CreatesRun, BaseOperator):
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
    :param runtime_on_out_of_memory: the runtime of the next try after a run that has certainly run out of memory:
        ``next``, the next larger published one of the same kind; a runtime; or a list of them, in order. A clear begins
        with ``runtime`` again. Needs Airflow 3.3; default None, the same runtime. Templated.
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
        ``[wherobots] polling_interval``, 30. The delay starts at 6 s, and grows by one for every two minutes of the
        run's age.
    :param wait_post_run_logs_timeout_seconds: how long to wait for late log lines after the end, in seconds; default
        ``[wherobots] wait_post_run_logs_timeout_seconds``, 60. Time during which the service limits the API key
        does not count.
    :param deferrable: whether the triggerer waits, so that no worker is held; default
        ``[wherobots] default_deferrable``, True.
    :param durable: whether a retry finds the previous try's run and re-attaches to it; default True. False sends the
        name as it is, and every try creates a new run.
    :param cancel_on_kill: whether the run is cancelled if the task is killed, reaches its timeout, or fails for good
        because it can no longer follow the run; default True.
    :param wait_for_completion: whether to wait for the run's end; default True. False returns once it is created.
    :param max_outage_seconds: how long the service may be unreachable, or refuse an API key that has worked, before the
        task gives up, in seconds; default ``[wherobots] max_outage_seconds``, 600.
    :param max_quota_wait_seconds: how long a try waits for quota before it fails, in seconds; default
        ``[wherobots] max_quota_wait_seconds``, 3600. 0 fails it at once. With ``deferrable`` a long wait is deferred.
    :param max_pending_seconds: how long after its creation the run may be PENDING, in seconds. Then it is cancelled,
        regardless of ``cancel_on_kill``, and the task fails; a retry creates a new run. Default
        ``[wherobots] max_pending_seconds``, 0: no limit. Needs ``wait_for_completion``.
    :param retry_cancelled: whether a run that was cancelled on the service's side may be retried, with a new run;
        default False. A ``retry_policy`` (Airflow 3.3) decides instead, if there is one.
    :param reuse_completed: whether a retry takes over a completed run of an earlier try, instead of repeating the job;
        default True. A worker may be killed between the run's end and the task's end. Below Airflow 3.3 a retry does
        not know of that run, and repeats the job. A cleared task creates a new run.
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
        self.runtime_on_out_of_memory = runtime_on_out_of_memory
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
        self.check_arguments()
        # In a function, its task has the retries.
        if runtime_on_out_of_memory is not None and not self.retries and not is_in_task():
            raise self._wrong("runtime_on_out_of_memory: needs retries, because only a retry gets the other runtime")

    def execute(self, context: Context) -> Any:
        """Create the run, or re-attach to it, and wait for its end.

        :param context: the task's context.
        :returns: the run's id, or its result.
        """
        with self._apply_retry_rules():
            return self._new_try(context).begin()

    def execute_after_quota_wait(self, context: Context, event: Any, **stored: Any) -> Any:
        """Repeat the create call, after the triggerer has waited for quota.

        :param context: the task's context.
        :param event: the trigger's event; unused.
        :param stored: what the task stored when it deferred.
        :returns: the run's id, or its result.
        """
        with self._apply_retry_rules():
            return self._new_try(context).resume_after_quota_wait(stored)

    def execute_complete(self, context: Context, event: dict[str, Any], **stored: Any) -> Any:
        """Finish the task after the trigger has followed the run.

        :param context: the task's context.
        :param event: the trigger's event.
        :param stored: what the task stored when it deferred.
        :returns: the run's id, or its result.
        """
        with self._apply_retry_rules():
            return self._new_try(context).resume_with(event, stored)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral. If the trigger failed, finish with the run's outcome, or cancel an active run.

        Without an event the task starts over. On Airflow 3.0 and 3.1.0 a retry of a deferred task does so too.

        :param next_method: what Airflow calls next; ``__fail__`` after a crash or timeout.
        :param next_kwargs: its arguments.
        :param context: the task's context.
        """
        with self._apply_retry_rules():
            this_try = self._new_try(context)
            if this_try.starts_over(next_method, next_kwargs):
                return this_try.begin(next_kwargs)
            if next_method == FAILED_TRIGGER:
                outcome = this_try.outcome_after_trigger_failure(next_kwargs)
                if outcome is not None:
                    return this_try.finish_after_trigger_failure(outcome)
            return super().resume_execution(next_method, next_kwargs, context)

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
                self._new_try(context).end_before_look_up(error)
            raise

    def _new_try(self, context: Context) -> SubmitTry:
        from airflow_provider_wherobots.tasks.submit_try import SubmitTry

        return SubmitTry(self, context, self._attempt)

    def _may_retry(self, error: BaseException) -> bool:
        is_wanted = self.retry_cancelled and isinstance(error, WherobotsRunCancelledException)
        return is_wanted or super()._may_retry(error)
