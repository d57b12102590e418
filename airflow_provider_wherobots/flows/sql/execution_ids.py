"""The ids of a task's executions, by which a later try finds them in the session.

An id is derived from the task instance, the number of the try, the statement's place and its text. So every try
executes under ids of its own, and a later one can tell those of the tries before it. Nothing has to be stored for that:
Airflow deletes a task's XComs when a retry starts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import UUID, uuid5

from airflow_provider_wherobots.api.sql.messages import Store

NAMESPACE = UUID("5f0d4f6e-7c0a-4a0e-9d7e-0c6f2f1d9b51")


@dataclass(frozen=True, slots=True)
class ExecutionIds:
    """The ids of one task instance.

    :param identity: what all its tries have in common, see
        :func:`~airflow_provider_wherobots.flows.run_name.task_identity`.
    """

    identity: str

    def of(self, try_number: int, index: int, statement: str, store: Store | None = None) -> str:
        """The id of a statement's execution.

        :param try_number: the try that executes it.
        :param index: its place among the task's statements, from 0.
        :param statement: its text. A statement that was edited between two tries is another one.
        :param store: where its result goes; None for results that are retrieved.
        """
        target = "" if store is None else json.dumps(store.to_json(), sort_keys=True)
        return str(uuid5(NAMESPACE, "\x1f".join((self.identity, str(try_number), str(index), statement, target))))

    @staticmethod
    def of_second(execution_id: str) -> str:
        """The id under which a try executes a statement once more.

        :param execution_id: the id of its first execution in this try.
        """
        return str(uuid5(NAMESPACE, execution_id))
