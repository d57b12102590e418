"""Waiting for a condition instead of a fixed time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 600.0
"""How long to wait for something: a busy machine may take minutes to start a program."""
_FIRST_PAUSE_SECONDS = 0.02


class WaitTimeout(AssertionError):
    """The condition was not true in time."""


def wait_for(
    probe: Callable[[], T | None],
    *,
    timeout: float = PATIENCE_SECONDS,
    interval: float = 0.5,
    what: str = "the condition",
    detail: Callable[[], str] | None = None,
) -> T:
    """Call ``probe`` until it returns a true value, and return that value.

    :param probe: called repeatedly, at least once; exceptions are not caught.
    :param timeout: seconds after which to give up; default ``PATIENCE_SECONDS``.
    :param interval: the longest pause between two calls, in seconds; default 0.5. The first pauses are shorter.
    :param what: the condition, for the error; default "the condition".
    :param detail: returns more text for the error, and is called only then; default None.
    :raises WaitTimeout: the condition was not true in time; names the condition and the last value.
    """
    deadline = time.monotonic() + timeout
    pause = min(_FIRST_PAUSE_SECONDS, interval)
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() >= deadline:
            more = f"\n{detail()}" if detail else ""
            raise WaitTimeout(f"Waited {timeout:g} s in vain for {what}; the last value was {found!r}.{more}")
        time.sleep(pause)
        pause = min(2 * pause, interval)
