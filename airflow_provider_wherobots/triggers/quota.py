"""The trigger that waits for quota, so that no worker is held."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_wherobots import words
from airflow_provider_wherobots.stored import ignore_unknown
from airflow_provider_wherobots.task_log.entries import wait_until_read
from airflow_provider_wherobots.triggers import guarded


class WherobotsQuotaTrigger(BaseTrigger):
    """Wait until a given time, then fire one event. The worker then repeats the create request.

    A kill cancels nothing, because there is no run yet.

    :param until: when to fire, in epoch seconds.
    """

    @ignore_unknown
    def __init__(self, until: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.until = until

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {"until": self.until}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait; yields exactly one event."""
        self.log.info("Waiting for quota; repeating the create request at %s", words.moment(self.until))
        # `airflow dags test` has no triggerer.
        least = 0.0 if self.trigger_id is None else guarded.EARLIEST_EVENT_SECONDS
        await asyncio.sleep(max(least, self.until - time.time()))
        await wait_until_read(self.log)
        yield TriggerEvent({})  # type: ignore[no-untyped-call]
