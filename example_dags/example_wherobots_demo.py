"""The demo: a spatial join over the world's airports. ``make demo`` runs it without an account.

The script ``jobs/airport_neighbours.py`` lies beside this file, and is uploaded. It writes its result into the local
server's root, so it runs only there.
"""

import pendulum

from airflow_provider_wherobots.operators.run import WherobotsRunOperator

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2.11
    from airflow.models.dag import DAG  # type: ignore[no-redef]

RESULTS = "s3://wherobots-demo/results"
# On Airflow 3 a DAG run that is triggered by hand has no logical date, and so no `{{ ds }}`. This always renders.
DAY = "{{ (dag_run.logical_date or dag_run.run_after) | ds }}"

with DAG(
    "example_wherobots_demo",
    description="How many neighbours each airport of a country has, and which is nearest",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"country": "CH", "radius_km": 100},
    doc_md=__doc__,
    tags=["wherobots", "example"],
):
    WherobotsRunOperator(
        task_id="airport_neighbours",
        run_python={
            "uri": "jobs/airport_neighbours.py",
            "args": [
                *("--date", DAY),
                *("--country", "{{ params.country }}"),
                *("--radius-km", "{{ params.radius_km }}"),
                *("--output", f"{RESULTS}/airport_neighbours_{{{{ params.country }}}}_{DAY}.geojson"),
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
