"""Checks an installation from a worker, also where there is no shell, and makes a first run."""

# [START dag]
from datetime import timedelta

import pendulum
from airflow.sdk import DAG, task  # Airflow 2.11: from airflow import DAG; from airflow.decorators import task


@task
def doctor() -> None:
    from airflow_provider_wherobots.cli.main import main

    if main(["doctor"]) != 0:
        raise RuntimeError("A check has failed: see the table above")


@task.wherobots(runtime="tiny")
def first_run() -> str:
    import platform

    print(f"Python {platform.python_version()} on Wherobots")
    return platform.python_version()


with DAG(
    "example_wherobots_doctor",
    schedule="@weekly",
    start_date=pendulum.datetime(2026, 3, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 1, "retry_delay": timedelta(minutes=5), "execution_timeout": timedelta(minutes=30)},
):
    doctor() >> first_run()
# [END dag]
