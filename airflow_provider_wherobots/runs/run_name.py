"""The name of a run: the user's name, and by default a suffix that is unique to the task instance.

The suffix is the identity of the task instance. It identifies the run. The part before it may change between two tries,
by a template or an edited DAG. It has two parts, so that one call, List Runs by ``*{task}``, finds the runs of the task
instance in every deployment::

    nightly.hail_stats-3f9a02c41d77e8
                       └────┤└──────┤
                 deployment ┘  task ┘
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

MIN_NAME_CHARS, MAX_NAME_CHARS = 8, 255
DEPLOYMENT_CHARS = 6
TASK_CHARS = 8
HASH_CHARS = DEPLOYMENT_CHARS + TASK_CHARS
SUFFIX_CHARS = HASH_CHARS + 1
_OUTSIDE = re.compile(r"[^A-Za-z0-9_.-]+")
_SUFFIX = re.compile(rf"-[0-9a-f]{{{HASH_CHARS}}}")


@dataclass(frozen=True, slots=True)
class Identity:
    """What all tries of a task instance have in common, and no other task has.

    :param deployment: tells two deployments apart that have the same DAGs, in one organization.
    :param task: stands for the ids of the task instance.
    """

    deployment: str
    task: str

    @classmethod
    def of_task(
        cls,
        dag_id: str,
        run_id: str,
        task_id: str,
        map_index: int,
        dag_run_start: datetime | None,
        iteration: int | None = None,
        job: str = "",
    ) -> Self:
        """Compute the identity of a task instance.

        :param dag_run_start: the start of the DAG run, whose microseconds differ between two deployments. A clear of an
            ended DAG run changes it.
        :param iteration: of a task in a loop (Airflow 3.4), from 0; None outside of a loop. Such a task has the same
            other ids in each iteration.
        :param job: identifies an operator that the task's function executes: a function may execute several.
        """
        ids = (dag_id, run_id, task_id, str(map_index), *([] if iteration is None else [str(iteration)]), job)
        start = "" if dag_run_start is None else dag_run_start.astimezone(UTC).isoformat(timespec="microseconds")
        return cls(_hash(start, *ids)[:DEPLOYMENT_CHARS], _hash(*ids)[:TASK_CHARS])

    @classmethod
    def in_name(cls, name: str) -> Self | None:
        """Read the identity at the end of a run's name. None if the name has none."""
        end = name[-SUFFIX_CHARS:]
        if _SUFFIX.fullmatch(end) is None:
            return None
        return cls(end[1 : 1 + DEPLOYMENT_CHARS], end[-TASK_CHARS:])

    @property
    def suffix(self) -> str:
        """The end of the names of the task instance's runs, dash included."""
        return f"-{self.deployment}{self.task}"


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def default_run_name(dag_id: str, task_id: str) -> str:
    """The name of a run that the user did not name: ``{dag_id}.{task_id}``, in the characters the API allows."""
    name = _OUTSIDE.sub("_", f"{dag_id}.{task_id}")
    return name[:MAX_NAME_CHARS] if len(name) >= MIN_NAME_CHARS else f"airflow.{name}"


def durable_run_name(name: str, identity: Identity) -> str:
    """Add the identity by which every try of a task instance finds its run. A long name is cut."""
    return f"{name[: MAX_NAME_CHARS - SUFFIX_CHARS]}{identity.suffix}"
