"""One DAG per way of waiting; what runs is told by the DAG run's conf."""

import os
from datetime import datetime, timedelta
from typing import Any

from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.providers.openlineage.utils.selective_enable import enable_lineage
from tenant import CrashingOperator, TenantOperator

from airflow_provider_wherobots.exceptions import WherobotsRunCancelledException
from airflow_provider_wherobots.flows import quota
from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator
from airflow_provider_wherobots.retry_policies import wherobots_retry_policy

try:
    from airflow.sdk import DAG, Asset
except ImportError:  # 2.11
    from airflow import DAG
    from airflow.datasets import Dataset as Asset  # type: ignore[import-not-found, no-redef]

# A worker waits itself for so long, and not for three minutes.
quota.HOLD_SECONDS = 30.0

WAYS: dict[str, dict[str, Any]] = {
    "deferred": {},
    "worker": {"deferrable": False},
    "deferred_retry": {"retries": 1},
    "left_active": {"wait_for_completion": False},
    "worker_retry": {"deferrable": False, "retries": 1},
    # Without a limit of its own, the run has the task's, and on a busy machine the service may be first.
    "deferred_deadline": {"execution_timeout": timedelta(seconds=60), "timeout_seconds": 3600},
    "deadline_retry": {"execution_timeout": timedelta(seconds=30), "timeout_seconds": 3600, "retries": 1},
    "crashing": {"operator": CrashingOperator},
    "full": {"max_quota_wait_seconds": 120},
    "pending": {"max_pending_seconds": 60, "retries": 1},
    "returns": {"return_result": True, "outlets": [Asset("s3://e2e/returns")]},
    "worker_memory": {"deferrable": False, "retries": 1, "runtime": "tiny", "runtime_on_out_of_memory": "next"},
    "retry_cancelled": {"retries": 1, "retry_cancelled": True},
    **{f"dropped_{copies}": {"copy": copies} for copies in ("False", "True")},
}
try:
    from airflow.sdk import RetryAction, RetryRule
except ImportError:  # before 3.3
    pass
else:
    rule = RetryRule(WherobotsRunCancelledException, RetryAction.RETRY, retry_delay=timedelta(seconds=2), reason="e2e")
    WAYS["policy"] = {"retries": 1, "retry_policy": wherobots_retry_policy(rule)}
    WAYS["policy_says_no"] = {"retries": 1, "retry_policy": wherobots_retry_policy()}

for way, given in WAYS.items():
    # Except on two DAGs, no test has lines that come late, for which a run that did not complete is read for a minute.
    options = dict(given) if way in ("deferred", "worker") else {"wait_post_run_logs_timeout_seconds": 10, **given}
    operator = options.pop("operator", TenantOperator)
    # Read when the operator is made.
    os.environ["AIRFLOW__WHEROBOTS__COPY_LOG_ON_RESUME"] = options.pop("copy", "False")
    with DAG(dag_id=way, start_date=datetime(2026, 1, 1), schedule=None, catchup=False, max_active_runs=16):
        operator(
            task_id="run",
            run_python={
                "uri": "s3://jobs/{{ dag_run.conf['script'] }}",
                "args": [
                    "{{ dag_run.conf.get('arg', '') }}",
                    "{{ dag_run.conf.get('code', '0') }}",
                    "{{ dag_run.conf.get('release', '') }}",
                ],
            },
            # The DAG run's id tells at the service whose run it is.
            name="e2e-{{ run_id }}",
            retry_delay=timedelta(seconds=1),
            **options,
        )

os.environ.pop("AIRFLOW__WHEROBOTS__COPY_LOG_ON_RESUME")

with DAG(dag_id="observed", start_date=datetime(2026, 1, 1), schedule=None, catchup=False) as observed:
    for way, deferrable in (("deferred", True), ("worker", False)):
        TenantOperator(
            task_id=way,
            name="e2e-{{ run_id }}-{{ task.task_id }}",
            run_python={"uri": "s3://jobs/talk.py", "args": ["2", "0", "{{ dag_run.conf['release'] }}"]},
            runtime="tiny",
            region="aws-us-west-2",
            deferrable=deferrable,
        )
    copy = "INSERT INTO org_catalog.e2e.copy SELECT * FROM e2e.original WHERE id = 'a-literal'"
    WherobotsSqlOperator(task_id="sql", wherobots_conn_id="{{ dag_run.conf['conn_id'] }}", sql=copy)
    SQLExecuteQueryOperator(task_id="airflows_sql", conn_id="{{ dag_run.conf['conn_id'] }}_sql", sql=copy)
    enable_lineage(observed)
