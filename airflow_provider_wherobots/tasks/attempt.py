"""The work of one try while it runs on a worker, and how a kill stops it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from threading import Thread
from typing import ParamSpec, TypeVar

from airflow_provider_wherobots.exceptions import WherobotsTaskKilledException
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from airflow_provider_wherobots.io.base import Flow
from airflow_provider_wherobots.io.worker import FlowStoppedError, WorkerIo
from airflow_provider_wherobots.runs.memory import Memory

P = ParamSpec("P")
T = TypeVar("T")
WRITE_SECONDS = 1.0
"""How long a kill waits until its lines are in the log. If the log is held, they are written once it is not."""


class Attempt:
    """Runs flows on the calling thread. A signal handler may interrupt it with :meth:`kill`."""

    def __init__(self, hook: WherobotsHook) -> None:
        self._hook = hook
        self._io: WorkerIo | None = None
        self._is_ready = self._killed = self._has_ended_all = False
        self._notes: list[tuple[int, str]] | None = None
        self.began_at: float | None = None
        """When the try has started over, in epoch seconds; None if it began when Airflow says."""

    @property
    def was_killed(self) -> bool:
        return self._killed

    def get_ready(self) -> None:
        """Import the HTTP client and read the connection. A kill must find both done: it may interrupt either."""
        import airflow_provider_wherobots.api.transports.requests  # noqa: F401

        self._hook.settings  # noqa: B018
        self._is_ready = True

    @contextmanager
    def driving(
        self,
        publish: Callable[[str, str], None] | None = None,
        remember: Callable[[Memory, str], None] | None = None,
    ) -> Iterator[WorkerIo]:
        """The time in which flows can run. A WebSocket that a flow opens stays open until the end of this context."""
        with self._hook.io(self.note, publish=publish, remember=remember) as io:
            # In this order: a kill may come between the two.
            self._io = io
            io.stopped = self._killed
            try:
                yield io
            finally:
                self._io = None

    def run_on(self, io: WorkerIo, flow: Flow[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a flow that :meth:`kill` can stop."""
        try:
            return io.run(flow, *args, **kwargs)
        except FlowStoppedError as error:
            raise WherobotsTaskKilledException(str(error)) from None

    def kill(self) -> None:
        """Stop for good, and end what is under way. Another kill does nothing, unless this one was interrupted: on 2.11
        a second SIGTERM raises in it, and everywhere the task's timeout.

        Does not read the connection again, because the interrupted code may be in the middle of a request to the
        supervisor.
        """
        if self._has_ended_all:
            return
        interrupted = self._notes
        self._killed, self._notes = True, []
        if self._io is not None:
            self._io.stop()
        try:
            # Else the interrupted code may be reading the connection. It ends what there is when it is stopped.
            if self._is_ready:
                self._end_all()
                self._has_ended_all = True
        finally:
            notes, self._notes = self._notes, interrupted
            if notes:
                # This thread may have been interrupted while it held the log's lock, and would wait for itself.
                writer = Thread(target=copy_context().run, args=(self._write, notes), daemon=True)
                writer.start()
                writer.join(WRITE_SECONDS)

    @abstractmethod
    def _end_all(self) -> None:
        """End what is under way, in the seconds that Airflow leaves."""

    def _run_on_new_session(self, flow: Flow[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a flow, but not on the ``Io``'s own HTTP session: it may hold half a response."""
        with self._hook.io(self.note, may_reload=False) as io:
            return io.run(flow, *args, **kwargs)

    def note(self, level: int, text: str) -> None:
        """Write a line to the log. In a kill, it is written at the end."""
        if self._notes is None:
            self._hook.log.log(level, text)
        else:
            self._notes.append((level, text))

    def _write(self, notes: Iterable[tuple[int, str]]) -> None:
        for level, text in notes:
            self._hook.log.log(level, text)
