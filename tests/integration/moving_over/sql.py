"""In the style of the workshop's SQL DAGs: names and texts as parameters, a `.sql` file, frames, the hook in tasks."""

import os
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import dag, task
from airflow_providers_wherobots.hooks.sql import WherobotsSqlHook
from airflow_providers_wherobots.operators.sql import WherobotsSqlOperator
from wherobots.db.region import Region
from wherobots.db.runtime import Runtime

CATALOG = "org_catalog"
SCHEMA = "storms"
NAMES = {"catalog": CATALOG, "schema": SCHEMA}
SQL: dict[str, Any] = {
    "wherobots_conn_id": "wherobots_default",
    "runtime": Runtime.TINY,
    "region": Region.AWS_US_WEST_2,
}


@dag(
    dag_id="moving_over_sql",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    template_searchpath=[os.path.join(os.environ["AIRFLOW_HOME"], "include")],
    params={"left_out": "78704"},
    default_args={"retries": 3, "retry_delay": timedelta(seconds=1), "execution_timeout": timedelta(minutes=10)},
)
def storms() -> None:
    create_schema = WherobotsSqlOperator(
        task_id="create_schema",
        sql="CREATE DATABASE IF NOT EXISTS %(catalog)s.%(schema)s",
        parameters=NAMES,
        return_last=False,
        **SQL,
    )
    create_table = WherobotsSqlOperator(
        task_id="create_table",
        sql="""
            CREATE TABLE IF NOT EXISTS %(catalog)s.%(schema)s.reports
            (id STRING, batch STRING, postcode STRING, mm DOUBLE, place GEOMETRY)
        """,
        parameters=NAMES,
        return_last=False,
        **SQL,
    )
    merge = WherobotsSqlOperator(
        task_id="merge",
        sql="merge_reports.sql",
        parameters={**NAMES, "batch": "{{ run_id }}"},
        return_last=False,
        **SQL,
    )
    by_postcode = WherobotsSqlOperator(
        task_id="by_postcode",
        sql="""
            SELECT postcode, COUNT(*) AS reports, MAX(mm) AS mm FROM %(catalog)s.%(schema)s.reports
            WHERE postcode <> '%(left_out)s' GROUP BY postcode ORDER BY postcode
        """,
        parameters={**NAMES, "left_out": "{{ params.left_out }}"},
        do_xcom_push=True,
        **SQL,
    )

    @task
    def worst(found: Any) -> list[str]:
        print(found.T.to_string())
        return [
            f"SELECT id, mm, place FROM {CATALOG}.{SCHEMA}.reports WHERE postcode = '{row['postcode']}'"
            for _, row in found[found["mm"] > 20].iterrows()
        ]

    details = WherobotsSqlOperator.partial(task_id="details", **SQL).expand(sql=worst(by_postcode.output))

    @task
    def largest(found: Any) -> str:
        frames = list(found)
        return "; ".join(f"{frame.iloc[0]['id']} at {frame.iloc[0]['place']}" for frame in frames)

    @task
    def clean_up() -> int:
        hook = WherobotsSqlHook(Region.AWS_US_WEST_2, "wherobots_default", Runtime.TINY)
        hook.run(f"DELETE FROM {CATALOG}.{SCHEMA}.reports WHERE mm < 10")
        cursor = WherobotsSqlHook(Region.AWS_US_WEST_2, "wherobots_default", Runtime.TINY).get_conn().cursor()
        cursor.execute(f"SELECT id FROM {CATALOG}.{SCHEMA}.reports")
        return len(cursor.fetchall())

    create_schema >> create_table >> merge >> by_postcode
    largest(details.output) >> clean_up()


storms()
