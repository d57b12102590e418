"""What editors and mypy know of a decorated function. `make lint` fails if an expected error does not come."""

from typing import assert_type

from airflow.sdk import task
from airflow.sdk.definitions.xcom_arg import XComArg

from airflow_provider_wherobots.decorators.wherobots import wherobots_task


@wherobots_task(runtime="tiny", dependencies=["shapely==2.0.6"], retries=3)
def typed(x: int, y: str = "") -> dict[str, int]:
    return {"x": x}


@wherobots_task
def typed_bare(x: int) -> int:
    return x


@task.wherobots(runtime="tiny")
def by_airflow(x: int) -> int:
    return x


@task.wherobots
def by_airflow_bare(x: int) -> int:
    return x


def check_types() -> None:
    assert_type(typed_bare.function(1), int)
    assert_type(typed.function(1), dict[str, int])
    assert_type(typed(1, y="a"), XComArg)
    assert_type(by_airflow(1), XComArg)
    assert_type(typed.override(task_id="other")(1), XComArg)
    typed("1")  # type: ignore[arg-type]
    typed(1, z=2)  # type: ignore[call-arg]
    typed_bare()  # type: ignore[call-arg, misc]
    by_airflow("1")  # type: ignore[arg-type]
    by_airflow_bare("1")  # type: ignore[arg-type]
    # Airflow types the arguments of `task.wherobots` as anything: only `wherobots_task` knows them.
    task.wherobots(runtime=5)
    wherobots_task(runtime=5)  # type: ignore[call-overload]
    wherobots_task(dependencies="shapely", poll_logs="yes")  # type: ignore[call-overload]
