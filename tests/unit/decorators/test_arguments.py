"""What a function's script receives, and which arguments are refused before anything is sent."""

import json
from collections import UserDict, UserList
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any

import pytest

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.decorators.script import (
    CONTEXT_KEYS,
    MAX_ARGUMENTS_BYTES,
    check_arguments,
    encode_arguments,
)

CONTEXT = {"ds": "2026-11-26", "run_id": "manual__1", "params": UserDict({"country": "CH"}), "ti": object()}


class Word(str, Enum):  # noqa: UP042 - such as the official provider's
    ONE = "one"


class Output:
    """Stands for the output of another task, which is not known yet."""


def takes_all(one: Any, /, two: Any = 2, *more: Any, three: Any = 3, **named: Any) -> None: ...


def plain(value: Any) -> None: ...


def asks(day: str, ds: str, other: Any = None, params: Any = None) -> None: ...


def asks_for_what_is_not_sent(day: str, ti: Any = None) -> None: ...


def encoded(function: Any, *args: Any, **kwargs: Any) -> Any:
    return json.loads(encode_arguments(function, args, kwargs, CONTEXT))


def refusal(value: Any) -> str:
    with pytest.raises(InvalidArgumentError) as caught:
        encode_arguments(plain, (), {"value": value}, {})
    with pytest.raises(InvalidArgumentError) as at_parse:
        check_arguments(plain, (value,), {}, CONTEXT, lambda value: isinstance(value, Output))
    assert str(at_parse.value) == str(caught.value)
    return str(caught.value)


def test_arguments_of_each_kind_keep_their_place() -> None:
    told = encoded(takes_all, 1, 2, 3, 4, three=5, four=6)
    given = {"three": 5, "four": 6}
    assert told["args"] == [1, 2, 3, 4]
    assert {name: told["kwargs"][name] for name in given} == given
    assert encoded(plain, value=1) == encoded(plain, 1)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (True, True),
        (2**70, 2**70),
        (1.5, 1.5),
        ("Zürich 東京 {{ ds }}", "Zürich 東京 {{ ds }}"),
        ((1, [2, (3,)]), [1, [2, [3]]]),
        ({"a": {"b": []}}, {"a": {"b": []}}),
        (UserDict({"a": UserList([1])}), {"a": [1]}),
        (range(3), [0, 1, 2]),
        (Word.ONE, "one"),
    ],
)
def test_what_json_can_hold_is_sent(value: Any, sent: Any) -> None:
    assert encoded(plain, value)["args"] == [sent]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            object(),
            "argument value is of type object, which JSON cannot hold; pass a string, a number, a list or a dict",
        ),
        (
            datetime(2026, 1, 1, tzinfo=UTC),
            "argument value is of type datetime, which JSON cannot hold; pass the string",
        ),
        ([1, {"since": date(2026, 1, 1)}], "argument value[1]['since'] is of type date"),
        ({1: "a"}, "argument value has the key 1, of type int, which JSON cannot hold; keys must be strings"),
        ([float("inf")], "argument value[0] is inf"),
        (b"bytes", "argument value is of type bytes"),
    ],
)
def test_what_json_cannot_hold_is_refused_with_its_place_and_type(value: Any, words: str) -> None:
    assert refusal(value).startswith(words)


def test_a_refused_value_is_not_shown_as_it_may_be_a_secret() -> None:
    assert "hunter2" not in refusal({"key": b"hunter2"})


def test_outputs_of_other_tasks_are_checked_once_they_are_known() -> None:
    check_arguments(plain, ([Output(), {"a": Output()}],), {}, {}, lambda value: isinstance(value, Output))
    check_arguments(plain, (), {}, {}, lambda value: False)


def test_parameters_named_like_keys_of_the_context_receive_them() -> None:
    assert encoded(asks, "x") == {"args": ["x", "2026-11-26"], "kwargs": {"params": {"country": "CH"}}}
    assert encoded(asks, "x", ds="given", params=None)["args"][1] == "given"
    assert encoded(asks, "x", "by position")["args"][1] == "by position"
    assert encoded(plain, 1) == {"args": [1], "kwargs": {}}


def test_a_function_that_takes_anything_receives_all_of_them() -> None:
    told = encoded(takes_all, 1)["kwargs"]
    assert told == {"ds": "2026-11-26", "run_id": "manual__1", "params": {"country": "CH"}}
    assert told.keys() <= set(CONTEXT_KEYS)


def test_what_is_missing_is_told_before_anything_is_sent() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        encode_arguments(asks, ("x",), {}, {})
    assert str(caught.value) == "asks() is missing the argument 'ds'"


def test_arguments_are_bounded_and_the_bound_fits_an_argument_of_a_linux_program() -> None:
    empty = len(encode_arguments(plain, ("",), {}, {}))
    largest = encode_arguments(plain, ("x" * (MAX_ARGUMENTS_BYTES - empty),), {}, {})
    assert len(largest) == MAX_ARGUMENTS_BYTES < 131_072
    with pytest.raises(
        InvalidArgumentError, match=r"^the arguments of plain\(\) have 100,001 bytes as JSON, and the limit"
    ):
        encode_arguments(plain, ("x" * (MAX_ARGUMENTS_BYTES - empty + 1),), {}, {})


def test_a_parameter_named_like_a_part_of_the_context_that_is_not_sent_is_refused() -> None:
    words = (
        r"^asks_for_what_is_not_sent\(\) has a parameter ti, and Airflow's ti is not sent to the run\. Give it another "
        r"name\. From the task's context the function can take: ds, ds_nodash, .*, ts_nodash_with_tz$"
    )
    with pytest.raises(InvalidArgumentError, match=words):
        check_arguments(asks_for_what_is_not_sent, ("x",), {}, {"ti", "ds"}, lambda value: False)
    with pytest.raises(InvalidArgumentError, match=words):
        encoded(asks_for_what_is_not_sent, "x")
    for args, kwargs in ((("x", "given"), {}), (("x",), {"ti": "given"})):
        check_arguments(asks_for_what_is_not_sent, args, kwargs, {"ti", "ds"}, lambda value: False)
        assert encoded(asks_for_what_is_not_sent, *args, **kwargs)["args"] == ["x", "given"]
