"""The arguments that the operator that creates a run and the sensor that waits for a run share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wherobots.operators.wherobots_task import WherobotsTask

if TYPE_CHECKING:
    from airflow_provider_wherobots.tasks.run_attempt import RunAttempt


class FollowsRun(WherobotsTask):
    """What ``WherobotsRunOperator`` and ``WherobotsRunSensor`` share.

    A DAG file needs only the arguments and their rules. The work of a try is in a
    :class:`~airflow_provider_wherobots.tasks.run_try.RunTry`, which only a running task imports, because Airflow
    imports a DAG file's operators again each time it parses the file. Source: "Top level Python Code" on Airflow's
    page "Best Practices".
    """

    poll_logs: bool
    polling_interval: float
    wait_post_run_logs_timeout_seconds: float
    cancel_on_kill: bool
    max_outage_seconds: float
    copy_log_on_resume: bool
    return_result: bool = False
    """Whether the task returns the run's result instead of its id."""
    without_result: str = "its log has no line that begins with 'airflow-result:'"
    """What is wrong with a log that has no result, in the words of the DAG's author."""

    def _make_attempt(self) -> RunAttempt:
        from airflow_provider_wherobots.tasks.run_attempt import RunAttempt

        return RunAttempt(self.hook, cancel_on_kill=self.cancel_on_kill)
