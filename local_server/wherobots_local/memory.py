"""The memory of the machine, or of the container that the server is in."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def usable_memory(cgroups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """Return how many bytes this process and its children can have: a limit of its control group, or of one around it,
    can be lower than what the machine has."""
    most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError):
        for line in own.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                most = _lowest(cgroups, path, "memory.max", most)
            elif "memory" in controllers.split(","):
                most = _lowest(cgroups / "memory", path, "memory.limit_in_bytes", most)
    return most


def _lowest(top: Path, path: str, name: str, most: int) -> int:
    place = top / path.lstrip("/")
    for group in (place, *place.parents):
        if group.is_relative_to(top):
            with contextlib.suppress(OSError, ValueError):
                # Without a limit the text is "max".
                most = min(most, int((group / name).read_text()))
    return most
