"""What the tasks of one event loop share. A triggerer is one process with one event loop for all its triggers.

A triggerer may be given thousands of triggers at once. What all of them need is done once. One start takes less than a
millisecond, but thousands in one round of the loop would keep every other task waiting for seconds, so they take turns.
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
    """The one object of a class that all tasks of the running event loop share. It is made when it is first needed.

    :param kind: the class, called without arguments.
    """
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
    """Begin work whose result several tasks wait for.

    :param work: the work.
    """
    task = asyncio.create_task(work)
    # If all waiting tasks are cancelled, nothing reads its failure, and asyncio would log that.
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


def has_failed(task: asyncio.Task[Any]) -> bool:
    """Whether a task has ended without a result."""
    return task.done() and (task.cancelled() or task.exception() is not None)


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
