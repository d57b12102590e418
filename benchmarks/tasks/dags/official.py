"""The task of the official provider, with the same arguments as ours."""

from airflow.sdk import DAG
from airflow_providers_wherobots.operators.run import WherobotsRunOperator

for kind, poll_logs in (("log", True), ("status", False)):
    with DAG(f"official-{kind}", schedule=None) as dag:
        WherobotsRunOperator(
            task_id="run",
            name="bench-{{ run_id }}",
            run_python={
                "uri": "s3://bench/job.py",
                "args": ["{{ dag_run.conf['seconds'] }}", "{{ dag_run.conf['lines'] }}"],
            },
            runtime="tiny",
            region="aws-us-west-2",
            poll_logs=poll_logs,
        )
    globals()[dag.dag_id] = dag
