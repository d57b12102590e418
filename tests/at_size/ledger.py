"""Compares the runs of the service with the tasks: which runs are lost, doubled, cancelled or orphaned. Does no I/O."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

_NAME = re.compile(r"at-size-(.+)-(\d{5})-[^-]+")

Task = tuple[str, int]
"""A DAG run's id and a map index."""


@dataclass(frozen=True)
class Ledger:
    """The runs of the service, compared with the tasks of Airflow.

    :param doubled: tasks with a run that was created before their previous run had ended, with the times of each.
    :param repeated: tasks with more than one run, one after the other: a worker was killed between the end of the run
        and the end of the task, and the retry found that the run had ended.
    :param orphaned: runs that are still active, or belong to no task.
    """

    runs: int
    lost: tuple[Task, ...] = ()
    doubled: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()
    cancelled: tuple[str, ...] = ()
    orphaned: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


def task_of(name: str) -> Task | None:
    """The task of a run, by the run's name; None if it belongs to none."""
    found = _NAME.fullmatch(name)
    return (found[1], int(found[2])) if found else None


def balance(tasks: Iterable[Task], runs: Iterable[Mapping[str, Any]]) -> Ledger:
    """Compare runs with tasks."""
    owned: dict[Task, list[Mapping[str, Any]]] = {task: [] for task in tasks}
    cancelled, orphaned, failed, count = [], [], [], 0
    for run in runs:
        count += 1
        text = f"{run['name']}: {run['status']}"
        task = task_of(run["name"])
        if task is None or task not in owned or run["status"] in ("PENDING", "RUNNING"):
            orphaned.append(text)
        elif run["status"] == "CANCELLED":
            cancelled.append(text)
        elif run["status"] != "COMPLETED":
            failed.append(text)
        if task in owned:
            owned[task].append(run)
    several = [sorted(own, key=lambda run: str(run["createTime"])) for own in owned.values() if len(own) > 1]
    return Ledger(
        count,
        lost=tuple(task for task, own in owned.items() if not own),
        doubled=tuple(_history(own) for own in several if not _is_sequence(own)),
        repeated=tuple(_history(own) for own in several if _is_sequence(own)),
        cancelled=tuple(cancelled),
        orphaned=tuple(orphaned),
        failed=tuple(failed),
    )


def _is_sequence(runs: list[Mapping[str, Any]]) -> bool:
    """Whether each run was created after the one before it had ended."""
    pairs = pairwise(runs)
    return all(one["completeTime"] is not None and one["completeTime"] <= other["createTime"] for one, other in pairs)


def _history(runs: list[Mapping[str, Any]]) -> str:
    lives = (f"{run['id']} {run['status']} {run['createTime']} to {run['completeTime']}" for run in runs)
    return f"{runs[0]['name']}: {'; '.join(lives)}"
