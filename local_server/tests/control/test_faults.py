"""Fault rules, without HTTP."""

from typing import Any

import pytest

from wherobots_local.api.errors import ApiError
from wherobots_local.control.faults import FaultRules, FaultTarget

RESET = {"type": "reset"}


def fates(rule: dict[str, Any], targets: list[FaultTarget], times: list[float] | None = None) -> list[bool]:
    rules = FaultRules()
    rules.add(rule, 100.0)
    moments = times or [100.0] * len(targets)
    return [rules.take(target, now) is not None for target, now in zip(targets, moments, strict=True)]


CREATE = FaultTarget("createJobRun", name="nightly_1")
GET = FaultTarget("getJobRun", run_id="abc")


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, [True, True]),
        ({"operation": "createJobRun"}, [True, False]),
        ({"run_id": "abc"}, [False, True]),
        ({"run_id": "abd"}, [False, False]),
        ({"name": "nightly*"}, [True, False]),
        ({"name": "daily*"}, [False, False]),
    ],
)
def test_what_a_rule_is_about(conditions: dict[str, Any], expected: list[bool]) -> None:
    assert fates({"action": RESET, **conditions}, [CREATE, GET]) == expected


def test_how_often_and_how_long() -> None:
    assert fates({"action": RESET, "times": 2}, [GET] * 3) == [True, True, False]
    assert fates({"action": RESET, "after": 2, "times": 1}, [GET] * 4) == [False, False, True, False]
    assert fates({"action": RESET, "seconds": 5}, [GET] * 3, [100, 104.9, 105]) == [True, True, False]


def test_some_requests_a_second_pass() -> None:
    moments = [100.0, 100.0, 100.0, 100.4, 100.5, 100.5, 103.0, 103.0, 103.0]
    expected = [False, False, True, True, False, True, False, False, True]
    assert fates({"action": RESET, "per_second": 2}, [GET] * 9, moments) == expected
    assert fates({"action": RESET, "per_second": 0.5}, [GET] * 3, [100, 101.9, 102]) == [False, True, False]
    assert fates({"action": RESET, "per_second": 1, "after": 2}, [GET] * 4) == [False, False, False, True]
    rule = {"action": RESET, "per_second": 1, "operation": "getJobRun"}
    assert fates(rule, [CREATE, GET, CREATE, GET]) == [False, False, False, True]


@pytest.mark.parametrize(
    "rule",
    [
        [],
        {},
        {"action": {"type": "status", "status": 99}},
        {"action": {"type": "status", "status": 429, "headers": {"Retry-After": 5}}},
        {"action": {"type": "status", "status": 429, "headers": {"X": "a\r\nY: b"}}},
        {"action": {"type": "hang", "seconds": -1}},
        {"action": RESET, "operation": "deleteEverything"},
        {"action": RESET, "times": -1},
        {"action": RESET, "times": True},
        {"action": RESET, "per_second": 0},
        {"action": RESET, "sometimes": 1},
        {"action": RESET, "run_id": 5},
    ],
)
def test_wrong_rules_are_refused(rule: object) -> None:
    with pytest.raises(ApiError) as raised:
        FaultRules().add(rule, 0)
    assert raised.value.status == 422


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ({}, "action.type is required, but missing"),
        (5, "action is 5, but must be an object"),
        ({"type": "explode"}, "action.type is 'explode', but must be one of 'lose_answer', 'truncate', 'reset', "),
        ({"type": "status"}, "action.status is required, but missing"),
        ({"type": "status", "status": "x"}, "action.status is 'x', but must be a valid integer"),
        ({"type": "reset", "seconds": 1}, "there is no action.seconds here"),
        ({"type": "fail_run"}, "action.message is required, but missing"),
    ],
)
def test_a_wrong_action_is_named_as_it_was_written(action: object, message: str) -> None:
    with pytest.raises(ApiError) as raised:
        FaultRules().add({"action": action}, 0)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("operation", ["*", "getJobRun", "openSqlSocket"])
def test_only_a_create_can_make_a_run_that_fails(operation: str) -> None:
    with pytest.raises(ApiError, match="must have the operation createJobRun for the action fail_run") as raised:
        FaultRules().add({"operation": operation, "action": {"type": "fail_run", "message": "x"}}, 0)
    assert raised.value.status == 422
