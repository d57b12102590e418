"""Each ``Io``, to run flows of SQL sessions on."""

import asyncio
import contextlib
from typing import Any, ParamSpec, TypeVar

from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.transports.aiohttp import AiohttpTransport, shared_sessions
from airflow_provider_wherobots.api.transports.requests import RequestsTransport
from airflow_provider_wherobots.api.transports.websocket import SocketLimits
from airflow_provider_wherobots.io.base import Callbacks, Flow, Reloaded
from airflow_provider_wherobots.io.event_loop import EventLoopIo
from airflow_provider_wherobots.io.worker import WorkerIo

P = ParamSpec("P")
T = TypeVar("T")


class Driven:
    """An ``Io`` of either kind, and what it noted."""

    def __init__(self, kind: str, endpoint: Endpoint, limits: SocketLimits | None = None) -> None:
        self.kind = kind
        self.notes: list[tuple[int, str]] = []
        self.endpoints: list[Endpoint] = []
        """What reading the connection again gives, in order."""
        self.loop = asyncio.new_event_loop()
        self._open = contextlib.AsyncExitStack()
        self.transport: Any
        if kind == "sync":
            self.transport = RequestsTransport(endpoint)
            self.sync = WorkerIo(self.transport, Callbacks(self._note, self._write, self._reload), socket_limits=limits)
        else:
            sessions = self.loop.run_until_complete(self._open.enter_async_context(shared_sessions(endpoint.base_url)))
            self.transport = AiohttpTransport(endpoint, sessions)
            self.asynchronous = EventLoopIo(
                self.transport,
                Callbacks(self._note, self._write, self._reload_async),
                socket_limits=limits,
            )

    def run(self, flow: Flow[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self.kind == "sync":
            return self.sync.run(flow, *args, **kwargs)
        return self.loop.run_until_complete(flow(self.asynchronous, *args, **kwargs))

    def connect(self, url: str, timeout: float = 30.0) -> None:
        self.run(lambda io: io.connect_once(url, timeout))

    def transmit(self, message: Any) -> None:
        self.run(lambda io: io.transmit(message))

    def receive(self, timeout: float = 30.0) -> Any:
        return self.run(lambda io: io.receive(timeout))

    def close(self) -> None:
        if self.kind == "sync":
            self.sync.close()
            self.transport.close()
        else:
            self.loop.run_until_complete(self.asynchronous.close())
            self.loop.run_until_complete(self._open.aclose())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()

    def _note(self, level: int, text: str) -> None:
        self.notes.append((level, text))

    def _write(self, record: Any) -> None:
        raise AssertionError("nothing is forwarded")

    def _reload(self) -> Reloaded:
        before = self.transport.endpoint
        if self.endpoints:
            self.transport.endpoint = self.endpoints.pop(0)
        return Reloaded(self.transport.endpoint != before, "connection 'test'")

    async def _reload_async(self) -> Reloaded:
        return self._reload()
