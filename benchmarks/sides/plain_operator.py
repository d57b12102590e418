"""An operator with the arguments and templated fields of ours, and without its code: what Airflow does with a task."""

from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator


class PlainOperator(BaseOperator):
    """Keep the arguments. A test compares them with those of ``WherobotsRunOperator``."""

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

    def __init__(
        self,
        *,
        run_python: Any = None,
        run_jar: Any = None,
        name: Any = None,
        runtime: Any = None,
        runtime_on_out_of_memory: Any = None,
        region: Any = None,
        version: Any = None,
        environment: Any = None,
        timeout_seconds: Any = None,
        wherobots_conn_id: Any = "wherobots_default",
        poll_logs: Any = True,
        polling_interval: Any = 30.0,
        wait_post_run_logs_timeout_seconds: Any = 60.0,
        deferrable: Any = True,
        durable: Any = True,
        cancel_on_kill: Any = True,
        wait_for_completion: Any = True,
        max_outage_seconds: Any = 600.0,
        max_quota_wait_seconds: Any = 3600.0,
        max_pending_seconds: Any = 0.0,
        retry_cancelled: Any = False,
        reuse_completed: Any = True,
        return_result: Any = False,
        openlineage_inject_parent_job_info: Any = None,
        upload_to: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.run_python = run_python
        self.run_jar = run_jar
        self.name = name
        self.runtime = runtime
        self.runtime_on_out_of_memory = runtime_on_out_of_memory
        self.region = region
        self.version = version
        self.environment = environment
        self.timeout_seconds = timeout_seconds
        self.wherobots_conn_id = wherobots_conn_id
        self.poll_logs = poll_logs
        self.polling_interval = polling_interval
        self.wait_post_run_logs_timeout_seconds = wait_post_run_logs_timeout_seconds
        self.deferrable = deferrable
        self.durable = durable
        self.cancel_on_kill = cancel_on_kill
        self.wait_for_completion = wait_for_completion
        self.max_outage_seconds = max_outage_seconds
        self.max_quota_wait_seconds = max_quota_wait_seconds
        self.max_pending_seconds = max_pending_seconds
        self.retry_cancelled = retry_cancelled
        self.reuse_completed = reuse_completed
        self.return_result = return_result
        self.openlineage_inject_parent_job_info = openlineage_inject_parent_job_info
        self.upload_to = upload_to
