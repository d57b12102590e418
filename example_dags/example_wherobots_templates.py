"""Values that are known only when the task runs: templates, params and the output of other tasks."""

from datetime import timedelta

import pendulum

from airflow_provider_wherobots.operators.run import WherobotsRunOperator

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import task  # type: ignore[no-redef, attr-defined]
    from airflow.models.dag import DAG  # type: ignore[no-redef]

with DAG(
    "example_wherobots_templates",
    description="The area of two boxes: one with a name from params, one from another task",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1), "execution_timeout": timedelta(minutes=30)},
    params={"name": "Iceland", "timeout_minutes": 10},
    doc_md=__doc__,
    tags=["wherobots", "example"],
):
    # On Airflow 3 a DAG run that is triggered by hand has no logical date, and so no `{{ ds }}`. This always renders.
    day = "{{ (dag_run.logical_date or dag_run.run_after) | ds }}"

    WherobotsRunOperator(
        task_id="from_params",
        name="bbox_area_{{ params.name }}",
        run_python={
            "uri": "s3://wherobots-demo/jobs/bbox_area.py",
            "args": [
                *("--name", f"{{{{ params.name }}}} on {day}"),
                *("--bbox", "0,0,1,1"),
            ],
        },
        timeout_seconds="{{ params.timeout_minutes * 60 }}",
    )

    @task
    def bounding_box() -> str:
        """Return a box; a real DAG would read a catalogue."""
        return "5.96,45.82,10.49,47.81"

    WherobotsRunOperator(
        task_id="from_a_task",
        run_python={
            "uri": "s3://wherobots-demo/jobs/bbox_area.py",
            "args": ["--name", "Switzerland", "--bbox", bounding_box()],
        },
    )
