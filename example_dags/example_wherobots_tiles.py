"""A day's readings, one run for each tile, and a backfill of past days. Each run writes a partition.

It runs on the service: set Airflow's variable ``example_wherobots`` to a folder that your organization can read and
write, such as ``s3://bucket/folder``, and copy ``jobs/places.csv`` and ``jobs/rain.csv`` there. The script
``jobs/rain_of_tile.py`` lies next to this file, and is uploaded. A backfill of two days (Airflow 3)::

    airflow backfill create --dag-id example_wherobots_tiles --from-date 2026-03-26 --to-date 2026-03-27
"""

from datetime import timedelta

import pendulum

from airflow_provider_wherobots.operators.run import WherobotsRunOperator

try:
    from airflow.sdk import DAG, Asset
except ImportError:  # Airflow 2.11
    from airflow.datasets import Dataset as Asset  # type: ignore[import-not-found, no-redef]
    from airflow.models.dag import DAG  # type: ignore[no-redef]

FOLDER = "{{ var.value.example_wherobots }}"
# On Airflow 3 a DAG run that is triggered by hand has no logical date, and so no `{{ ds }}`. This always renders.
DAY = "{{ (dag_run.logical_date or dag_run.run_after) | ds }}"
TILES = ("5,7.4", "7.4,11")

with DAG(
    "example_wherobots_tiles",
    description="The rain of each tile, day by day",
    schedule="@daily",
    catchup=False,
    start_date=pendulum.datetime(2026, 3, 25, tz="UTC"),
    max_active_runs=1,
    doc_md=__doc__,
    tags=["wherobots", "example"],
):
    # [START tiles]
    WherobotsRunOperator.partial(
        task_id="rain_of_tile",
        return_result=True,
        # On Airflow 3.3 its events name the partitions. An asset has a fixed address: write your folder here too.
        outlets=[Asset("s3://wherobots-demo/jobs/rain_by_tile")],
        retries=2,
        retry_delay=timedelta(seconds=30),
        execution_timeout=timedelta(minutes=30),
    ).expand(
        run_python=[
            {
                "uri": "jobs/rain_of_tile.py",
                "args": [
                    *("--input", FOLDER),
                    *("--output", f"{FOLDER}/rain_by_tile"),
                    *("--day", DAY),
                    *("--tile", tile),
                ],
            }
            for tile in TILES
        ]
    )
    # [END tiles]
