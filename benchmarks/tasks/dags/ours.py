"""Our task. Each side has its own file, so that a worker imports only that side."""

from airflow.sdk import DAG

from airflow_provider_wherobots.operators.run import WherobotsRunOperator

for kind, poll_logs in (("log", True), ("status", False)):
    with DAG(f"ours-{kind}", schedule=None) as dag:
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
