"""The differences between Airflow 2.11 and 3.4, in one place: names that have moved, and what a task, a trigger or a
retry can read and write. Each function describes its own difference.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from airflow import __version__ as airflow_version
from airflow.triggers.base import BaseTrigger

AIRFLOW = tuple(int(part) for part in airflow_version.split(".")[:2])
"""The Airflow minor version, such as ``(3, 3)``. Only versions that are tested have branches. If a newer one has
removed a name, the import of this module fails and says which.
"""

if TYPE_CHECKING:
    from airflow.configuration import conf
    from airflow.sdk import BaseHook, BaseOperator, BaseOperatorLink, Connection
    from airflow.sdk.bases.sensor import BaseSensorOperator, PokeReturnValue
    from airflow.sdk.definitions.context import Context, get_parsing_context
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowOptionalProviderFeatureException,
        AirflowSensorTimeout,
        AirflowSkipException,
        AirflowTaskTerminated,
        AirflowTaskTimeout,
        TaskDeferralError,
        TaskDeferred,
    )
    from airflow.sdk.execution_time.xcom import XCom
else:
    if AIRFLOW < (3, 0):
        from airflow.models import BaseOperator, BaseOperatorLink, Connection, XCom
        from airflow.sensors.base import BaseSensorOperator, PokeReturnValue
        from airflow.utils.context import Context
        from airflow.utils.dag_parsing_context import get_parsing_context
    else:
        from airflow.sdk import BaseOperator, BaseOperatorLink, Connection
        from airflow.sdk.bases.sensor import BaseSensorOperator, PokeReturnValue
        from airflow.sdk.definitions.context import Context, get_parsing_context
        from airflow.sdk.execution_time.xcom import XCom
    if AIRFLOW < (3, 1):
        from airflow.hooks.base import BaseHook
    else:
        from airflow.sdk import BaseHook
    if AIRFLOW < (3, 2):
        from airflow.configuration import conf
        from airflow.exceptions import (
            AirflowException,
            AirflowFailException,
            AirflowOptionalProviderFeatureException,
            AirflowSensorTimeout,
            AirflowSkipException,
            AirflowTaskTerminated,
            AirflowTaskTimeout,
            TaskDeferralError,
            TaskDeferred,
        )
    else:
        from airflow.sdk.configuration import conf
        from airflow.sdk.exceptions import (
            AirflowException,
            AirflowFailException,
            AirflowOptionalProviderFeatureException,
            AirflowSensorTimeout,
            AirflowSkipException,
            AirflowTaskTerminated,
            AirflowTaskTimeout,
            TaskDeferralError,
            TaskDeferred,
        )


__all__ = [
    "AirflowException",
    "AirflowFailException",
    "AirflowOptionalProviderFeatureException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "AirflowTaskTerminated",
    "AirflowTaskTimeout",
    "BaseHook",
    "BaseOperator",
    "BaseOperatorLink",
    "BaseSensorOperator",
    "Connection",
    "Context",
    "PokeReturnValue",
    "TaskDeferralError",
    "TaskDeferred",
    "XCom",
    "conf",
    "get_parsing_context",
]
"""The names of Airflow that the other modules import from here."""


def dags_folder() -> str:
    """The folder of DAG files: the only one on 2.11, the folder of the default DAG bundle on 3.x."""
    return str(conf.get("core", "dags_folder"))


TRIGGER_HAS_ON_KILL = hasattr(BaseTrigger, "on_kill")
"""Whether Airflow calls ``BaseTrigger.on_kill`` (3.3 and later). Else a trigger only sees that it is cancelled."""


def retry_resumes_deferral(version: str) -> bool:
    """Whether a retry receives the event that the previous try waited for, and resumes with it (#56704)."""
    return version.startswith(("3.0.", "3.1.0"))


RETRY_RESUMES_DEFERRAL = retry_resumes_deferral(airflow_version)

FAILED_TRIGGER = "__fail__"
"""``next_method`` with which Airflow resumes a task whose trigger crashed or timed out."""
TRIGGER_TIMEOUT = "Trigger timeout"
"""The ``error`` that Airflow passes if the deferral timed out (``TriggerFailureReason``)."""


T = TypeVar("T")

_requests: set[asyncio.Task[Any]] = set()
_is_warm = False


async def get_async_connection(conn_id: str) -> Connection:
    """Read a connection without blocking the triggerer's event loop."""
    return await _uninterrupted(_get_connection(conn_id))


async def _get_connection(conn_id: str) -> Connection:
    if hasattr(BaseHook, "aget_connection"):
        return await BaseHook.aget_connection(conn_id)
    # On 3.0 it sends a request through the event loop, which only asgiref's threads can reach.
    from asgiref.sync import sync_to_async

    read = _get_connection_quietly if AIRFLOW == (3, 0) else BaseHook.get_connection
    return await sync_to_async(read, thread_sensitive=False)(conn_id)


def _get_connection_quietly(conn_id: str) -> Connection:
    """As ``BaseHook.get_connection``, which on 3.0 writes to the task log: that it has read the connection, and once in
    a process a deprecation warning. In the log of a trigger that resumes another's, the run's lines would move.
    """
    if not hasattr(sys.modules.get("airflow.sdk.execution_time.task_runner"), "SUPERVISOR_COMMS"):
        return BaseHook.get_connection(conn_id)
    found: Connection = Connection.get(conn_id)
    for secret in filter(None, (found.password, found.extra)):
        mask_secret(secret)
    return found


async def get_task_state(task_instance: Any) -> str | None:
    """Get the name of a task instance's state, from within a trigger. None without one, such as after a clear.

    On 2.11 also None if the task is deferred again: it was cleared, and is faster than its triggerer.
    """
    if not (3, 0) <= AIRFLOW < (3, 3):
        return await asyncio.to_thread(get_task_state_on_worker, task_instance)
    # Not RuntimeTaskInstance.get_task_states in a thread: on 3.2 that thread's lock blocks the event loop for good
    # if a connection is read at the same time.
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import GetTaskStates

    question = GetTaskStates(**_query_of(task_instance))
    response: Any = await _uninterrupted(task_runner.SUPERVISOR_COMMS.asend(question))
    return _state_among(response.task_states, task_instance)


def get_task_state_on_worker(task_instance: Any) -> str | None:
    """Get the name of a task instance's state, from within its own process."""
    if AIRFLOW < (3, 0):
        return _get_task_state_from_database(task_instance)
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    return _state_among(RuntimeTaskInstance.get_task_states(**_query_of(task_instance)), task_instance)


def _query_of(task_instance: Any) -> dict[str, Any]:
    return {
        "dag_id": task_instance.dag_id,
        "task_ids": [task_instance.task_id],
        "run_ids": [task_instance.run_id],
        "map_index": task_instance.map_index,
    }


def _state_among(states: Mapping[str, Any], task_instance: Any) -> str | None:
    key, map_index = task_instance.task_id, task_instance.map_index
    key = key if map_index is None or map_index < 0 else f"{key}_{map_index}"
    return _state_name(states.get(task_instance.run_id, {}).get(key))


def is_asset(outlet: Any) -> bool:
    """Whether an outlet, which may be any object, is an asset or a reference to one, but not an alias. On 2.11: whether
    it is a dataset.
    """
    if AIRFLOW < (3, 0):
        from airflow.datasets import Dataset  # type: ignore[import-not-found]

        return isinstance(outlet, Dataset)  # noqa: AIR311
    from airflow.sdk.definitions.asset import Asset, AssetRef

    return isinstance(outlet, Asset | AssetRef)


HAS_PARTITIONS = AIRFLOW >= (3, 3)
"""Whether a task can name partitions for the events of its assets. On 3.2 the DAG run alone has a partition."""


def warm_up_supervisor(task_instance: Any) -> None:
    """Get a state in the background and ignore it, once in a triggerer's process, so that a kill need not wait.

    On its first request the supervisor builds its own API server. Until then it responds to nothing: for five seconds,
    or twenty on a busy machine.
    """
    global _is_warm
    if AIRFLOW < (3, 0) or _is_warm:
        return
    _is_warm = True
    _begin(get_task_state(task_instance))


def pull_xcom(ti_key: Any, key: str) -> Any:
    """Read an XCom of a task instance. None for one that does not exist, for which Airflow 3's own calls would log an
    error in the worker's output, and on 3.0 to 3.2 a warning in the task's log.
    """
    if AIRFLOW < (3, 0):
        return XCom.get_value(ti_key=ti_key, key=key)
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import GetXCom, GetXComCount

    where = {name: getattr(ti_key, name) for name in ("dag_id", "task_id", "run_id")}
    # Counts all map indexes together.
    count: Any = task_runner.SUPERVISOR_COMMS.send(GetXComCount(key=key, **where))
    if not count.len:
        return None
    response: Any = task_runner.SUPERVISOR_COMMS.send(GetXCom(key=key, map_index=ti_key.map_index, **where))
    return None if response.value is None else XCom.deserialize_value(response)


def get_stats() -> Any:
    """What Airflow sends its own metrics with: an object with ``incr``, ``gauge`` and ``timing``."""
    module = import_module("airflow.stats" if AIRFLOW < (3, 2) else "airflow.sdk.observability.stats")
    return module if AIRFLOW >= (3, 3) else module.Stats


def mask_secret(secret: str) -> None:
    """Make Airflow mask a text in the task log, from now on."""
    if AIRFLOW < (3, 0):
        where = "airflow.utils.log.secrets_masker"
    elif AIRFLOW == (3, 0):
        where = "airflow.sdk.execution_time.secrets_masker"
    else:
        where = "airflow.sdk.log"
    import_module(where).mask_secret(secret)


async def push_text(task_instance: Any, key: str, value: str) -> None:
    """Push a text as an XCom of a task instance, from within a trigger.

    A custom XCom backend is not used on 3.x: it may block, or call the supervisor.
    """
    place = {
        "key": key,
        "dag_id": task_instance.dag_id,
        "task_id": task_instance.task_id,
        "run_id": task_instance.run_id,
        "map_index": -1 if task_instance.map_index is None else task_instance.map_index,
    }
    if AIRFLOW < (3, 0):
        await asyncio.to_thread(XCom.set, value=value, **place)
    elif AIRFLOW < (3, 3):
        from airflow.sdk.execution_time import task_runner
        from airflow.sdk.execution_time.comms import SetXCom

        await _uninterrupted(task_runner.SUPERVISOR_COMMS.asend(SetXCom(value=value, **place)))
    else:
        from airflow.sdk.bases.xcom import BaseXCom

        await _uninterrupted(BaseXCom.aset(value=value, **place))


async def _uninterrupted(request: Coroutine[Any, Any, T]) -> T:
    """Let a request to the supervisor finish, even if the caller is cancelled or times out.

    Before 3.3 responses are matched to requests by their order alone. A response that is not read is taken for the
    response to the next request, and that ends the triggerer's process with all its triggers.
    """
    return await asyncio.shield(_begin(request))


def _begin(request: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Start a request. The event loop itself keeps no reference to it."""
    task = asyncio.create_task(request)
    # If its caller is cancelled, nothing reads its failure, and asyncio would log that.
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    _requests.add(task)
    task.add_done_callback(_requests.discard)
    return task


def _get_task_state_from_database(task_instance: Any) -> str | None:
    from airflow.models import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        found = (
            session.query(TaskInstance.state, TaskInstance.max_tries)
            .filter(
                TaskInstance.dag_id == task_instance.dag_id,
                TaskInstance.task_id == task_instance.task_id,
                TaskInstance.run_id == task_instance.run_id,
                TaskInstance.map_index == task_instance.map_index,
            )
            .one_or_none()
        )
    if found is None:
        return None
    state, max_tries = found
    # Raised by a clear, not by a retry, which may have re-attached.
    return None if state == "deferred" and max_tries != task_instance.max_tries else _state_name(state)


def _state_name(state: Any) -> str | None:
    return None if state is None else str(getattr(state, "value", state))


ENDED_BY_USER = ("success", "failed", "skipped", "restarting")
"""The states of a task that was marked or cleared while its process goes on."""


def is_in_task() -> bool:
    """Whether this process executes a task, the rendering of its arguments included. ``airflow tasks render`` does not
    execute it.
    """
    try:
        current_context()
    except Exception:
        return False
    return True


def is_ended_by_user(task_instance: Any = None) -> bool:
    """Whether a task was marked or cleared; without a task instance, the task that this process executes.

    False if Airflow does not report that, as for a pass of a loop: it reports the state of the latest pass.
    """
    try:
        ti = task_instance or current_context()["ti"]
        return iteration_of(ti) is None and get_task_state_on_worker(ti) in ENDED_BY_USER
    except Exception:
        return False


def current_context() -> Any:
    """The context of the task that this process executes. Raises outside of a task."""
    return import_module("airflow.operators.python" if AIRFLOW < (3, 0) else "airflow.sdk").get_current_context()


def iteration_of(task_instance: Any) -> int | None:
    """The iteration of a task in a loop, from 0; None outside of a loop, and before Airflow 3.4, which has no loops."""
    loop = getattr(getattr(task_instance, "_ti_context_from_server", None), "loop", None)
    return None if loop is None else int(loop.index)


def is_resumed(task_instance: Any) -> bool:
    """Whether the try goes on after a deferral. Airflow 2 does not tell."""
    return bool(getattr(getattr(task_instance, "_ti_context_from_server", None), "next_method", None))


def starts_before(task_instance: Any) -> int:
    """How often Airflow has started this try before. Airflow 3.1.7 and later start a try again, by a reschedule, if a
    worker resumes a deferred task while its DAG file is missing or broken (``[workers] missing_dag_retries``).
    """
    told = getattr(task_instance, "_ti_context_from_server", None)
    return int(getattr(told, "task_reschedule_count", 0) or 0)
