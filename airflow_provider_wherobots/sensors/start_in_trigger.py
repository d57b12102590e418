"""The arguments with which Airflow 3.3 starts a sensor in the triggerer, without a worker."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow.triggers.base import StartTriggerArgs
from jinja2 import Environment, TemplateSyntaxError, nodes

from airflow_provider_wherobots.operators.wherobots_task import DEFER_MARGIN_SECONDS, deadline_margin
from airflow_provider_wherobots.tasks.sensor_try import CLOCK_MARGIN_SECONDS, sensor_options
from airflow_provider_wherobots.triggers.sensor import WherobotsSensorTrigger

if TYPE_CHECKING:
    from airflow_provider_wherobots.sensors.awaits_run import AwaitsRun

DUE = f"{{{{ dag_run.run_after - macros.timedelta(seconds={CLOCK_MARGIN_SECONDS:g}) }}}}"
"""The default of ``created_after`` as a template."""

_AT_HAND = frozenset(
    {
        "dag",
        "dag_run",
        "data_interval_end",
        "data_interval_start",
        "ds",
        "ds_nodash",
        "logical_date",
        "macros",
        "params",
        "run_id",
        "task",
        "ts",
        "ts_nodash",
        "ts_nodash_with_tz",
    }
)
"""The part of the task's context that the triggerer has without a request.

It renders in its event loop. There a variable or a connection (``var``, ``conn``) is looked up in the secrets backends
by a call that blocks all triggers, and on 3.3.1 a request for an XCom, an earlier DAG run or an asset's events may
never get a response.
"""
_FILTERS = ("ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz")
"""Airflow's own filters."""


def start_trigger_args(task: AwaitsRun) -> StartTriggerArgs | None:
    """The arguments of the trigger for Airflow; None if a worker must start the task, to render its templates."""
    if not _is_at_hand(task.wherobots_conn_id, task.run_id, task.run_name, task.created_after):
        return None
    return StartTriggerArgs(
        trigger_cls=f"{WherobotsSensorTrigger.__module__}.{WherobotsSensorTrigger.__qualname__}",
        trigger_kwargs={
            "wherobots_conn_id": task.wherobots_conn_id,
            "follow": sensor_options(task, 0.0, None).to_kwargs(),
            "cancel_on_kill": task.cancel_on_kill,
            "margin": _margin(task),
            "run_id": task.run_id,
            "run_name": task.run_name,
            "created_after": None if task.run_name is None else str(task.created_after or DUE),
        },
        next_method="execute_complete",
        next_kwargs=None,
        timeout=timedelta(seconds=task.timeout + DEFER_MARGIN_SECONDS),
    )


def _margin(task: AwaitsRun) -> float:
    """How long before Airflow's own timeout of the trigger the wait ends, in seconds."""
    if task.execution_timeout is None:
        return DEFER_MARGIN_SECONDS
    # Airflow shortens its own timeout to `execution_timeout`.
    limit = task.execution_timeout.total_seconds()
    return min(DEFER_MARGIN_SECONDS, max(limit - task.limit[1], deadline_margin(limit)))


def _is_at_hand(*values: object) -> bool:
    """Whether the triggerer can render values without a request."""
    environment = Environment()  # noqa: S701 - nothing is rendered
    environment.filters.update(dict.fromkeys(_FILTERS, str))
    try:
        texts = [environment.parse(value) for value in values if isinstance(value, str)]
        for text in texts:
            # Refuses a filter that the DAG defines: the triggerer does not have it.
            environment.compile(text)
    except TemplateSyntaxError:
        return False
    names = {name.name for text in texts for name in text.find_all(nodes.Name)}
    return names <= _AT_HAND and all(isinstance(value, str | datetime | None) for value in values)
