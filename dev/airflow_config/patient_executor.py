"""Copied into the folder of each Airflow; only 3.0 uses it, see ``dev.airflow_settings``."""

from typing import Any

from airflow.executors.local_executor import LocalExecutor
from airflow.utils.session import NEW_SESSION


class PatientLocalExecutor(LocalExecutor):
    """A ``LocalExecutor`` that keeps track of its tasks. That of 3.0 does not, and fails some that resume.

    It starts a task before the scheduler has committed that the task is queued, so a fast worker finds it still
    scheduled. And it forgets a task that it has started, so it takes the end of the process that deferred for the end
    of the process that resumes.
    """

    def queue_workload(self, workload: Any, session: Any) -> None:
        self.queued_tasks[workload.ti.key] = workload

    def _process_workloads(self, workload_items: Any) -> None:
        for workload in workload_items:
            del self.queued_tasks[workload.ti.key]
            self.running.add(workload.ti.key)
            super().queue_workload(workload, NEW_SESSION)
