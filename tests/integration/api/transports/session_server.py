"""The WebSocket of a SQL session, served from a thread as a test says."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import cbor2
from aiohttp import WSMsgType, web

ENDS = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)
Serve: TypeAlias = Callable[[web.WebSocketResponse, dict[str, Any]], Awaitable[None]]
"""Takes the WebSocket and a message of the client."""


def result(execution_id: str, data: bytes = b"rows", **fields: Any) -> bytes:
    """The frame with a result."""
    results = {"result_bytes": data, "format": "arrow", "compression": "zstd", "geometry": "ewkt", "geo_columns": []}
    document = {"kind": "execution_result", "execution_id": execution_id, "state": "succeeded", "results": results}
    return cbor2.dumps({**document, **fields})


def state(execution_id: str, name: str, **fields: Any) -> str:
    """The frame with a state."""
    return json.dumps({"kind": "state_updated", "execution_id": execution_id, "state": name, **fields})


async def execute(socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
    """Execute statements at once, except for those that say ``SLEEP``: these run until they are cancelled."""
    execution_id = message["execution_id"]
    if message["kind"] == "execute_sql":
        await socket.send_str(state(execution_id, "running"))
        if "SLEEP" not in message["statement"]:
            await socket.send_str(state(execution_id, "succeeded"))
    elif message["kind"] == "cancel":
        await socket.send_str(state(execution_id, "cancelled"))
    else:
        await socket.send_bytes(result(execution_id))


class SessionServer:
    """A server whose every path is the WebSocket of a session.

    :param serve: what it does with a message.
    :param refuse: status, headers and body of a refused upgrade; None accepts it.
    :param context: TLS; default none.
    :param answers_pings: whether it reads the connection at all, and so answers pings.
    """

    def __init__(
        self,
        serve: Serve = execute,
        refuse: Callable[[web.Request], web.StreamResponse | None] = lambda request: None,
        context: ssl.SSLContext | None = None,
        *,
        answers_pings: bool = True,
    ) -> None:
        self._serve = serve
        self._refuse = refuse
        self._context = context
        self._answers_pings = answers_pings
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.messages: list[dict[str, Any]] = []
        self.requests: list[web.Request] = []
        self.were_clean: list[bool] = []
        """Of each connection that has ended, whether the client has sent a close frame."""
        self.pings = 0
        self.pongs = 0
        self.port = 0

    def __enter__(self) -> SessionServer:
        self._thread.start()
        self._in_loop(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._in_loop(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def url(self) -> str:
        scheme = "ws" if self._context is None else "wss"
        return f"{scheme}://127.0.0.1:{self.port}/sql/org/s1/ws/1.0.0"

    def kinds(self) -> list[str]:
        """What the client has sent, in order."""
        return [message["kind"] for message in self.messages]

    def _in_loop(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._context)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _end(self) -> None:
        await self._runner.cleanup()
        # asyncio reports an unfinished task when it is garbage-collected, which may be during another test.
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        refusal = self._refuse(request)
        if refusal is not None:
            return refusal
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        if not self._answers_pings:
            await asyncio.sleep(60)
        while (frame := await socket.receive()).type not in ENDS:
            if frame.type is WSMsgType.PING:
                self.pings += 1
                await socket.pong(frame.data)
            elif frame.type is WSMsgType.PONG:
                self.pongs += 1
            else:
                message = json.loads(frame.data)
                self.messages.append(message)
                await self._serve(socket, message)
        self.were_clean.append(frame.type is WSMsgType.CLOSE)
        return socket
