"""A spatial join over Wherobots' open data: how many places each region of a country has. It writes a table.

It needs nothing but the service: your API key must be allowed to read the catalog ``wherobots_open_data``, and to write
to ``org_catalog``. For other tables, trigger it with other ``params``.
"""

from typing import Any

import pendulum
from airflow.providers.common.sql.hooks.handlers import fetch_all_handler

from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator

try:
    from airflow.sdk import DAG, Asset, task
except ImportError:  # Airflow 2.11
    from airflow.datasets import Dataset as Asset  # type: ignore[import-not-found, no-redef]
    from airflow.decorators import task  # type: ignore[no-redef, attr-defined]
    from airflow.models.dag import DAG  # type: ignore[no-redef]

OVERTURE = "wherobots_open_data.overture_maps_foundation"
SCHEMA = "org_catalog.example_open_data"
TABLE = f"{SCHEMA}.places_by_region"

with DAG(
    "example_wherobots_sql_open_data",
    description="How many places each region of a country has",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={
        "places": f"{OVERTURE}.places_place",
        "areas": f"{OVERTURE}.divisions_division_area",
        "country": "CH",
    },
    doc_md=__doc__,
    tags=["wherobots", "example"],
):
    # [START join]
    # Each statement can be executed twice, so the task can be retried.
    join = WherobotsSqlOperator(
        task_id="join",
        runtime="tiny",
        sql=[
            f"CREATE DATABASE IF NOT EXISTS {SCHEMA}",
            f"""
            CREATE OR REPLACE TABLE {TABLE} AS
            SELECT area.region, COUNT(DISTINCT place.id) AS places
            FROM {{{{ params.areas }}}} AS area JOIN {{{{ params.places }}}} AS place
            ON ST_Intersects(area.geometry, place.geometry)
            WHERE area.country = %(country)s AND area.subtype = 'region'
            GROUP BY area.region
            """,
        ],
        parameters={"country": "{{ params.country }}"},
        do_xcom_push=False,
        # A DAG with `schedule=[Asset(…)]` starts when the table has been written.
        outlets=[Asset("wherobots://org_catalog/example_open_data/places_by_region")],
    )
    # [END join]

    most = WherobotsSqlOperator(
        task_id="most",
        runtime="tiny",
        sql=f"SELECT region, places FROM {TABLE} ORDER BY places DESC, region LIMIT 3",
        handler=fetch_all_handler,
    )

    @task
    def report(rows: list[tuple[str, int]]) -> str:
        """Return where the result is, and its beginning."""
        return f"{TABLE}: {', '.join(f'{region} has {places}' for region, places in rows)}"

    rows: Any = most.output
    join >> most
    report(rows)
