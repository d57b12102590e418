"""The triggerer's transport, on sessions that many runs share. Only the worker uploads files.

The pooled ``aiohttp.ClientSession`` objects of a host are shared by all runs in one event loop. A call waits for a free
connection. If other calls hang, cancels must not wait for them, so they have their own session.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias

import aiohttp
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from airflow_provider_wherobots.api.call import Body, Call, Response
from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.errors import (
    CaBundleError,
    NotSentError,
    PlainHttpError,
    ResponseLostError,
    UntrustedServerError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.transports.environment import (
    UNRESOLVED_HINT,
    Proxy,
    UnusableCaBundleError,
    describe_route,
    is_plain_http,
    proxy_for,
    ssl_context,
)

if TYPE_CHECKING:
    from aiohttp.client import ClientTimeout
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace


class AiohttpTransport:
    """Sends calls over sessions that the caller owns and closes. Its endpoint can be replaced between calls."""

    def __init__(self, endpoint: Endpoint, sessions: Sessions) -> None:
        self.endpoint = endpoint
        self._sessions = sessions
        self._proxy: tuple[str, Proxy | None] | None = None

    async def send(self, call: Call[Any], connect_timeout: float, read_timeout: float) -> Response:
        """Send a call once, within the sum of both timeouts. The time to connect counts once a connection is free."""
        endpoint = self.endpoint
        proxy = self._proxy_for(call.operation, endpoint.base_url)
        try:
            async with self._sessions.session_for(call).request(
                call.method,
                _url(endpoint.base_url, call.path),
                params=call.params,
                json=call.json,
                headers=endpoint.headers_for(call.command),
                timeout=_timeout(connect_timeout, read_timeout),
                allow_redirects=False,
                proxy=proxy.url if proxy else None,
                proxy_headers=proxy.headers if proxy else None,
            ) as response:
                body = await body_of(call, response)
                return Response(response.status, response.headers, body, endpoint.redact, endpoint.address)
        except (UnusableCaBundleError, TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            kind, words = kind_of(error), endpoint.redact(words_of(error))
        # Raised outside the except block: the libraries' errors may show a key that the response echoed.
        raise kind(call.operation, f"{describe_route(endpoint.address, proxy)}: {words}")

    def _proxy_for(self, operation: str, base_url: str) -> Proxy | None:
        if self._proxy is None or self._proxy[0] != base_url:
            self._proxy = base_url, proxy_for(operation, base_url)
        return self._proxy[1]


async def body_of(call: Call[Any], response: aiohttp.ClientResponse) -> bytes:
    """Read the body of a response within its limit."""
    body = Body(call, response.status, response.headers)
    while not body.ended and (piece := await response.content.readany()):
        while body.feed(piece):
            piece = b""
            await asyncio.sleep(0)
    return body.close()


def _url(base_url: str, path: str) -> URL:
    # The base is parsed once: parsing the whole URL takes five times as long as this.
    base = _base(base_url)
    return base.with_path(f"{base.raw_path.rstrip('/')}{path}", encoded=True)


@lru_cache(maxsize=16)
def _base(base_url: str) -> URL:
    return URL(base_url)


@lru_cache(maxsize=16)
def _timeout(connect_timeout: float, read_timeout: float) -> aiohttp.ClientTimeout:
    # No `sock_read`: aiohttp starts a timer for it at least twice in a call, and a cancelled timer stays in the event
    # loop for a while.
    return aiohttp.ClientTimeout(total=connect_timeout + read_timeout, sock_connect=connect_timeout)


def kind_of(error: BaseException) -> type[WherobotsApiError]:
    """The typed error that an error of aiohttp becomes."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return UntrustedServerError
    if isinstance(error, aiohttp.ClientConnectorError) and is_plain_http(error.os_error):
        return PlainHttpError
    if isinstance(error, UnusableCaBundleError):
        return CaBundleError
    return ResponseLostError if had_connection(error) else NotSentError


