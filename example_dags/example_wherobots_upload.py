"""A script and a file that lie beside the DAG file: ``jobs/airports_by_region.py`` and ``jobs/regions.json``."""

from datetime import timedelta

import pendulum

from airflow_provider_wherobots.operators.run import WherobotsRunOperator

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2.11
    from airflow.models.dag import DAG  # type: ignore[no-redef]

with DAG(
    "example_wherobots_upload",
    description="How many airports lie in each region, by a script of this repository",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1), "execution_timeout": timedelta(minutes=30)},
    doc_md=__doc__,
    tags=["wherobots", "example"],
):
    # [START upload]
    WherobotsRunOperator(
        task_id="airports_by_region",
        run_python={"uri": "jobs/airports_by_region.py"},
        environment={
            "dependencies": [
                {"sourceType": "FILE", "filePath": "jobs/regions.json"},
                {"sourceType": "PYPI", "libraryName": "airportsdata", "libraryVersion": "20260905"},
            ]
        },
    )
    # [END upload]
