"""The driver that runs flows on the calling thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_wherobots.api.errors import NotWrittenError, WherobotsApiError
from airflow_provider_wherobots.api.response import read_response
from airflow_provider_wherobots.drivers.base import (
    CONNECT_TIMEOUT_SECONDS,
    READ_TIMEOUT_SECONDS,
    SOCKET_TIMEOUT_SECONDS,
    Clock,
    Gate,
    Outlets,
    timeouts,
)
from airflow_provider_wherobots.drivers.rate_limit import RateLimits
from airflow_provider_wherobots.files.local_file import open_file
from airflow_provider_wherobots.flows.effects import (
    Connect,
    Disconnect,
    Effect,
    Flow,
    Forward,
    Monotonic,
    Note,
    Now,
    OpenFile,
    Publish,
    Receive,
    ReloadCredentials,
    Reloaded,
    Remember,
    Send,
    Sleep,
    Transmit,
    Upload,
)

if TYPE_CHECKING:
    from airflow_provider_wherobots.api.transports.requests import RequestsTransport
    from airflow_provider_wherobots.api.transports.socket_thread import SocketThread
    from airflow_provider_wherobots.api.transports.websocket import SocketLimits

T = TypeVar("T")


class FlowStoppedError(Exception):
    """The driver was stopped, so the flow may no longer send or wait."""


class SyncDriver:
    """Perform a flow's effects one after the other.

    A WebSocket that a flow opens stays open for the next flow; :meth:`close` closes it.
    """

    def __init__(
        self,
        transport: RequestsTransport,
        outlets: Outlets[Reloaded, None],
        limits: RateLimits | None = None,
        clock: Clock[None] | None = None,
        socket_limits: SocketLimits | None = None,
    ) -> None:
        self._transport = transport
        self._outlets = outlets
        self._socket_limits = socket_limits
        self._clock = clock or Clock(time.sleep)
        self._gate = Gate(limits or RateLimits(), self._clock)
        self._socket: SocketThread | None = None
        self.stopped = False

    def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end. Raises a ``FlowStoppedError`` when the flow sends or waits after :meth:`stop`."""
        step: Callable[[Any], Effect[Any]] = flow.send
        value: Any = None
        try:
            while True:
                effect = step(value)
                # Only the flow may keep a response: a reference here would keep it in memory while the flow sleeps.
                value = None
                try:
                    value, step = self._perform(effect), flow.send
                except BaseException as error:
                    # Any error, so that an interrupted flow can still write the lines it holds.
                    value, step = error, flow.throw
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            flow.close()

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

    def _perform(self, effect: Effect[Any]) -> Any:
        if not isinstance(effect, Now | Monotonic | Note | Forward | Remember | Disconnect):
            self._check_not_stopped()
        if isinstance(effect, Connect | Transmit | Receive | Disconnect):
            return self._use_socket(effect)
        return self._carry_out(effect)

    def _carry_out(self, effect: Effect[Any]) -> Any:
        match effect:
            case Send():
                with self._gate.passing(self._transport.endpoint.api_key, effect.call):
                    return self._send(effect)
            case Sleep():
                self._clock.sleep(self._clock.seconds(effect))
            case Now():
                return self._clock.now()
            case Monotonic():
                return self._clock.monotonic()
            case Note() | Forward() | Publish() | Remember():
                self._tell(effect)
            case ReloadCredentials():
                return self._outlets.reload()
            case OpenFile() | Upload():
                return self._handle_file(effect)
            case _:
                raise TypeError(f"{effect!r} is not an effect")
        return None

    def _tell(self, effect: Note | Forward | Publish | Remember) -> None:
        outlets = self._outlets
        match effect:
            case Note():
                outlets.tell(effect)
            case Forward():
                for record in effect.records:
                    outlets.write(record)
            case Publish() if outlets.publish is not None:
                outlets.publish(effect.key, effect.value)
            case Remember() if outlets.remember is not None:
                outlets.remember(effect.memory, effect.else_not)

    def _send(self, effect: Send[Any]) -> Any:
        return read_response(effect.call, self._transport.send(effect.call, *timeouts(effect)))

    def _handle_file(self, effect: OpenFile | Upload) -> Any:
        if isinstance(effect, OpenFile):
            return open_file(effect.source)
        try:
            return self._transport.put(effect.url, effect.file, CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)
        except WherobotsApiError:
            # It may have been aborted because the task is being stopped.
            self._check_not_stopped()
            raise

    def _use_socket(self, effect: Connect | Transmit | Receive | Disconnect) -> Any:
        if self._socket is None:
            if not isinstance(effect, Connect):
                if not isinstance(effect, Disconnect):
                    raise NotWrittenError("sqlSession", "no WebSocket is open")
                return None
            # Imported here: a task without SQL needs neither aiohttp nor a second thread.
            from airflow_provider_wherobots.api.transports.socket_thread import SocketThread

            self._socket = SocketThread(self._socket_limits)
        match effect:
            case Connect():
                self._socket.connect(self._transport.endpoint, effect.url, effect.timeout or SOCKET_TIMEOUT_SECONDS)
            case Transmit():
                self._socket.transmit(effect.message)
            case Disconnect():
                self._socket.disconnect()
            case Receive():
                message = self._socket.receive(effect.timeout)
                self._check_not_stopped()
                return message
        return None
