"""The settings of an Airflow that runs in a folder for a few minutes, with the reasons. Does no I/O."""

import base64
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

Settings = dict[str, dict[str, str]]

CONFIG_FILES = Path(__file__).parent / "airflow_config"
"""Modules that the settings name. Airflow imports them from the folder ``config`` of its home."""


@dataclass(frozen=True)
class Credentials:
    """The secrets of one instance, stored in its folder so that it can be started again."""

    fernet_key: str
    jwt_secret: str
    secret_key: str
    password: str
    username: str = "admin"

    @classmethod
    def random(cls) -> "Credentials":
        """Return new random secrets."""
        return cls(
            fernet_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            jwt_secret=secrets.token_hex(32),
            secret_key=secrets.token_hex(32),
            password=secrets.token_urlsafe(12),
        )

    def as_dict(self) -> dict[str, str]:
        """Return the fields by name."""
        return asdict(self)


def common(database: str, dags_folder: Path, credentials: Credentials) -> Settings:
    """Return the settings for both Airflow 2.11 and 3."""
    return {
        "core": {
            "dags_folder": str(dags_folder),
            "load_examples": "False",
            "dags_are_paused_at_creation": "False",
            "executor": "LocalExecutor",
            # LocalExecutor starts all its workers at once.
            "parallelism": "8",
            "fernet_key": credentials.fernet_key,
            # A changed DAG file is noticed at once, not after half a minute.
            "min_serialized_dag_update_interval": "1",
            "hostname_callable": "loopback_host.hostname",
            # By default a DAG file fails if it takes 30 s to import.
            "dagbag_import_timeout": "600",
        },
        "database": {"sql_alchemy_conn": database, "load_default_connections": "False"},
        "logging": {
            "colored_console_log": "False",
            # All components share one folder of logs. The log servers are not started: they would listen on
            # every interface, and two triggerers would need the same port. Airflow still calls them for the log
            # of a running task. With port 9 (discard) these calls fail at once and reach no other Airflow.
            "worker_log_server_port": "9",
            "trigger_log_server_port": "9",
        },
        "scheduler": {
            "scheduler_heartbeat_sec": "2",
            "job_heartbeat_sec": "2",
            "scheduler_idle_sleep_time": "0.5",
            # A deferral's timeout is noticed within 2 s, not 15.
            "trigger_timeout_check_interval": "2",
            # Tasks that a killed scheduler had queued are queued again within 20 s, not 5 minutes.
            "orphaned_tasks_check_interval": "20",
        },
        "triggerer": {
            # After 15 s without a heartbeat, not 30, a triggerer is dead and another takes over its triggers.
            # Heartbeats are 2 s apart, so a triggerer on a busy machine does not look dead.
            "job_heartbeat_sec": "2",
            "triggerer_health_check_threshold": "15",
        },
        "usage_data_collection": {"enabled": "False"},
    }


def airflow_3(home: Path, url: str, credentials: Credentials) -> Settings:
    """Return the settings for Airflow 3 only."""
    return {
        "core": {
            "simple_auth_manager_users": f"{credentials.username}:admin",
            "simple_auth_manager_passwords_file": str(home / "passwords.json"),
            "execution_api_server_url": f"{url}/execution/",
        },
        "api": {
            "base_url": url,
            "secret_key": credentials.secret_key,
            "workers": "1",
            # A stopping server does not wait two minutes for open connections.
            "worker_timeout": "5",
            "log_fetch_timeout_sec": "1",
        },
        "api_auth": {"jwt_secret": credentials.jwt_secret},
        "dag_processor": {
            # New files are found within 5 s, not 5 minutes.
            "refresh_interval": "5",
            "bundle_refresh_check_interval": "2",
            "parsing_processes": "1",
            "dag_file_processor_timeout": "600",
        },
        "workers": {
            # A running task notices within 2 s that it was marked or cleared.
            "min_heartbeat_interval": "2",
            # By default a task fails if its first call is not answered in 5 s, and on a busy machine the server's first
            # answers take longer.
            "execution_api_timeout": "120",
        },
    }


def lost_tasks_noticed_soon() -> Settings:
    """Return the settings that let Airflow 3 notice within about 35 s, not 5 minutes, that a task's supervisor is gone.

    Only for tests that kill supervisors: on a busy machine the heartbeat of one that is alive may come later.
    """
    return {
        "scheduler": {
            "task_instance_heartbeat_timeout": "30",
            "task_instance_heartbeat_timeout_detection_interval": "5",
        }
    }


def celery(broker: str, *, concurrency: int) -> Settings:
    """Return the settings that put an Airflow 3 on Celery with Redis."""
    return {
        "core": {
            "executor": "CeleryExecutor",
            # For each scheduler. More tasks than the workers can run would wait in Redis.
            "parallelism": str(2 * concurrency),
            "max_active_tasks_per_dag": "10000",
            "max_map_length": "10000",
        },
        "celery": {"broker_url": broker, "worker_concurrency": str(concurrency)},
        # Tasks that a killed worker had taken from Redis but not begun are queued again after 3 minutes, not 10.
        "scheduler": {"task_queued_timeout": "180", "task_queued_timeout_check_interval": "15"},
    }


def logs_in_s3(folder: str, conn_id: str) -> Settings:
    """Return the settings that make Airflow store its task logs in S3."""
    return {"logging": {"remote_logging": "True", "remote_base_log_folder": folder, "remote_log_conn_id": conn_id}}


def airflow_2(port: int, credentials: Credentials) -> Settings:
    """Return the settings for Airflow 2.11 only."""
    return {
        "core": {
            "internal_api_secret_key": credentials.secret_key,
            # From SIGTERM to SIGKILL of a task: 60 s by default.
            "killed_task_cleanup_time": "15",
            "dag_file_processor_timeout": "600",
        },
        "api": {"auth_backends": "airflow.providers.fab.auth_manager.api.auth.backend.basic_auth"},
        "fab": {"auth_rate_limited": "False"},
        "webserver": {
            "base_url": f"http://127.0.0.1:{port}",
            "secret_key": credentials.secret_key,
            "workers": "1",
            # By default it shuts down if its only worker does not answer for two minutes, as on a busy machine.
            "web_server_master_timeout": "600",
            "web_server_worker_timeout": "600",
            "log_fetch_timeout_sec": "1",
            "warn_deployment_exposure": "False",
        },
        # To read a triggerer's log, 2.11 uses only this older name of the port.
        "logging": {"triggerer_log_server_port": "9"},
        "scheduler": {
            "dag_dir_list_interval": "5",
            "parsing_processes": "1",
            # A task whose worker is lost is failed at each look, also if it has begun again since the look before.
            "zombie_detection_interval": "20",
        },
    }


def as_environment(*layers: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the settings as Airflow's environment variables; later layers win."""
    return {
        f"AIRFLOW__{section.upper()}__{option.upper()}": value
        for layer in layers
        for section, options in layer.items()
        for option, value in options.items()
    }
