"""The same while one of each component is killed with -9 and started again."""

import time

import pytest

from tests.at_size.batch import Batch, check_logs
from tests.at_size.chaos import Disturbance, disturb
from tests.at_size.ledger import Ledger, balance
from tests.at_size.size import Size
from tests.at_size.stack import Stack
from tests.support.waiting import wait_for

pytestmark = pytest.mark.timeout(0)


def kill(stack: Stack, component: str) -> None:
    """Kill the first of a component, and start it again five seconds later."""
    stack.report(f"  kill -9 {component} 1; {stack.creates()} runs created")
    disturb(stack.airflow, Disturbance(0, component, 1, "kill", pause=5))


def test_no_run_is_doubled_or_cancelled_and_no_line_lost(stack: Stack, size: Size) -> None:
    batch = Batch(stack, "retried", "killed", size.lengths, gated=True)
    batch.begin()
    for component, share in (("celery-worker", 0.3), ("scheduler", 0.6)):
        wait_for(
            lambda share=share: stack.creates() >= share * size.runs,  # type: ignore[misc]
            timeout=size.patience,
            what=f"{share:.0%} of the runs to be created",
        )
        kill(stack, component)
    filled = batch.wait_until_deferred(size.patience)
    batch.open_gate()
    # In the middle of the lines.
    time.sleep(size.seconds / 3)
    kill(stack, "triggerer")
    drained = batch.wait_until_ended(size.patience + size.seconds)
    stack.result("seconds until all are deferred, from then to the end", (round(filled), round(drained)))
    states = batch.states()
    stack.result("tasks", dict(states))
    counts = stack.control.counts()
    stack.result("requests", counts["operations"])

    assert {state.partition(" ")[0] for state in states} == {"success"}
    assert balance(batch.tasks, stack.runs()) == Ledger(size.runs)
    assert (counts["creates_effective"], counts["cancels_received"]) == (size.runs, 0)
    stack.result("logs that came whole", check_logs([batch], size.sample, size.seed))
