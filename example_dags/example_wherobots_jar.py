"""A JAR. Its source is ``jobs/GreatCircle.java``. To build it and copy it to the address in the DAG:

javac -d build jobs/GreatCircle.java
jar --create --file great-circle.jar -C build .
aws s3 cp great-circle.jar s3://wherobots-demo/jobs/     # or copy it below the local server's root
"""

from datetime import timedelta

import pendulum

from airflow_provider_wherobots.operators.run import WherobotsRunOperator

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2.11
    from airflow.models.dag import DAG  # type: ignore[no-redef]

with DAG(
    "example_wherobots_jar",
    description="The distance between two places, from a JAR",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1), "execution_timeout": timedelta(minutes=30)},
    params={"from": "47.4582,8.5481", "to": "63.9850,-22.6056"},
    doc_md=__doc__,
    tags=["wherobots", "example"],
):
    # [START jar]
    WherobotsRunOperator(
        task_id="great_circle",
        run_jar={
            "uri": "s3://wherobots-demo/jobs/great-circle.jar",
            "mainClass": "GreatCircle",
            "args": ["{{ params['from'] }}", "{{ params['to'] }}"],
        },
        timeout_seconds=600,
    )
    # [END jar]
