"""The parts of the tests at size that decide: what is accounted for, what grows."""

from typing import Any

import pytest

from tests.at_size.ledger import Ledger, balance
from tests.at_size.memory import MIB, growth

TASKS = [("soak0001", 0), ("soak0001", 1)]


def run(number: int, status: str = "COMPLETED", **more: str) -> dict[str, Any]:
    name = f"at-size-soak0001-{number:05d}-0123456789ab"
    return {"id": f"id{number}", "name": name, "status": status, "createTime": "1", "completeTime": "2", **more}


def test_one_completed_run_for_each_task_balances() -> None:
    assert balance(TASKS, [run(0), run(1)]) == Ledger(2)


def test_what_is_lost_doubled_cancelled_or_orphaned_is_named() -> None:
    found = balance(TASKS, [run(0), run(0, "CANCELLED", id="other"), run(7), run(8, "RUNNING"), run(0, "FAILED")])

    assert found.lost == (("soak0001", 1),)
    assert "id0 COMPLETED 1 to 2; other CANCELLED 1 to 2" in found.doubled[0]
    assert [name.rpartition(" ")[2] for name in found.cancelled + found.failed] == ["CANCELLED", "FAILED"]
    assert [name.rpartition(" ")[2] for name in found.orphaned] == ["COMPLETED", "RUNNING"]


def test_a_run_that_was_created_after_the_one_before_had_ended_is_a_repetition() -> None:
    found = balance(TASKS, [run(1), run(0), run(0, createTime="3", completeTime="4")])

    assert found.repeated
    assert found == Ledger(3, repeated=found.repeated)


@pytest.mark.parametrize(("step", "flat"), [(0, True), (MIB // 10, True), (2 * MIB, False)])
def test_memory_that_grows_on_and_on_is_not_flat(step: int, flat: bool) -> None:
    found = growth("triggerer 1", [(10.0 * n, 100 * MIB + n * step) for n in range(100)])

    assert found is not None
    assert found.is_flat is flat
