"""Signals that the main thread handles in the middle of its work, as a killed worker does."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partialmethod
from typing import Any

import pytest

from tests.support.waiting import wait_for


class signal_when:
    """Sends SIGUSR1 to the main thread once something is true: the time limit of tests uses SIGALRM."""

    def __init__(self, probe: Callable[[], Any], handler: Callable[..., Any]) -> None:
        self._probe, self._handler = probe, handler
        self._has_failed = False

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGUSR1, self._handler)
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def _send(self) -> None:
        wait_for(lambda: self._has_failed or self._probe(), what="the moment")
        if self._has_failed:
            return
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGUSR1)

    def __exit__(self, kind: object, *_: object) -> None:
        # What has failed early may never be seen by the probe.
        self._has_failed = kind is not None
        self._thread.join()
        signal.signal(signal.SIGUSR1, self._before)


class LogWithLock:
    """Writes as structlog does: a thread that is interrupted within it would wait for itself."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.lines: list[str] = []

    def log(self, level: int, text: str, *values: object) -> None:
        with self.lock:
            self.lines.append(text % values if values else text)

    def isEnabledFor(self, level: int) -> bool:
        return False

    debug = info = warning = partialmethod(log, 0)

    def take_the_place_of_those_of(self, *owners: object, monkeypatch: pytest.MonkeyPatch) -> None:
        for owner in owners:
            monkeypatch.setattr(owner, "_log", self, raising=False)
            monkeypatch.setattr(owner, "_cached_logger", self, raising=False)

    @contextmanager
    def being_written(self) -> Iterator[None]:
        """A handler in the middle of a line. The interrupted line may hold the lock already."""
        is_new = self.lock.acquire(blocking=False)
        yield
        if is_new:
            self.lock.release()