def words_of(error: BaseException) -> str:
    """The text of an error of aiohttp, without addresses. It may still hold the API key."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy refused the connection: {error.status} {error.message}"
    # The outer errors repeat the host and show objects.
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return str(error.certificate_error)
    if isinstance(error, aiohttp.ClientConnectorError):
        if isinstance(error.os_error, socket.gaierror):
            return f"Failed to resolve {error.host!r} ({error.os_error}); {UNRESOLVED_HINT}"
        return str(error.os_error)
    # A `ClientResponseError` would show the URL again.
    text = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    return text or ("timed out" if isinstance(error, TimeoutError) else type(error).__name__)


MakeProtocol: TypeAlias = Callable[[asyncio.AbstractEventLoop], ResponseHandler]

MAX_CONNECTIONS = 100
"""Of each session of a host. At 30 ms a call, that is 3,000 calls per second."""
READ_AHEAD_BYTES = 1_000_000
"""How much of a response is read before it is asked for: more than a usual log page has."""
KEEP_ALIVE_SECONDS = 90.0
"""Longer than the usual longest delay between two polls, so that a poll needs no new TLS connection."""


class _Connector(aiohttp.TCPConnector):
    """Marks the errors of connecting, and refuses to connect without usable certificates: then it gets an error in
    place of a TLS context.
    """

    def __init__(
        self, trust: ssl.SSLContext | UnusableCaBundleError | None, protocol: MakeProtocol | None, **options: Any
    ) -> None:
        self._trust_error = trust if isinstance(trust, UnusableCaBundleError) else None
        super().__init__(ssl=trust if isinstance(trust, ssl.SSLContext) else True, **options)
        if protocol is not None:
            # There is no public way.
            self._factory = partial(protocol, self._loop)

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:
        if self._trust_error is not None:
            raise UnusableCaBundleError(*self._trust_error.args)
        try:
            return await super().connect(req, traces, timeout)
        except BaseException as error:
            error.is_before_request = True  # type: ignore[attr-defined]
            raise


def had_connection(error: BaseException | None) -> bool:
    """Whether a request that failed had a connection, including a proxy's tunnel and TLS if used. Before that, nothing
    was sent. aiohttp turns some errors of connecting into others, and names the first as the cause.
    """
    while error is not None:
        if getattr(error, "is_before_request", False):
            return False
        error = error.__cause__
    return True


class Sessions:
    """The sessions of a host: for calls, and for what must not wait, such as a cancel.

    :param open_session: makes one. It opens no connection before its first call.
    """

    def __init__(self, open_session: Callable[[], aiohttp.ClientSession]) -> None:
        self._calls, self._urgent = open_session(), open_session()

    def session_for(self, call: Call[Any]) -> aiohttp.ClientSession:
        """The session that sends a call."""
        return self._urgent if call.urgent else self._calls

    async def close(self) -> None:
        """Close all connections."""
        try:
            await self._calls.close()
        finally:
            await self._urgent.close()


@dataclass(slots=True)
class _Shared:
    sessions: Sessions
    users: int = 0


_shared: dict[tuple[int, str], _Shared] = {}


@asynccontextmanager
async def shared_sessions(base_url: str) -> AsyncIterator[Sessions]:
    """Borrow the sessions of a host; they are closed when the last borrower returns them."""
    key = (id(asyncio.get_running_loop()), base_url)
    # Reading the context from disk blocks, so it runs in a thread. Another task may open the sessions in that time.
    trust = await asyncio.to_thread(_trust) if key not in _shared and base_url.startswith("https") else None
    shared = _shared.get(key)
    if shared is None:
        shared = _shared[key] = _Shared(Sessions(partial(_open_session, trust)))
    shared.users += 1
    try:
        yield shared.sessions
    finally:
        shared.users -= 1
        if shared.users == 0:
            del _shared[key]
            await shared.sessions.close()


@asynccontextmanager
async def own_session(
    base_url: str, protocol: MakeProtocol, *traces: aiohttp.TraceConfig
) -> AsyncIterator[aiohttp.ClientSession]:
    """Make a session that is not shared, for one long connection: it would take a place in a shared pool."""
    trust = await asyncio.to_thread(_trust) if base_url.startswith("https") else None
    async with _open_session(trust, protocol, *traces) as session:
        yield session


def _trust() -> ssl.SSLContext | UnusableCaBundleError:
    """Trust what ``requests`` trusts on the worker. An error is returned, for a call to raise with its operation."""
    try:
        return ssl_context()
    except UnusableCaBundleError as error:
        return error


def _open_session(
    trust: ssl.SSLContext | UnusableCaBundleError | None,
    protocol: MakeProtocol | None = None,
    *traces: aiohttp.TraceConfig,
) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=_Connector(trust, protocol, limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        # `Body` decompresses within its limit. No `trust_env`: it would read ~/.netrc before every request, and use a
        # proxy even for this machine.
        auto_decompress=False,
        # A large response that comes while lines are written is not paused until somebody reads it.
        read_bufsize=READ_AHEAD_BYTES,
        trace_configs=list(traces),
    )
