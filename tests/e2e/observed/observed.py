"""Runs whose metrics and lineage are looked at."""

from datetime import datetime, timedelta

from airflow_provider_wherobots.operators.run import WherobotsRunOperator

try:
    from airflow.sdk import DAG
except ImportError:  # 2.11
    from airflow import DAG

with DAG(dag_id="observed", start_date=datetime(2026, 1, 1), schedule=None, catchup=False):
    for way, deferrable in (("deferred", True), ("worker", False)):
        WherobotsRunOperator(
            task_id=way,
            name=f"observed-{way}",
            run_python={"uri": "s3://jobs/talk.py", "args": ["2", "0"]},
            runtime="tiny",
            region="aws-us-west-2",
            deferrable=deferrable,
            # A busy machine may fail to start a task.
            retries=2,
            retry_delay=timedelta(seconds=1),
        )
