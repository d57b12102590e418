"""A spatial join with Sedona over GeoParquet. The script is ``jobs/hail_by_county.py``, which lies next to this file.

It needs two GeoParquet files of yours: ``reports`` with the columns ``mm`` and ``geometry``, and ``counties`` with
``name`` and ``geometry``. On the local server it needs Spark and Sedona's JARs.
"""

from datetime import timedelta

import pendulum

from airflow_provider_wherobots.operators.run import WherobotsRunOperator

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2.11
    from airflow.models.dag import DAG  # type: ignore[no-redef]

with DAG(
    "example_wherobots_sedona",
    description="Which hail fell in which county",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"folder": "s3://wherobots-demo/hail"},
    doc_md=__doc__,
    tags=["wherobots", "example"],
):
    # [START sedona]
    WherobotsRunOperator(
        task_id="hail_by_county",
        run_python={
            "uri": "jobs/hail_by_county.py",
            "args": [
                *("--reports", "{{ params.folder }}/reports.parquet"),
                *("--counties", "{{ params.folder }}/counties.parquet"),
                *("--output", "{{ params.folder }}/hail_by_county"),
            ],
        },
        runtime="small",
        retries=2,
        retry_delay=timedelta(minutes=5),
        execution_timeout=timedelta(hours=1),
    )
    # [END sedona]
