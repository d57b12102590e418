"""The base of all triggers: what a trigger does when its task is killed."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from functools import cached_property
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_wherobots import words
from airflow_provider_wherobots.compat import TRIGGER_HAS_ON_KILL, get_task_state, warm_up_supervisor
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from airflow_provider_wherobots.io.base import Io
from airflow_provider_wherobots.task_log.entries import wait_until_read
from airflow_provider_wherobots.words import places_of, reason_of

STATE_TIMEOUT_SECONDS = 5.0
"""How long one check whether the task is still deferred may take."""
STATE_ATTEMPTS = 3
"""How many checks are tried: when hundreds of tasks are ended at once, Airflow is slow to respond."""
EARLIEST_EVENT_SECONDS = 8.0
"""The event is not fired earlier than this after the trigger's start, even if there is nothing left to wait for.

Until the scheduler has handled the executor's report of the deferral, it takes that report for the end of a task that
has resumed, and fails the task (apache/airflow issues 67287 and 72716). The report comes up to 5.3 s after the deferral
on a busy machine: with events at once, 18 of 30 tasks failed on 3.3.1. Airflow 3.2.2 repaired this for a task that is
scheduled (66374), not for a queued or running one.
"""
ON_KILL_SECONDS = 13.0
"""Leaves time for the checks of the task's state, within the 30 s that Airflow allows ``on_kill``."""
DEFERRED = "deferred"
WITH_WORKER = (None, "scheduled", "queued", "running")
"""A worker has the task, or will have it: after a clear (None at first), or with the event of another triggerer, while
this one was away.
"""


class GuardedTrigger(BaseTrigger):
    """Fire one event. Cancel the run or statement if its task is no longer deferred: a user marked or cleared it.

    If the trigger restarts or moves to another triggerer, the task is still deferred, and nothing is cancelled.
    """

    def __init__(self, wherobots_conn_id: str, cancel_on_kill: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.wherobots_conn_id = wherobots_conn_id
        self.cancel_on_kill = cancel_on_kill

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments: ids and numbers only, no secret and no SQL."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {"wherobots_conn_id": self.wherobots_conn_id, **self._arguments()}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait; yields exactly one event."""
        earliest = time.monotonic() + EARLIEST_EVENT_SECONDS
        try:
            payload = await self._wait_or_give_up()
            if self._is_in_triggerer:
                await asyncio.sleep(earliest - time.monotonic())
            await wait_until_read(self.log)
        except asyncio.CancelledError:
            if not self._is_in_triggerer:
                # Ctrl-C.
                await _run_to_completion(self._cancel_and_say())
            elif not TRIGGER_HAS_ON_KILL:
                await _run_to_completion(self._cancel_if_killed())
            raise
        yield TriggerEvent(payload)  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """Cancel if the task was killed.

        Airflow 3.3 calls this on a user's action; a bug in 3.3.0 to 3.3.2 also calls it when the trigger moves.
        """
        await _run_to_completion(self._cancel_if_killed())

    @abstractmethod
    def _arguments(self) -> dict[str, Any]:
        """The arguments of this trigger, without the connection."""

    @abstractmethod
    async def _wait(self) -> dict[str, Any]:
        """Wait for what the task waits for, and return the event's payload."""

    @abstractmethod
    def _gave_up(self, reason: str) -> dict[str, Any]:
        """The payload of a wait that failed for an unforeseen reason: if a trigger raises, the operator cancels."""

    @abstractmethod
    async def _cancelling(self, io: Io, left: Callable[[], float]) -> object:
        """Cancel what the task waits for. ``left`` returns the seconds that are left."""

    @property
    @abstractmethod
    def _what(self) -> str:
        """What the task waits for."""

    @cached_property
    def _hook(self) -> WherobotsHook:
        """The hook. It keeps the connection that it has read: reading it again takes time that a kill may not have."""
        return WherobotsHook(self.wherobots_conn_id)

    @property
    def _if_not_cancelled(self) -> str:
        """What a user can do, or what happens by itself."""
        return f"To end it, if its task has ended: {words.command('orphans --cancel', self.wherobots_conn_id)}"

    _kept_in: tuple[str | None, ...] = (DEFERRED,)
    """The task's states in which nothing is cancelled."""
    _state_at_kill: str | None = ""
    """The task's state that the guard has seen; empty after Ctrl-C."""

    @property
    def _is_in_triggerer(self) -> bool:
        """False in ``airflow dags test``, which has no kill but Ctrl-C, and in which a trigger cannot push XComs."""
        return self.trigger_id is not None

    async def _wait_or_give_up(self) -> dict[str, Any]:
        try:
            if self._is_in_triggerer and self.cancel_on_kill:
                warm_up_supervisor(self.task_instance)
            return await self._wait()
        except Exception as error:
            reason = reason_of(error)
            self.log.error("The trigger of %s failed: %s\n%s", self._what, reason, places_of(error))
            return self._gave_up(reason)

    async def _cancel_if_killed(self) -> None:
        if not self.cancel_on_kill:
            return
        try:
            state = await self._get_state()
        except Exception as error:
            # Do not cancel on a guess: another triggerer may follow it, and it ends by itself anyway.
            self.log.warning(
                "Not cancelling %s: Airflow did not report the task's state (%s). %s",
                self._what,
                reason_of(error),
                self._if_not_cancelled,
            )
            return
        if state in self._kept_in:
            self.log.info("Not cancelling %s (the task's state: %s)", self._what, state)
            return
        self.log.info("Cancelling %s: the task is no longer deferred (state: %s)", self._what, state)
        self._state_at_kill = state
        await self._cancel_and_say()

    async def _cancel_and_say(self) -> None:
        if not self.cancel_on_kill:
            return
        until = time.monotonic() + ON_KILL_SECONDS
        try:
            async with self._hook.async_io(self.log, urgent=True, max_outage_seconds=ON_KILL_SECONDS) as io:
                await self._cancelling(io, lambda: until - time.monotonic())
        except Exception as error:
            self.log.error(
                "Could not cancel %s, which may stay active: %s. %s\n%s",
                self._what,
                reason_of(error),
                self._if_not_cancelled,
                places_of(error),
            )

    async def _get_state(self) -> str | None:
        for _ in range(STATE_ATTEMPTS - 1):
            with suppress(Exception):
                return await asyncio.wait_for(get_task_state(self.task_instance), STATE_TIMEOUT_SECONDS)
        return await asyncio.wait_for(get_task_state(self.task_instance), STATE_TIMEOUT_SECONDS)


async def _run_to_completion(work: Coroutine[Any, Any, None]) -> None:
    """Wait for work to finish, regardless of how often this task is cancelled until then.

    Airflow 3 cancels a killed trigger again every second until it has ended, even while it awaits its ``on_kill``.
    """
    task = asyncio.create_task(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})
    task.result()
