"""The trigger that waits for quota, so that no worker is held."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.cancel import cancel_runs_by_suffix
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from airflow_provider_wherobots.triggers.guarded import CANCEL_BUDGET_SECONDS, GuardedTrigger


class WherobotsQuotaTrigger(GuardedTrigger):
    """Wait until a given time, then fire one event. The worker then repeats the create call.

    There is no run yet. But if the response to a create call was lost, it may have started one, which shows later: that
    run is cancelled if the task is killed.

    :param until: when to fire, in epoch seconds.
    :param wherobots_conn_id: id of the connection; default empty, if there is nothing to cancel.
    :param suffix: the suffix of the name of such a run; default empty, there is none.
    :param of_later_versions: arguments that a worker of a later version added; ignored, as an error would end the task.
    """

    def __init__(self, until: float, wherobots_conn_id: str = "", suffix: str = "", **of_later_versions: Any) -> None:
        super().__init__(cancel_on_kill=bool(suffix))
        self.until = until
        self.wherobots_conn_id = wherobots_conn_id
        self.suffix = suffix

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {"until": self.until, "wherobots_conn_id": self.wherobots_conn_id, "suffix": self.suffix},
        )

    async def _wait(self) -> dict[str, Any]:
        self.log.info("Waiting for quota; the create call is repeated at %s", words.moment(self.until))
        await asyncio.sleep(self.until - time.time())
        return {}

    def _gave_up(self, reason: str) -> dict[str, Any]:
        return {}

    @property
    def _what(self) -> str:
        return "The wait for quota"

    @property
    def _target(self) -> str:
        return f"A run named *{self.suffix}"

    async def _cancel(self) -> None:
        began_at, until = time.time(), time.monotonic() + CANCEL_BUDGET_SECONDS
        hook = WherobotsHook(self.wherobots_conn_id)
        async with hook.async_driver(self.log, urgent=True, max_outage_seconds=CANCEL_BUDGET_SECONDS) as driver:
            left = until - time.monotonic()
            # A later run belongs to the next try, after a clear.
            await driver.run(cancel_runs_by_suffix(self.suffix, left, created_until=began_at))
