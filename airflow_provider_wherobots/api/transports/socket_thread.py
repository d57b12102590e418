"""The WebSocket to a SQL session for blocking code: it lives in an event loop in a separate thread.

So it responds to pings while the caller is busy. Every method can be called in a signal handler that has interrupted
another method, and from another thread: messages are taken on the caller's thread, and the loop only waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from threading import Thread
from typing import Any, TypeVar

from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.errors import ConnectionLostError, NotWrittenError
from airflow_provider_wherobots.api.sql.messages import ClientMessage, ServerMessage
from airflow_provider_wherobots.api.transports.websocket import (
    ON_WORKER,
    WRITE_SECONDS,
    SocketLimits,
    SqlSocket,
    open_socket,
)

T = TypeVar("T")

SLACK_SECONDS = 5.0
"""How much longer than its own limit a step in the loop may take."""


class SocketThread:
    """At most one open WebSocket, and the thread of its event loop, which is started when the first is opened."""

    def __init__(self, limits: SocketLimits | None = None) -> None:
        self._limits = limits or ON_WORKER
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._socket: SqlSocket | None = None
        self._waiting: Future[Any] | None = None

    def connect(self, endpoint: Endpoint, url: str, seconds: float) -> None:
        """Open a WebSocket in place of the open one."""
        self.disconnect()
        opened = self._in_loop(open_socket(endpoint, url, seconds, self._limits), seconds)
        # A signal handler may have opened another one in that time.
        self.disconnect()
        self._socket = opened

    def transmit(self, message: ClientMessage) -> None:
        self._in_loop(self._open_socket().transmit(message), WRITE_SECONDS)

    def receive(self, seconds: float) -> ServerMessage | None:
        """Wait for the next message. None if no message arrives in time, or the wait was broken off."""
        found = self._open_socket()
        outer = self._waiting
        wait = self._waiting = asyncio.run_coroutine_threadsafe(found.wait(seconds), self._running_loop())
        try:
            with suppress(CancelledError):
                self._result(wait, seconds)
        finally:
            self._waiting = outer
        return found.take()

    def break_off(self) -> None:
        """End the wait in which this thread was interrupted."""
        if self._waiting is not None:
            self._waiting.cancel()

    @property
    def open_socket(self) -> SqlSocket | None:
        """The WebSocket, unless it is lost."""
        return None if self._socket is None or self._socket.is_lost else self._socket

    def disconnect(self) -> None:
        """Close the open WebSocket, if one is open. Never raises."""
        found, self._socket = self._socket, None
        if found is not None:
            with suppress(Exception):
                self._in_loop(found.close(), 0.0)

    def close(self) -> None:
        """Close the WebSocket, and end the thread."""
        self.disconnect()
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(SLACK_SECONDS)

    def _open_socket(self) -> SqlSocket:
        if self._socket is None:
            raise NotWrittenError("sqlSession", "no WebSocket is open")
        return self._socket

    def _in_loop(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        try:
            return self._result(asyncio.run_coroutine_threadsafe(work, self._running_loop()), seconds)
        except CancelledError:
            raise ConnectionLostError("sqlSession", "another thread has closed the WebSocket") from None

    def _result(self, future: Future[T], seconds: float) -> T:
        try:
            return future.result(seconds + SLACK_SECONDS)
        except TimeoutError:
            raise ConnectionLostError("sqlSession", "the thread of the WebSocket does not respond") from None
        finally:
            # If this thread was interrupted, nothing waits for it any more.
            future.cancel()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = Thread(target=_run, args=(self._loop,), name="wherobots-sql-session", daemon=True)
            self._thread.start()
        return self._loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=SLACK_SECONDS / 2))
    finally:
        loop.close()
