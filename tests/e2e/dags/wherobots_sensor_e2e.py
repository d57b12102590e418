"""Sensors for one run, which the DAG run's conf tells. Of each DAG's connection there is one, as it is no template."""

from datetime import datetime, timedelta
from typing import Any

from airflow_provider_wherobots.sensors.run import WherobotsRunSensor

try:
    from airflow.sdk import DAG, task
except ImportError:  # 2.11
    from airflow import DAG
    from airflow.decorators import task  # type: ignore[no-redef, attr-defined]

with DAG(dag_id="sensors", start_date=datetime(2026, 1, 1), schedule=None, catchup=False):
    common: dict[str, Any] = {
        "wherobots_conn_id": "wherobots_sensors",
        "run_id": "{{ dag_run.conf['run_id'] }}",
        "polling_interval": 2,
        "retries": 3,
        "retry_delay": timedelta(seconds=1),
    }
    WherobotsRunSensor(task_id="deferred", poll_logs=True, **common)
    WherobotsRunSensor(task_id="marked", **common)
    WherobotsRunSensor(task_id="rescheduled", deferrable=False, mode="reschedule", poke_interval=10, **common)
    WherobotsRunSensor(task_id="worker", deferrable=False, poke_interval=2, poll_logs=True, **common)
    WherobotsRunSensor(task_id="late", timeout=40, **common)
    WherobotsRunSensor(task_id="late_on_worker", deferrable=False, poke_interval=2, timeout=10, **common)
    WherobotsRunSensor(task_id="skipped", timeout=40, soft_fail=True, **common)

with DAG(dag_id="sensor_by_id", start_date=datetime(2026, 1, 1), schedule=None, catchup=False):

    @task
    def tell(**context: Any) -> str:
        """Return the run's id."""
        return str(context["dag_run"].conf["run_id"])

    found: Any = tell()
    WherobotsRunSensor(task_id="by_id", wherobots_conn_id="wherobots_sensor_by_id", run_id=found)
