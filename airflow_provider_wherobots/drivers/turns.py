"""Turns: what many tasks of an event loop begin at the same moment, they begin one after the other.

A triggerer may be given thousands of triggers at once. Each one's start takes less than a millisecond, but all in one
round of the loop would keep every other task waiting for seconds.
"""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


async def take_turn() -> None:
    """Wait for those that came earlier, one for each round of the event loop."""
    async with _locks.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        await asyncio.sleep(0)
