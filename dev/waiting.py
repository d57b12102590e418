"""Waiting for a condition instead of for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class WaitTimeout(AssertionError):
    """The condition did not come true in time."""


def wait_for(
    probe: Callable[[], T | None],
    *,
    timeout: float = 60.0,
    interval: float = 0.5,
    what: str = "the condition",
    detail: Callable[[], str] | None = None,
) -> T:
    """Call ``probe`` until it returns something true, and return that.

    :param probe: asked again and again; what it raises is not caught.
    :param timeout: seconds after which to give up; the probe is asked at least once. Default 60.
    :param interval: seconds between two questions. Default 0.5.
    :param what: names the condition in the error.
    :param detail: gives more for the error, called only then.
    :raises WaitTimeout: the condition did not come true in time.
    """
    deadline = time.monotonic() + timeout
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() >= deadline:
            more = f"\n{detail()}" if detail else ""
            raise WaitTimeout(f"Waited {timeout:g} s in vain for {what}.{more}")
        time.sleep(interval)
