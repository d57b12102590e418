"""The arguments of a sensor that decide which run it waits for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_wherobots.api.runs.lookup import check_run_id, moment_of
from airflow_provider_wherobots.api.runs.payload import check_run_name
from airflow_provider_wherobots.operators.follows_run import FollowsRun
from airflow_provider_wherobots.operators.wherobots_task import argument_errors

if TYPE_CHECKING:
    from airflow.sdk import XComArg


class AwaitsRun(FollowsRun):
    """What a try needs of the sensor. ``WherobotsRunSensor`` describes the arguments."""

    run_id: str | XComArg | None
    run_name: str | XComArg | None
    created_after: datetime | str | XComArg | None
    timeout: float

    def check_arguments(self, is_unrendered: Callable[[Any], bool] = lambda value: False) -> None:
        """Check the arguments that decide which run is meant, but no value that is not rendered yet."""
        if (self.run_id is None) == (self.run_name is None):
            raise self._wrong(f"run_id={self.run_id!r}, run_name={self.run_name!r}: exactly one must be given")
        with argument_errors(self.task_id):
            if self.run_id is not None and not is_unrendered(self.run_id):
                check_run_id(self.run_id)
            if self.run_name is not None and not is_unrendered(self.run_name):
                check_run_name("run_name", self.run_name)
            if not is_unrendered(self.created_after):
                moment_of(self.created_after)

    @property
    def limit(self) -> tuple[str, float]:
        """The argument that limits a try, and its seconds."""
        if self.execution_timeout is not None and self.execution_timeout.total_seconds() <= self.timeout:
            return "execution_timeout", self.execution_timeout.total_seconds()
        return "timeout", float(self.timeout)
