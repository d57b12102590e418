"""Where a task's memory is: in Airflow's task state store. Below Airflow 3.3 there is none.

One key of ``context["task_state_store"]`` holds the document of ``runs/memory.py``. Retries share it. A clear keeps it
on 3.3, and discards it on 3.4 unless the user keeps the task's state. Source: Airflow's page "Task State Store"
(AIP-103). A deferral carries the document too, so that a try knows what it has done itself on every Airflow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self

from airflow_provider_wherobots.compat import Context, iteration_of, starts_before
from airflow_provider_wherobots.exceptions import WherobotsUnavailableException
from airflow_provider_wherobots.messages.unforeseen import reason_of
from airflow_provider_wherobots.runs.memory import Answer, Memory, Try
from airflow_provider_wherobots.runs.run_name import Identity

KEY = "wherobots"


class MemoryStore(Protocol):
    """What keeps a document between the tries of a task instance."""

    def read(self) -> Memory | Answer:
        """The document, or why there is none. Raises if the store fails."""

    def write(self, memory: Memory) -> None:
        """Keep a document. Raises if the store fails."""


class NoStore:
    """The store of an Airflow that has none."""

    def read(self) -> Answer:
        return Answer.UNKNOWN

    def write(self, memory: Memory) -> None:
        pass


class AirflowStore:
    """Airflow's task state store (3.3 and later).

    :param accessor: ``context["task_state_store"]``.
    :param key: of the document. All iterations of a task loop share the store.
    """

    def __init__(self, accessor: Any, key: str) -> None:
        self._accessor = accessor
        self._key = key

    def read(self) -> Memory | Answer:
        document = self._accessor.get(self._key)
        return Answer.MISSING if document is None else Memory.from_json(document)

    def write(self, memory: Memory) -> None:
        self._accessor.set(self._key, memory.to_json())


class FailedStore:
    """A store that could not be read. Nothing is written to it: that would replace what it has.

    :param reason: why it could not be read.
    """

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def read(self) -> Answer:
        return Answer.UNKNOWN

    def write(self, memory: Memory) -> None:
        raise WherobotsUnavailableException(f"Airflow's task state store cannot be read: {self._reason}")


class TaskMemory:
    """What a try knows, written to the store whenever it changes.

    :param now: what the try knows.
    :param this_try: the try.
    :param store: keeps it for later tries.
    :param log: the task's log.
    """

    def __init__(self, now: Memory, this_try: Try, store: MemoryStore, log: Any) -> None:
        self.now = now
        self.this_try = this_try
        self._store = store
        self._log = log

    @classmethod
    def begin(cls, context: Context, log: Any, *, job: str = "", carried: Mapping[str, Any] | None = None) -> Self:
        """Read what the tries before have left. Nothing is written yet.

        :param job: identifies an operator that the task's function executes; default empty, the task's own.
        :param carried: the document that a deferral has carried; counts if there is no store. Default None.
        """
        ti, computed = context["ti"], identity_of(context, job)
        store = _store_of(context, computed, is_shared=bool(iteration_of(ti) is not None or job))
        found: Memory | Answer
        try:
            found = store.read()
        except Exception as error:
            log.warning("Airflow's task state store cannot be read, so earlier tries are unknown: %s", reason_of(error))
            found, store = Answer.UNKNOWN, FailedStore(reason_of(error))
        if carried is not None and found is Answer.UNKNOWN:
            found = Memory.from_json(carried)
        this_try = try_of(context)
        return cls(Memory.begin(found, computed, this_try), this_try, store, log)

    @classmethod
    def resume(cls, context: Context, log: Any, carried: Mapping[str, Any]) -> Self:
        """Continue with the document that a deferral of this try has carried."""
        memory = Memory.from_json(carried)
        store = _store_of(context, memory.identity, is_shared=iteration_of(context["ti"]) is not None)
        return cls(memory, try_of(context), store, log)

    @property
    def is_readable(self) -> bool:
        """Whether the store could be read, if there is one."""
        return not isinstance(self._store, FailedStore)

    @property
    def is_kept(self) -> bool:
        """Whether later tries get what this one knows."""
        return isinstance(self._store, AirflowStore)

    def remember(self, memory: Memory) -> None:
        """Change what the try knows, and write it. If it cannot be written, the log says so, and the try goes on."""
        self.now = memory
        try:
            self._store.write(memory)
        except Exception as error:
            self._log.warning(
                "The task's state could not be stored, so a retry may not know of this try: %s", reason_of(error)
            )

    def must_remember(self, memory: Memory) -> None:
        """Change what the try knows. Raises a ``WherobotsUnavailableException`` if it cannot be written."""
        try:
            self._store.write(memory)
        except Exception as error:
            raise WherobotsUnavailableException(
                f"The statement was not sent, because the task's state could not be stored first: {reason_of(error)}"
            ) from error
        self.now = memory


def try_of(context: Context) -> Try:
    """The try that Airflow has started."""
    ti, task = context["ti"], context.get("task")
    return Try(ti.try_number, ti.max_tries, int(getattr(task, "retries", 0) or 0), starts_before(ti) > 0)


def identity_of(context: Context, job: str = "") -> Identity:
    """Compute the identity of a task instance. What the task remembers counts first: a clear may change the start of
    the DAG run, from which this one is computed.
    """
    ti = context["ti"]
    map_index = -1 if ti.map_index is None else ti.map_index
    start = context["dag_run"].start_date
    return Identity.of_task(ti.dag_id, ti.run_id, ti.task_id, map_index, start, iteration_of(ti), job)


def _store_of(context: Context, identity: Identity, *, is_shared: bool) -> MemoryStore:
    accessor = context.get("task_state_store")
    if accessor is None:
        return NoStore()
    return AirflowStore(accessor, f"{KEY}-{identity.task}" if is_shared else KEY)
