"""A logging configuration that loses what triggers write, for the DAGs that are called so."""

from pathlib import Path

from airflow.config_templates.airflow_local_settings import DEFAULT_LOGGING_CONFIG as LOGGING_CONFIG

__all__ = ["LOGGING_CONFIG", "REMOTE_TASK_LOG"]


class DroppingRemoteLog:
    """Stores nothing. What a trigger of these DAGs has written is gone once Airflow 3 has it uploaded."""

    processors = ()

    def upload(self, path: str, ti: object = None) -> None:
        if path.startswith("dag_id=dropped_") and ".trigger." in path:
            Path(LOGGING_CONFIG["handlers"]["task"]["base_log_folder"], path).unlink()

    def read(self, relative_path: str, ti: object) -> tuple[list[str], None]:
        return [], None


REMOTE_TASK_LOG = DroppingRemoteLog()
