"""The smallest trigger that can follow a run."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from airflow.triggers.base import BaseTrigger, TriggerEvent


class BareTrigger(BaseTrigger):
    """GET, ``json.loads``, sleep.

    :param has_logs: whether it reads the log: one page after each poll, as ours reads short pages.
    :param pause: seconds between two polls.
    """

    session: aiohttp.ClientSession

    def __init__(self, url: str, has_logs: bool, pause: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.url = url
        self.has_logs = has_logs
        self.pause = pause

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments."""
        return f"{__name__}.BareTrigger", {"url": self.url, "has_logs": self.has_logs, "pause": self.pause}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Follow a run that does not end."""
        cursor = "0"
        while True:
            async with self.session.get(self.url) as response:
                run = json.loads(await response.read())
            if run["status"] != "RUNNING":
                yield TriggerEvent(run["status"])  # type: ignore[no-untyped-call]
            if self.has_logs:
                async with self.session.get(f"{self.url}/logs", params={"cursor": cursor, "size": "1000"}) as response:
                    page = json.loads(await response.read())
                cursor = page["next_page"] or cursor
            await asyncio.sleep(self.pause * random.uniform(1.0, 1.1))
