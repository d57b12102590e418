"""One run per country, two at a time: a task returns the countries, and the operator is mapped over them.

Before Airflow 3.2.2 all of them run at a time, because ``max_active_tis_per_dag`` does not count deferred tasks there.
"""

from datetime import timedelta
from typing import Any

import pendulum

from airflow_provider_wherobots.operators.run import WherobotsRunOperator

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import task  # type: ignore[no-redef, attr-defined]
    from airflow.models.dag import DAG  # type: ignore[no-redef]

BUCKET = "s3://wherobots-demo"


@task
def countries() -> list[str]:
    """Return the countries to report on; a real DAG would read a catalogue or list a bucket."""
    return ["CH", "IE", "NZ"]


@task
def run_python(country: str, **context: Any) -> dict[str, Any]:
    """Return the operator's ``run_python`` for one country."""
    dag_run = context["dag_run"]
    day = (dag_run.logical_date or dag_run.run_after).date().isoformat()
    return {
        "uri": f"{BUCKET}/jobs/airport_neighbours.py",
        "args": ["--date", day, "--country", country, "--radius-km", 150],
    }


with DAG(
    "example_wherobots_mapped",
    description="The airport report for several countries, one mapped run each",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1), "execution_timeout": timedelta(minutes=30)},
    doc_md=__doc__,
    tags=["wherobots", "example"],
):
    WherobotsRunOperator.partial(
        task_id="airport_neighbours",
        environment={
            "dependencies": [
                {"sourceType": "PYPI", "libraryName": "sedonadb", "libraryVersion": "0.5.0"},
                {"sourceType": "PYPI", "libraryName": "airportsdata", "libraryVersion": "20260905"},
            ]
        },
        max_active_tis_per_dag=2,
    ).expand(run_python=run_python.expand(country=countries()))
