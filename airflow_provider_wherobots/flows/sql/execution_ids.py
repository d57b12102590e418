"""The ids of a task's executions, by which a later try finds them in the session.

An id is derived from the task instance, the number of the try and the statement's mark. So every try executes under ids
of its own, and a later one can tell those of the tries before it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID, uuid5

from airflow_provider_wherobots.api.sql.messages import Store

NAMESPACE = UUID("5f0d4f6e-7c0a-4a0e-9d7e-0c6f2f1d9b51")
MARK_CHARS = 12


def mark_of(statement: str, store: Store | None = None, occurrence: int = 0) -> str:
    """What stands for a statement: its text, its store, and how many equal statements precede it in the task. One that
    was edited between two tries is another one.
    """
    target = "" if store is None else json.dumps(store.to_json(), sort_keys=True)
    return sha256("\x1f".join((statement, target, str(occurrence))).encode()).hexdigest()[:MARK_CHARS]


@dataclass(frozen=True, slots=True)
class ExecutionIds:
    """The ids of one task instance. Its identity is what all its tries have in common, and no other task has."""

    identity: str

    def of(self, try_number: int, mark: str) -> str:
        """The id of a statement's execution."""
        return str(uuid5(NAMESPACE, "\x1f".join((self.identity, str(try_number), mark))))

    @staticmethod
    def of_second(execution_id: str) -> str:
        """The id under which a try executes a statement once more."""
        return str(uuid5(NAMESPACE, execution_id))
