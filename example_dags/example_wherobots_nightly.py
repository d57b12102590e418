"""A script every night: it reads the readings of the day before, and writes a partition."""

# [START dag]
from datetime import timedelta

import pendulum
from airflow.sdk import DAG  # Airflow 2.11: from airflow import DAG

from airflow_provider_wherobots.operators.run import WherobotsRunOperator

FOLDER = "s3://wherobots-demo/rain"  # a folder of yours, with readings.csv in it
# The day before. Airflow 2.11: "{{ ds }}"
DAY = "{{ macros.ds_add((dag_run.logical_date or dag_run.run_after) | ds, -1) }}"

with DAG(
    "example_wherobots_nightly",
    schedule="30 2 * * *",
    start_date=pendulum.datetime(2026, 3, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
):
    WherobotsRunOperator(
        task_id="rain_of_day",
        run_python={
            "uri": "jobs/rain_of_day.py",  # next to this file; uploaded for you
            "args": ["--folder", FOLDER, "--day", DAY],
        },
        runtime="tiny",
        retries=2,
        retry_delay=timedelta(minutes=5),
        execution_timeout=timedelta(hours=1),
    )
# [END dag]
