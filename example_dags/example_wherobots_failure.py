"""A task that fails, to see how a failure looks: its script needs a package that the task does not name."""

# [START dag]
from datetime import timedelta

import pendulum
from airflow.sdk import DAG  # Airflow 2.11: from airflow import DAG

from airflow_provider_wherobots.operators.run import WherobotsRunOperator

with DAG(
    "example_wherobots_failure",
    schedule="@weekly",
    start_date=pendulum.datetime(2026, 3, 1, tz="UTC"),
    catchup=False,
):
    WherobotsRunOperator(
        task_id="airports_by_region",
        run_python={"uri": "jobs/airports_by_region.py"},
        environment={"dependencies": [{"sourceType": "FILE", "filePath": "jobs/regions.json"}]},
        runtime="tiny",
        retries=1,
        retry_delay=timedelta(seconds=10),
        execution_timeout=timedelta(minutes=30),
    )
# [END dag]
