"""The ideal: a task that only defers, and ends when a job would end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent


class BareDeferral(BaseOperator):
    """Defers until a file exists, and then for two thirds of a job's seconds."""

    def __init__(self, *, gate: str, seconds: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gate = gate
        self.seconds = seconds

    def execute(self, context: Any) -> None:
        self.defer(trigger=BareTrigger(self.gate, self.seconds), method_name="resume")

    def resume(self, context: Any, event: Any) -> None:
        """End well."""


class BareTrigger(BaseTrigger):
    """See :class:`BareDeferral`."""

    def __init__(self, gate: str, seconds: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.gate = gate
        self.seconds = seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (f"{type(self).__module__}.{type(self).__qualname__}", {"gate": self.gate, "seconds": self.seconds})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        while not Path(self.gate).exists():  # noqa: ASYNC240, ASYNC110
            await asyncio.sleep(1)
        # A job has two thirds of its lines left then.
        await asyncio.sleep(self.seconds * 2 / 3)
        yield TriggerEvent(None)  # type: ignore[no-untyped-call]
