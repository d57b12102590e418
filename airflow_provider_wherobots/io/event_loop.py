"""The ``Io`` of an event loop, which a flow shares with other tasks: it never blocks the loop for long."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_wherobots.api.call import Call, read_response
from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.transports.aiohttp import AiohttpTransport
from airflow_provider_wherobots.io.base import Callbacks, Clock, Io, Pause, Reloaded, not_open
from airflow_provider_wherobots.io.rate_limit import RateLimits
from airflow_provider_wherobots.logs.records import LogRecord

if TYPE_CHECKING:
    from airflow_provider_wherobots.api.sql.messages import ClientMessage, ServerMessage
    from airflow_provider_wherobots.api.transports.websocket import SocketLimits, SqlSocket

T = TypeVar("T")

SLICE_SECONDS = 0.005
"""How long a flow may run and write before other tasks of the event loop get a turn."""
MESSAGE_WAIT_SECONDS = 10.0
"""How long a message waits for room in the task log before it is written anyway, to keep a deadline."""
LAST_WAIT_SECONDS = 2.0
"""How long, in all, an interrupted flow waits for room before it writes anyway: a kill must not take long."""
LARGE_BODY_BYTES = 1_000_000
"""A larger response is parsed in a thread, so that the event loop is not blocked."""
ROOM = 64 * 1024
"""The most bytes of records that are written after each wait for room. A Unix socket of Linux has 208 KiB."""
RECORD_OVERHEAD = 2048
"""What a record takes of a socket apart from its text, in bytes: its other fields, and what the kernel adds."""


class EventLoopIo(Io):
    """Awaits what a flow asks for. :meth:`close` closes the WebSocket that a flow has opened.

    A flow is interrupted where it sends or waits, never where it writes: it may have read lines that are not written
    yet. What an interrupted flow still writes waits for room in the task log, but not for long.
    """

    def __init__(
        self,
        transport: AiohttpTransport,
        callbacks: Callbacks[Awaitable[Reloaded], Awaitable[None]],
        limits: RateLimits | None = None,
        clock: Clock[Awaitable[None]] | None = None,
        socket_limits: SocketLimits | None = None,
    ) -> None:
        super().__init__(clock or Clock(asyncio.sleep), limits)
        self._transport = transport
        self._callbacks = callbacks
        self._socket_limits = socket_limits
        self._socket: SqlSocket | None = None
        # When this flow's slice of the event loop began.
        self._since = 0.0
        # Until when, in the event loop's time, an interrupted flow waits for room; None if it is not interrupted.
        self._writes_by: float | None = None

    async def close(self) -> None:
        """Close the WebSocket, if one is open. The transport stays open."""
        found, self._socket = self._socket, None
        if found is not None:
            await found.close()

    @property
    def _endpoint(self) -> Endpoint:
        return self._transport.endpoint

    async def _exchange(self, call: Call[T], connect_timeout: float, read_timeout: float) -> T:
        await self._share_if_slice_is_over()
        response = await self._transport.send(call, connect_timeout, read_timeout)
        if len(response.body) > LARGE_BODY_BYTES:
            answer = await asyncio.to_thread(read_response, call, response)
        else:
            answer = read_response(call, response)
        self._since = self.monotonic()
        return answer

    async def reload(self) -> Reloaded:
        return await self._callbacks.reload()

    async def sleep(self, seconds: float, jitter: float = 0.0) -> None:
        await self._clock.sleep(Pause(seconds, jitter).length(self._clock.draw))
        self._since = self.monotonic()

    async def note(self, level: int, text: str, command: str = "") -> None:
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(MESSAGE_WAIT_SECONDS):
                    await self._wait_for_room()
        except asyncio.CancelledError:
            await self._wait_for_room()
            raise
        finally:
            self._callbacks.tell(level, text, command)

    async def forward(self, records: Sequence[LogRecord]) -> None:
        left = deque(records)
        try:
            await self._write_all(left)
        except asyncio.CancelledError:
            # Lines that are not written now would be lost.
            await self._write_all(left)
            raise

    async def publish(self, key: str, value: str) -> None:
        if self._callbacks.publish is not None:
            await self._callbacks.publish(key, value)

    async def _open_socket(self, url: str, timeout: float) -> None:
        await self.close()
        # Imported in a thread: an import in the loop would stop all triggers.
        module = await asyncio.to_thread(import_module, "airflow_provider_wherobots.api.transports.websocket")
        limits = self._socket_limits or module.IN_TRIGGERER
        self._socket = await module.open_socket(self._transport.endpoint, url, timeout, limits)

    async def transmit(self, message: ClientMessage) -> None:
        await self._share_if_slice_is_over()
        if self._socket is None:
            raise not_open()
        await self._socket.transmit(message)

    async def receive(self, timeout: float) -> ServerMessage | None:
        await self._share_if_slice_is_over()
        if self._socket is None:
            raise not_open()
        return await self._socket.receive(timeout)

    async def disconnect(self) -> None:
        await self.close()

    async def _write_all(self, left: deque[LogRecord]) -> None:
        """Write records and remove them. It can be interrupted once; after that, all are written."""
        write, take = self._callbacks.write, left.popleft
        room = 0
        # Making the records has taken time too, even if there are none.
        await self._share_if_slice_is_over()
        while left:
            if room <= 0:
                await self._wait_for_room()
                room = ROOM
            record = take()
            write(record)
            room -= size_of(record.text)
            if await self._share_if_slice_is_over():
                room = 0

    async def _wait_for_room(self) -> None:
        room = self._callbacks.room
        if room is None:
            return
        began = self.monotonic()
        if self._is_interrupted():
            await self._wait_until(room, self._writes_by or 0.0)
        else:
            await room()
        # Other tasks have had their turn.
        self._since += self.monotonic() - began

    @staticmethod
    async def _wait_until(room: Callable[[], Awaitable[None]], moment: float) -> None:
        # Airflow 3 cancels a trigger again every second until it has ended.
        while asyncio.get_running_loop().time() < moment:
            with suppress(asyncio.CancelledError, TimeoutError):
                async with asyncio.timeout_at(moment):
                    await room()
                return

    def _is_interrupted(self) -> bool:
        if self._writes_by is None:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                self._writes_by = asyncio.get_running_loop().time() + LAST_WAIT_SECONDS
        return self._writes_by is not None

    async def _share_if_slice_is_over(self) -> bool:
        """Give other tasks a turn if this one has run for long; returns whether it has."""
        if self.monotonic() - self._since <= SLICE_SECONDS:
            return False
        was_interrupted = self._is_interrupted()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            # Interrupted again: what an interrupted flow still has to write would be lost.
            if not was_interrupted:
                raise
        self._since = self.monotonic()
        return True


def size_of(text: str) -> int:
    """The room that a record takes, in bytes, if each character has three."""
    return RECORD_OVERHEAD + 3 * len(text)
