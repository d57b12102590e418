"""What both sides need of a triggerer: its logging, and what it sets on a trigger."""

import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def log_as_a_triggerer_does(path: Path) -> None:
    """Configure logging as a triggerer's process does, but into a file."""
    from airflow.sdk.log import configure_logging

    show = sys.excepthook
    configure_logging(json_output=True, output=path.open("wb"), sending_to_supervisor=True)
    # Airflow writes an error that ends the process into the log only.
    sys.excepthook = show


def trigger_of(run_id: str, number: int, has_logs: bool, pause: float, wait: float = 60.0) -> Any:
    """A trigger as the triggerer has it.

    :param pause: seconds between two polls. The run is made old enough for it.
    :param wait: the longest wait for late lines after the end, in seconds; default 60.
    """
    from airflow_provider_wherobots.flows.follow import DELAY_PER_AGE
    from airflow_provider_wherobots.triggers.run import WherobotsRunTrigger

    trigger = WherobotsRunTrigger(
        "wherobots_default",
        {
            "run_id": run_id,
            "started_at": time.time() - pause / DELAY_PER_AGE,
            "polling_interval": pause,
            "poll_logs": has_logs,
            "wait_post_run_logs_timeout_seconds": wait,
        },
    )
    return in_triggerer(trigger, number)


def in_triggerer(trigger: Any, number: int) -> Any:
    """Give a trigger what a triggerer gives it."""
    trigger.task_instance = SimpleNamespace(
        dag_id="bench", task_id="run", run_id=f"bench_{number}", map_index=-1, try_number=1, logical_date=None
    )
    return trigger
