"""A trigger for the tests of the harness; outside the DAG folder, where a triggerer can import it by its name."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent


class GateTrigger(BaseTrigger):
    """Fires once a file is there."""

    def __init__(self, gate: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.gate = gate

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.GateTrigger", {"gate": self.gate}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        self.log.info("waiting at the gate")
        while not await asyncio.to_thread(Path(self.gate).exists):  # noqa: ASYNC110 -- a file has no event
            await asyncio.sleep(0.2)
        yield TriggerEvent({"gate": "open"})  # type: ignore[no-untyped-call]
