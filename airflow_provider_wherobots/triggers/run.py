"""The trigger that follows a run while its task is deferred."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_wherobots.compat import (
    TRIGGER_HAS_ON_KILL,
    get_task_state,
    push_xcom,
    warm_up_supervisor,
)
from airflow_provider_wherobots.drivers.turns import take_turn
from airflow_provider_wherobots.flows.cancel import cancel_run
from airflow_provider_wherobots.flows.follow import FollowOptions, follow_run
from airflow_provider_wherobots.flows.outcome import Ending, Outcome
from airflow_provider_wherobots.flows.unforeseen import places_of, reason_of
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from airflow_provider_wherobots.links.run import WherobotsSparkUiLink, xcom_keys
from airflow_provider_wherobots.task_log.resume import ResumedLog

STATE_TIMEOUT_SECONDS = 5.0
"""How long one check whether the task is still deferred may take."""
STATE_ATTEMPTS = 3
"""How many checks are tried: when hundreds of tasks are ended at once, Airflow is slow to respond."""
PUSH_TIMEOUT_SECONDS = 5.0
"""How long pushing an XCom may take."""
EARLIEST_EVENT_SECONDS = 5.0
"""The event is not fired earlier than this after the trigger's start, even if the run has already ended.

Until the scheduler has handled the executor's report of the deferral, it takes that report for the end of a task that
has resumed, and fails the task (apache/airflow issues 67287 and 72716).
"""
CANCEL_BUDGET_SECONDS = 13.0
"""Leaves time for those checks within the 30 s that Airflow allows ``on_kill``."""
DEFERRED = "deferred"


class WherobotsRunTrigger(BaseTrigger):
    """Follow a run to its end and fire one event with the outcome.

    If the trigger restarts or moves to another triggerer, it continues to follow the run. The run is cancelled if its
    task is no longer deferred, because a user marked or cleared it, or if the deadline passes.

    :param wherobots_conn_id: id of the connection.
    :param follow: fields of :class:`~airflow_provider_wherobots.flows.follow.FollowOptions`.
    :param cancel_on_kill: whether a kill of the task cancels the run; default True.
    :param of_later_versions: arguments that a worker of a later version added; ignored, as an error would end the task.
    """

    def __init__(
        self,
        wherobots_conn_id: str,
        follow: dict[str, Any],
        cancel_on_kill: bool = True,
        **of_later_versions: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.wherobots_conn_id = wherobots_conn_id
        self.options = FollowOptions.from_kwargs(follow)
        self.cancel_on_kill = cancel_on_kill
        self._hook = WherobotsHook(wherobots_conn_id)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments: ids and numbers only, no secret."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "wherobots_conn_id": self.wherobots_conn_id,
                "follow": self.options.to_kwargs(),
                "cancel_on_kill": self.cancel_on_kill,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Follow the run; yields exactly one event."""
        earliest = time.monotonic() + EARLIEST_EVENT_SECONDS
        try:
            outcome = await self._follow()
            if self._is_in_triggerer:
                await asyncio.sleep(earliest - time.monotonic())
        except asyncio.CancelledError:
            if not TRIGGER_HAS_ON_KILL:
                await _run_to_completion(self._cancel_if_killed())
            raise
        yield TriggerEvent(outcome.to_event())  # type: ignore[no-untyped-call]

    async def _follow(self) -> Outcome:
        try:
            await take_turn()
            if self._is_in_triggerer and self.cancel_on_kill:
                warm_up_supervisor(self.task_instance)
            log = ResumedLog(self.log, self.task_instance)
            async with self._hook.async_driver(self.log, self._publish, log.write) as driver:
                await log.resume(f"Following run {self.options.run_id}")
                return await driver.run(follow_run(self.options))
        except Exception as error:
            # If a trigger raises, the operator cancels the run. A run that only cannot be followed must continue.
            reason = reason_of(error)
            self.log.error("Run %s cannot be followed: %s\n%s", self.options.run_id, reason, places_of(error))
            return Outcome(Ending.GAVE_UP, self.options.run_id, "UNKNOWN", reason, ended_at=time.time())

    async def on_kill(self) -> None:
        """Cancel the run if the task was killed.

        Airflow 3.3 calls this on a user's action; a bug in 3.3.0 to 3.3.2 also calls it when the trigger moves.
        """
        await _run_to_completion(self._cancel_if_killed())

    @property
    def _is_in_triggerer(self) -> bool:
        """False in ``airflow dags test``, which has no kills, and in which a trigger cannot push XComs."""
        return self.trigger_id is not None

    async def _publish(self, key: str, value: str) -> None:
        """Push the Spark UI's address while the task is deferred. The worker pushes it again at the end."""
        if not self._is_in_triggerer:
            return
        try:
            async with asyncio.timeout(PUSH_TIMEOUT_SECONDS):
                for xcom_key in xcom_keys(WherobotsSparkUiLink(), key):
                    await push_xcom(self.task_instance, xcom_key, value)
        except Exception as error:
            reason = reason_of(error)
            self.log.warning(
                "XCom %s of run %s could not be pushed; it is pushed when the run ends: %s",
                key,
                self.options.run_id,
                reason,
            )

    async def _cancel_if_killed(self) -> None:
        if not self.cancel_on_kill:
            return
        try:
            state = await self._get_state()
        except Exception as error:
            # Do not cancel on a guess: another triggerer may follow the run, and it ends by itself anyway.
            reason = reason_of(error)
            self.log.warning("Run %s is not cancelled: the task's state is unknown (%s)", self.options.run_id, reason)
            return
        if state == DEFERRED:
            self.log.info("Run %s is not cancelled: the task is still deferred", self.options.run_id)
            return
        self.log.info("Cancelling run %s: the task is no longer deferred (state: %s)", self.options.run_id, state)
        try:
            # The hook keeps the connection it has read: reading it again takes time that a kill may not have.
            async with self._hook.async_driver(self.log, waits_for_room=False) as driver:
                await driver.run(cancel_run(self.options.run_id, CANCEL_BUDGET_SECONDS))
        except Exception as error:
            self.log.error(
                "Run %s could not be cancelled: %s\n%s", self.options.run_id, reason_of(error), places_of(error)
            )

    async def _get_state(self) -> str | None:
        for _ in range(STATE_ATTEMPTS - 1):
            with suppress(Exception):
                return await asyncio.wait_for(get_task_state(self.task_instance), STATE_TIMEOUT_SECONDS)
        return await asyncio.wait_for(get_task_state(self.task_instance), STATE_TIMEOUT_SECONDS)


async def _run_to_completion(work: Coroutine[Any, Any, None]) -> None:
    """Wait for work to finish, however often this task is cancelled meanwhile.

    Airflow 3 cancels a killed trigger again every second until it has ended, even while it awaits its ``on_kill``.
    """
    task = asyncio.create_task(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})
    task.result()
