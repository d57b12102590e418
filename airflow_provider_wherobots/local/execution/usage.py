"""How much CPU and memory a process tree uses, from /proc; on systems without it there are no samples."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_wherobots.local.execution.guard import descendants
from airflow_provider_wherobots.local.runs.run import Usage

_FIRST_SECONDS = 1.0
_INTERVAL_SECONDS = 5.0


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
    ticks, pages, seen = 0, 0, False
    for pid in descendants(ancestor):
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        seen = True
        ticks += sum(int(field) for field in fields[11:15])
        pages += int(fields[21])
    if not seen:
        return None
    return _Reading(time.monotonic(), ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE"))
