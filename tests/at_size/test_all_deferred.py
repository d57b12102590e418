"""Many runs of about a minute, all deferred at once, on an Airflow that nobody disturbs."""

import pytest

from tests.at_size.batch import Batch, check_logs
from tests.at_size.conftest import Size
from tests.at_size.ledger import Ledger, balance
from tests.at_size.stack import Stack

pytestmark = pytest.mark.timeout(0)


def carry_out(batch: Batch, size: Size) -> float:
    """Begin it, end it once all is deferred, and return the seconds it took, without the wait for the last look."""
    batch.begin()
    filled = batch.wait_until_deferred(size.patience)
    batch.open_gate()
    drained = batch.wait_until_ended(size.patience + size.seconds)
    batch.stack.result(
        f"{batch.dag_id}: seconds until all are deferred, from then to the end", (round(filled), round(drained))
    )
    return filled + drained


def test_each_task_has_exactly_one_run_and_nothing_blocks_a_triggerer(stack: Stack, size: Size) -> None:
    seconds = [size.seconds] * size.runs
    bare, ours = Batch(stack, "bare", "bare", seconds, gated=True), Batch(stack, "once", "once", seconds, gated=True)
    ideal = carry_out(bare, size)
    assert bare.states() == {("success", 1): size.runs}
    blocked_by_bare = stack.blocked_warnings()
    stack.result("bare: warnings of a blocked event loop", blocked_by_bare)

    total = carry_out(ours, size)

    stack.result("once: total seconds, the ideal, their ratio", (round(total), round(ideal), round(total / ideal, 2)))
    blocked = stack.blocked_warnings() - blocked_by_bare
    stack.result("once: warnings of a blocked event loop", blocked)
    counts = stack.control.counts()
    stack.result("once: requests", counts["operations"])
    assert ours.states() == {("success", 1): size.runs}
    assert (counts["creates_received"], counts["creates_effective"]) == (size.runs, size.runs)
    assert counts["cancels_received"] == 0
    assert balance(ours.tasks, stack.runs()) == Ledger(size.runs)
    stack.result("once: logs that came whole", check_logs([ours], size.sample, size.seed))
    assert blocked == 0
