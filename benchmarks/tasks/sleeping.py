"""A deferred task that only sleeps. It shows the time from the trigger's event to the end of the task in Airflow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from airflow.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent


class SleepTrigger(BaseTrigger):
    """Fire at a moment."""

    def __init__(self, until: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.until = until

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {"until": self.until}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield the moment."""
        await asyncio.sleep(self.until - time.time())
        yield TriggerEvent(self.until)  # type: ignore[no-untyped-call]


class SleepOperator(BaseOperator):
    """Defer for some seconds. The return value is the time at which they were over, in epoch seconds."""

    template_fields: Sequence[str] = ("seconds",)

    def __init__(self, *, seconds: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.seconds = seconds

    def execute(self, context: Any) -> None:
        """Defer."""
        self.defer(trigger=SleepTrigger(time.time() + float(self.seconds)), method_name="wake")

    def wake(self, context: Any, event: float) -> float:
        """Return the moment."""
        return event
