"""Goes into the folder of an Airflow 3.0, which imports it; see ``dev.airflow_settings``."""

from typing import Any

from airflow.executors.local_executor import LocalExecutor
from airflow.utils.session import NEW_SESSION


class PatientLocalExecutor(LocalExecutor):
    """Keeps track of its tasks; that of 3.0 does not, and fails some that resume after a deferral.

    It starts a task before the scheduler has committed that it is queued: a fast worker finds it still scheduled. And
    it forgets a task that it has started: the end of the process that deferred is taken for the end of the next one.
    """

    def queue_workload(self, workload: Any, session: Any) -> None:
        self.queued_tasks[workload.ti.key] = workload

    def _process_workloads(self, workload_items: Any) -> None:
        for workload in workload_items:
            del self.queued_tasks[workload.ti.key]
            self.running.add(workload.ti.key)
            super().queue_workload(workload, NEW_SESSION)
