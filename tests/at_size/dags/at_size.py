"""One mapped task for each length, in seconds, in the DAG run's conf."""

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, task
from bare_deferral import BareDeferral

from airflow_provider_wherobots.operators.run import WherobotsRunOperator

RETRY: dict[str, Any] = {"retries": 20, "retry_delay": timedelta(seconds=2), "max_retry_delay": timedelta(seconds=10)}


@task
def plan_runs(dag_run: Any = None) -> list[dict[str, Any]]:
    """The arguments of each run."""
    conf = dag_run.conf
    return [
        {
            # The name shows in the service which task instance a run belongs to.
            "name": f"at-size-{dag_run.run_id}-{number:05d}",
            "run_python": {"uri": "s3://jobs/numbered.py", "args": [str(conf["lines"]), str(seconds), conf["gate"]]},
        }
        for number, seconds in enumerate(conf["seconds"])
    ]


@task
def plan_bare(dag_run: Any = None) -> list[dict[str, Any]]:
    """The arguments of each bare task."""
    return [{"gate": dag_run.conf["gate"], "seconds": seconds} for seconds in dag_run.conf["seconds"]]


WAYS: dict[str, dict[str, Any]] = {"once": {"retries": 0}, "retried": RETRY}
for dag_id, options in WAYS.items():
    with DAG(dag_id=dag_id, start_date=datetime(2026, 1, 1), schedule=None, max_active_runs=1000):
        WherobotsRunOperator.partial(task_id="run", timeout_seconds=6 * 3600, **options).expand_kwargs(
            plan_runs.override(**RETRY)()
        )

with DAG(dag_id="bare", start_date=datetime(2026, 1, 1), schedule=None):
    BareDeferral.partial(task_id="run").expand_kwargs(plan_bare())
