"""A task that tells what each start of a try finds of what was there before. Needs Airflow 3.3."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.exceptions import AirflowRescheduleException

try:
    from airflow.sdk import DAG, task
except ImportError:  # 2.11
    from airflow import DAG
    from airflow.decorators import task  # type: ignore[no-redef, attr-defined]

REPORTED = timedelta(seconds=10)
"""By then the scheduler has dealt with the executor's report. If the task were queued again before, it would fail."""

with DAG(dag_id="finds", start_date=datetime(2026, 1, 1), schedule=None, catchup=False):

    @task(retries=1, retry_delay=timedelta(seconds=1))
    def run(**context: Any) -> None:
        """Append what this start finds to a file. The first try is rescheduled, then fails."""
        ti, store = context["ti"], context["task_state_store"]
        told = ti._ti_context_from_server
        found = {
            "try": ti.try_number,
            "is_told_key": "left" in told.xcom_keys_to_clear,
            "in_store": store.get("left"),
        }
        with Path(context["dag_run"].conf["file"]).open("a") as file:
            file.write(json.dumps(found) + "\n")
        ti.xcom_push("left", ti.try_number)
        store.set("left", ti.try_number)
        if ti.try_number == 1 and not told.task_reschedule_count:
            raise AirflowRescheduleException(datetime.now(UTC) + REPORTED)  # type: ignore[no-untyped-call]
        if ti.try_number == 1:
            raise ValueError("the first try fails on purpose")

    run()
