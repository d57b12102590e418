"""How a task waits for its run, and for how long."""

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
    "example_wherobots_waiting",
    description="Waiting on a worker, and limits for the wait",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    doc_md=__doc__,
    tags=["wherobots", "example"],
):
    WherobotsRunOperator(task_id="on_a_worker", run_python=AREA, deferrable=False)

    WherobotsRunOperator(
        task_id="with_limits",
        run_python=AREA,
        execution_timeout=timedelta(minutes=30),  # per try, from its start, the wait for a runtime included
        timeout_seconds=timedelta(minutes=20),  # per run, enforced by the service
        max_outage_seconds=300,  # how long the API may be unreachable before the try fails
        retries=2,
        retry_delay=timedelta(minutes=1),
    )
