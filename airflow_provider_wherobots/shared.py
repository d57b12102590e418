"""Objects that the tasks of one event loop share. A triggerer has one event loop for all its triggers."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

_objects: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[type, Any]] = WeakKeyDictionary()


def of_event_loop(kind: type[T]) -> T:
    """The one object of a class that all tasks of the running event loop share. It is made when it is first needed."""
    objects = _objects.setdefault(asyncio.get_running_loop(), {})
    if kind not in objects:
        objects[kind] = kind()
    shared: T = objects[kind]
    return shared
