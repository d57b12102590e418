"""An event loop whose time is virtual: each turn takes a moment, and waiting for a timer takes no real time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
TURN_SECONDS = 0.0001


class _Selector(selectors.DefaultSelector):
    moment = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            # Only a thread can wake the loop.
            return super().select()
        ready = super().select(0)
        self.moment += TURN_SECONDS if ready else max(TURN_SECONDS, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; its time begins at 0."""

    def __init__(self) -> None:
        self._waits = _Selector()
        super().__init__(self._waits)

    def time(self) -> float:
        """Virtual seconds since the start."""
        return self._waits.moment


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run work to its end.

    :param work: the work.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


def moment() -> float:
    """The time of the loop that runs."""
    return asyncio.get_running_loop().time()
