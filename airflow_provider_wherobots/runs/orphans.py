"""Which active runs no task needs any more, because their task instance in this deployment has ended.

A run belongs to the task instance whose identity its name ends with. Another deployment with the same DAGs has the same
ids, but its DAG runs have other starts, and so has a DAG run from before a clear. So a run that has only the ids of a
task instance is nobody's for certain, unless the task's XCom names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.runs.run_name import Identity
from airflow_provider_wherobots.stored import RUN_ID_KEY, RUN_LEFT_ACTIVE_KEY
from airflow_provider_wherobots.words import counted

SUCCESS, REMOVED = "success", "removed"
ENDED_STATES = frozenset({SUCCESS, "failed", "skipped", "upstream_failed", REMOVED})
"""States in which Airflow does nothing more with a task instance, unless it is cleared. In every other state, also one
of a later Airflow, a try follows the run or will re-attach to it."""


class RunVerdict(StrEnum):
    """What a run is to this deployment."""

    ORPHAN = "orphan"
    IN_USE = "in use"
    LEFT_RUNNING = "left running"
    UNSURE = "unsure"
    NOT_OURS = "not ours"


@dataclass(frozen=True, slots=True)
class TaskInstance:
    """A task instance, as Airflow's REST API describes it.

    :param state: None for a task instance without a state, as after a clear.
    :param dag_run_start: the start of its DAG run. A clear of an ended DAG run changes it.
    :param xcoms: the texts of its XComs, by key.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    state: str | None
    dag_run_start: datetime | None = None
    xcoms: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> Identity:
        """What the names of its runs end with, computed from its ids and the start of its DAG run."""
        return Identity.of_task(self.dag_id, self.run_id, self.task_id, self.map_index, self.dag_run_start)

    def owns(self, run: Run) -> bool:
        """Whether a run with its ids is a run of this deployment for certain."""
        return Identity.in_name(run.name) == self.identity or self.xcoms.get(RUN_ID_KEY) == run.id

    def describe(self) -> str:
        """Name the task instance: ``dag.task run_id``, with its map index if it has one."""
        index = f"[{self.map_index}]" if self.map_index >= 0 else ""
        return f"{self.dag_id}.{self.task_id}{index} {self.run_id}"


def ids_of(run: Run) -> str:
    """The part of a run's name that stands for the ids of its task instance. Empty if the name has none."""
    identity = Identity.in_name(run.name)
    return identity.task if identity else ""


def find_owners(runs: Iterable[Run], task_instances: Iterable[TaskInstance]) -> dict[str, TaskInstance]:
    """The task instances whose ids runs have, by :func:`ids_of`. They are read until every run has one."""
    wanted = {ids for run in runs if (ids := ids_of(run))}
    owners: dict[str, TaskInstance] = {}
    for candidate in task_instances if wanted else ():
        ids = candidate.identity.task
        if ids in wanted:
            owners[ids] = candidate
            if len(owners) == len(wanted):
                break
    return owners


def judge(run: Run, owner: TaskInstance | None) -> RunVerdict:
    """What an active run is to this deployment. ``owner`` is the task instance with its ids, or None."""
    if owner is None or owner.identity.task != ids_of(run):
        return RunVerdict.NOT_OURS
    if not owner.owns(run):
        return RunVerdict.UNSURE
    if owner.state not in ENDED_STATES:
        return RunVerdict.IN_USE
    if RUN_LEFT_ACTIVE_KEY in owner.xcoms:
        # Regardless of the state: the task may have been marked, or removed from its DAG, after it succeeded.
        return RunVerdict.LEFT_RUNNING
    if owner.state not in (SUCCESS, REMOVED):
        return RunVerdict.ORPHAN
    # A task that waits for its run succeeds after the run has ended. So it was marked, or did not wait, or was removed.
    return RunVerdict.ORPHAN if RUN_ID_KEY in owner.xcoms else RunVerdict.UNSURE


def count(verdicts: Iterable[RunVerdict]) -> str:
    """Count runs in one line: "20 active runs: 10 orphans, 6 in use, 4 not ours"."""
    found = list(verdicts)
    runs = counted(len(found), "active run")
    parts = [
        counted(number, verdict) if verdict is RunVerdict.ORPHAN else f"{number} {verdict}"
        for verdict in RunVerdict
        if (number := found.count(verdict)) or verdict is RunVerdict.ORPHAN
    ]
    return f"{runs}: {', '.join(parts)}" if found else runs
