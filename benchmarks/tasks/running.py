"""Tasks of all lengths and sides, at the same time on one Airflow, and the measurements of each."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs

from benchmarks.tasks.states import RunningTimes
from benchmarks.tasks.world import World, world
from tests.support.airflow_api import Json

TASK = "run"
BARE = "bare-sleep"
QUIET_LINES = 20
"""Lines of a log that is quiet while the run is active."""
GRACE_SECONDS = 600.0
"""How much longer than its run a task may take."""


@dataclass(frozen=True)
class Case:
    """A task to run.

    :param dag_id: side and kind: ``ours-log``, ``ours-status``, ``official-log``, ``official-status`` or
        ``bare-sleep``.
    :param more_seconds: how much longer it is. Without it, a client that polls at a fixed interval would notice the
        ends of all runs of a length equally late.
    """

    dag_id: str
    seconds: int
    lines: int = QUIET_LINES
    more_seconds: int = 0


@dataclass(frozen=True)
class Ended:
    """The measurements of a task.

    :param late_seconds: from the run's end to the task's end.
    :param worker_seconds: how long it held a worker slot.
    """

    case: Case
    late_seconds: float
    worker_seconds: float
    calls: int


def run(cases: Sequence[Case], gap: float) -> list[Ended]:
    """Start tasks one after the other, and wait until all have ended.

    :param gap: seconds between two starts, so that neither starts nor ends compete for the CPU.
    """
    with world() as here, RunningTimes(here.airflow.database) as running:
        api = here.airflow.api
        for dag_id in {case.dag_id for case in cases}:
            api.wait_for_dag(dag_id)
        started = []
        for number, case in enumerate(cases):
            time.sleep(gap if number else 0.0)
            conf = {"seconds": str(case.seconds + case.more_seconds), "lines": str(case.lines)}
            started.append((case, api.trigger_dag(case.dag_id, conf, f"{case.dag_id}-{case.seconds}-{number}")))
        for case, dag_run in started:
            api.wait_for_task(case.dag_id, dag_run, TASK, "success", timeout=case.seconds + GRACE_SECONDS)
        return list(_ended(here, running, started))


def _ended(here: World, running: RunningTimes, started: Sequence[tuple[Case, str]]) -> Iterator[Ended]:
    calls = calls_by_run(here.control.requests())
    created = here.control.counts()["creates_effective"]
    if created != sum(case.dag_id != BARE for case, _ in started):
        raise RuntimeError(f"{created} runs were created for {len(started)} tasks")
    api = here.airflow.api
    for case, dag_run in started:
        finished = _moment(api.task_instance(case.dag_id, dag_run, TASK)["end_date"])
        held = running.of(case.dag_id, dag_run)
        if case.dag_id == BARE:
            over = float(api.xcom(case.dag_id, dag_run, TASK) or 0.0)
            yield Ended(case, finished - over, held, 0)
            continue
        run_id = str(api.xcom(case.dag_id, dag_run, TASK, "run_id"))
        run = here.run(run_id)
        if run["status"] != "COMPLETED" or dag_run not in run["name"]:
            raise RuntimeError(f"{dag_run}: its run {run['name']} is {run['status']}")
        if case.dag_id.endswith("-log"):
            check_lines(dag_run, api.task_log(case.dag_id, dag_run, TASK).text, case.lines)
        yield Ended(case, finished - _moment(run["completeTime"]), held, calls[run_id])


def calls_by_run(journal: Sequence[Json]) -> Counter[str]:
    """Count the requests of each run. A request about no run is an error, because the counts would be too low."""
    by_name = {entry["name"]: entry["run_id"] for entry in journal if entry["name"]}
    return Counter(_run_of(entry, by_name) for entry in journal)


def _run_of(entry: Json, by_name: Mapping[str, str]) -> str:
    if entry["run_id"] is None and entry["operation"] == "listJobRuns":
        # A task looks for its own run before it creates one.
        (suffix,) = (name.removeprefix("*") for name in parse_qs(entry["query"])["name"])
        (run_id,) = (run_id for name, run_id in by_name.items() if name.endswith(suffix))
        return run_id
    if entry["run_id"] is None:
        raise RuntimeError(f"a request that is about no run: {entry}")
    return str(entry["run_id"])


def check_lines(dag_run: str, log: str, count: int) -> None:
    """Check that a task's log holds each line of its run once."""
    found = Counter(map(int, re.findall(r"bench line (\d+);", log)))
    lost = count - len(found)
    doubled = found.total() - len(found)
    if lost or doubled:
        raise RuntimeError(f"{dag_run}: of {count} lines {lost} are missing and {doubled} doubled in the task's log")


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
