"""Goes into the folder of an Airflow 3.0, which imports it; see ``dev.airflow_settings``."""

from typing import Any

from airflow.executors.local_executor import LocalExecutor
from airflow.utils.session import NEW_SESSION


class PatientLocalExecutor(LocalExecutor):
    """Starts tasks once the scheduler has committed that they are queued, as Airflow 3.1 does.

    3.0 hands a task to a worker before. A worker that is faster finds the task still scheduled, and it fails for good.
    """

    def queue_workload(self, workload: Any, session: Any) -> None:
        self.queued_tasks[workload.ti.key] = workload

    def _process_workloads(self, workload_items: Any) -> None:
        for workload in workload_items:
            del self.queued_tasks[workload.ti.key]
            super().queue_workload(workload, NEW_SESSION)
