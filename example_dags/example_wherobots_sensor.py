"""Wait for a run that another task, another DAG or another system has started. Then ask the API what it used."""

from datetime import timedelta
from operator import attrgetter
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
    "example_wherobots_sensor",
    description="Start a run without waiting, wait for its end in sensors, read what it used",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1), "execution_timeout": timedelta(minutes=30)},
    doc_md=__doc__,
    tags=["wherobots", "example"],
) as dag:
    # [START by_id]
    start = WherobotsRunOperator(
        task_id="start",
        name="bbox_area.waited_for",
        run_python={
            "uri": "s3://wherobots-demo/jobs/bbox_area.py",
            "args": ["--name", "Switzerland", "--bbox", "5.96,45.82,10.49,47.81"],
        },
        wait_for_completion=False,
    )
    WherobotsRunSensor(task_id="by_id", run_id=start.output, poll_logs=True)
    # [END by_id]

    # [START by_name]
    @task(retries=60, retry_delay=timedelta(seconds=10))
    def find(dag_run: Any = None) -> str:
        """Return the id of the newest run of a name. If there is none yet, this fails, and the retry looks again."""
        runs = WherobotsHook().list_runs(name="bbox_area.waited_for*", created_after=dag_run.start_date)
        return str(max(runs, key=attrgetter("create_time")).id)

    WherobotsRunSensor(task_id="by_name", run_id=find())
    # [END by_name]

    # Not named `run_id`: in a task's context that is the DAG run's id.
    @task
    def usage(wherobots_run_id: str) -> dict[str, float | None]:
        """Return what the run used; a value that the service does not report yet is None."""
        return dict(WherobotsHook().get_run_metrics(wherobots_run_id).instant_metrics)

    started: Any = start.output
    dag.get_task("by_id") >> usage(started)
