"""What the lines that are added to Airflow's API server call; see ``airflow_local_settings.py``."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from airflow.models.task_state_store import TaskStateStoreModel
from airflow.models.taskreschedule import TaskReschedule
from airflow.models.xcom import XComModel
from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from tests.support.forgotten import FORGOTTEN


def forget_earlier_attempts(session: Session, attempt: UUID, ti: Any) -> None:
    """Delete the XComs of the attempts before one that starts.

    If it was rescheduled it has started before, and the XComs are its own.
    """
    was_rescheduled = session.scalar(select(exists().where(TaskReschedule.ti_id == attempt)))
    if ti.run_id.startswith(FORGOTTEN) and not was_rescheduled:
        _delete(session, XComModel, ti)


def forget_cleared(session: Session, task_instances: Iterable[Any], *, keep_task_state: bool) -> None:
    """Delete the XComs of tasks that were cleared, and what they have in the store unless that is kept."""
    for ti in task_instances:
        if ti.run_id.startswith(FORGOTTEN):
            _delete(session, XComModel, ti)
            if not keep_task_state:
                _delete(session, TaskStateStoreModel, ti)


def _delete(session: Session, model: Any, ti: Any) -> None:
    session.execute(
        delete(model).where(
            model.dag_id == ti.dag_id,
            model.run_id == ti.run_id,
            model.task_id == ti.task_id,
            model.map_index == ti.map_index,
        )
    )
