"""The trigger that waits for quota, so that no worker is held."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from airflow_provider_wherobots.flows.cancel import cancel_runs_by_suffix
from airflow_provider_wherobots.flows.effects import Flow
from airflow_provider_wherobots.messages import words
from airflow_provider_wherobots.stored import ignore_unknown
from airflow_provider_wherobots.triggers.guarded import GuardedTrigger


class WherobotsQuotaTrigger(GuardedTrigger):
    """Wait until a given time, then fire one event. The worker then repeats the create call.

    There is no run yet. But if the response to a create call was lost, it may have started one, which shows later: that
    run is cancelled if the task is killed.

    :param until: when to fire, in epoch seconds.
    :param wherobots_conn_id: id of the connection.
    :param suffix: the suffix of the name of such a run; default empty, there is none.
    """

    @ignore_unknown
    def __init__(self, until: float, wherobots_conn_id: str, suffix: str = "") -> None:
        super().__init__(wherobots_conn_id, cancel_on_kill=bool(suffix))
        self.until = until
        self.suffix = suffix
        self._began_at = time.time()

    def _arguments(self) -> dict[str, Any]:
        return {"until": self.until, "suffix": self.suffix}

    async def _wait(self) -> dict[str, Any]:
        self.log.info("Waiting for quota; repeating the create call at %s", words.moment(self.until))
        await asyncio.sleep(self.until - time.time())
        return {}

    def _gave_up(self, reason: str) -> dict[str, Any]:
        return {}

    @property
    def _what(self) -> str:
        return "the wait for quota"

    @property
    def _target(self) -> str:
        return f"the active runs named *{self.suffix}"

    def _cancelling(self, left: Callable[[], float]) -> Flow[object]:
        # A later run belongs to the next try, after a clear: that may be faster than the triggerer.
        return cancel_runs_by_suffix(self.suffix, left(), created_until=self._began_at)
