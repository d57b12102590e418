"""Measures how much CPU and memory the processes of a run use."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil

from wherobots_local.runs.run import Usage

_FIRST_SECONDS = 1.0
_INTERVAL_SECONDS = 5.0
_SHARED_SECONDS = 0.5


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
    for pid in _processes.below(ancestor):
        try:
            process = psutil.Process(pid)
            times, memory = process.cpu_times(), process.memory_info().rss
        except psutil.Error:
            continue
        # Children that have ended are no longer measured themselves, so their times are added here.
        cpu_seconds += times.user + times.system + times.children_user + times.children_system
        memory_bytes += memory
    return _Reading(time.monotonic(), cpu_seconds, memory_bytes)


def _all_parents() -> Iterator[tuple[int, int]]:
    return ((process.pid, process.info["ppid"]) for process in psutil.process_iter(["ppid"]))


class _ProcessTree:
    """All processes by their parents. Reading them is slow, and hundreds of runs need them at about the same time, so
    they are read at most twice per second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at = -math.inf
        self._children: defaultdict[int, list[int]] = defaultdict(list)

    def below(self, ancestor: int) -> list[int]:
        children = self._present()
        found: set[int] = set()
        parents = [ancestor]
        # The list grows during the loop. Processes start and end while all are listed, so one may be there twice.
        for parent in parents:
            new = set(children.get(parent, ())) - found
            found |= new
            parents += new
        return list(found)

    def _present(self) -> defaultdict[int, list[int]]:
        with self._lock:
            if time.monotonic() - self._read_at > _SHARED_SECONDS:
                self._read_at = time.monotonic()
                self._children = defaultdict(list)
                for pid, parent in _all_parents():
                    self._children[parent].append(pid)
            return self._children


_processes = _ProcessTree()
