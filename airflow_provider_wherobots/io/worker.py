"""The ``Io`` of a worker: it does each thing at once, on the calling thread. So a flow runs without ever waiting for
an event loop, and a signal handler can run another flow in between.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from threading import Thread
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from airflow_provider_wherobots.api.call import Call, read_response
from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.storage import PresignedUrl
from airflow_provider_wherobots.files import FileSource, LocalFile, open_file
from airflow_provider_wherobots.io.base import (
    CONNECT_TIMEOUT_SECONDS,
    READ_TIMEOUT_SECONDS,
    Callbacks,
    Clock,
    Flow,
    Io,
    Pause,
    Reloaded,
    WriteNote,
    WriteRecord,
    not_open,
)
from airflow_provider_wherobots.io.rate_limit import RateLimits
from airflow_provider_wherobots.logs.records import LogRecord
from airflow_provider_wherobots.runs.memory import Memory

if TYPE_CHECKING:
    from airflow_provider_wherobots.api.sql.messages import ClientMessage, ServerMessage
    from airflow_provider_wherobots.api.transports.requests import RequestsTransport
    from airflow_provider_wherobots.api.transports.websocket import SocketLimits, SocketThread

P = ParamSpec("P")
T = TypeVar("T")


WRITE_SECONDS = 1.0
"""How long a signal handler waits until its lines are in the log. If the log is held, they are written once it is not.
"""


@contextmanager
def notes_of_handler(write: WriteNote) -> Iterator[list[tuple[int, str]]]:
    """The notes of a signal handler. Another thread writes them at the end: the interrupted one may hold the log's
    lock, and would wait for itself.
    """
    notes: list[tuple[int, str]] = []

    def write_all() -> None:
        for level, text in notes:
            write(level, text)

    try:
        yield notes
    finally:
        if notes:
            writer = Thread(target=copy_context().run, args=(write_all,), daemon=True)
            writer.start()
            writer.join(WRITE_SECONDS)


class FlowStoppedError(Exception):
    """The ``Io`` was stopped, so the flow may no longer send or wait."""


class WorkerIo(Io):
    """Does what a flow asks for on the calling thread. :meth:`close` closes the WebSocket that a flow has opened."""

    def __init__(
        self,
        transport: RequestsTransport,
        callbacks: Callbacks[Reloaded, None],
        limits: RateLimits | None = None,
        clock: Clock[None] | None = None,
        socket_limits: SocketLimits | None = None,
    ) -> None:
        super().__init__(clock or Clock(time.sleep), limits)
        self._transport = transport
        self._callbacks = callbacks
        self._socket_limits = socket_limits
        self._socket: SocketThread | None = None
        self.stopped = False

    def run(self, flow: Flow[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a flow to its end.

        :raises FlowStoppedError: when the flow sends or waits after :meth:`stop`.
        """
        running = flow(self, *args, **kwargs)
        try:
            running.send(None)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            running.close()
        raise RuntimeError(f"{flow} has awaited something that is not of its Io")

    @property
    def open_socket(self) -> object:
        """The WebSocket, if it is not lost: another object each time that it was opened. Else None."""
        return None if self._socket is None else self._socket.open_socket

    def stop(self) -> None:
        """Stop the flow from sending and waiting, and abort an upload. A signal handler can call this."""
        self.stopped = True
        if self._socket is not None:
            self._socket.break_off()
        self._transport.break_off_upload()

    def close(self) -> None:
        """Close the WebSocket, if a flow has opened one. The transport stays open."""
        if self._socket is not None:
            self._socket.close()

    def _check_not_stopped(self) -> None:
        if self.stopped:
            raise FlowStoppedError("the task is being stopped")

    @property
    def _endpoint(self) -> Endpoint:
        return self._transport.endpoint

    async def _exchange(self, call: Call[T], connect_timeout: float, read_timeout: float) -> T:
        self._check_not_stopped()
        return read_response(call, self._transport.send(call, connect_timeout, read_timeout))

    async def reload(self) -> Reloaded:
        self._check_not_stopped()
        return self._callbacks.reload()

    async def sleep(self, seconds: float, jitter: float = 0.0) -> None:
        self._check_not_stopped()
        self._clock.sleep(Pause(seconds, jitter).length(self._clock.draw))

    async def note(self, level: int, text: str, command: str = "") -> None:
        self._callbacks.tell(level, text, command)

    async def forward(self, records: Sequence[LogRecord]) -> None:
        left = deque(records)
        try:
            self._write_all(left)
        except BaseException:
            # A signal handler has raised. Lines that are not written now would be lost.
            self._write_all(left)
            raise

    def _write_all(self, left: deque[LogRecord]) -> None:
        write, take = self._callbacks.write, left.popleft
        while left:
            write(take())

    async def publish(self, key: str, value: str) -> None:
        self._check_not_stopped()
        if self._callbacks.publish is not None:
            self._callbacks.publish(key, value)

    async def remember(self, memory: Memory, else_not: str = "") -> None:
        if self._callbacks.remember is not None:
            self._callbacks.remember(memory, else_not)

    async def open_file(self, source: FileSource) -> LocalFile:
        self._check_not_stopped()
        return open_file(source)

    async def upload(self, url: PresignedUrl, file: LocalFile) -> None:
        self._check_not_stopped()
        try:
            self._transport.put(url, file, CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)
        except WherobotsApiError:
            # It may have been aborted because the task is being stopped.
            self._check_not_stopped()
            raise

    async def _open_socket(self, url: str, timeout: float) -> None:
        self._check_not_stopped()
        if self._socket is None:
            # Imported here: a task without SQL needs neither aiohttp nor a second thread.
            from airflow_provider_wherobots.api.transports.websocket import SocketThread

            self._socket = SocketThread(self._socket_limits)
        self._socket.connect(self._transport.endpoint, url, timeout)

    async def transmit(self, message: ClientMessage) -> None:
        self._check_not_stopped()
        if self._socket is None:
            raise not_open()
        self._socket.transmit(message)

    async def receive(self, timeout: float) -> ServerMessage | None:
        self._check_not_stopped()
        if self._socket is None:
            raise not_open()
        message = self._socket.receive(timeout)
        self._check_not_stopped()
        return message

    async def disconnect(self) -> None:
        if self._socket is not None:
            self._socket.disconnect()


@contextmanager
def standalone_io(
    endpoint: Endpoint, note: WriteNote, source: str, write: WriteRecord = lambda record: None
) -> Iterator[WorkerIo]:
    """An ``Io`` outside of a task: with a transport of its own, and a key that stays the same."""
    from airflow_provider_wherobots.api.transports.requests import RequestsTransport

    transport = RequestsTransport(endpoint)
    io = WorkerIo(transport, Callbacks(note, write, lambda: Reloaded(False, source, is_read=False)))
    try:
        yield io
    finally:
        io.close()
        transport.close()
