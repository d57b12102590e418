"""The trigger that follows a run while its task is deferred."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from airflow_provider_wherobots.compat import push_text
from airflow_provider_wherobots.flows.cancel import cancel_run
from airflow_provider_wherobots.flows.follow import FollowOptions, follow_run
from airflow_provider_wherobots.io.base import Io
from airflow_provider_wherobots.links.run import WherobotsSparkUiLink
from airflow_provider_wherobots.runs.outcome import Ending, Outcome
from airflow_provider_wherobots.stored import ignore_unknown
from airflow_provider_wherobots.task_log.resume import ResumedLog
from airflow_provider_wherobots.triggers.guarded import GuardedTrigger
from airflow_provider_wherobots.words import reason_of

XCOM_TIMEOUT_SECONDS = 5.0
"""How long pushing an XCom may take."""


class WherobotsRunTrigger(GuardedTrigger):
    """Follow a run to its end and fire one event with the outcome.

    If the trigger restarts or moves to another triggerer, it continues to follow the run. The run is cancelled if its
    task is no longer deferred, because a user marked or cleared it, or if the deadline passes.

    :param wherobots_conn_id: id of the connection.
    :param follow: fields of :class:`~airflow_provider_wherobots.flows.follow.FollowOptions`.
    :param cancel_on_kill: whether a kill of the task cancels the run; default True.
    """

    @ignore_unknown
    def __init__(
        self,
        wherobots_conn_id: str,
        follow: dict[str, Any],
        cancel_on_kill: bool = True,
    ) -> None:
        super().__init__(wherobots_conn_id, cancel_on_kill)
        self.options = FollowOptions.from_kwargs(follow)

    def _arguments(self) -> dict[str, Any]:
        return {"follow": self.options.to_kwargs(), "cancel_on_kill": self.cancel_on_kill}

    async def _wait(self) -> dict[str, Any]:
        log = ResumedLog(self.log, self.task_instance)
        # Before the ``Io``, which may warn that the connection cannot be read.
        await log.begin(f"Following {self._what}")
        outage = self.options.max_outage_seconds
        async with self._hook.async_io(self.log, self._publish, log, max_outage_seconds=outage) as io:
            return (await follow_run(io, self.options)).to_event()

    def _gave_up(self, reason: str) -> dict[str, Any]:
        return Outcome(Ending.GAVE_UP, self.options.run_id, "UNKNOWN", reason, ended_at=time.time()).to_event()

    @property
    def _what(self) -> str:
        return f"run {self.options.run_id}"

    async def _publish(self, key: str, value: str) -> None:
        """Push the Spark UI's address while the task is deferred. The worker pushes it again at the end."""
        if not self._is_in_triggerer:
            return
        try:
            async with asyncio.timeout(XCOM_TIMEOUT_SECONDS):
                for address_key in WherobotsSparkUiLink().address_keys:
                    await push_text(self.task_instance, address_key, value)
        except Exception as error:
            self.log.warning(
                "XCom %s of run %s could not be pushed; pushing it again when the run ends: %s",
                key,
                self.options.run_id,
                reason_of(error),
            )

    async def _cancelling(self, io: Io, left: Callable[[], float]) -> object:
        return await cancel_run(io, self.options.run_id, left())
