"""Wait for rows, load them, check them with Airflow's own operators, and publish them. A wrong row raises an alert."""

# [START dag]
from datetime import timedelta

import pendulum
from airflow.providers.common.sql.operators.sql import SQLColumnCheckOperator, SQLTableCheckOperator
from airflow.providers.common.sql.sensors.sql import SqlSensor
from airflow.sdk import DAG, task  # Airflow 2.11: from airflow import DAG; from airflow.decorators import task

from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator

CONN_ID = "wherobots_sql"
SCHEMA = "org_catalog.example_checks"

with DAG(
    "example_wherobots_sql_checks",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 3, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5), "execution_timeout": timedelta(minutes=30)},
):
    wait = SqlSensor(
        task_id="wait",
        conn_id=CONN_ID,
        sql=f"SELECT COUNT(*) FROM {SCHEMA}.incoming",
        mode="reschedule",  # holds no worker between two pokes
        poke_interval=1800,
        timeout=6 * 3600,
    )
    load = WherobotsSqlOperator(
        task_id="load",
        wherobots_conn_id=CONN_ID,
        # A retry may execute it again, so it replaces what is there.
        sql=f"""
            CREATE OR REPLACE TABLE {SCHEMA}.staging AS
            SELECT id, mm, ST_Point(lon, lat) AS place FROM {SCHEMA}.incoming
        """,
        do_xcom_push=False,
    )
    columns = SQLColumnCheckOperator(
        task_id="columns",
        conn_id=CONN_ID,
        table=f"{SCHEMA}.staging",
        column_mapping={
            "id": {"null_check": {"equal_to": 0}, "unique_check": {"equal_to": 0}},
            "mm": {"min": {"geq_to": 5}, "max": {"less_than": 200}},
        },
        retries=0,  # the rows would be the same
    )
    places = SQLTableCheckOperator(
        task_id="places",
        conn_id=CONN_ID,
        table=f"{SCHEMA}.staging",
        checks={
            "valid": {"check_statement": "ST_IsValid(place)"},
            "in_texas": {"check_statement": "ST_X(place) BETWEEN -107 AND -93 AND ST_Y(place) BETWEEN 25 AND 37"},
        },
        retries=0,
    )
    publish = WherobotsSqlOperator(
        task_id="publish",
        wherobots_conn_id=CONN_ID,
        sql=f"CREATE OR REPLACE TABLE {SCHEMA}.reports AS SELECT * FROM {SCHEMA}.staging",
        do_xcom_push=False,
    )

    @task(trigger_rule="one_failed")
    def alert() -> None:
        """Send it where your team looks, such as with a notifier of Airflow."""
        print("The reports are not published: look at the checks that failed")

    wait >> load >> [columns, places] >> publish
    [columns, places] >> alert()
# [END dag]
