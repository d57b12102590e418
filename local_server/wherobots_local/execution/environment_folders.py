"""The folders of the virtual environments: their names, their locks, and which of them are removed."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

COMPLETE = ".complete"
"""This file is written last, and touched at each use. It contains the day for which the environment was made, or
nothing if it is for any day. An environment without it is incomplete and is built again."""

_LOCK_ENDING = ".lock"
_LOCK_POLL_SECONDS = 0.2
_EXACT_VERSION = re.compile(r"[^=<>!~]*===?[^*,]+")


def environment_key(requirements: Sequence[str], day: str = "") -> str:
    """Name the environment of a set of requirements: a hash of the interpreter, the machine, the set and the day."""
    parts = [sys.version, sys.prefix, platform.machine(), sorted(set(requirements)), *([day] if day else [])]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]


def day_of(requirements: Sequence[str], now: datetime) -> str:
    """Return the day in UTC for which a set is installed; empty, for any day, if all versions are exact."""
    exact = all(_EXACT_VERSION.fullmatch(requirement) for requirement in requirements)
    return "" if exact else now.astimezone(UTC).date().isoformat()


def mark_complete(folder: Path, day: str) -> None:
    (folder / COMPLETE).write_text(day, encoding="utf-8")


def remove_unused(parent: Path, unused_seconds: float) -> None:
    """Remove the environments that no run will use again: those of an earlier day, and those unused for long.

    An environment that a run of any server uses now stays. If one cannot be removed, the next round tries again.
    """
    today = datetime.now(UTC).date().isoformat()
    for lock in parent.glob(f"*{_LOCK_ENDING}"):
        folder = lock.with_suffix("")
        if not _is_over(folder, lock, today, time.time() - unused_seconds):
            continue
        with contextlib.suppress(OSError), lock.open("a") as file, _held(file, fcntl.LOCK_EX) as held:
            if held and _is_same(file, lock) and _is_over(folder, lock, today, time.time() - unused_seconds):
                shutil.rmtree(folder, ignore_errors=True)
                if not folder.exists():
                    lock.unlink()


@contextlib.asynccontextmanager
async def locked(folder: Path, *, shared: bool) -> AsyncIterator[None]:
    """Hold the lock of an environment, which other servers on the same root respect. It ends with this process.

    An environment is used with a ``shared`` lock, and built with an exclusive one.
    """
    path = folder.with_suffix(_LOCK_ENDING)
    while True:
        with path.open("a") as file, _held(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX) as held:
            if held and _is_same(file, path):
                yield
                return
        await asyncio.sleep(_LOCK_POLL_SECONDS)


@contextlib.contextmanager
def _held(file: IO[str], kind: int) -> Iterator[bool]:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True


def _is_same(file: IO[str], path: Path) -> bool:
    """Return whether the opened file is still the one at that path: its environment may have been removed meanwhile."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


def _is_over(folder: Path, lock: Path, today: str, oldest_use: float) -> bool:
    mark = folder / COMPLETE
    try:
        return mark.read_text(encoding="utf-8") not in ("", today) or mark.stat().st_mtime < oldest_use
    except OSError:
        # Never completed.
        try:
            return lock.stat().st_mtime < oldest_use
        except OSError:
            return False
