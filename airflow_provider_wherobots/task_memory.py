"""Where a task's memory is: in Airflow's task state store. Below Airflow 3.3 there is none.

One key of ``context["task_state_store"]`` holds the document of ``runs/memory.py``. Retries share it. A clear keeps it
on 3.3, and discards it on 3.4 unless the user keeps the task's state. Source: Airflow's page "Task State Store"
(AIP-103). A deferral carries the document too, so that a try knows what it has done itself on every Airflow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any, Self

from airflow_provider_wherobots.compat import Context, current_context, is_resumed, iteration_of, starts_before
from airflow_provider_wherobots.exceptions import WherobotsUnavailableException
from airflow_provider_wherobots.flows.sql.journal import ThisTry, Writes
from airflow_provider_wherobots.runs.memory import Answer, Memory, Past, Try
from airflow_provider_wherobots.runs.run_name import Identity
from airflow_provider_wherobots.words import reason_of

KEY = "wherobots"


class TaskMemory:
    """What a try knows, written to Airflow's task state store (3.3 and later) whenever it changes.

    :param now: what the try knows.
    :param log: the task's log.
    :param store: ``context["task_state_store"]``; None if there is none.
    :param key: of the document.
    :param unreadable: why the store could not be read; default empty, it could. Then nothing is written to it: that
        would replace what it has.
    """

    def __init__(self, now: Memory, log: Any, store: Any, key: str, unreadable: str = "") -> None:
        self.now = now
        self._log = log
        self._store = store
        self._key = key
        self._unreadable = unreadable

    @classmethod
    def begin(
        cls,
        context: Context,
        log: Any,
        *,
        job: str = "",
        carried: Mapping[str, Any] | None = None,
        if_missing: Answer = Answer.MISSING,
    ) -> Self:
        """Read what the tries before have left. Nothing is written yet.

        :param job: identifies an operator that the task's function executes; default empty, the task's own.
        :param carried: the document that a deferral has carried; counts if there is no store. Default None.
        :param if_missing: what it means if the store has no document.
        """
        ti, computed = context["ti"], identity_of(context, job)
        store: Any = context.get("task_state_store")
        key = _key(computed, is_shared=iteration_of(ti) is not None or bool(job))
        found: Memory | Answer = Answer.UNKNOWN
        unreadable = ""
        try:
            if store is not None:
                document = store.get(key)
                found = if_missing if document is None else Memory.from_json(document)
        except Exception as error:
            unreadable = reason_of(error)
            log.warning("Airflow's task state store cannot be read, so earlier attempts are unknown: %s", unreadable)
        if carried is not None and found is Answer.UNKNOWN:
            found = Memory.from_json(carried)
        return cls(Memory.begin(found, computed, try_of(context)), log, store, key, unreadable)

    @classmethod
    def resume(cls, context: Context, log: Any, carried: Mapping[str, Any]) -> Self:
        """Continue with the document that a deferral of this try has carried."""
        memory = Memory.from_json(carried)
        key = _key(memory.identity, is_shared=iteration_of(context["ti"]) is not None)
        return cls(memory, log, context.get("task_state_store"), key)

    @property
    def is_kept(self) -> bool:
        """Whether later tries get what this one knows."""
        return self._store is not None and not self._unreadable

    def remember(self, memory: Memory, else_not: str = "") -> None:
        """Change what the try knows, and write it. If it cannot be written, the log says so, and the try goes on.

        :param else_not: what may then not be done, as a sentence. Default empty. Otherwise a
            ``WherobotsUnavailableException`` says so, and the try knows what it knew before.
        """
        before, self.now = self.now, memory
        try:
            self._write(memory)
        except Exception as error:
            reason = reason_of(error)
            if else_not:
                self.now = before
                text = f"{else_not}, because the task's state could not be stored first: {reason}"
                raise WherobotsUnavailableException(text) from error
            self._log.warning(
                "The task's state could not be stored, so a retry may start a second run or repeat a statement: %s",
                reason,
            )

    def _write(self, memory: Memory) -> None:
        if self._unreadable:
            raise WherobotsUnavailableException(f"Airflow's task state store cannot be read: {self._unreadable}")
        if self._store is not None:
            self._store.set(self._key, memory.to_json())


def try_of(context: Context) -> Try:
    """The try that Airflow has started."""
    ti, task = context["ti"], context.get("task")
    return Try(
        ti.try_number, ti.max_tries, int(getattr(task, "retries", 0) or 0), starts_before(ti) > 0, is_resumed(ti)
    )


def identity_of(context: Context, job: str = "") -> Identity:
    """Compute the identity of a task instance. What the task remembers counts first: a clear may change the start of
    the DAG run, from which this one is computed.
    """
    ti = context["ti"]
    map_index = -1 if ti.map_index is None else ti.map_index
    start = context["dag_run"].start_date
    return Identity.of_task(ti.dag_id, ti.run_id, ti.task_id, map_index, start, iteration_of(ti), job)


def _key(identity: Identity, *, is_shared: bool) -> str:
    """The key of the document. All iterations of a task loop, and all operators of a function, share the store."""
    return f"{KEY}-{identity.task}" if is_shared else KEY


def writes_of(
    memory: TaskMemory,
    context: Context,
    left: Mapping[str, Sequence[str]],
    retries: int = 0,
    changed: Callable[[Memory], Memory] = lambda now: now,
) -> Writes:
    """The journal of a task's SQL writes.

    :param left: by session, the executions that earlier rounds may have left running.
    :param retries: of the task, which tell a clear if nothing is remembered; default 0.
    :param changed: what else is remembered with each change.
    """
    ti, now = context["ti"], memory.now
    this_try = ThisTry(
        now.identity.suffix,
        ti.max_tries,
        ti.try_number,
        starts_before(ti) + now.repeats,
        is_first_by_count=ti.try_number > 1 and ti.max_tries == ti.try_number - 1 + retries,
    )

    def keep(writes: Writes, else_not: str) -> None:
        known = memory.now.with_journal(writes.journal, is_past_known=writes.is_past_known)
        memory.remember(changed(known if writes.left else known.ended_writes()), else_not)

    return Writes(now.journal, this_try, keep, is_past_known=now.past is not Past.UNKNOWN, left=left)


_writes_of_hooks: tuple[Context, Writes] | None = None
"""The hooks of a task share its journal, also in several threads."""
_beginning = Lock()


def writes_of_this_task(log: Any) -> Writes:
    """The journal of what hooks write in the task that this process executes. Nothing is kept outside of a task, below
    Airflow 3.3, and in a sensor, which may execute the same statement each time that it looks.
    """
    global _writes_of_hooks
    try:
        context: Context = current_context()
    except Exception:
        return Writes()
    if context.get("task_state_store") is None or hasattr(context["task"], "poke_interval"):
        return Writes()
    with _beginning:
        if _writes_of_hooks is None or _writes_of_hooks[0] is not context:
            memory = TaskMemory.begin(context, log, job="sql", if_missing=Answer.NOTHING)
            left: dict[str, list[str]] = {}
            for execution_id, session_id in memory.now.writes_left:
                left.setdefault(session_id, []).append(execution_id)
            # "airflow tasks test" executes a try again: that counts like a clear.
            number = context["ti"].try_number
            has_come_to_writes = is_resumed(context["ti"]) and memory.now.done_in_try == number
            if not has_come_to_writes:
                journal = memory.now.journal
                memory.now = replace(memory.now, journal=replace(journal, ahead=journal.count))
            writes = writes_of(memory, context, left, changed=lambda now: now.done(number))
            # If the store cannot be read, nothing is sent. The ids of a hook are random, so no session can tell more.
            writes.is_past_known = True
            _writes_of_hooks = context, writes
        return _writes_of_hooks[1]
