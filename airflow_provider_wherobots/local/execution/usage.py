"""How much CPU and memory a process tree uses, from /proc; on systems without it there are no samples."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from airflow_provider_wherobots.local.runs.run import Usage

_FIRST_SECONDS = 1.0
_INTERVAL_SECONDS = 5.0
_SHARED_SECONDS = 0.5


@dataclass(frozen=True)
class _Reading:
    at: float
    cpu_seconds: float
    memory_bytes: int


async def sample_usage(ancestor: int, on_sample: Callable[[Usage], None]) -> None:
    """Measure until cancelled: after a second, then every five.

    :param ancestor: process whose descendants are measured.
    :param on_sample: called with each sample.
    """
    before = _Reading(time.monotonic(), 0.0, 0)
    wait = _FIRST_SECONDS
    while True:
        await asyncio.sleep(wait)
        wait = _INTERVAL_SECONDS
        reading = await asyncio.to_thread(_read, ancestor)
        if reading is not None:
            on_sample(_usage(before, reading))
            before = reading


def _usage(before: _Reading, now: _Reading) -> Usage:
    available = (now.at - before.at) * (os.cpu_count() or 1)
    used = max(now.cpu_seconds - before.cpu_seconds, 0.0)
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Usage(
        timestamp=int(time.time()),
        cpu_percent=round(min(100.0 * used / available, 100.0), 2) if available > 0 else 0.0,
        memory_percent=round(100.0 * now.memory_bytes / total, 2),
    )


def _read(ancestor: int) -> _Reading | None:
    processes = _processes.now()
    ticks, pages = 0, 0
    found = processes.below(ancestor)
    for process in found:
        ticks += process.ticks
        pages += process.pages
    if not found:
        return None
    return _Reading(processes.at, ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE"))


class _Process(NamedTuple):
    """What /proc says of a process: its id, CPU time and memory."""

    pid: int
    ticks: int
    pages: int


class _Table:
    """All processes of a moment, by their parents."""

    def __init__(self) -> None:
        self.at = time.monotonic()
        self._children: defaultdict[int, list[_Process]] = defaultdict(list)
        for parent, process in _all_processes():
            self._children[parent].append(process)

    def below(self, ancestor: int) -> list[_Process]:
        """The descendants of a process."""
        found: dict[int, _Process] = {}
        parents = [ancestor]
        # The list grows while it is walked. The table is not of one moment, so a process may be listed twice.
        for parent in parents:
            new = {process.pid: process for process in self._children.get(parent, ()) if process.pid not in found}
            found |= new
            parents += new
        return list(found.values())


class _SharedTable:
    """The present table. Hundreds of runs ask for it at about the same time, and reading it takes as long for one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._table: _Table | None = None

    def now(self) -> _Table:
        """Return a table that is not older than half a second: newer than any process that is measured."""
        with self._lock:
            if self._table is None or time.monotonic() - self._table.at > _SHARED_SECONDS:
                self._table = _Table()
            return self._table


_processes = _SharedTable()


def _all_processes() -> Iterator[tuple[int, _Process]]:
    try:
        names = os.listdir("/proc")
    except OSError:
        return
    for name in names:
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        yield int(fields[1]), _Process(int(name), sum(map(int, fields[11:15])), int(fields[21]))
