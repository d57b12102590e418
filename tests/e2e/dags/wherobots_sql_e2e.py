"""SQL tasks, one DAG per way of waiting; what they execute is told by the DAG run's conf."""

from datetime import datetime, timedelta
from typing import Any

from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator
from airflow_provider_wherobots.operators.sql_session import (
    WherobotsSqlSessionStartOperator,
    WherobotsSqlSessionStopOperator,
)
from airflow_provider_wherobots.tasks import sql_try

try:
    from airflow.sdk import DAG
except ImportError:  # 2.11
    from airflow import DAG


def rows(cursor: Any) -> list[list[Any]] | None:
    """The result in a form that XComs show alike on all lines."""
    return [list(row) for row in cursor.fetchall()] if cursor.description else None


# A task that is to be deferred holds its worker for so long, and not for half a minute.
sql_try.HAND_OVER_SECONDS = 2.5
CONN_ID = "{{ dag_run.conf['conn_id'] }}"

WAYS: dict[str, dict[str, Any]] = {
    "sql_deferred": {},
    "sql_worker": {"deferrable": False},
    "sql_worker_retry": {"deferrable": False, "retries": 1},
    "sql_deadline": {"execution_timeout": timedelta(seconds=60)},
}
ENDINGS: dict[str, dict[str, Any]] = {
    "": {"handler": rows},
    "_store": {"store": {"format": "parquet", "single": True, "generate_presigned_url": True}},
}

with DAG(dag_id="sql_two_writes", start_date=datetime(2026, 1, 1), schedule=None, catchup=False):
    WherobotsSqlOperator(
        task_id="run",
        sql="INSERT INTO e2e.first VALUES ('before {{ run_id }}'); {{ dag_run.conf['sql'] }}",
        split_statements=True,
        wherobots_conn_id=CONN_ID,
        session_key="{{ run_id }}",
        handler=rows,
        deferrable=False,
        retries=1,
        retry_delay=timedelta(seconds=1),
    )

for way, options in WAYS.items():
    for suffix, ending in ENDINGS.items():
        with DAG(dag_id=way + suffix, start_date=datetime(2026, 1, 1), schedule=None, catchup=False):
            WherobotsSqlOperator(
                task_id="run",
                sql="{{ dag_run.conf['sql'] }}",
                wherobots_conn_id=CONN_ID,
                # A session of its own, so that its connections can be cut.
                session_key="{{ run_id }}",
                retry_delay=timedelta(seconds=1),
                **ending,
                **options,
            )

with DAG(dag_id="sql_session", start_date=datetime(2026, 1, 1), schedule=None, catchup=False):
    start = WherobotsSqlSessionStartOperator(task_id="start", wherobots_conn_id=CONN_ID)
    session_id: Any = start.output
    run = WherobotsSqlOperator(
        task_id="run", sql="{{ dag_run.conf['sql'] }}", session_id=session_id, wherobots_conn_id=CONN_ID
    )
    stop = WherobotsSqlSessionStopOperator(task_id="stop", session_id=session_id, wherobots_conn_id=CONN_ID)
    start >> run >> stop.as_teardown(setups=start)
