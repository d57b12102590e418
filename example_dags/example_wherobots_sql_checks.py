"""Airflow's own sensor, checks and branch of SQL on Wherobots, by a connection of the type ``wherobots_sql``."""

import pendulum
from airflow.providers.common.sql.operators.sql import (
    BranchSQLOperator,
    SQLColumnCheckOperator,
    SQLTableCheckOperator,
)
from airflow.providers.common.sql.sensors.sql import SqlSensor

from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2.11
    from airflow.models.dag import DAG  # type: ignore[no-redef]

CONN_ID = "wherobots_sql"
TABLE = "org_catalog.example_checks.reports"

with DAG(
    "example_wherobots_sql_checks",
    description="Wait for hail reports, check them, and load them again if there is something wrong",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    doc_md=__doc__,
    tags=["wherobots", "example"],
):
    load = WherobotsSqlOperator(
        task_id="load",
        wherobots_conn_id=CONN_ID,
        split_statements=True,
        sql=f"""
            CREATE DATABASE IF NOT EXISTS org_catalog.example_checks;
            CREATE OR REPLACE TABLE {TABLE} AS
            SELECT id, mm, ST_Point(lon, lat) AS place FROM VALUES
                (1, 19.0D, -97.80D, 30.30D), (2, 44.0D, -97.75D, 30.25D), (3, 25.0D, -97.60D, 30.10D)
                AS t(id, mm, lon, lat);
        """,
        do_xcom_push=False,
    )

    wait = SqlSensor(
        task_id="wait",
        conn_id=CONN_ID,
        sql=f"SELECT COUNT(*) FROM {TABLE} WHERE mm > 40",
        poke_interval=30,
        timeout=3600,
        mode="reschedule",
    )
    columns = SQLColumnCheckOperator(
        task_id="columns",
        conn_id=CONN_ID,
        table=TABLE,
        column_mapping={
            "id": {"null_check": {"equal_to": 0}, "unique_check": {"equal_to": 0}},
            "mm": {"min": {"geq_to": 5}, "max": {"less_than": 200}},
        },
    )
    places = SQLTableCheckOperator(
        task_id="places",
        conn_id=CONN_ID,
        table=TABLE,
        checks={
            "valid": {"check_statement": "ST_IsValid(place)"},
            "in_texas": {"check_statement": "ST_X(place) BETWEEN -107 AND -93 AND ST_Y(place) BETWEEN 25 AND 37"},
        },
    )
    is_large = BranchSQLOperator(
        task_id="is_large",
        conn_id=CONN_ID,
        sql=f"SELECT MAX(mm) >= 40 FROM {TABLE}",
        follow_task_ids_if_true=["alert"],
        follow_task_ids_if_false=["nothing"],
    )

    alert, nothing = (
        WherobotsSqlOperator(task_id=task_id, wherobots_conn_id=CONN_ID, sql=f"SELECT MAX(mm) AS mm FROM {TABLE}")
        for task_id in ("alert", "nothing")
    )
    load >> wait >> [columns, places] >> is_large >> [alert, nothing]
