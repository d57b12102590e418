"""The limit: a deferred task whose trigger knows when the run ends."""

from airflow.sdk import DAG

from benchmarks.tasks.sleeping import SleepOperator

with DAG("bare-sleep", schedule=None) as dag:
    SleepOperator(task_id="run", seconds="{{ dag_run.conf['seconds'] }}")
