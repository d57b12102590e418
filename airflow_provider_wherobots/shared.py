"""Objects and work that the tasks of one event loop share. A triggerer has one event loop for all its triggers.

A triggerer can get thousands of triggers at once. Work that all of them need is done once. One start takes less than a
millisecond, but thousands in one round of the loop would delay every other task for seconds, so they take turns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

STARTS_PER_ROUND = 20

_objects: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[type, Any]] = WeakKeyDictionary()


def of_event_loop(kind: type[T]) -> T:
    """The one object of a class that all tasks of the running event loop share. It is made when it is first needed."""
    objects = _objects.setdefault(asyncio.get_running_loop(), {})
    if kind not in objects:
        objects[kind] = kind()
    shared: T = objects[kind]
    return shared


class _Turns(asyncio.Semaphore):
    def __init__(self) -> None:
        super().__init__(STARTS_PER_ROUND)


async def take_turn() -> None:
    """Wait for a turn: at most ``STARTS_PER_ROUND`` tasks start in one round of the event loop, in their order."""
    async with of_event_loop(_Turns):
        await asyncio.sleep(0)


def share(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Begin work whose result several tasks wait for."""
    task = asyncio.create_task(work)
    # If all waiting tasks are cancelled, nothing reads its failure, and asyncio would log that.
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


def has_failed(task: asyncio.Task[Any]) -> bool:
    """Whether a task has ended without a result."""
    return task.done() and (task.cancelled() or task.exception() is not None)


async def shared_result(task: asyncio.Task[T], *, in_turn: bool = True) -> T:
    """Wait for a task that others wait for too. They all wake in one round of the event loop, and continue in turns.

    A caller that is cancelled does not cancel the task. A kill does not take a turn.
    """
    await asyncio.wait({task})
    if in_turn:
        await take_turn()
    return task.result()
