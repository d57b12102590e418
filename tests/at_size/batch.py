"""One DAG run of many mapped tasks: starts it, waits for it, and reads how it ended."""

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.at_size.ledger import Task
from tests.at_size.stack import Stack, patiently
from tests.support.airflow_api import FINISHED, AirflowApiError
from tests.support.log_account import account, clean
from tests.support.waiting import wait_for

TASK = "run"
LINES = 60
"""How many numbered lines each run prints."""
WATCHED = ("queued", "running", "deferred", "scheduled", "up_for_retry", "success", "failed")
INTERVAL = 3.0
"""Seconds between two requests for the state of the tasks, so that Airflow's API server has little work."""


@dataclass(frozen=True)
class Batch:
    """A DAG run of ``once``, ``retried`` or ``bare``.

    :param gated: whether the jobs wait for :meth:`open_gate` after their first third.
    """

    stack: Stack
    dag_id: str
    run_id: str
    seconds: Sequence[float]
    gated: bool = False

    @property
    def size(self) -> int:
        """How many tasks it maps."""
        return len(self.seconds)

    @property
    def tasks(self) -> list[Task]:
        """Its tasks."""
        return [(self.run_id, index) for index in range(self.size)]

    @property
    def _gate(self) -> Path:
        return self.stack.folder / f"gate-{self.run_id}"

    def begin(self) -> None:
        """Start the DAG run."""
        conf = {"seconds": list(self.seconds), "lines": LINES, "gate": str(self._gate) if self.gated else ""}

        def start() -> None:
            try:
                self.stack.airflow.api.trigger_dag(self.dag_id, conf, self.run_id)
            except AirflowApiError as error:
                # An earlier request may have arrived although its response was lost.
                if error.status != 409:
                    raise

        patiently(start)

    def open_gate(self) -> None:
        """Let the jobs continue."""
        self._gate.touch()

    def count(self, state: str) -> int:
        """How many of its tasks are in a state."""
        api = self.stack.airflow.api
        return patiently(lambda: api.count_task_instances(self.dag_id, self.run_id, TASK, state))

    def counts(self) -> dict[str, int]:
        """How many of its tasks are in each state, without those that have none yet."""
        return {state: count for state in WATCHED if (count := self.count(state))}

    def wait_until_deferred(self, timeout: float) -> float:
        """Wait until all its tasks are deferred at the same time, print progress, and return the seconds it took."""
        begun = time.monotonic()

        def poll() -> bool:
            counts = self.counts()
            self.stack.show_progress(f"{self.run_id}: {in_words(counts)}; {self.stack.creates()} runs created")
            assert not counts.get("failed"), f"tasks of {self.run_id} failed: {counts}"
            return counts.get("deferred") == self.size

        wait_for(poll, timeout=timeout, interval=INTERVAL, what=f"{self.size} tasks to be deferred at once")
        return time.monotonic() - begun

    def wait_until_ended(self, timeout: float) -> float:
        """Wait for the end of the DAG run, and print the progress; return the seconds it took."""
        begun = time.monotonic()

        def poll() -> bool:
            self.stack.show_progress(f"{self.run_id}: {in_words(self.counts())}")
            run = patiently(lambda: self.stack.airflow.api.dag_run(self.dag_id, self.run_id))
            return run["state"] in FINISHED

        wait_for(poll, timeout=timeout, interval=INTERVAL, what=f"{self.run_id} to end", detail=self._detail)
        return time.monotonic() - begun

    def instances(self) -> list[dict[str, Any]]:
        """Its task instances, in the order of their map index."""
        found = patiently(lambda: self.stack.airflow.api.task_instances(self.dag_id, self.run_id))
        return sorted((one for one in found if one["task_id"] == TASK), key=lambda one: int(one["map_index"]))

    def states(self) -> Counter[str]:
        """How many of its tasks ended in which state at which try, such as ``success at try 1``."""
        return Counter(f"{one['state']} at try {one['try_number']}" for one in self.instances())

    def _detail(self) -> str:
        return f"Its tasks are {self.states()}."


def in_words(counts: dict[str, int]) -> str:
    """Counts in words."""
    return ", ".join(f"{count} {state}" for state, count in counts.items()) or "nothing yet"


def check_logs(batches: Sequence[Batch], sample: int, seed: int) -> int:
    """Check that some tasks' logs, as Airflow serves them, have every numbered line once; return how many were read."""
    instances = [(batch, one) for batch in batches for one in batch.instances()]
    drawn = random.Random(seed).sample(instances, min(sample, len(instances)))
    wrong = []
    for batch, one in drawn:
        found = account(LINES, log_lines(batch, one))
        if found != clean(LINES):
            wrong.append(f"{batch.run_id} {one['map_index']}, try {one['try_number']}: {found}")
    assert wrong == []
    return len(drawn)


def log_lines(batch: Batch, instance: dict[str, Any]) -> list[str]:
    """The log of a task's last try, as Airflow serves it."""
    api = batch.stack.airflow.api
    return patiently(
        lambda: api.task_log(
            batch.dag_id, batch.run_id, TASK, int(instance["try_number"]), map_index=int(instance["map_index"])
        )
    ).lines
