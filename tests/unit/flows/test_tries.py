from __future__ import annotations

import pytest

from airflow_provider_wherobots.flows.outcome import Ending, Outcome
from airflow_provider_wherobots.flows.tries import (
    earlier_tries,
    is_first_since_clear,
    tries_before_clear,
    was_cancelled_for_earlier_try,
)


@pytest.mark.parametrize(
    ("try_number", "max_tries", "retries", "first"),
    [(1, 1, 1, True), (2, 1, 1, False), (2, 2, 1, True), (3, 2, 1, False), (1, 0, 0, True), (2, 1, 0, True)],
)
def test_a_clear_is_told_by_airflows_arithmetic(try_number: int, max_tries: int, retries: int, first: bool) -> None:
    assert is_first_since_clear(try_number, max_tries, retries) is first


@pytest.mark.parametrize(
    ("try_number", "max_tries", "retries", "before"),
    [
        (1, 1, 1, []),
        (2, 1, 1, []),
        (2, 2, 1, [1]),
        (3, 2, 1, [1]),
        (9, 8, 0, [8, 7, 6, 5, 4]),
        # ``retries`` was lowered by more than one: that is no clear.
        (2, 3, 0, []),
    ],
)
def test_the_tries_before_a_clear(try_number: int, max_tries: int, retries: int, before: list[int]) -> None:
    assert tries_before_clear(try_number, max_tries, retries) == before


@pytest.mark.parametrize(
    ("try_number", "max_tries", "retries", "expected"),
    [
        (1, 1, 1, []),
        (2, 1, 1, [1]),
        (3, 2, 1, [2]),
        (2, 2, 1, []),
        (9, 8, 8, [8, 7, 6, 5, 4]),
        # ``retries`` was raised or lowered between the tries.
        (2, 1, 5, [1]),
        (2, 5, 1, [1]),
    ],
)
def test_the_tries_since_a_clear(try_number: int, max_tries: int, retries: int, expected: list[int]) -> None:
    assert earlier_tries(try_number, max_tries, retries) == expected


@pytest.mark.parametrize(
    ("ending", "reattached", "after", "expected"),
    [
        # The bound is five minutes.
        (Ending.CANCELLED, True, 299.0, True),
        (Ending.CANCELLED, True, 300.0, False),
        (Ending.CANCELLED, False, 60.0, False),
        (Ending.FAILED, True, 60.0, False),
    ],
)
def test_only_a_cancel_soon_after_re_attaching_is_that_of_the_try_before(
    ending: Ending, reattached: bool, after: float, expected: bool
) -> None:
    outcome = Outcome(ending, "r1", "X", ended_at=1_000.0 + after)
    assert was_cancelled_for_earlier_try(outcome, reattached, 1_000.0) is expected
