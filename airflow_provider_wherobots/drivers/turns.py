"""Turns for tasks that start at the same moment in one event loop.

A triggerer may be given thousands of triggers at once. One start takes less than a millisecond, but thousands in one
round of the loop would keep every other task waiting for seconds.
"""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

STARTS_PER_ROUND = 20

_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


async def take_turn() -> None:
    """Wait for a turn: at most ``STARTS_PER_ROUND`` tasks start in one round of the event loop, in their order."""
    async with _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(STARTS_PER_ROUND)):
        await asyncio.sleep(0)
