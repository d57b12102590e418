"""Measures how much CPU and memory the processes of a run use."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import psutil

from wherobots_local.runs.run import Usage

_FIRST_SECONDS = 1.0
_INTERVAL_SECONDS = 5.0
_SHARED_SECONDS = 0.5
_reading = threading.Lock()


@dataclass(frozen=True)
class _Reading:
    """What the processes have used up to a moment."""

    at: float
    cpu_seconds: float = 0.0
    memory_bytes: int = 0


async def sample_usage(ancestor: int, on_sample: Callable[[Usage], None]) -> None:
    """Measure after one second and then every five, until cancelled."""
    before = _Reading(time.monotonic())
    wait = _FIRST_SECONDS
    while True:
        await asyncio.sleep(wait)
        wait = _INTERVAL_SECONDS
        reading = await asyncio.to_thread(_read, ancestor)
        if reading.memory_bytes:
            on_sample(_usage(before, reading))
            before = reading


def _usage(before: _Reading, now: _Reading) -> Usage:
    available = (now.at - before.at) * (psutil.cpu_count() or 1)
    used = max(now.cpu_seconds - before.cpu_seconds, 0.0)
    return Usage(
        timestamp=int(time.time()),
        cpu_percent=round(min(100.0 * used / available, 100.0), 2) if available > 0 else 0.0,
        memory_percent=round(100.0 * now.memory_bytes / psutil.virtual_memory().total, 2),
    )


def _read(ancestor: int) -> _Reading:
    cpu_seconds, memory_bytes = 0.0, 0
    for pid in _below(ancestor):
        try:
            process = psutil.Process(pid)
            times, memory = process.cpu_times(), process.memory_info().rss
        except psutil.Error:
            continue
        # Children that have ended are no longer measured themselves, so their times are added here.
        cpu_seconds += times.user + times.system + times.children_user + times.children_system
        memory_bytes += memory
    return _Reading(time.monotonic(), cpu_seconds, memory_bytes)


def _below(ancestor: int) -> set[int]:
    """Return all descendants of a process."""
    with _reading:
        children = _children(int(time.monotonic() / _SHARED_SECONDS))
    found: set[int] = set()
    parents = [ancestor]
    # The list grows during the loop.
    for parent in parents:
        new = set(children.get(parent, ())) - found
        found |= new
        parents += new
    return found


@lru_cache(maxsize=1)
def _children(_moment: int) -> Mapping[int, list[int]]:
    """Return all processes by their parents. Reading them is slow, and hundreds of runs need them at about the same
    time, so they are read about twice per second."""
    children = defaultdict(list)
    for process in psutil.process_iter(["ppid"]):
        children[process.info["ppid"]].append(process.pid)
    return children
