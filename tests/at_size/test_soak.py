"""Half an hour of runs of mixed length, while every minute a component is killed, restarted or frozen."""

import random
import time
from collections import Counter
from dataclasses import replace

import pytest

from tests.at_size.batch import Batch, check_logs, in_words
from tests.at_size.chaos import Chaos, plan
from tests.at_size.ledger import Ledger, balance
from tests.at_size.memory import MemoryWatch
from tests.at_size.size import Size
from tests.at_size.stack import Stack, patiently

pytestmark = pytest.mark.timeout(0)

BATCH_SECONDS = 30.0
"""How often a DAG run begins."""
POLL_SECONDS = 10.0
API_DOWN_SECONDS = 60.0
API_DOWN_AT = (0.3, 0.7)
"""When the API is unreachable, as shares of the soak."""


def draw_batches(stack: Stack, size: Size) -> list[tuple[float, Batch]]:
    """The start of each DAG run, in seconds, and the DAG run: most of its runs are short, some take five minutes."""
    draw = random.Random(size.seed)
    number = max(1, int(60 * size.soak_minutes / BATCH_SECONDS))
    lengths = [draw.choice((5, 10, 20, 30, 45, 60, 90, 300)) for _ in range(size.soak_runs)]
    shares = [lengths[n::number] for n in range(number)]
    return [
        (n * BATCH_SECONDS, Batch(stack, "retried", f"soak{n:04d}", share)) for n, share in enumerate(shares) if share
    ]


def test_no_run_is_lost_doubled_or_orphaned_and_no_memory_grows(stack: Stack, size: Size) -> None:
    length = 60 * size.soak_minutes
    due = draw_batches(stack, size)
    batches = [batch for _, batch in due]
    down = [share * length for share in API_DOWN_AT]
    watch = MemoryWatch(stack.airflow)
    chaos = Chaos(stack.airflow, plan(size.seed, length, stack.airflow.all_components()), stack.report)
    begun = time.monotonic()
    chaos.start()
    try:
        while (now := time.monotonic() - begun) < length or due:
            while due and due[0][0] <= now:
                due.pop(0)[1].begin()
            if down and down[0] <= now:
                stack.report(f"  the API is down for {API_DOWN_SECONDS:g} s")
                stack.control.add_fault("*", "reset", seconds=API_DOWN_SECONDS)
                down.pop(0)
            watch.sample()
            _report(stack)
            time.sleep(POLL_SECONDS)
    finally:
        chaos.finish()
    stack.result("disturbances", len(chaos.done))
    for batch in batches:
        batch.wait_until_ended(size.patience)
    stack.result("seconds after the last disturbance until all had ended", round(time.monotonic() - begun - length))
    states = sum((batch.states() for batch in batches), Counter[str]())
    stack.result("tasks", dict(sorted(states.items())))
    ledger = balance([task for batch in batches for task in batch.tasks], stack.runs())
    stack.result("runs", ledger)
    stack.result("runs repeated after a worker was killed at their end", len(ledger.repeated))
    stack.result("requests", stack.control.counts()["operations"])
    growths = watch.growths()
    stack.result("memory", [str(one) for one in growths] or "not judged: the soak was too short")

    assert {state.partition(" ")[0] for state in states} == {"success"}
    # A run that ended while its task could not take over the result is run again: see "One run per task" in
    # ARCHITECTURE.md. Nothing else may make a second one.
    assert replace(ledger, runs=0, repeated=()) == Ledger(0)
    stack.result("logs that came whole", check_logs(batches, size.sample, size.seed))
    assert [str(one) for one in growths if not one.is_flat] == []


def _report(stack: Stack) -> None:
    api = stack.airflow.api
    counts = {
        state: count
        for state in ("queued", "running", "deferred", "up_for_retry", "success", "failed")
        if (count := patiently(lambda state=state: api.count_task_instances("retried", "~", "run", state)))  # type: ignore[misc]
    }
    stack.show_progress(f"{in_words(counts)}; {stack.creates()} runs created")
