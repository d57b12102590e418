"""One DAG per way of waiting; what runs is told by the DAG run's conf."""

from datetime import datetime, timedelta

from airflow.triggers.base import BaseTrigger

from airflow_provider_wherobots.operators.run import WherobotsRunOperator

try:
    from airflow.sdk import DAG
except ImportError:  # 2.11
    from airflow import DAG


class CrashingTrigger(BaseTrigger):
    """A trigger whose code is broken."""

    def __init__(self, **kwargs):
        super().__init__()

    def serialize(self):
        return (f"{__name__}.CrashingTrigger", {})

    async def run(self):
        raise RuntimeError("this trigger is broken on purpose")
        yield


class CrashingOperator(WherobotsRunOperator):
    """Defers to a trigger that crashes."""

    def defer(self, *, trigger, **kwargs):
        super().defer(trigger=CrashingTrigger(), **kwargs)


WAYS = {
    "deferred": {},
    "worker": {"deferrable": False},
    "deferred_retry": {"retries": 1},
    "worker_retry": {"deferrable": False, "retries": 1},
    "deferred_deadline": {"execution_timeout": timedelta(seconds=30)},
    "crashing": {"operator": CrashingOperator},
}

for way, given in WAYS.items():
    options = dict(given)
    operator = options.pop("operator", WherobotsRunOperator)
    with DAG(dag_id=way, start_date=datetime(2026, 1, 1), schedule=None, catchup=False):
        operator(
            task_id="run",
            run_python={
                "uri": "s3://jobs/{{ dag_run.conf['script'] }}",
                "args": ["{{ dag_run.conf.get('arg', '') }}", "{{ dag_run.conf.get('code', '0') }}"],
            },
            name="e2e-" + way,
            retry_delay=timedelta(seconds=1),
            **options,
        )
