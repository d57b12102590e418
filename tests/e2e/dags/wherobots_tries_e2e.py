"""Tasks whose later tries meet what the first one did not: a broken template, a wrong name, edited retries."""

import os
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tenant import TenantOperator

try:
    from airflow.sdk import DAG
except ImportError:  # 2.11
    from airflow import DAG


def name_of(run_id: str, try_number: int, conf: dict[str, Any]) -> str:
    """The name of the run, or what the DAG run's conf says for this try."""
    trouble = conf.get("trouble", {}).get(str(try_number))
    if trouble == "raises":
        raise ValueError("this template is broken on purpose")
    if trouble == "hangs":
        Path(conf["release"]).with_suffix(".hangs").touch()
        time.sleep(3_600)
    return "?" if trouble == "names it wrongly" else f"e2e-{run_id}"


RETRIES = Path(os.environ["AIRFLOW_HOME"], "edited_retries")

WAYS = {
    "worker_retry_troubled": 1,
    "worker_retries_troubled": 2,
    # A test edits the file, as if it edited this one.
    "worker_edited": int(RETRIES.read_text()) if RETRIES.exists() else 0,
}

for way, retries in WAYS.items():
    with DAG(
        dag_id=way,
        start_date=datetime(2026, 1, 1),
        schedule=None,
        catchup=False,
        user_defined_macros={"name_of": name_of},
    ):
        TenantOperator(
            task_id="run",
            run_python={"uri": "s3://jobs/{{ dag_run.conf['script'] }}", "args": ["{{ dag_run.conf['arg'] }}", "0"]},
            name="{{ name_of(run_id, ti.try_number, dag_run.conf) }}",
            deferrable=False,
            retries=retries,
            retry_delay=timedelta(seconds=1),
        )
