"""DAGs that let the tests of the Airflow harness look at deferral, kills and logs, without the provider."""

import logging
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gate_trigger import GateTrigger

try:
    from airflow.sdk import DAG, BaseOperator
except ImportError:
    from airflow.models.baseoperator import BaseOperator  # type: ignore[import-not-found, no-redef]
    from airflow.models.dag import DAG  # type: ignore[no-redef]


class GateOperator(BaseOperator):
    """Waits for a file that the DAG run's conf names, deferred or on the worker."""

    def __init__(self, *, deferrable: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable

    def execute(self, context: Any) -> str:
        gate = str(context["dag_run"].conf["gate"])
        logging.getLogger(__name__).info("heading for the gate")
        context["ti"].xcom_push(key="gate", value={"path": gate})
        if self.deferrable:
            self.defer(trigger=GateTrigger(gate), method_name="passed")
        while not Path(gate).exists():
            time.sleep(0.2)
        return self.passed(context, {"gate": "open"})

    def passed(self, context: Any, event: dict[str, str]) -> str:
        self.log.info("through the gate, which was %s", event["gate"])
        return event["gate"]


for deferrable in (True, False):
    with DAG(
        f"gate_{'deferred' if deferrable else 'worker'}",
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
    ) as dag:
        GateOperator(task_id="gate", deferrable=deferrable, retries=1, retry_delay=timedelta(seconds=1))
    globals()[dag.dag_id] = dag
