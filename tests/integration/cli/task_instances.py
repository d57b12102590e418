"""Writes DAG runs, task instances and XComs into the metadata database of this AIRFLOW_HOME: JSON on stdin.

Run as a program, because the tests' own Airflow has no database.
"""

import json
import sys
from datetime import UTC, datetime
from typing import Any

from airflow.models import xcom
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import select


def write(rows: list[dict[str, Any]]) -> None:
    xcoms: Any = getattr(xcom, "XComModel", None) or xcom.XCom
    with create_session() as session:

        def insert(model: Any, **values: Any) -> None:
            session.execute(model.__table__.insert().values(**values))

        for row in rows:
            key = {"dag_id": row["dag_id"], "run_id": row["run_id"]}
            task = {"task_id": row["task_id"], "map_index": row["map_index"]}
            found = select(DagRun.id).where(DagRun.dag_id == row["dag_id"], DagRun.run_id == row["run_id"])
            if session.scalar(found) is None:
                start = datetime.fromisoformat(row["dag_run_start"]) if row["dag_run_start"] else None
                # Airflow 3 derives it from columns that are not given here.
                after = {"run_after": start or datetime.now(UTC)} if hasattr(DagRun, "run_after") else {}
                insert(DagRun, **key, **after, run_type="manual", state=row["dag_run_state"], start_date=start)
            insert(TaskInstance, **key, **task, state=row["state"], pool="default_pool")
            for name in row["xcom_keys"]:
                insert(xcoms, **key, **task, dag_run_id=session.scalar(found), key=name)


def set_states(rows: list[dict[str, Any]]) -> None:
    with create_session() as session:
        for row in rows:
            session.execute(
                TaskInstance.__table__.update()
                .where(*(getattr(TaskInstance, name) == row[name] for name in ("dag_id", "run_id", "task_id")))
                .values(state=row["state"])
            )


if __name__ == "__main__":
    {"write": write, "set_states": set_states}[sys.argv[1]](json.load(sys.stdin))
