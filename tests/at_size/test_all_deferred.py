"""Many runs of about a minute, all deferred at the same time, on an Airflow that nothing disturbs."""

import pytest

from tests.at_size.batch import Batch, check_logs
from tests.at_size.ledger import Ledger, balance
from tests.at_size.size import Size
from tests.at_size.stack import Stack

pytestmark = pytest.mark.timeout(0)


def carry_out(batch: Batch, size: Size) -> float:
    """Start it, let it end when all tasks are deferred, and return the seconds of both parts."""
    batch.begin()
    filled = batch.wait_until_deferred(size.patience)
    batch.open_gate()
    drained = batch.wait_until_ended(size.patience + size.seconds)
    batch.stack.result(
        f"{batch.dag_id}: seconds until all are deferred, from then to the end", (round(filled), round(drained))
    )
    return filled + drained


def test_each_task_has_exactly_one_run_and_nothing_blocks_a_triggerer(stack: Stack, size: Size) -> None:
    # A triggerer imports the provider, and starts its own copy of Airflow's API, with the first run that it follows.
    warm_up = Batch(stack, "once", "warm-up", [1.0] * min(size.runs, 4 * size.concurrency))
    warm_up.begin()
    warm_up.wait_until_ended(size.patience)
    stack.result("warm-up: warnings of a blocked event loop", blocked := stack.blocked_warnings())
    bare = Batch(stack, "bare", "bare", size.lengths, gated=True)
    ideal = carry_out(bare, size)
    assert bare.states() == {"success at try 1": size.runs}
    stack.result("bare: warnings of a blocked event loop", stack.blocked_warnings() - blocked)

    stack.control.clear_requests()
    blocked = stack.blocked_warnings()
    ours = Batch(stack, "once", "once", size.lengths, gated=True)
    total = carry_out(ours, size)
    stack.result("once: total seconds, the ideal, their ratio", (round(total), round(ideal), round(total / ideal, 2)))
    blocked = stack.blocked_warnings() - blocked
    stack.result("once: warnings of a blocked event loop", blocked)
    counts = stack.control.counts()
    stack.result("once: requests", counts["operations"])

    assert ours.states() == {"success at try 1": size.runs}
    assert (counts["creates_received"], counts["creates_effective"]) == (size.runs, size.runs)
    assert counts["cancels_received"] == 0
    assert balance(warm_up.tasks + ours.tasks, stack.runs()) == Ledger(warm_up.size + size.runs)
    stack.result("once: logs that came whole", check_logs([ours], size.sample, size.seed))
    assert blocked == 0
