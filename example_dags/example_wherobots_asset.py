"""A run writes an asset, and another DAG starts when it has. The script is ``jobs/box_tiles.py``."""

from datetime import timedelta
from typing import Any

import pendulum

from airflow_provider_wherobots.operators.run import WherobotsRunOperator

try:
    from airflow.sdk import DAG, Asset, task
except ImportError:  # Airflow 2.11
    from airflow.datasets import Dataset as Asset  # type: ignore[import-not-found, no-redef]
    from airflow.decorators import task  # type: ignore[no-redef, attr-defined]
    from airflow.models.dag import DAG  # type: ignore[no-redef]

TILES = Asset("s3://wherobots-demo/tiles")
START = pendulum.datetime(2026, 1, 1, tz="UTC")
ARGS = {"retries": 2, "retry_delay": timedelta(minutes=1), "execution_timeout": timedelta(minutes=30)}

with DAG(
    "example_wherobots_asset",
    description="Cuts a box into tiles, and tells other DAGs",
    schedule="@daily",
    catchup=False,
    start_date=START,
    default_args=ARGS,
    doc_md=__doc__,
    tags=["wherobots", "example"],
):
    WherobotsRunOperator(
        task_id="tiles",
        run_python={"uri": "jobs/box_tiles.py", "args": ["--bbox", "5.96,45.82,10.49,47.81", "--columns", "3"]},
        return_result=True,
        # Its event names the run, what it cost, and the result.
        outlets=[TILES],
    )

with DAG(
    "example_wherobots_asset_report",
    description="Starts when the tiles are there",
    schedule=[TILES],
    start_date=START,
    default_args=ARGS,
    doc_md=__doc__,
    tags=["wherobots", "example"],
):

    @task
    def report(triggering_asset_events: Any = None) -> str:
        """Return what the run that has written the tiles says of itself. On 2.11: ``triggering_dataset_events``."""
        event = triggering_asset_events[TILES][-1].extra
        return f"{len(event['result'])} tiles by run {event['run_id']}"

    report()
