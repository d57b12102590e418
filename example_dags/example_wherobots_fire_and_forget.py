"""Start a run, wait for it later, and ask the API in a task of your own."""

from typing import Any

import pendulum

from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from airflow_provider_wherobots.sensors.run import WherobotsRunSensor

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import task  # type: ignore[no-redef, attr-defined]
    from airflow.models.dag import DAG  # type: ignore[no-redef]

with DAG(
    "example_wherobots_fire_and_forget",
    description="Start a run without waiting, wait for its end in a sensor, read what it used",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    doc_md=__doc__,
    tags=["wherobots", "example"],
):
    start = WherobotsRunOperator(
        task_id="start",
        run_python={
            "uri": "s3://wherobots-demo/jobs/bbox_area.py",
            "args": ["--name", "Switzerland", "--bbox", "5.96,45.82,10.49,47.81"],
        },
        wait_for_completion=False,
    )

    @task
    def usage(wherobots_run_id: str) -> dict[str, float | None]:
        """Return what the run used; a value that the service does not report yet is None."""
        return dict(WherobotsHook("wherobots_default").get_run_metrics(wherobots_run_id).instant_metrics)

    # Not named `run_id`: in a task's context that is the DAG run's id.
    wherobots_run_id: Any = WherobotsRunSensor(task_id="wait", run_id=start.output).output
    usage(wherobots_run_id)
