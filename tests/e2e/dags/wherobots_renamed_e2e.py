"""A DAG whose task a test renames, as an edit of its file does: the task's id is in a file."""

import os
from datetime import datetime
from pathlib import Path

from tenant import TenantOperator

try:
    from airflow.sdk import DAG
except ImportError:  # 2.11
    from airflow import DAG

TASK_ID = Path(os.environ["AIRFLOW_HOME"], "renamed_task_id")

with DAG(dag_id="renamed", start_date=datetime(2026, 1, 1), schedule=None, catchup=False):
    TenantOperator(
        task_id=TASK_ID.read_text() if TASK_ID.exists() else "run",
        run_python={"uri": "s3://jobs/{{ dag_run.conf['script'] }}", "args": ["{{ dag_run.conf['arg'] }}", "0"]},
        name="e2e-{{ run_id }}",
    )
