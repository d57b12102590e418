"""A Spark job: it reads two CSV files, joins them and writes Parquet. The script is ``jobs/rain_by_region.py``.

It runs on Wherobots, where Spark is installed, and on the local server with its extra ``spark`` and Java.
"""

from datetime import timedelta

import pendulum

from airflow_provider_wherobots.operators.run import WherobotsRunOperator

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2.11
    from airflow.models.dag import DAG  # type: ignore[no-redef]

BUCKET = "s3://wherobots-demo"

with DAG(
    "example_wherobots_spark",
    description="The rain of each region and month, from the readings of its stations",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1), "execution_timeout": timedelta(minutes=30)},
    params={"partitions": 4},
    doc_md=__doc__,
    tags=["wherobots", "example"],
):
    # [START spark]
    WherobotsRunOperator(
        task_id="rain_by_region",
        run_python={
            "uri": f"{BUCKET}/jobs/rain_by_region.py",
            "args": ["--input", f"{BUCKET}/jobs", "--output", f"{BUCKET}/results/rain_by_region"],
        },
        environment={"sparkConfigs": {"spark.sql.shuffle.partitions": "{{ params.partitions }}"}},
    )
    # [END spark]
