"""Tasks to look at on the page beside a task instance."""

from datetime import timedelta
from typing import Any

import pendulum

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import task  # type: ignore[no-redef, attr-defined]
    from airflow.models.dag import DAG  # type: ignore[no-redef]


@task.wherobots(runtime="tiny", name="heights_of_peaks")
def works() -> dict[str, Any]:
    """Return more keys than Airflow lists XComs, each of which is one, and an integer of 64 bits."""
    return {"peak": "<b>Matterhorn</b>", "cell": 622203769691602943, **{f"A{number}": 0 for number in range(100)}}


@task.wherobots(runtime="tiny", retries=1, retry_delay=timedelta(seconds=1))
def fails() -> None:
    """Run out of memory, as far as the log tells."""
    raise MemoryError("Java heap space")


@task.wherobots(runtime="tiny")
def mapped(number: int) -> int:
    """Return its argument."""
    return number


@task
def foreign() -> None:
    """Do nothing, without Wherobots."""


with DAG("task_page", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")):
    works()
    fails()
    mapped.expand(number=[7, 8])
    foreign()
