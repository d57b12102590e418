"""The WebSocket to a SQL session, on aiohttp.

One task always reads the connection: aiohttp responds to pings, and notices that a connection was cut, only while
something reads, and a client can be busy between two statements. A second task pings the session when no byte has
arrived for a while. Any byte is a sign of life, also a byte of a large message that is not complete yet.

A connection is closed without a close frame: a session keeps the statements of a lost connection for a while, but may
cancel those of a client that closes its connection on purpose.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp

# Here, so that the first binary frame does not import it in the event loop.
import cbor2  # noqa: F401
from aiohttp.client_proto import ResponseHandler

from airflow_provider_wherobots.api.call import Call, no_content
from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.errors import (
    ConnectionLostError,
    NotWrittenError,
    UnreadableResponseError,
    WherobotsApiError,
    error_from_response,
)
from airflow_provider_wherobots.api.sql.messages import (
    ClientMessage,
    ExecutionError,
    ServerMessage,
    TooLarge,
    Unreadable,
    read_message,
)
from airflow_provider_wherobots.api.transports.aiohttp import body_of, kind_of, own_session, words_of
from airflow_provider_wherobots.api.transports.environment import (
    UnusableCaBundleError,
    describe_route,
    proxy_for,
)

MIB = 1024 * 1024
WRITE_SECONDS = 30.0
"""How long writing a message may take."""
LARGE_FRAME_BYTES = 1_000_000
"""A larger frame is decoded in a thread, so that the event loop is not blocked."""
FRAMES_PER_TURN = 20
"""How many frames are read before other tasks of the event loop get a turn."""

SLACK_BYTES = MIB
"""How much more than one message can be in memory: aiohttp reads ahead."""


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """The limits of a WebSocket. After 20 s without data it is pinged, and 20 s later it is lost, as by the vendor's
    client. So a dead connection is noticed long before the session cancels its statements.
    """

    message_bytes: int
    quiet_seconds: float = 20.0
    pong_seconds: float = 20.0


ON_WORKER = SocketLimits(100 * MIB)
IN_TRIGGERER = SocketLimits(MIB)
"""A trigger needs no rows."""

_CONNECT: Call[object] = Call("connectSqlSession", "GET", "", no_content)
_FAILURES = (UnusableCaBundleError, TimeoutError, aiohttp.ClientError, OSError, ValueError)


class _Bytes(ResponseHandler):
    """Counts the bytes that arrive over a connection, and reads no more of a message that is too large.

    A large result takes minutes on a slow network, and is a message only with its last byte. aiohttp before 3.14
    notices nothing until then: it takes such a connection for dead, and finds a message too large only when it is in
    memory.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, message_bytes: int) -> None:
        super().__init__(loop)
        self._most = message_bytes + SLACK_BYTES
        self.unread = 0
        """How many have arrived since the last message."""
        self.heard_at = 0.0
        """When bytes last arrived, in the event loop's time."""

    @property
    def is_too_large(self) -> bool:
        """Whether more bytes have arrived than a message can have."""
        return self.unread > self._most

    def data_received(self, data: bytes) -> None:
        self.unread += len(data)
        self.heard_at = self._loop.time()
        if self.is_too_large:
            self.cut()
        else:
            super().data_received(data)

    def cut(self) -> None:
        """End the connection without a close frame."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()


class SqlSocket:
    """An open WebSocket to a SQL session. Made by :func:`open_socket`."""

    def __init__(
        self,
        connection: aiohttp.ClientWebSocketResponse,
        endpoint: Endpoint,
        route: str,
        resources: AsyncExitStack,
        incoming: _Bytes,
        limits: SocketLimits,
    ) -> None:
        self._connection = connection
        self._endpoint = endpoint
        self._route = route
        self._resources = resources
        self._incoming = incoming
        self._limits = limits
        self._arrived: deque[ServerMessage] = deque()
        self._news = asyncio.Event()
        self._lost: str | None = None
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._watch())]

    @property
    def is_lost(self) -> bool:
        return self._lost is not None

    async def transmit(self, message: ClientMessage) -> None:
        """Write a message. The connection is lost if that takes longer than 30 s."""
        if self._lost is not None or self._connection.closed:
            raise NotWrittenError("sqlSession", f"{self._route}: {self._lost or 'the WebSocket is closed'}")
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._connection.send_str(message.to_text())
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            words = self._endpoint.redact(words_of(error))
        else:
            return
        raise ConnectionLostError("sqlSession", f"{self._route}: {words}")

    async def wait(self, timeout: float) -> None:
        """Wait until a message can be taken, or the connection is lost."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, timeout)):
                while not self._arrived and self._lost is None:
                    self._news.clear()
                    await self._news.wait()

    def take(self) -> ServerMessage | None:
        """Take the next message that has arrived, or None. The loss of the connection is raised after the last message.
        Any thread can call this.
        """
        # Read first: the last messages arrive before the connection is lost.
        lost = self._lost
        with suppress(IndexError):
            return self._arrived.popleft()
        if lost is not None:
            raise ConnectionLostError("sqlSession", f"{self._route}: {lost}")
        return None

    async def receive(self, timeout: float) -> ServerMessage | None:
        """Wait for the next message. None if no message arrives in time."""
        await self.wait(timeout)
        return self.take()

    async def close(self) -> None:
        """Close the connection. Never raises."""
        self._lose("the WebSocket is closed")
        for task in self._tasks:
            task.cancel()
        try:
            await asyncio.wait(self._tasks)
        finally:
            await _close(self._resources)

    async def _read(self) -> None:
        count = 0
        try:
            while self._lost is None:
                await self._take_frame(await self._connection.receive())
                count += 1
                if count % FRAMES_PER_TURN == 0:
                    # Frames that have arrived already are received without a wait.
                    await asyncio.sleep(0)
        except Exception as error:
            self._lose(words_of(error))

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while self._lost is None:
            heard_at = self._incoming.heard_at
            await asyncio.sleep(heard_at + self._limits.quiet_seconds - loop.time())
            if self._incoming.heard_at == heard_at:
                pong_by = loop.time() + self._limits.pong_seconds
                # The reader reports a connection that is cut.
                with suppress(TimeoutError, aiohttp.ClientError, OSError):
                    async with asyncio.timeout_at(pong_by):
                        await self._connection.ping()
                await asyncio.sleep(pong_by - loop.time())
            if self._incoming.heard_at == heard_at:
                self._lose(
                    f"the session sent nothing for {loop.time() - heard_at:.0f} s, and did not respond to a ping"
                )

    async def _take_frame(self, frame: aiohttp.WSMessage) -> None:
        if frame.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            self._incoming.unread = 0
            message = await _decoded(frame.data)
            if isinstance(message, ExecutionError):
                message = replace(message, message=self._endpoint.redact(message.message))
            if message is not None:
                self._arrived.append(message)
                self._news.set()
        elif self._incoming.is_too_large or getattr(frame.data, "code", None) == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
            limit = self._limits.message_bytes
            self._arrived.append(TooLarge(limit))
            self._lose(f"a message was larger than {limit:,} bytes")
        elif frame.type is aiohttp.WSMsgType.ERROR:
            self._lose(words_of(frame.data) if isinstance(frame.data, BaseException) else "the connection broke")
        else:
            code, said = self._connection.close_code, str(frame.extra or "")
            cause = self._connection.exception()
            text = f"the session closed the connection (code {code}{f': {said}' if said else ''})"
            self._lose(words_of(cause) if cause is not None else text)

    def _lose(self, why: str) -> None:
        if self._lost is None:
            self._lost = self._endpoint.redact(why)
        self._news.set()


