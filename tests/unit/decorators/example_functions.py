# mypy: ignore-errors
# ruff: noqa: E702, E731, F821, S307
# fmt: off
"""A file like a DAG file, whose functions the tests send as scripts. Nothing in it needs Airflow."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCALE = 3


class task:
    """What stands for Airflow's decorators: each returns the function."""

    @staticmethod
    def wherobots(function: Any = None, **arguments: Any) -> Any:
        return function if function is not None else lambda decorated: decorated

    @staticmethod
    def skip_if(condition: Any) -> Any:
        return lambda decorated: decorated


setup = wherobots_task = aliased = task.wherobots


def timed(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


@setup
@task.skip_if(
    lambda context: context["dag_run"] is None,
)
@task.wherobots(
    runtime="tiny",
    dependencies=["shapely==2.0.6"],  # a comment )
    retries=[max(1, 2)],
)
def many_decorators(
    one: Callable[..., Any],
    two: int = 2,  # the second
    *more: Unknown,
    three: dict[str, Unknown] | None = None,
    **named: Any,
) -> Unknown:
    # A comment before the body.
    """A docstring."""

    return {"one": one, "two": two, "more": more, "three": three, "named": named}


@task.wherobots
def talks(text: str) -> str:
    print("it says", text, end="")
    return text


@task.wherobots
def fails(place: str) -> None:
    import sys

    print("begins", file=sys.stdout)
    places = {"Zürich": 1}
    try:
        places[place]
    except KeyError as error:
        raise ValueError(f"no such place: {place}") from error


@task.wherobots
def returns(code: str) -> Any:
    return eval(code)


@task.wherobots
def uses_a_global() -> float:
    return math.pi * SCALE


@task.wherobots
def exits(code: int | str | None) -> None:
    import sys

    print("leaves")
    sys.exit(code)


def one_line(a: int, b: int = 2) -> int: c = a; return c + b


def body_on_the_last_line_of_the_head(
    a: int,
) -> int: return a + 1


@task.wherobots
def first_statement_is_decorated(number: int) -> int:
    @functools.cache
    def inner(value: int) -> int:
        return value

    return inner(number)


def outer() -> dict[str, Any]:
    factor = 5

    @task.wherobots()
    def nested(values: list[int]) -> str:
        text = """one
two
        three"""
        return text * len(values)

    @task.wherobots()
    def closure(x: int) -> int:
        return x * factor

    @task.wherobots()
    def recursive(n: int) -> int:
        return 1 if n == 0 else n * recursive(n - 1)

    return {"nested": nested, "closure": closure, "recursive": recursive}


@task.wherobots()
@timed
def decorated_itself(x: int) -> int:
    return x


@aliased
def alias_alone(x: int) -> int:
    return x


@aliased
@timed
def alias_above_another(x: int) -> int:
    return x


@wherobots_task(runtime="tiny")
def result(json: str, sys: str) -> list[str]:
    return [json, sys]


@task.wherobots
def leaves_stdout_replaced() -> int:
    import io
    import sys

    print("before")
    sys.stdout = io.StringIO()
    print("hidden")
    return 1


@task.wherobots
def starts_processes(numbers: list[int]) -> list[int]:
    import multiprocessing

    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.map(abs, numbers)


def yields() -> Iterator[int]:
    yield 1


async def awaits() -> None:
    return None


async def yields_and_awaits() -> Any:
    yield 1


is_lambda = lambda: 1
