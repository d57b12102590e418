"""The trigger that waits for quota, so that no worker is held meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_wherobots.flows import words


class WherobotsQuotaTrigger(BaseTrigger):
    """Wait until a given time, then fire one event. The worker then repeats the create call.

    There is no run yet, so a kill of the task has nothing to cancel.

    :param until: when to fire, in epoch seconds.
    """

    def __init__(self, until: float, **of_a_later_version: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.until = until

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {"until": self.until}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait; yields exactly one event."""
        self.log.info("Waiting for quota; the create call is repeated at %s", words.moment(self.until))
        await asyncio.sleep(self.until - time.time())
        yield TriggerEvent({})  # type: ignore[no-untyped-call]
