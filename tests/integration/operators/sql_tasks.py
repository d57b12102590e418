"""What tests of the SQL operators share: a way through deferrals, without an Airflow around them."""

from typing import Any

from airflow.exceptions import TaskDeferred

from airflow_provider_wherobots.triggers.sql import WherobotsSqlTrigger
from tests.integration.support import TaskInstance, context, deferral_of, events_of, resume, trigger_of


def statement_deferral_of(task: Any, ti: TaskInstance) -> TaskDeferred:
    """Run a task until it defers a statement: before, it may have deferred the wait for its session."""
    deferred = deferral_of(task, ti)
    while isinstance(deferred.trigger, WherobotsSqlTrigger) and not deferred.trigger.execution_id:
        deferred = deferral_of(task, ti, deferred, events_of(trigger_of(deferred)))
    return deferred


def run_to_end(task: Any, ti: TaskInstance) -> tuple[Any, list[str]]:
    """Run a task through all its deferrals; returns its result, and for what it was deferred."""
    triggers: list[str] = []
    last: tuple[TaskDeferred, Any] | None = None
    while True:
        try:
            return (task.execute(context(ti)) if last is None else resume(task, ti, *last)), triggers
        except TaskDeferred as deferred:
            trigger: Any = deferred.trigger
            is_sql = isinstance(trigger, WherobotsSqlTrigger)
            triggers.append(("statement" if trigger.execution_id else "session") if is_sql else type(trigger).__name__)
            last = deferred, events_of(trigger_of(deferred))
