"""Stopping a flow the way Airflow 3 stops a trigger: again and again, until it has ended."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def stop_from(turn: int, work: Coroutine[Any, Any, Any]) -> None:
    """Run work, and cancel it at each turn of the event loop from a given one on."""
    task = asyncio.create_task(work)
    for _ in range(turn):
        await asyncio.sleep(0)
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    assert task.cancelled()
