"""The task instances of this deployment, read from Airflow's metadata database.

Only DAG runs that have started are read: without the microseconds of its start, a suffix would not tell two deployments
apart. The history of task instances is not needed, as every try has the same suffix, and writes it into the key
of an XCom. What was deleted is not known any more.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_wherobots.cli.errors import CommandFailedError
from airflow_provider_wherobots.flows.orphans import ENDED_STATES, Owner, SessionUser
from airflow_provider_wherobots.xcoms import RUN_SUFFIX_KEY, SQL_SESSION_ID_KEY, SQL_SESSION_KEY_KEY

WINDOW = timedelta(days=30)
"""How long before the creation of a run its DAG run may have started. A DAG run that is still active may be older."""
ROWS_AT_ONCE = 5_000
ACTIVE = ("running", "queued")
"""The states of a DAG run that has not ended."""
_KEY_OF_TASK = ("dag_id", "run_id", "task_id", "map_index")


def read_task_instances(runs_created_after: datetime) -> Generator[Owner]:
    """Read the task instances that may own runs, without their XComs, those of the newest DAG runs first."""
    from sqlalchemy import or_

    with _session() as session:
        query, dag_run = _query()
        query = query.where(or_(dag_run.start_date >= runs_created_after - WINDOW, dag_run.state.in_(ACTIVE))).order_by(
            dag_run.start_date.desc()
        )
        for row in session.execute(query.execution_options(yield_per=ROWS_AT_ONCE)):
            yield _owner(row)


def read_noted(suffixes: Collection[str]) -> Generator[Owner]:
    """Read the task instances that have one of the suffixes in the key of an XCom, without their XComs."""
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import and_

    with _session() as session:
        xcom, (query, _) = _xcom_model(), _query()
        is_its_own = [getattr(xcom, name) == getattr(TaskInstance, name) for name in _KEY_OF_TASK]
        keys = [f"{RUN_SUFFIX_KEY}{suffix}" for suffix in suffixes]
        query = query.add_columns(xcom.key).join(xcom, and_(*is_its_own)).where(xcom.key.in_(keys))
        for *row, key in session.execute(query):
            yield replace(_owner(row), noted_suffix=key.removeprefix(RUN_SUFFIX_KEY))


def read_session_users(session_ids: Collection[str]) -> dict[str, list[SessionUser]]:
    """Read the task instances that name one of the SQL sessions in an XCom, by session."""
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import and_, or_

    found: dict[str, list[SessionUser]] = {session_id: [] for session_id in session_ids}
    with _session() as session:
        xcom, (query, dag_run) = _xcom_model(), _query()
        is_its_own = [getattr(xcom, name) == getattr(TaskInstance, name) for name in _KEY_OF_TASK]
        is_recent = dag_run.start_date >= datetime.now(UTC) - WINDOW
        query = (
            query.add_columns(dag_run.state, xcom.key, xcom.value)
            .join(xcom, and_(*is_its_own))
            .where(xcom.key.in_((SQL_SESSION_ID_KEY, SQL_SESSION_KEY_KEY)), or_(is_recent, dag_run.state.in_(ACTIVE)))
        )
        keys: dict[Owner, str] = {}
        users: list[tuple[str, Owner, bool]] = []
        for *row, run_state, key, value in session.execute(query.execution_options(yield_per=ROWS_AT_ONCE)):
            owner, text = _owner(row), _text(value)
            if key == SQL_SESSION_KEY_KEY:
                keys[owner] = text
            elif text in found:
                users.append((text, owner, getattr(run_state, "value", run_state) in ACTIVE))
    for session_id, owner, is_active in users:
        found[session_id].append(SessionUser(owner, is_active, keys.get(owner, "")))
    return found


def _text(value: Any) -> str:
    """The text in an XCom, which is JSON: in bytes on 2.11. Anything else, such as a custom backend's, equals no id."""
    return (value.decode(errors="replace") if isinstance(value, bytes) else str(value)).strip('"')


def read_again(owner: Owner) -> Owner | None:
    """Read a task instance again, with the keys of its XComs. None if it is gone."""
    with _session() as session:
        from airflow.models.taskinstance import TaskInstance

        query, _ = _query()
        row = session.execute(
            query.where(*(getattr(TaskInstance, name) == getattr(owner, name) for name in _KEY_OF_TASK))
        ).one_or_none()
        if row is None:
            return None
        found = replace(_owner(row), noted_suffix=owner.noted_suffix)
        return replace(found, xcom_keys=_xcom_keys(session, found)) if found.state in ENDED_STATES else found


@contextmanager
def _session() -> Iterator[Any]:
    """A session of its own for each read, so that none sees what an earlier one saw."""
    from airflow.utils.session import create_session
    from sqlalchemy.exc import SQLAlchemyError

    from airflow_provider_wherobots.flows.unforeseen import reason_of

    try:
        with create_session() as session:
            yield session
    except SQLAlchemyError as error:
        # Not the statement, which has many lines.
        reason = reason_of(getattr(error, "orig", None) or error)
        raise CommandFailedError(f"Airflow's metadata database cannot be read: {reason}") from None


def _query() -> tuple[Any, Any]:
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import and_, select

    query = (
        select(
            TaskInstance.dag_id,
            TaskInstance.run_id,
            TaskInstance.task_id,
            TaskInstance.map_index,
            DagRun.start_date,
            TaskInstance.state,
        )
        .join(DagRun, and_(DagRun.dag_id == TaskInstance.dag_id, DagRun.run_id == TaskInstance.run_id))
        .where(DagRun.start_date.is_not(None))
    )
    return query, DagRun


def _owner(row: Any) -> Owner:
    dag_id, run_id, task_id, map_index, start, state = row
    name = None if state is None else str(getattr(state, "value", state))
    return Owner(dag_id, run_id, task_id, map_index, start, name)


def _xcom_model() -> Any:
    from airflow.models import xcom

    # Its name on Airflow 3, where XCom is another class.
    return getattr(xcom, "XComModel", None) or xcom.XCom


def _xcom_keys(session: Any, owner: Owner) -> frozenset[str]:
    from sqlalchemy import select

    model = _xcom_model()
    is_its_own = [getattr(model, name) == getattr(owner, name) for name in _KEY_OF_TASK]
    return frozenset(session.scalars(select(model.key).where(*is_its_own)))
