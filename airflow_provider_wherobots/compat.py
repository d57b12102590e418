"""What differs between Airflow 2.11 and 3.3, in one place.

* Names moved to ``airflow.sdk``, some in 3.0, some in 3.1 or 3.2.
* Before 3.3 a trigger is not told that its task was killed; it only sees that it is cancelled.
* A task's state is read from the database on 2.11, from the supervisor on 3.x.
* On 3.0 and 3.1.0 a retry resumes the deferral of the try before it instead of beginning afresh.
* An XCom is written from a trigger to the database on 2.11, through the supervisor on 3.x.
* Before 3.3 a conversation with the supervisor must not be cut short.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from airflow import __version__ as airflow_version
from airflow.triggers.base import BaseTrigger

if TYPE_CHECKING:
    from airflow.configuration import conf
    from airflow.sdk import BaseHook, BaseOperator, BaseOperatorLink, Connection
    from airflow.sdk.definitions.context import Context
    from airflow.sdk.exceptions import AirflowException, AirflowFailException
    from airflow.sdk.execution_time.xcom import XCom
else:
    try:
        from airflow.sdk import BaseOperator, BaseOperatorLink, Connection
        from airflow.sdk.definitions.context import Context
        from airflow.sdk.execution_time.xcom import XCom
    except ImportError:  # 2.11
        from airflow.models import BaseOperator, BaseOperatorLink, Connection, XCom
        from airflow.utils.context import Context
    try:
        from airflow.sdk.bases.hook import BaseHook
    except ImportError:  # 2.11 and 3.0
        from airflow.hooks.base import BaseHook

        if hasattr(Connection, "get"):  # 3.0

            class BaseHook(BaseHook):
                """Reads connections without the deprecation warning of 3.0's own, which lands in every task's log."""

                @classmethod
                def get_connection(cls, conn_id):
                    if not hasattr(sys.modules.get("airflow.sdk.execution_time.task_runner"), "SUPERVISOR_COMMS"):
                        return super().get_connection(conn_id)
                    from airflow.sdk.execution_time.secrets_masker import mask_secret

                    connection = Connection.get(conn_id)
                    for secret in filter(None, (connection.password, connection.extra)):
                        mask_secret(secret)
                    return connection

    try:
        from airflow.sdk.exceptions import AirflowException, AirflowFailException
    except ImportError:  # before 3.2
        from airflow.exceptions import AirflowException, AirflowFailException
    try:
        from airflow.sdk.configuration import conf
    except ImportError:  # before 3.2
        from airflow.configuration import conf

__all__ = [
    "RETRY_RESUMES_DEFERRAL",
    "TRIGGER_IS_TOLD_OF_KILLS",
    "AirflowException",
    "AirflowFailException",
    "BaseHook",
    "BaseOperator",
    "BaseOperatorLink",
    "Connection",
    "Context",
    "XCom",
    "conf",
    "get_async_connection",
    "get_task_state",
    "pull_xcom",
    "push_xcom",
]

TRIGGER_IS_TOLD_OF_KILLS = hasattr(BaseTrigger, "on_kill")
"""Whether Airflow calls ``BaseTrigger.on_kill`` (3.3 and later)."""


def retry_resumes_deferral(version: str) -> bool:
    """Whether a retry is handed the event that the try before it had waited for, and resumes with it (#56704).

    :param version: of Airflow.
    """
    return version.startswith(("3.0.", "3.1.0"))


RETRY_RESUMES_DEFERRAL = retry_resumes_deferral(airflow_version)


T = TypeVar("T")

_conversations: set[asyncio.Task[Any]] = set()


async def get_async_connection(conn_id: str) -> Connection:
    """Read a connection without blocking the triggerer's event loop.

    :param conn_id: id of the connection.
    """
    return await _uninterrupted(_get_connection(conn_id))


async def _get_connection(conn_id: str) -> Connection:
    if hasattr(BaseHook, "aget_connection"):
        return await BaseHook.aget_connection(conn_id)
    from asgiref.sync import sync_to_async

    return await sync_to_async(BaseHook.get_connection, thread_sensitive=False)(conn_id)


async def get_task_state(task_instance: Any) -> str | None:
    """Ask for a task instance's present state, from within a trigger.

    :param task_instance: what Airflow put on the trigger.
    :returns: the state's name; None for a task instance that has none, as after a clear.
    """
    try:
        from airflow.sdk.execution_time import task_runner
        from airflow.sdk.execution_time.comms import GetTaskStates
    except ImportError:  # 2.11
        from asgiref.sync import sync_to_async

        # Not the one thread that all "thread-sensitive" calls of a process share: somebody else's may be slow.
        return await sync_to_async(_get_task_state_from_database, thread_sensitive=False)(task_instance)
    map_index = task_instance.map_index
    question = GetTaskStates(
        dag_id=task_instance.dag_id,
        task_ids=[task_instance.task_id],
        run_ids=[task_instance.run_id],
        map_index=map_index,
    )
    # Not RuntimeTaskInstance.get_task_states in a thread: on 3.2 that thread's lock stops the event loop for good
    # when a connection is read meanwhile.
    answer: Any = await _uninterrupted(task_runner.SUPERVISOR_COMMS.asend(question))
    key = task_instance.task_id if map_index is None or map_index < 0 else f"{task_instance.task_id}_{map_index}"
    state = answer.task_states.get(task_instance.run_id, {}).get(key)
    return None if state is None else str(getattr(state, "value", state))


def pull_xcom(ti_key: Any, key: str) -> Any:
    """Read an XCom of a task instance.

    :param ti_key: key of the task instance.
    :param key: XCom key.
    :returns: the value; None for an XCom that is not there, without the warning that 3.0 to 3.2 log of that.
    """
    supervisor = getattr(sys.modules.get("airflow.sdk.execution_time.task_runner"), "SUPERVISOR_COMMS", None)
    if supervisor is None or TRIGGER_IS_TOLD_OF_KILLS:
        return XCom.get_value(ti_key=ti_key, key=key)
    from airflow.sdk.execution_time.comms import GetXCom

    where = {name: getattr(ti_key, name) for name in ("dag_id", "task_id", "run_id", "map_index")}
    answer = supervisor.send(GetXCom(key=key, **where))
    return None if answer.value is None else XCom.deserialize_value(answer)


async def push_xcom(task_instance: Any, key: str, value: str) -> None:
    """Store a text for a task instance, from within a trigger.

    :param task_instance: what Airflow put on the trigger.
    :param key: XCom key.
    :param value: the text. A custom XCom backend is not asked on 3.x: it may block, or speak with the supervisor.
    """
    where = {
        "dag_id": task_instance.dag_id,
        "task_id": task_instance.task_id,
        "run_id": task_instance.run_id,
        "map_index": -1 if task_instance.map_index is None else task_instance.map_index,
    }
    try:
        from airflow.sdk.execution_time import task_runner
        from airflow.sdk.execution_time.comms import SetXCom
    except ImportError:  # 2.11
        from asgiref.sync import sync_to_async

        await sync_to_async(XCom.set, thread_sensitive=False)(key=key, value=value, **where)
        return
    await _uninterrupted(task_runner.SUPERVISOR_COMMS.asend(SetXCom(key=key, value=value, **where)))


async def _uninterrupted(conversation: Coroutine[Any, Any, T]) -> T:
    """Let a conversation with the supervisor end, even when the one who asked is cancelled or waits no longer.

    Before 3.3 answers are told apart by their order alone: one that nobody reads is taken for the answer to the next
    question, and that ends the triggerer's process with all its triggers.
    """
    task = asyncio.create_task(conversation)
    _conversations.add(task)
    task.add_done_callback(_conversations.discard)
    return await asyncio.shield(task)


def _get_task_state_from_database(task_instance: Any) -> str | None:
    from airflow.models import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        state = (
            session.query(TaskInstance.state)
            .filter(
                TaskInstance.dag_id == task_instance.dag_id,
                TaskInstance.task_id == task_instance.task_id,
                TaskInstance.run_id == task_instance.run_id,
                TaskInstance.map_index == task_instance.map_index,
            )
            .scalar()
        )
    return None if state is None else str(getattr(state, "value", state))
