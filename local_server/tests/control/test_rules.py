"""Switches and fault rules, without HTTP."""

from typing import Any

import pytest

from wherobots_local.api.errors import ApiError
from wherobots_local.control.behaviour import Behaviour, patched
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


def test_the_first_rule_that_applies_wins() -> None:
    rules = FaultRules()
    rules.add({"action": RESET, "times": 1}, 0)
    rules.add({"action": {"type": "hang"}}, 0)
    taken = [rules.take(GET, 0) for _ in range(2)]
    assert [action.type for action in taken if action] == ["reset", "hang"]
    assert [rule["applied"] for rule in rules.as_json()] == [1, 1]


@pytest.mark.parametrize(
    "rule",
    [
        [],
        {},
        {"action": {"type": "explode"}},
        {"action": {"type": "status"}},
        {"action": {"type": "status", "status": 99}},
        {"action": {"type": "status", "status": 429, "headers": {"Retry-After": 5}}},
        {"action": {"type": "status", "status": 429, "headers": {"X": "a\r\nY: b"}}},
        {"action": {"type": "reset", "seconds": 1}},
        {"action": {"type": "hang", "seconds": -1}},
        {"action": RESET, "operation": "deleteEverything"},
        {"action": RESET, "times": -1},
        {"action": RESET, "times": True},
        {"action": RESET, "per_second": 0},
        {"action": RESET, "per_second": "20"},
        {"action": RESET, "seconds": "5"},
        {"action": RESET, "sometimes": 1},
        {"action": RESET, "run_id": 5},
    ],
)
def test_wrong_rules_are_refused(rule: object) -> None:
    with pytest.raises(ApiError) as raised:
        FaultRules().add(rule, 0)
    assert raised.value.status == 422


def test_switches_are_changed_together_or_not_at_all() -> None:
    changed = patched(Behaviour(), {"log_cursor": "opaque", "cancel_delay_seconds": 60})
    assert (changed.log_cursor, changed.cancel_delay_seconds, changed.create_status) == ("opaque", 60, 201)


@pytest.mark.parametrize(
    "changes",
    [
        {"log_cursor": "bytes"},
        {"log_next_page_when_caught_up": None},
        {"log_delay_seconds": -1},
        {"log_delay_seconds": float("nan")},
        {"log_max_size": 0},
        {"log_timestamp_resolution_ns": 1.5},
        {"cancel_finished_status": 404},
        {"timeout_as": "DEAD"},
        {"create_status": True},
        {"synthetic_runs": 1},
        {"max_timeout_seconds": 0},
        {"no_such_switch": 1},
        [],
    ],
)
def test_wrong_switches_are_refused(changes: object) -> None:
    with pytest.raises(ApiError) as raised:
        patched(Behaviour(), changes)
    assert raised.value.status == 422
