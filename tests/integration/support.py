"""What tests of the operator share: a task instance, and a way through a deferral, without an Airflow around them."""

import asyncio
import importlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, TypeAlias

from airflow.exceptions import TaskDeferred

from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from airflow_provider_wherobots.sensors.run import WherobotsRunSensor

Operator: TypeAlias = Callable[..., WherobotsRunOperator]
"""The fixture ``operator``: makes one, with what most tests need."""
Said: TypeAlias = Callable[[], str]
"""The fixture ``said``: what was logged."""

WAIT = {"uri": "s3://jobs/wait.py", "args": ["60"]}
RESULT = {"uri": "s3://jobs/result.py", "args": ["1", "0"]}

dag_run_id = "manual__1"
dag_run_start = datetime(2026, 11, 25, 8, 0, 0, 123456, tzinfo=UTC)
"""Others in each test, so that none finds the runs of another."""


class TaskInstance(SimpleNamespace):
    """What the operator uses of Airflow's. ``store`` is that of its task; None below Airflow 3.3."""

    def __init__(self, try_number: int = 1, max_tries: int = 1, **fields: Any) -> None:
        super().__init__(
            max_tries=max_tries,
            try_number=try_number,
            start_date=datetime.now(UTC),
            **{
                **{"dag_id": "dag", "run_id": dag_run_id, "task_id": "task", "map_index": -1},
                **{"xcoms": {}, "store": {}, "task": None, **fields},
            },
        )

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value

    def xcom_pull(self, task_ids: str, key: str, map_indexes: int) -> Any:
        return self.xcoms.get(key)


class StateStore:
    """Airflow's task state store of one task instance, whose values are JSON."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def get(self, key: str) -> Any:
        return json.loads(self._values[key]) if key in self._values else None

    def set(self, key: str, value: Any) -> None:
        document = json.dumps(value)
        # Airflow refuses a tuple.
        assert json.loads(document) == value
        self._values[key] = document


def next_try(ti: TaskInstance, **fields: Any) -> TaskInstance:
    """The next try. It has no XComs, and the store of the try before."""
    return TaskInstance(ti.try_number + 1, **{"store": ti.store, "max_tries": ti.max_tries, **fields})


def context(ti: TaskInstance) -> Any:
    dag = SimpleNamespace(fileloc=__file__)
    found = {"ti": ti, "dag": dag, "dag_run": SimpleNamespace(start_date=dag_run_start), "task": ti.task}
    return found if ti.store is None else {**found, "task_state_store": StateStore(ti.store)}


def run_to_end(task: WherobotsRunOperator | WherobotsRunSensor, ti: TaskInstance) -> Any:
    """Run the task as Airflow would, through a deferral where there is one."""
    try:
        return task.execute(context(ti))
    except TaskDeferred as deferred:
        return task.execute_complete(context(ti), follow(deferred), **(deferred.kwargs or {}))


def deferral_of(task: Any, ti: TaskInstance, *resumed: Any) -> TaskDeferred:
    """Run a task up to its deferral; ``resumed`` are a deferral and its event."""
    try:
        result = resume(task, ti, *resumed) if resumed else task.execute(context(ti))
    except TaskDeferred as deferred:
        return deferred
    raise AssertionError(f"the task did not defer, but returned {result!r}")


def resume(task: Any, ti: TaskInstance, deferred: TaskDeferred, event: Any) -> Any:
    """Resume a task as Airflow does."""
    kwargs = {"event": event, **(deferred.kwargs or {})}
    return task.resume_execution(deferred.method_name, kwargs, context(ti))


def trigger_of(deferred: TaskDeferred) -> Any:
    """The trigger as the triggerer makes it: from what it serialises to."""
    path, kwargs = deferred.trigger.serialize()
    module, _, name = path.rpartition(".")
    trigger = getattr(importlib.import_module(module), name)(**kwargs)
    trigger.trigger_id = 1
    ti: Any = TaskInstance()
    trigger.task_instance = ti
    return trigger


def follow(deferred: TaskDeferred) -> dict[str, Any]:
    """Run the trigger as the triggerer would."""
    return events_of(trigger_of(deferred))


def events_of(trigger: Any) -> dict[str, Any]:
    """The payload of a trigger's one event."""
    trigger.trigger_id = 1

    async def all_events() -> Any:
        return [event async for event in trigger.run()]

    (event,) = asyncio.run(all_events())
    payload: dict[str, Any] = event.payload
    return payload
