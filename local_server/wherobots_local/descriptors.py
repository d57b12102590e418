"""File descriptors: connections, logs and processes need them, and the default limit is low (256 on macOS)."""

from __future__ import annotations

import contextlib
import resource

WANTED = 8192
_EACH_RUN = 8


def raise_soft_limit(runs: int) -> None:
    """Raise the soft limit to 8192 plus eight per parallel run, or as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED + runs * _EACH_RUN
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def soft_limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return WANTED if soft == resource.RLIM_INFINITY else soft
