"""The task instances of this deployment, read from Airflow's metadata database.

Only DAG runs that have started are read: a run's suffix needs the microsecond of the start. The history of task
instances is not read: every try has the same suffix, and writes it into the key of an XCom. Deleted DAG runs are
unknown, and so are the suffixes of operators that a function executes.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.models import xcom
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import and_, or_, select
from sqlalchemy.exc import SQLAlchemyError

from airflow_provider_wherobots.cli.output import CommandFailedError
from airflow_provider_wherobots.flows.orphans import ENDED_STATES, Owner, SessionUser
from airflow_provider_wherobots.flows.unforeseen import reason_of
from airflow_provider_wherobots.xcoms import RUN_SUFFIX_KEY, SQL_SESSION_ID_KEY, SQL_SESSION_KEY_KEY

WINDOW = timedelta(days=30)
"""How long before the creation of a run its DAG run may have started. A DAG run that is still active may be older."""
ROWS_AT_ONCE = 5_000
ACTIVE = ("running", "queued")
"""The states of a DAG run that has not ended."""
XCom: Any = getattr(xcom, "XComModel", None) or xcom.XCom
"""The model's name on Airflow 3, where ``XCom`` is another class, or on Airflow 2."""
_KEY_OF_TASK = ("dag_id", "run_id", "task_id", "map_index")


def read_task_instances(runs_created_after: datetime) -> Generator[Owner]:
    """Read the task instances that may own runs, without their XComs. Those of the newest DAG runs come first."""
    with _session() as session:
        query = _query().where(_is_recent_or_active(runs_created_after - WINDOW)).order_by(DagRun.start_date.desc())
        for row in session.execute(query.execution_options(yield_per=ROWS_AT_ONCE)):
            yield _owner(row)


def read_noted(suffixes: Iterable[str]) -> Generator[Owner]:
    """Read the task instances that have one of the suffixes in the key of an XCom, without their XComs."""
    keys = [f"{RUN_SUFFIX_KEY}{suffix}" for suffix in suffixes]
    with _session() as session:
        for *row, key in session.execute(_query_with_xcoms(keys, XCom.key)):
            yield replace(_owner(row), noted_suffix=key.removeprefix(RUN_SUFFIX_KEY))


def read_session_users(session_ids: Collection[str]) -> dict[str, list[SessionUser]]:
    """Read the task instances that name one of the SQL sessions in an XCom, by session."""
    xcoms: dict[tuple[Owner, bool], dict[str, str]] = {}
    with _session() as session:
        query = _query_with_xcoms((SQL_SESSION_ID_KEY, SQL_SESSION_KEY_KEY), DagRun.state, XCom.key, XCom.value)
        query = query.where(_is_recent_or_active(datetime.now(UTC) - WINDOW))
        for *row, run_state, key, value in session.execute(query.execution_options(yield_per=ROWS_AT_ONCE)):
            is_active = getattr(run_state, "value", run_state) in ACTIVE
            xcoms.setdefault((_owner(row), is_active), {})[key] = _text(value)
    users: dict[str, list[SessionUser]] = {session_id: [] for session_id in session_ids}
    for (owner, is_active), texts in xcoms.items():
        if (session_id := texts.get(SQL_SESSION_ID_KEY)) in users:
            users[session_id].append(SessionUser(owner, is_active, texts.get(SQL_SESSION_KEY_KEY, "")))
    return users


def read_again(owner: Owner) -> Owner | None:
    """Read a task instance again, with the keys of its XComs if it has ended. None if it is gone."""
    with _session() as session:
        row = session.execute(_query().where(*_is_of(TaskInstance, owner))).one_or_none()
        if row is None:
            return None
        found = replace(_owner(row), noted_suffix=owner.noted_suffix)
        if found.state not in ENDED_STATES:
            return found
        return replace(found, xcom_keys=frozenset(session.scalars(select(XCom.key).where(*_is_of(XCom, owner)))))


@contextmanager
def _session() -> Iterator[Any]:
    """A new session for each read, so that no read sees what an earlier read has cached."""
    try:
        with create_session() as session:
            yield session
    except SQLAlchemyError as error:
        # Without the statement, which has many lines.
        reason = reason_of(getattr(error, "orig", None) or error)
        raise CommandFailedError(f"Airflow's metadata database cannot be read: {reason}") from None


def _query(*more: Any) -> Any:
    """The columns that :func:`_owner` reads, and more."""
    key = [getattr(TaskInstance, name) for name in _KEY_OF_TASK]
    is_of_dag_run = and_(DagRun.dag_id == TaskInstance.dag_id, DagRun.run_id == TaskInstance.run_id)
    query: Any = select(*key, DagRun.start_date, TaskInstance.state, *more)
    return query.join(DagRun, is_of_dag_run).where(DagRun.start_date.is_not(None))


def _query_with_xcoms(keys: Collection[str], *more: Any) -> Any:
    return _query(*more).join(XCom, and_(*_is_of(XCom, TaskInstance))).where(XCom.key.in_(keys))


def _is_of(model: Any, task_instance: Any) -> list[Any]:
    return [getattr(model, name) == getattr(task_instance, name) for name in _KEY_OF_TASK]


def _is_recent_or_active(moment: datetime) -> Any:
    return or_(DagRun.start_date >= moment, DagRun.state.in_(ACTIVE))


def _owner(row: Iterable[Any]) -> Owner:
    dag_id, run_id, task_id, map_index, start, state = row
    name = None if state is None else str(getattr(state, "value", state))
    return Owner(dag_id, run_id, task_id, map_index, start, name)


def _text(value: Any) -> str:
    """The text in an XCom, which is JSON: in bytes on 2.11. Anything else, such as a custom backend's, equals no id."""
    return (value.decode(errors="replace") if isinstance(value, bytes) else str(value)).strip('"')
