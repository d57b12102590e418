"""The arguments with which Airflow 3.3 starts a sensor in the triggerer, without a worker."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.triggers.base import StartTriggerArgs

from airflow_provider_wherobots.operators.wherobots_task import DEFER_MARGIN_SECONDS, deadline_margin
from airflow_provider_wherobots.sensors.sensor_try import CLOCK_MARGIN_SECONDS, follow_options
from airflow_provider_wherobots.triggers.sensor import WherobotsSensorTrigger

if TYPE_CHECKING:
    from airflow_provider_wherobots.sensors.run import WherobotsRunSensor

DUE = f"{{{{ dag_run.run_after - macros.timedelta(seconds={CLOCK_MARGIN_SECONDS:g}) }}}}"
"""The default of ``created_after`` as a template."""


def start_trigger_args(task: WherobotsRunSensor) -> StartTriggerArgs:
    """What Airflow makes the trigger with.

    :param task: the sensor.
    """
    limit_name, seconds = task.limit
    return StartTriggerArgs(
        trigger_cls=f"{WherobotsSensorTrigger.__module__}.{WherobotsSensorTrigger.__qualname__}",
        trigger_kwargs={
            "wherobots_conn_id": task.wherobots_conn_id,
            "follow": follow_options(task, 0.0, None).to_kwargs(),
            "cancel_on_kill": task.cancel_on_kill,
            # Airflow shortens its own timeout to `execution_timeout`.
            "margin": deadline_margin(seconds) if limit_name == "execution_timeout" else DEFER_MARGIN_SECONDS,
            "run_id": task.run_id,
            "run_name": task.run_name,
            "created_after": None if task.run_name is None else str(task.created_after or DUE),
        },
        next_method="execute_complete",
        next_kwargs=None,
        timeout=timedelta(seconds=task.timeout + DEFER_MARGIN_SECONDS),
    )
