"""The demo: a spatial join over the world's airports, and SQL on its result. ``make demo`` runs it without an account.

Local server only, because its script writes the result into the server's root.
"""

import pendulum
from airflow.providers.common.sql.hooks.handlers import fetch_all_handler

from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2.11
    from airflow.models.dag import DAG  # type: ignore[no-redef]

RESULTS = "s3://wherobots-demo/results"
# On Airflow 3 a DAG run that is triggered by hand has no logical date, and so no `{{ ds }}`. This always renders.
DAY = "{{ (dag_run.logical_date or dag_run.run_after) | ds }}"
RESULT = f"{RESULTS}/airport_neighbours_{{{{ params.country }}}}_{DAY}"

with DAG(
    "example_wherobots_demo",
    description="How many neighbours each airport of a country has, and which is nearest",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"country": "CH", "radius_km": 100},
    doc_md=__doc__,
    tags=["wherobots", "example"],
):
    neighbours = WherobotsRunOperator(
        task_id="airport_neighbours",
        run_python={
            "uri": "jobs/airport_neighbours.py",
            "args": [
                *("--date", DAY),
                *("--country", "{{ params.country }}"),
                *("--radius-km", "{{ params.radius_km }}"),
                *("--output", f"{RESULT}.geojson"),
                *("--table", f"{RESULT}.parquet"),
            ],
        },
        environment={
            "dependencies": [
                {"sourceType": "PYPI", "libraryName": "sedonadb", "libraryVersion": "0.5.0"},
                {"sourceType": "PYPI", "libraryName": "airportsdata", "libraryVersion": "20260905"},
            ]
        },
        timeout_seconds=900,
    )

    busiest = WherobotsSqlOperator(
        task_id="busiest_airports",
        sql="SELECT iata, name, neighbours FROM parquet.%(file)i ORDER BY neighbours DESC, iata LIMIT 3",
        parameters={"file": f"{RESULT}.parquet"},
        handler=fetch_all_handler,
    )

    neighbours >> busiest
