"""In the style of the official provider's README: enums, a templated name, a script and its log."""

from datetime import datetime

from airflow import DAG
from airflow_providers_wherobots.operators.run import WherobotsRunOperator
from wherobots.db.region import Region
from wherobots.db.runtime import Runtime

with DAG(  # noqa: AIR311 - the DAG is for any Airflow
    dag_id="moving_over_readme", schedule=None, start_date=datetime(2026, 1, 1), catchup=False
) as dag:
    operator = WherobotsRunOperator(
        task_id="classify",
        name="classify_fields_{{ ts_nodash }}",
        region=Region.AWS_US_WEST_2,
        runtime=Runtime.TINY_A10_GPU,
        run_python={"uri": "s3://lake/scripts/classify.py"},
        dag=dag,
        poll_logs=True,
    )
