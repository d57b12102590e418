"""Several statements in a session of their own, which a setup task starts and a teardown task stops."""

from datetime import timedelta

import pendulum

from airflow_provider_wherobots.hooks.sql import WherobotsSqlHook
from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator

try:
    from airflow.sdk import DAG, setup, teardown
except ImportError:  # Airflow 2.11
    from airflow.decorators import setup, teardown  # type: ignore[no-redef, attr-defined]
    from airflow.models.dag import DAG  # type: ignore[no-redef]


@setup
def start(run_id: str | None = None) -> str:
    # No other DAG run has this key, so no other DAG run has the session. A retry finds it by the key.
    return WherobotsSqlHook(runtime="tiny", session_key=f"example_wherobots_sql_session {run_id}").start_session()


@teardown
def stop(session_id: str) -> None:
    WherobotsSqlHook().stop_session(session_id)


with DAG(
    "example_wherobots_sql_session",
    description="Tasks that share a SQL session and its temporary views",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1), "execution_timeout": timedelta(minutes=30)},
    doc_md=__doc__,
    tags=["wherobots", "example"],
):
    session_id = start()
    # If the teardown never runs, the session ends five minutes after its last statement.
    with stop(session_id):
        view = WherobotsSqlOperator(
            task_id="view",
            session_id=session_id,
            sql="""
                CREATE OR REPLACE TEMPORARY VIEW cells AS
                SELECT id, ST_Buffer(ST_Point(lon, 0), 1) AS cell FROM VALUES (1, 0), (2, 10), (3, 10.5) AS t(id, lon)
            """,
            do_xcom_push=False,
        )
        overlaps = WherobotsSqlOperator(
            task_id="overlaps",
            session_id=session_id,
            sql="""
                SELECT one.id AS one, other.id AS other, ST_AsGeoJSON(ST_Intersection(one.cell, other.cell)) AS shared
                FROM cells AS one JOIN cells AS other ON one.id < other.id AND ST_Intersects(one.cell, other.cell)
            """,
        )
        area = WherobotsSqlOperator(
            task_id="area",
            session_id=session_id,
            sql="SELECT ST_Area(ST_Union_Aggr(cell)) AS area FROM cells",
        )
        view >> [overlaps, area]
