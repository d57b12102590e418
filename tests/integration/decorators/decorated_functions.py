"""Functions as in a DAG file, for the tests of ``@task.wherobots``."""

# mypy: disable-error-code="untyped-decorator"

from typing import Any

from airflow_provider_wherobots.decorators.wherobots import wherobots_task

try:
    from airflow.sdk import task
except ImportError:  # 2.11
    from airflow.decorators import task  # type: ignore[no-redef, attr-defined, unused-ignore]

FAST: dict[str, Any] = {"wait_post_run_logs_timeout_seconds": 1, "runtime": "tiny", "deferrable": False}


@task.wherobots(**FAST)
def add(one: Any, two: Any = 0, **context: Any) -> Any:
    print(f"adding {one!r} and {two!r}", end="")
    return {"sum": one + two, "run_id": context["run_id"]}


@task.wherobots(**FAST)
def echo(value: Any) -> Any:
    return value


@wherobots_task(multiple_outputs=False, **FAST)
def returns_a_dict() -> dict[str, int]:
    return {"a": 1}


@task.wherobots
def returns_a_mapping(numbers: list[int]) -> dict[str, int]:
    """Say the sum."""
    return {"sum": sum(numbers)}


@task.wherobots(**FAST)
def fails(place: str) -> None:
    places = {"Zürich": 1}
    print(places[place])


@task.wherobots(**FAST)
def returns_what_json_cannot_hold() -> Any:
    return {1, 2}


@task.wherobots(**FAST)
def repeats(text: str, times: int) -> str:
    return text * times


@task.wherobots(wait_post_run_logs_timeout_seconds=1)
def waits(path: str) -> str:
    import time
    from pathlib import Path

    while not Path(path).exists():
        time.sleep(0.1)
    return "waited"


@task.wherobots(**FAST)
def complains_of_a_return_value() -> None:
    raise ValueError("the return value of fetch() was empty")
