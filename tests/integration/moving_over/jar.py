"""A JAR, with everything else that the official operator takes; its log is not asked for."""

from datetime import datetime

from airflow import DAG
from airflow_providers_wherobots.operators.run import WherobotsRunOperator

with DAG(  # noqa: AIR311 - the DAG is for any Airflow
    dag_id="moving_over_jar",
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 2},
):
    WherobotsRunOperator(
        task_id="tile",
        wherobots_conn_id="wherobots_default",
        region="aws-us-west-2",
        runtime="small",
        version="preview",
        run_jar={"uri": "s3://lake/jars/echo.jar", "args": ["tiles of {{ ds }}", "0"], "mainClass": "Echo"},
        environment={
            "sparkDriverDiskGB": 20,
            "sparkExecutorDiskGB": 40,
            "sparkConfigs": {"spark.sql.shuffle.partitions": "8"},
            "dependencies": [{"sourceType": "FILE", "filePath": "s3://lake/jars/empty.jar"}],
        },
        timeout_seconds=7200,
        polling_interval=5,
        poll_logs=False,
        wait_post_run_logs_timeout_seconds=30,
    )
