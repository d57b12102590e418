"""SQL tasks, one DAG per way of waiting; what they execute is told by the DAG run's conf."""

from datetime import datetime, timedelta
from typing import Any

from airflow_provider_wherobots.hooks.sql import WherobotsSqlHook
from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator
from airflow_provider_wherobots.tasks import sql_attempt

try:
    from airflow.sdk import DAG, setup, teardown
except ImportError:  # 2.11
    from airflow import DAG
    from airflow.decorators import setup, teardown  # type: ignore[no-redef, attr-defined]


def rows(cursor: Any) -> list[list[Any]] | None:
    """The result in a form that XComs show alike on all lines."""
    return [list(row) for row in cursor.fetchall()] if cursor.description else None


# A task that is to be deferred holds its worker for so long, and not for half a minute.
sql_attempt.HAND_OVER_SECONDS = 2.5
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


@setup
def start(dag_run: Any = None) -> str:
    hook = WherobotsSqlHook(wherobots_conn_id=dag_run.conf["conn_id"], session_key=dag_run.run_id)
    return hook.start_session()


@teardown
def stop(session_id: str, dag_run: Any = None) -> None:
    WherobotsSqlHook(wherobots_conn_id=dag_run.conf["conn_id"]).stop_session(session_id)


with DAG(dag_id="sql_session", start_date=datetime(2026, 1, 1), schedule=None, catchup=False):
    session_id: Any = start()
    with stop(session_id):
        WherobotsSqlOperator(
            task_id="run", sql="{{ dag_run.conf['sql'] }}", session_id=session_id, wherobots_conn_id=CONN_ID
        )
