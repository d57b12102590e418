"""The name of a run: the user's name, and by default a suffix that is unique to the task instance.

The suffix identifies the run. The part before it may change between two tries, by a template or an edited DAG.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

MAX_NAME_CHARS = 255
HASH_CHARS = 12
SUFFIX_CHARS = HASH_CHARS + 1
_OUTSIDE = re.compile(r"[^A-Za-z0-9_.-]+")


def default_run_name(dag_id: str, task_id: str) -> str:
    """The name of a run that the user did not name: ``{dag_id}.{task_id}``, in the characters the API allows."""
    name = _OUTSIDE.sub("_", f"{dag_id}.{task_id}")
    return name[:MAX_NAME_CHARS] if len(name) >= 8 else f"airflow.{name}"


def durable_run_name(name: str, suffix: str) -> str:
    """Add the suffix by which every try of a task instance finds its run. A long name is cut."""
    return f"{name[: MAX_NAME_CHARS - SUFFIX_CHARS]}{suffix}"


def make_suffix(identity: str) -> str:
    """The suffix of the names of a task instance's runs, dash included."""
    return f"-{hashlib.sha256(identity.encode()).hexdigest()[:HASH_CHARS]}"


def task_identity(dag_id: str, run_id: str, task_id: str, map_index: int, dag_run_start: datetime | None) -> str:
    """The identity that all tries of a task instance have, and no other task. A clear may change the start.

    The microseconds of the DAG run's start differ between two deployments with the same ids in one organization.
    """
    start = "" if dag_run_start is None else dag_run_start.astimezone(UTC).isoformat(timespec="microseconds")
    return "\x1f".join((dag_id, run_id, task_id, str(map_index), start))


def durable_suffix(name: str) -> str:
    return name[-SUFFIX_CHARS:]
