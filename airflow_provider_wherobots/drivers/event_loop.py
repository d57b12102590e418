"""The driver that runs flows in an event loop, which it shares with other tasks."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_wherobots.api.errors import NotWrittenError
from airflow_provider_wherobots.api.response import read_response
from airflow_provider_wherobots.api.transports.aiohttp import AiohttpTransport
from airflow_provider_wherobots.drivers.base import (
    ROOM,
    SOCKET_TIMEOUT_SECONDS,
    Clock,
    Gate,
    Outlets,
    size_of,
    timeouts,
)
from airflow_provider_wherobots.drivers.rate_limit import RateLimits
from airflow_provider_wherobots.flows.effects import (
    Connect,
    Disconnect,
    Effect,
    Flow,
    Forward,
    Monotonic,
    Note,
    Now,
    Publish,
    Receive,
    ReloadCredentials,
    Reloaded,
    Send,
    Sleep,
    Transmit,
)
from airflow_provider_wherobots.logs.records import LogRecord

if TYPE_CHECKING:
    from airflow_provider_wherobots.api.transports.websocket import SocketLimits, SqlSocket

T = TypeVar("T")


SLICE_SECONDS = 0.005
"""How long a flow may run and write before other tasks of the event loop get a turn."""
MESSAGE_WAIT_SECONDS = 10.0
"""How long a message waits for room in the task log before it is written anyway, to keep a deadline."""
LAST_WAIT_SECONDS = 2.0
"""How long, in all, an interrupted flow waits for room before it writes anyway: a kill must not take long."""
PERFORMED_AT_ONCE = (Now, Monotonic, Forward, Note)
"""A flow is not interrupted before these: it may have read lines that it has not forwarded yet."""
LARGE_BODY_BYTES = 1_000_000
"""A larger response is parsed in a thread, so that the event loop is not blocked."""


class AsyncDriver:
    """Perform a flow's effects one after the other, never blocking the loop for long.

    A WebSocket that a flow opens stays open for the next flow; :meth:`close` closes it.
    """

    def __init__(
        self,
        transport: AiohttpTransport,
        outlets: Outlets[Awaitable[Reloaded], Awaitable[None]],
        limits: RateLimits | None = None,
        clock: Clock[Awaitable[None]] | None = None,
        socket_limits: SocketLimits | None = None,
    ) -> None:
        self._transport = transport
        self._outlets = outlets
        self._socket_limits = socket_limits
        self._clock = clock or Clock(asyncio.sleep)
        self._gate = Gate(limits or RateLimits(), self._clock)
        self._since = 0.0
        # Until when, in the event loop's time, an interrupted flow waits for room; None if it is not interrupted.
        self._writes_by: float | None = None
        self._socket: SqlSocket | None = None

    async def run(self, flow: Flow[T]) -> T:
        send, throw = flow.send, flow.throw
        step: Callable[[Any], Effect[Any]] = send
        value: Any = None
        self._since = self._clock.monotonic()
        try:
            while True:
                effect = step(value)
                # Only the flow may keep a response: a reference here would keep it in memory while the flow sleeps.
                value = None
                try:
                    if self._is_slice_over() and not isinstance(effect, PERFORMED_AT_ONCE):
                        await self._share()
                    # The most frequent effect needs no coroutine.
                    value = self._clock.now() if isinstance(effect, Now) else await self._perform(effect)
                    step = send
                except BaseException as error:
                    if isinstance(error, asyncio.CancelledError):
                        self._interrupt()
                    # Any error, also a cancellation, so that an interrupted flow can still write the lines it holds.
                    value, step = error, throw
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            flow.close()

    async def close(self) -> None:
        """Close the WebSocket, if one is open. The transport stays open."""
        found, self._socket = self._socket, None
        if found is not None:
            await found.close()

    async def _perform(self, effect: Effect[Any]) -> Any:
        match effect:
            case Send():
                response = await self._send(effect)
                self._since = self._clock.monotonic()
                return response
            case Sleep():
                await self._clock.sleep(self._clock.seconds(effect))
                self._since = self._clock.monotonic()
            case Monotonic():
                return self._clock.monotonic()
            case Note():
                try:
                    await self._wait_briefly_for_room()
                except asyncio.CancelledError:
                    self._interrupt()
                    await self._wait_for_room()
                    raise
                finally:
                    self._outlets.tell(effect)
            case Forward():
                await self._forward(effect)
            case Publish():
                if self._outlets.publish is not None:
                    await self._outlets.publish(effect.key, effect.value)
            case ReloadCredentials():
                return await self._outlets.reload()
            case Connect() | Transmit() | Receive() | Disconnect():
                return await self._use_socket(effect)
            case _:
                # A file is opened and uploaded on the worker only.
                raise TypeError(f"{effect!r} is not an effect of the event loop")
        return None

    async def _use_socket(self, effect: Connect | Transmit | Receive | Disconnect) -> Any:
        if isinstance(effect, Connect | Disconnect):
            await self.close()
        if isinstance(effect, Connect):
            # Imported in a thread: an import in the loop would stop all triggers.
            module = await asyncio.to_thread(import_module, "airflow_provider_wherobots.api.transports.websocket")
            seconds = effect.timeout or SOCKET_TIMEOUT_SECONDS
            limits = self._socket_limits or module.IN_TRIGGERER
            self._socket = await module.open_socket(self._transport.endpoint, effect.url, seconds, limits)
        elif not isinstance(effect, Disconnect):
            if self._socket is None:
                raise NotWrittenError("sqlSession", "no WebSocket is open")
            if isinstance(effect, Receive):
                return await self._socket.receive(effect.timeout)
            await self._socket.transmit(effect.message)
        return None

    async def _forward(self, effect: Forward) -> None:
        left = deque(effect.records)
        try:
            await self._write_all(left)
        except asyncio.CancelledError:
            self._interrupt()
            # Lines that are not written now would be lost.
            await self._write_all(left)
            raise

    async def _write_all(self, left: deque[LogRecord]) -> None:
        """Write records and remove them. It can be interrupted once; after that, all are written."""
        write, take = self._outlets.write, left.popleft
        room = 0
        if self._is_slice_over():
            # Making the records has taken time too, even if there are none.
            await self._share()
        while left:
            if room <= 0:
                await self._wait_for_room()
                room = ROOM
            record = take()
            write(record)
            room -= size_of(record.text)
            if self._is_slice_over():
                await self._share()
                room = 0

    def _interrupt(self) -> None:
        if self._writes_by is None:
            self._writes_by = asyncio.get_running_loop().time() + LAST_WAIT_SECONDS

    async def _wait_for_room(self) -> None:
        room = self._outlets.room
        if room is None:
            return
        began = self._clock.monotonic()
        if self._writes_by is None:
            await room()
        else:
            await self._wait_until(room, self._writes_by)
        # Other tasks have had their turn.
        self._since += self._clock.monotonic() - began

    @staticmethod
    async def _wait_until(room: Callable[[], Awaitable[None]], moment: float) -> None:
        # Airflow 3 cancels a trigger again every second until it has ended.
        while asyncio.get_running_loop().time() < moment:
            with suppress(asyncio.CancelledError, TimeoutError):
                async with asyncio.timeout_at(moment):
                    await room()
                return

    async def _wait_briefly_for_room(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(MESSAGE_WAIT_SECONDS):
                await self._wait_for_room()

    async def _send(self, effect: Send[Any]) -> Any:
        with self._gate.passing(self._transport.endpoint.api_key, effect.call):
            response = await self._transport.send(effect.call, *timeouts(effect))
            if len(response.body) <= LARGE_BODY_BYTES:
                return read_response(effect.call, response)
            return await asyncio.to_thread(read_response, effect.call, response)

    def _is_slice_over(self) -> bool:
        return self._clock.monotonic() - self._since > SLICE_SECONDS

    async def _share(self) -> None:
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            # Interrupted again: an interrupted flow only writes what it still has, and that would be lost.
            if self._writes_by is None:
                raise
        self._since = self._clock.monotonic()
