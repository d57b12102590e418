"""The environment of a run: packages, files, Spark settings and disks. The script is ``jobs/airports_by_region.py``."""

from datetime import timedelta

import pendulum

from airflow_provider_wherobots.operators.run import WherobotsRunOperator

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2.11
    from airflow.models.dag import DAG  # type: ignore[no-redef]

with DAG(
    "example_wherobots_environment",
    description="How many airports lie in each region",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1), "execution_timeout": timedelta(minutes=30)},
    doc_md=__doc__,
    tags=["wherobots", "example"],
):
    # [START environment]
    WherobotsRunOperator(
        task_id="airports_by_region",
        run_python={"uri": "s3://wherobots-demo/jobs/airports_by_region.py"},
        runtime="tiny",
        region="aws-us-west-2",
        version="latest",
        environment={
            "dependencies": [
                {"sourceType": "PYPI", "libraryName": "airportsdata", "libraryVersion": "20260905"},
                {"sourceType": "FILE", "filePath": "s3://wherobots-demo/jobs/regions.json"},
            ],
            "sparkConfigs": {"spark.sql.shuffle.partitions": 64, "spark.sql.adaptive.enabled": True},
            "sparkDriverDiskGB": 50,
            "sparkExecutorDiskGB": 100,
        },
    )
    # [END environment]
