"""A spatial join in SQL: which hail fell on which fields. One task stores the result, another one returns a summary."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import task  # type: ignore[no-redef, attr-defined]
    from airflow.models.dag import DAG  # type: ignore[no-redef]

if TYPE_CHECKING:
    import pandas

SCHEMA = ["org_catalog", "example_hail"]

with DAG(
    "example_wherobots_sql",
    description="Which hail fell on which fields",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1), "execution_timeout": timedelta(minutes=30)},
    params={"since": "2026-05-02"},
    doc_md=__doc__,
    tags=["wherobots", "example"],
):
    # A real DAG would load the tables from files. Each statement can be executed twice, so the task can be retried.
    tables = WherobotsSqlOperator(
        task_id="tables",
        runtime="tiny",
        split_statements=True,
        sql="""
            CREATE DATABASE IF NOT EXISTS %(schema)i;
            CREATE OR REPLACE TABLE %(fields)i AS
            SELECT name, ST_GeomFromWKT(wkt) AS area FROM VALUES
                ('Barton Creek', 'POLYGON ((-97.9 30.2, -97.7 30.2, -97.7 30.4, -97.9 30.4, -97.9 30.2))'),
                ('Onion Creek', 'POLYGON ((-97.7 30.0, -97.5 30.0, -97.5 30.2, -97.7 30.2, -97.7 30.0))')
                AS t(name, wkt);
            CREATE OR REPLACE TABLE %(reports)i AS
            SELECT id, CAST(day AS DATE) AS day, mm, ST_Point(lon, lat) AS place FROM VALUES
                (1, '2026-05-01', 19.0D, -97.80D, 30.30D),
                (2, '2026-05-02', 44.0D, -97.75D, 30.25D),
                (3, '2026-05-02', 25.0D, -97.60D, 30.10D),
                (4, '2026-05-03', 32.0D, -97.85D, 30.35D),
                (5, '2026-05-03', 57.0D, -99.00D, 31.00D)
                AS t(id, day, mm, lon, lat);
        """,
        parameters={"schema": SCHEMA, "fields": [*SCHEMA, "fields"], "reports": [*SCHEMA, "reports"]},
        do_xcom_push=False,
    )

    join = WherobotsSqlOperator(
        task_id="join",
        runtime="tiny",
        sql="""
            SELECT fields.name, reports.id, reports.day, reports.mm, reports.place
            FROM %(reports)i AS reports JOIN %(fields)i AS fields ON ST_Contains(fields.area, reports.place)
            WHERE reports.day >= DATE %(since)s
        """,
        parameters={
            "fields": [*SCHEMA, "fields"],
            "reports": [*SCHEMA, "reports"],
            "since": "{{ params.since }}",
        },
        store={"format": "parquet", "single": True},
    )

    largest = WherobotsSqlOperator(
        task_id="largest",
        runtime="tiny",
        sql="""
            SELECT fields.name, COUNT(*) AS reports, MAX(reports.mm) AS mm
            FROM %(reports)i AS reports JOIN %(fields)i AS fields ON ST_Contains(fields.area, reports.place)
            GROUP BY fields.name ORDER BY mm DESC
        """,
        parameters={"fields": [*SCHEMA, "fields"], "reports": [*SCHEMA, "reports"]},
    )

    @task
    def report(found: pandas.DataFrame, address: str) -> str:
        """Report where it hailed most, with the result of one task and the address of the other one's."""
        name, count, mm = found.iloc[0]
        return f"{name}: {count} reports, up to {mm:.0f} mm; all of them are in {address}"

    values: Any = (largest.output, join.output)
    tables >> [join, largest]
    report(*values)
