"""A value that a script returns: one run cuts a box into tiles, and one run for each tile measures it."""

from datetime import timedelta
from typing import Any

import pendulum

from airflow_provider_wherobots.operators.run import WherobotsRunOperator

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import task  # type: ignore[no-redef, attr-defined]
    from airflow.models.dag import DAG  # type: ignore[no-redef]

with DAG(
    "example_wherobots_result",
    description="A script returns a list, and a mapped task has one run for each of its items",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1), "execution_timeout": timedelta(minutes=30)},
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
    )

    @task
    def arguments(bbox: str) -> dict[str, Any]:
        """Return the arguments of the run that measures one tile."""
        script = "s3://wherobots-demo/jobs/bbox_area.py"
        return {"run_python": {"uri": script, "args": ["--name", "tile", "--bbox", bbox]}}

    WherobotsRunOperator.partial(task_id="area").expand_kwargs(arguments.expand(bbox=tiles.output))
