from __future__ import annotations

import pytest

from airflow_provider_wherobots.flows.tries import (
    begins_after_clear,
    first_since_clear,
    is_last,
    was_cancelled_for_earlier_try,
)
from airflow_provider_wherobots.runs.outcome import Ending, Outcome


def test_the_last_try_comes_after_all_retries() -> None:
    assert [is_last(try_number, 2) for try_number in (1, 2, 3)] == [False, False, True]


@pytest.mark.parametrize(
    ("try_number", "max_tries", "retries", "first"),
    [
        (1, 1, 1, 1),
        (2, 1, 1, 1),
        (2, 2, 1, 2),
        (3, 2, 1, 2),
        (9, 8, 0, 9),
        (1, 0, 0, 1),
        (2, 1, 0, 2),
        # ``retries`` was raised, or lowered by more than one, between the tries: that is no clear.
        (2, 1, 5, 1),
        (2, 5, 1, 1),
        (2, 3, 0, 1),
    ],
)
def test_the_first_try_since_a_clear(try_number: int, max_tries: int, retries: int, first: int) -> None:
    assert first_since_clear(try_number, max_tries, retries) == first


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


@pytest.mark.parametrize(
    ("try_number", "first", "last_begun", "expected"),
    [
        (1, 1, None, True),
        (2, 1, 1, False),
        (2, 2, 1, True),
        (3, 2, 2, False),
        (3, 2, 1, True),
        (2, 2, 2, False),
        (2, 2, None, True),
        (3, 2, None, False),
    ],
)
def test_a_try_is_the_first_after_a_clear_if_none_has_begun_since(
    try_number: int, first: int, last_begun: int | None, expected: bool
) -> None:
    assert begins_after_clear(try_number, first, last_begun) is expected
