"""How much CPU and memory the processes of a run use."""

from __future__ import annotations

import asyncio
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
    """What the processes had used at one moment."""

    at: float
    cpu_seconds: float = 0.0
    memory_bytes: int = 0


async def sample_usage(ancestor: int, on_sample: Callable[[Usage], None]) -> None:
    """Measure until cancelled: after a second, then every five."""
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
    for pid in _families.now().below(ancestor):
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


class _Family:
    """All processes at one moment, by their parents."""

    def __init__(self) -> None:
        self.at = time.monotonic()
        self._children: defaultdict[int, list[int]] = defaultdict(list)
        for pid, parent in _all_parents():
            self._children[parent].append(pid)

    def below(self, ancestor: int) -> list[int]:
        found: set[int] = set()
        parents = [ancestor]
        # The list grows during the loop. Processes start and end while all are listed, so one may be there twice.
        for parent in parents:
            new = set(self._children.get(parent, ())) - found
            found |= new
            parents += new
        return list(found)


class _SharedFamily:
    """The present family, shared by all runs: hundreds need it at about the same time, and reading it is slow."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._family: _Family | None = None

    def now(self) -> _Family:
        """Return a family that is not older than half a second: newer than any process that is measured."""
        with self._lock:
            if self._family is None or time.monotonic() - self._family.at > _SHARED_SECONDS:
                self._family = _Family()
            return self._family


_families = _SharedFamily()
