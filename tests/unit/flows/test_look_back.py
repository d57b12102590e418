"""What a retry does about the statements of the tries before it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_wherobots.flows.effects import Flow
from airflow_provider_wherobots.flows.sql import look_back as module
from airflow_provider_wherobots.flows.sql.execution_ids import ExecutionIds
from airflow_provider_wherobots.flows.sql.look_back import Found, Planned, look_back
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.statement import StatementOptions
from airflow_provider_wherobots.flows.tries import earlier_tries

IDS = ExecutionIds("task")
READ, WRITE, OTHER_WRITE = Planned("SELECT 1", True), Planned("INSERT 1", False), Planned("INSERT 2", False)
OK, BAD, GONE, STOPPED = (
    StatementState.SUCCEEDED,
    StatementState.FAILED,
    StatementState.UNKNOWN,
    StatementState.CANCELLED,
)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[int, int], StatementState]:
    """What the session knows, by the number of the try and the place of the statement."""
    states: dict[tuple[int, int], StatementState] = {}

    def find(execution_id: str) -> tuple[int, int] | None:
        texts = (READ, WRITE, OTHER_WRITE)
        for number, index in states:
            if any(IDS.of(number, index, statement.text) == execution_id for statement in texts):
                return number, index
        return None

    def attach(execution_id: str, options: Any, *, geometry: str, wants_result: bool) -> Flow[Any]:
        yield from ()
        place = find(execution_id)
        return StatementOutcome(GONE if place is None else states[place], execution_id)

    monkeypatch.setattr(module, "attach", attach)
    return states


def look(*statements: Planned, tries: tuple[int, ...] = (1,), is_settled: bool | None) -> tuple[int, int | None]:
    """How many statements are not executed again, and which is in doubt."""
    flow = look_back(statements, IDS, tries, StatementOptions(), is_settled=is_settled)
    try:
        next(flow)
    except StopIteration as end:
        found: Found = end.value
        return len(found.outcomes), found.in_doubt
    raise AssertionError("the flow has asked for something")


@pytest.mark.parametrize("is_settled", [True, False, None])
def test_a_write_that_has_succeeded_is_not_repeated(known: Any, is_settled: bool | None) -> None:
    known[1, 0] = OK
    assert look(WRITE, is_settled=is_settled) == (1, None)


@pytest.mark.parametrize("is_settled", [True, None, False])
def test_a_read_is_repeated(known: Any, is_settled: bool | None) -> None:
    known[1, 0] = OK
    assert look(READ, is_settled=is_settled) == (0, None)


@pytest.mark.parametrize("state", [GONE, STOPPED])
@pytest.mark.parametrize(("is_settled", "in_doubt"), [(True, None), (None, 0), (False, 0)])
def test_a_write_of_which_nothing_is_known_is_in_doubt(
    known: Any, state: StatementState, is_settled: bool | None, in_doubt: int | None
) -> None:
    known[1, 0] = state
    assert look(WRITE, is_settled=is_settled) == (0, in_doubt)
    assert look(READ, is_settled=is_settled) == (0, None)


def test_a_write_that_has_failed_is_executed_again(known: Any) -> None:
    known[1, 0] = BAD
    assert look(WRITE, is_settled=False) == (0, None)


def test_a_read_before_a_write_that_has_succeeded_is_not_repeated(known: Any) -> None:
    known[1, 0] = known[1, 1] = OK
    known[1, 2] = BAD
    assert look(READ, WRITE, OTHER_WRITE, is_settled=True) == (2, None)


def test_a_read_after_the_last_write_is_repeated_and_a_doubt_comes_first(known: Any) -> None:
    known[1, 0] = known[1, 1] = OK
    assert look(WRITE, READ, is_settled=None) == (1, None)
    assert look(WRITE, READ, OTHER_WRITE, is_settled=None) == (1, 2)


def test_the_newest_try_that_is_known_counts(known: Any) -> None:
    known[1, 0], known[2, 0] = OK, BAD
    assert look(WRITE, tries=(3, 2, 1), is_settled=False) == (0, None)
    del known[2, 0]
    assert look(WRITE, tries=(3, 2, 1), is_settled=False) == (1, None)


@pytest.mark.parametrize("state", [OK, BAD])
def test_one_that_still_ran_is_followed_whatever_it_is(monkeypatch: pytest.MonkeyPatch, state: StatementState) -> None:
    def attach(execution_id: str, options: Any, **how: Any) -> Flow[Any]:
        yield from ()
        return StatementOutcome(state, execution_id, was_running=True)

    monkeypatch.setattr(module, "attach", attach)
    assert look(READ, is_settled=True) == (1, None), "its failure is that of this try"


@pytest.mark.parametrize(
    ("try_number", "max_tries", "retries", "expected"),
    [(1, 2, 2, []), (2, 2, 2, [1]), (3, 2, 2, [2, 1]), (4, 5, 2, []), (5, 5, 2, [4]), (9, 20, 20, [8, 7, 6, 5, 4])],
)
def test_tries_before_a_clear_do_not_count(try_number: int, max_tries: int, retries: int, expected: list[int]) -> None:
    assert earlier_tries(try_number, max_tries, retries) == expected


def test_an_id_is_that_of_one_try_place_and_text() -> None:
    ids = {IDS.of(1, 0, "a"), IDS.of(2, 0, "a"), IDS.of(1, 1, "a"), IDS.of(1, 0, "b"), ExecutionIds("u").of(1, 0, "a")}
    assert len(ids) == 5
    assert IDS.of(1, 0, "a") == ExecutionIds("task").of(1, 0, "a")
    assert all(len(one) == 36 for one in ids)
