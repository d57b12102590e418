"""Several statements in a session of their own, which a setup task starts and a teardown task stops."""

import pendulum

from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator
from airflow_provider_wherobots.operators.sql_session import (
    WherobotsSqlSessionStartOperator,
    WherobotsSqlSessionStopOperator,
)

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2.11
    from airflow.models.dag import DAG  # type: ignore[no-redef]

with DAG(
    "example_wherobots_sql_session",
    description="Tasks that share a SQL session and its temporary views",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    doc_md=__doc__,
    tags=["wherobots", "example"],
):
    # If the stop task never runs, the session ends half an hour after its last statement.
    start = WherobotsSqlSessionStartOperator(task_id="start", runtime="tiny", shutdown_after_inactive_seconds=1800)
    stop = WherobotsSqlSessionStopOperator(task_id="stop", session_id=start.output)

    with stop.as_teardown(setups=start):
        # Nobody else has the session, so nobody else sees the view.
        view = WherobotsSqlOperator(
            task_id="view",
            session_id=start.output,
            sql="""
                CREATE OR REPLACE TEMPORARY VIEW cells AS
                SELECT id, ST_Buffer(ST_Point(lon, 0), 1) AS cell FROM VALUES (1, 0), (2, 10), (3, 10.5) AS t(id, lon)
            """,
            do_xcom_push=False,
        )
        overlaps = WherobotsSqlOperator(
            task_id="overlaps",
            session_id=start.output,
            sql="""
                SELECT one.id AS one, other.id AS other, ST_AsGeoJSON(ST_Intersection(one.cell, other.cell)) AS shared
                FROM cells AS one JOIN cells AS other ON one.id < other.id AND ST_Intersects(one.cell, other.cell)
            """,
        )
        area = WherobotsSqlOperator(
            task_id="area",
            session_id=start.output,
            sql="SELECT ST_Area(ST_Union_Aggr(cell)) AS area FROM cells",
        )
        view >> [overlaps, area]
