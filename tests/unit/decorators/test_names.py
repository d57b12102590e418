"""A function that uses names of its file is warned of: its run does not have them."""

import inspect
import warnings
from typing import Any

import pytest

from airflow_provider_wherobots.decorators.script import warn_of_outside_names
from tests.unit.decorators import example_functions as example

NESTED = example.outer()


def warned_of(function: Any) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_outside_names(function)
    return caught


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (example.uses_a_global, ["math", "SCALE"]),
        (NESTED["closure"], ["factor"]),
        (example.first_statement_is_decorated, ["functools"]),
    ],
)
def test_each_name_of_the_file_or_of_an_enclosing_function_is_warned_of_at_its_line(
    function: Any, names: list[str]
) -> None:
    caught = warned_of(function)
    source, first = inspect.getsourcelines(function)
    assert [(str(each.message), each.filename, each.lineno) for each in caught] == [
        (
            f"{function.__name__}() uses {name!r}, which it does not define. Only the function is sent to the run: "
            "import a module inside it, and pass a value as an argument",
            example.__file__,
            next(first + number for number, text in enumerate(source) if name in text),
        )
        for name in names
    ]


def test_a_function_that_runs_is_not_warned_of() -> None:
    def hides_names_of_the_file() -> Any:
        import inspect as pytest

        NESTED = 1
        return lambda: (NESTED, pytest)

    for function in (
        example.many_decorators,
        example.fails,
        example.returns,
        example.starts_processes,
        *map(NESTED.get, ("nested", "recursive")),
        hides_names_of_the_file,
    ):
        assert warned_of(function) == [], function


def test_a_function_that_is_called_many_times_is_warned_of_once() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            warn_of_outside_names(example.uses_a_global)
    assert len(caught) == 2
