"""A value that a script returns: one run cuts a box into tiles, and one run for each tile measures it."""

from typing import Any

import pendulum

from airflow_provider_wherobots.operators.run import WherobotsRunOperator

try:
    from airflow.sdk import DAG, Asset, task
except ImportError:  # Airflow 2.11
    from airflow.datasets import Dataset as Asset  # type: ignore[import-not-found, no-redef]
    from airflow.decorators import task  # type: ignore[no-redef, attr-defined]
    from airflow.models.dag import DAG  # type: ignore[no-redef]

with DAG(
    "example_wherobots_result",
    description="A script returns a list, and a mapped task has one run for each of its items",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    doc_md=__doc__,
    tags=["wherobots", "example"],
):
    tiles = WherobotsRunOperator(
        task_id="tiles",
        run_python={
            "uri": "s3://wherobots-demo/jobs/box_tiles.py",
            "args": ["--bbox", "5.96,45.82,10.49,47.81", "--columns", "3"],
        },
        return_result=True,
        # Its event says what made it: the run, what it cost, and the result.
        outlets=[Asset("s3://wherobots-demo/tiles")],
    )

    @task
    def arguments(bbox: str) -> dict[str, Any]:
        """Return the arguments of the run that measures one tile."""
        script = "s3://wherobots-demo/jobs/bbox_area.py"
        return {"run_python": {"uri": script, "args": ["--name", "tile", "--bbox", bbox]}}

    WherobotsRunOperator.partial(task_id="area").expand_kwargs(arguments.expand(bbox=tiles.output))
