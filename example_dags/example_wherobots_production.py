"""A nightly DAG for production, and a canary that shows whether deferred tasks come back.

Create the pool first: ``airflow pools set wherobots 10 "runs at a time" --include-deferred``.
"""

# [START dag]
from datetime import timedelta

import pendulum
from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
from airflow.sdk import DAG  # Airflow 2.11: from airflow import DAG

from airflow_provider_wherobots.operators.run import WherobotsRunOperator

FOLDER = "s3://wherobots-demo/production"  # a folder of yours, with readings.csv in it
# The day before. Airflow 2.11: "{{ ds }}"
DAY = "{{ macros.ds_add((dag_run.logical_date or dag_run.run_after) | ds, -1) }}"
START = pendulum.datetime(2026, 3, 1, tz="UTC")

default_args = {
    "retries": 3,
    "retry_delay": timedelta(minutes=15),  # longer than most outages
    "execution_timeout": timedelta(hours=2),  # ends the run too
    "pool": "wherobots",  # no more runs at a time than the quota allows
    "on_failure_callback": SmtpNotifier(
        to="data@example.com",
        from_email="airflow@example.com",
        subject="{{ ti.dag_id }}.{{ ti.task_id }} failed",
        html_content="<pre>{{ exception | default('The worker process crashed') | e }}</pre>",
    ),
}

with DAG(
    "example_wherobots_production",
    schedule="30 3 * * *",
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=default_args,
):
    WherobotsRunOperator(
        task_id="rain_of_day",
        run_python={"uri": "jobs/rain_of_day.py", "args": ["--folder", FOLDER, "--day", DAY]},
        runtime="tiny",
        runtime_on_out_of_memory="next",  # Airflow 3.3: a retry after a lack of memory gets the next larger runtime
    )

with DAG(
    "example_wherobots_canary",
    schedule="*/10 * * * *",
    start_date=START,
    catchup=False,
    max_active_runs=1,
):
    DateTimeSensorAsync(
        task_id="defer",
        target_time="{{ ti.start_date + macros.timedelta(minutes=1) }}",
        retries=1,
        retry_delay=timedelta(seconds=10),
        execution_timeout=timedelta(minutes=9),
    )
# [END dag]