async def open_socket(endpoint: Endpoint, url: str, seconds: float, limits: SocketLimits) -> SqlSocket:
    """Open a WebSocket to a session. Redirects are not followed, as they would forward the API key. A refused upgrade
    is the error of its HTTP status.
    """
    origin = _origin(url)
    resources = AsyncExitStack()
    proxy = proxy_for(_CONNECT.operation, origin)
    route = describe_route(origin, proxy)
    made: list[_Bytes] = []

    def make(loop: asyncio.AbstractEventLoop) -> _Bytes:
        # A proxy's tunnel has one, and the TLS within it another.
        made.append(_Bytes(loop, limits.message_bytes))
        return made[-1]

    failure: WherobotsApiError
    try:
        async with asyncio.timeout(seconds):
            session = await resources.enter_async_context(own_session(origin, make, _refusals(endpoint)))
            connection = await session.ws_connect(
                url,
                headers=endpoint.headers,
                max_msg_size=limits.message_bytes,
                proxy=proxy.url if proxy else None,
                proxy_headers=proxy.headers if proxy else None,
            )
        resources.callback(made[-1].cut)
        return SqlSocket(connection, endpoint, route, resources, made[-1], limits)
    except WherobotsApiError as refused:
        failure = refused
    except _FAILURES as error:
        words = endpoint.redact(words_of(error))
        if isinstance(error, aiohttp.WSServerHandshakeError):
            words = f"the host refused the WebSocket: {words}"
        failure = kind_of(error)(_CONNECT.operation, f"{route}: {words}")
    except BaseException:
        await _close(resources)
        raise
    await _close(resources)
    # Raised outside the except blocks: the libraries' errors may show a key that the response echoed.
    raise failure


def _refusals(endpoint: Endpoint) -> aiohttp.TraceConfig:
    """Read why an upgrade is refused. aiohttp itself would follow a redirect, and drop the body of an error."""

    async def refuse(
        _: aiohttp.ClientSession,
        __: object,
        params: aiohttp.TraceRequestEndParams | aiohttp.TraceRequestRedirectParams,
    ) -> None:
        response = params.response
        if response.status == 101:
            return
        body = await body_of(_CONNECT, response)
        if 200 <= response.status < 300:
            cause = "it is not a WebSocket handshake"
            raise UnreadableResponseError(_CONNECT.operation, response.status, body, cause, endpoint.redact)
        raise error_from_response(_CONNECT.operation, response.status, response.headers, body, endpoint.redact)

    found = aiohttp.TraceConfig()
    found.on_request_end.append(refuse)
    found.on_request_redirect.append(refuse)
    return found


async def _decoded(frame: Any) -> ServerMessage | None:
    try:
        if len(frame) <= LARGE_FRAME_BYTES:
            return read_message(frame)
        return await asyncio.to_thread(read_message, frame)
    except Exception as error:
        # Whatever the parsers raise.
        return Unreadable(words_of(error))


async def _close(resources: AsyncExitStack) -> None:
    with suppress(Exception):
        await resources.aclose()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{'http' if parts.scheme == 'ws' else 'https'}://{parts.netloc}"


T = TypeVar("T")

SLACK_SECONDS = 5.0
"""How much longer than its own limit a step in the loop may take."""


class SocketThread:
    """At most one open WebSocket for blocking code, in an event loop in a thread of its own, which is started when the
    first one is opened. So it responds to pings while the caller is busy.

    Every method can be called in a signal handler that has interrupted another one, and from another thread: messages
    are taken on the caller's thread, and the loop only waits for them.
    """

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
            loop = asyncio.new_event_loop()
            thread = Thread(target=_run, args=(loop,), name="wherobots-sql-session", daemon=True)
            thread.start()
            self._loop, self._thread = loop, thread
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
