"""Turns for tasks that start at the same moment in one event loop.

A triggerer may be given thousands of triggers at once. One start takes less than a millisecond, but thousands in one
round of the loop would keep every other task waiting for seconds.
"""

from __future__ import annotations

import asyncio
from typing import TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

STARTS_PER_ROUND = 20

_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


async def take_turn() -> None:
    """Wait for a turn: at most ``STARTS_PER_ROUND`` tasks start in one round of the event loop, in their order."""
    async with _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(STARTS_PER_ROUND)):
        await asyncio.sleep(0)


async def shared_result(task: asyncio.Task[T], *, in_turn: bool = True) -> T:
    """Wait for a task that others wait for too. All of them wake in one round of the event loop, and continue in turns.

    A caller that is cancelled does not cancel the task.

    :param task: the task.
    :param in_turn: whether to take a turn; default True. False is for a kill.
    :returns: its result.
    :raises Exception: what the task raises.
    """
    await asyncio.wait({task})
    if in_turn:
        await take_turn()
    return task.result()
