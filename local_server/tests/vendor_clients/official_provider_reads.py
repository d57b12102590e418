"""Runs the official provider's operator once, and prints the log lines that it shows. Run where that provider is."""

import json
import sys
from types import SimpleNamespace
from typing import Any

from airflow_providers_wherobots.operators.run import WherobotsRunOperator

shown: list[str] = []


class Log:
    """Takes the place of the task's log."""

    def log(self, level: int, message: str, *values: object) -> None:
        """Keep a message; the provider logs the run's lines with this method only."""
        shown.append(message % values if values else message)

    def __getattr__(self, name: str) -> Any:
        """Leave out the provider's own messages."""
        return lambda *_, **__: None


WherobotsRunOperator.log = Log()
operator = WherobotsRunOperator(
    task_id="task",
    name="official_provider_run",
    region="aws-us-west-2",
    run_python={"uri": "s3://jobs/talk.py"},
    poll_logs=True,
    polling_interval=1,
    wait_post_run_logs_timeout_seconds=1,
)
operator.execute({"ti": SimpleNamespace(xcom_push=lambda **_: None)})
json.dump(shown, sys.stderr)
