"""A Python script, in the shortest DAG. The script is ``jobs/bbox_area.py``."""
# ruff: noqa: AIR311 - `airflow.DAG` exists in every Airflow from 2.11 to 3.3

# [START python]
from datetime import timedelta

import pendulum
from airflow import DAG

from airflow_provider_wherobots.operators.run import WherobotsRunOperator

with DAG(
    "example_wherobots_python",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
):
    WherobotsRunOperator(
        task_id="bbox_area",
        run_python={
            "uri": "s3://wherobots-demo/jobs/bbox_area.py",
            "args": ["--name", "Switzerland", "--bbox", "5.96,45.82,10.49,47.81"],
        },
        retries=2,
        execution_timeout=timedelta(minutes=30),
    )
# [END python]
