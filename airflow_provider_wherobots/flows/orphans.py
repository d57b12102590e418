"""Which active runs and SQL sessions no task needs any more, because their task instance in this deployment has ended.

A run belongs to the task instance whose suffix its name ends with. The suffix is a hash, also of the start of the DAG
run in microseconds, so that another deployment with the same DAGs has other suffixes. A clear may give the DAG run
another start, so the suffix in the task's XCom counts first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.flows.run_name import (
    HASH_CHARS,
    SUFFIX_CHARS,
    Identity,
    default_run_name,
    durable_run_name,
)
from airflow_provider_wherobots.xcoms import RUN_ID_KEY, RUN_LEFT_ACTIVE_KEY

SUCCESS, REMOVED = "success", "removed"
ENDED_STATES = frozenset({SUCCESS, "failed", "skipped", "upstream_failed", REMOVED})
"""States in which Airflow does nothing more with a task instance, unless it is cleared. In every other state, also one
of a later Airflow, a try follows the run or will re-attach to it."""
_SUFFIX = re.compile(rf"-[0-9a-f]{{{HASH_CHARS}}}")


class RunVerdict(StrEnum):
    """What a run or a SQL session is to this deployment."""

    ORPHAN = "orphan"
    IN_USE = "in use"
    LEFT_ACTIVE = "left active"
    UNSURE = "unsure"
    OF_OTHERS = "of others"


@dataclass(frozen=True, slots=True)
class Owner:
    """A task instance, as the metadata database describes it. ``state`` None is a task instance without a state, as
    after a clear; ``xcom_keys`` are only needed if it has ended; without ``noted_suffix`` its suffix is computed from
    the other fields.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    dag_run_start: datetime
    state: str | None
    xcom_keys: frozenset[str] = frozenset()
    noted_suffix: str = ""

    @property
    def suffix(self) -> str:
        """The end of the name of each of its runs."""
        ids = self.dag_id, self.run_id, self.task_id, self.map_index
        return self.noted_suffix or Identity.of_task(*ids, self.dag_run_start).suffix

    def describe(self) -> str:
        """Name the task instance: ``dag.task run_id``, with its map index if it has one."""
        index = f"[{self.map_index}]" if self.map_index >= 0 else ""
        return f"{self.dag_id}.{self.task_id}{index} {self.run_id}"


@dataclass(frozen=True, slots=True)
class SessionUser:
    """A task instance with a SQL session in an XCom. ``session_key`` is empty unless it has started the session."""

    owner: Owner
    is_dag_run_active: bool
    session_key: str = ""


def suffix_of(run: Run) -> str | None:
    """The suffix of a run's name, or None if the name has none."""
    end = run.name[-SUFFIX_CHARS:]
    return end if _SUFFIX.fullmatch(end) else None


def find_owners(runs: Iterable[Run], task_instances: Iterable[Owner]) -> dict[str, Owner]:
    """The task instances that runs belong to, by suffix. ``task_instances`` are read until every run has its owner."""
    missing = {suffix for run in runs if (suffix := suffix_of(run)) is not None}
    owners: dict[str, Owner] = {}
    if not missing:
        return owners
    for candidate in task_instances:
        suffix = candidate.suffix
        if suffix in missing:
            owners[suffix] = candidate
            missing.remove(suffix)
            if not missing:
                break
    return owners


def judge(run: Run, owner: Owner | None) -> RunVerdict:
    """What an active run is to this deployment. ``owner`` is None if this deployment has none."""
    if owner is None or owner.suffix != suffix_of(run):
        return RunVerdict.OF_OTHERS
    if owner.state not in ENDED_STATES:
        return RunVerdict.IN_USE
    if RUN_LEFT_ACTIVE_KEY in owner.xcom_keys:
        # Regardless of the state: the task may have been marked, or removed from its DAG, after it succeeded.
        return RunVerdict.LEFT_ACTIVE
    if owner.state not in (SUCCESS, REMOVED):
        return RunVerdict.ORPHAN
    # A task that waits for its run succeeds after the run has ended. So it was marked, or did not wait, or was removed.
    return RunVerdict.ORPHAN if RUN_ID_KEY in owner.xcom_keys else RunVerdict.UNSURE


def judge_session(users: Iterable[SessionUser]) -> RunVerdict:
    """What a SQL session is to this deployment, whose task instances name it in an XCom.

    A later task of the same DAG run can use it too, so it is in use until the DAG run has ended. After that, only a
    session with the key of a task is an orphan: any other can be shared with clients that Airflow does not know.
    """
    found = list(users)
    if not found:
        return RunVerdict.OF_OTHERS
    if any(user.is_dag_run_active or user.owner.state not in ENDED_STATES for user in found):
        return RunVerdict.IN_USE
    is_own = any(_is_own_key(user.session_key, user.owner) for user in found)
    return RunVerdict.ORPHAN if is_own else RunVerdict.UNSURE


def _is_own_key(session_key: str, owner: Owner) -> bool:
    """Whether a session has the key of its start task, which is made like the name of a run. A UUID can end like it."""
    identity = Identity.in_name(session_key)
    if identity is None:
        return False
    return session_key == durable_run_name(default_run_name(owner.dag_id, owner.task_id), identity)


def count(verdicts: Iterable[RunVerdict], noun: str = "active run") -> str:
    """Count runs in one line: "20 active runs: 10 orphans, 6 in use, 4 of others"."""
    found = list(verdicts)
    runs = f"{len(found)} {noun}{'' if len(found) == 1 else 's'}"
    parts = [
        f"{number} {verdict}{'s' if verdict is RunVerdict.ORPHAN and number != 1 else ''}"
        for verdict in RunVerdict
        if (number := found.count(verdict)) or verdict is RunVerdict.ORPHAN
    ]
    return f"{runs}: {', '.join(parts)}" if found else runs
