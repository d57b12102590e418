"""Limits of time: for an attempt, for its run, for an outage of the API; and a task that waits on a worker."""

from datetime import timedelta

import pendulum

from airflow_provider_wherobots.operators.run import WherobotsRunOperator

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2.11
    from airflow.models.dag import DAG  # type: ignore[no-redef]

AREA = {
    "uri": "s3://wherobots-demo/jobs/bbox_area.py",
    "args": ["--name", "Switzerland", "--bbox", "5.96,45.82,10.49,47.81"],
}

with DAG(
    "example_wherobots_timeouts",
    description="Limits of time, and a wait on a worker",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    doc_md=__doc__,
    tags=["wherobots", "example"],
):
    WherobotsRunOperator(
        task_id="on_a_worker",
        run_python=AREA,
        deferrable=False,  # for runs of a few seconds, or without a triggerer
        execution_timeout=timedelta(minutes=30),
    )

    WherobotsRunOperator(
        task_id="with_limits",
        run_python=AREA,
        execution_timeout=timedelta(minutes=30),  # of an attempt, with the wait for a runtime
        timeout_seconds=timedelta(minutes=20),  # of the run; the service ends it
        max_outage_seconds=300,  # how long the API may be unreachable before the attempt fails
        retries=2,
        retry_delay=timedelta(minutes=1),
    )
