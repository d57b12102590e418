"""The triggerer's transport, on an ``aiohttp.ClientSession`` that many runs share."""

from __future__ import annotations

import asyncio
import socket
from functools import lru_cache

import aiohttp
from yarl import URL

from airflow_provider_wherobots.api.body import Body
from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.errors import (
    CaBundleError,
    NotSentError,
    PlainHttpError,
    ResponseLostError,
    UntrustedServerError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.response import Response
from airflow_provider_wherobots.api.storage.models import Content
from airflow_provider_wherobots.api.storage.presigned import PUT_OBJECT, PresignedUrl, refusal, upload_seconds
from airflow_provider_wherobots.api.transports.environment import (
    Proxy,
    UnusableCaBundleError,
    describe_route,
    describe_unresolved,
    is_plain_http,
    proxy_for,
)
from airflow_provider_wherobots.api.transports.session_pool import Progress
from airflow_provider_wherobots.api.transports.upload_body import UploadBody


class AiohttpTransport:
    """Sends calls over a session that the caller owns and closes. Its endpoint may be replaced between calls."""

    def __init__(self, endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        self.endpoint = endpoint
        self._session = session
        self._proxy: tuple[str, Proxy | None] | None = None

    async def send(self, call: Call[object], connect_timeout: float, read_timeout: float) -> Response:
        """Send a call once, within the sum of both timeouts. The time to connect counts once a place in the pool is
        free.
        """
        endpoint = self.endpoint
        proxy = self._proxy_for(call.operation, endpoint.base_url)
        with Progress() as progress:
            try:
                return await self._send(call, endpoint, proxy, connect_timeout, read_timeout)
            except (UnusableCaBundleError, TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
                kind, words = kind_of(error, progress), endpoint.redact(words_of(error))
        # Raised outside the except block: the libraries' errors may show a key that the response echoed.
        raise kind(call.operation, f"{describe_route(endpoint.address, proxy)}: {words}")

    async def put(self, url: PresignedUrl, content: Content, connect_timeout: float, read_timeout: float) -> None:
        """Upload a file once, without any header of the API. ``read_timeout`` is the longest time without progress; the
        size of the file bounds the whole upload. What reading the file raises is raised.
        """
        origin = url.origin
        proxy = proxy_for(PUT_OBJECT.operation, origin)
        clock, pause = asyncio.get_running_loop().time, connect_timeout + read_timeout
        refused: WherobotsApiError | None
        with Progress() as progress:
            try:
                async with asyncio.timeout(pause + upload_seconds(content.size)), asyncio.timeout(pause) as stall:
                    body = UploadBody(content, lambda: stall.reschedule(clock() + pause))
                    refused = await self._put(url, content.size, body, proxy, connect_timeout)
            except (UnusableCaBundleError, TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
                kind, words = kind_of(error, progress), url.redact(words_of(error))
                refused = kind(PUT_OBJECT.operation, f"{describe_route(origin, proxy)}: {words}")
        # Raised outside the except block: the libraries' errors may show the URL.
        if body.failure is not None:
            raise body.failure
        if refused is not None:
            raise refused

    async def _put(
        self,
        url: PresignedUrl,
        size: int,
        body: UploadBody,
        proxy: Proxy | None,
        connect_timeout: float,
    ) -> WherobotsApiError | None:
        async with self._session.put(
            # As it is: a URL that is quoted anew no longer fits its signature.
            URL(url.value, encoded=True),
            # Without bytes there is nothing to iterate over.
            data=body if size else None,
            headers={"User-Agent": self.endpoint.user_agent, "Content-Length": str(size)},
            skip_auto_headers=("Content-Type",),
            # No `sock_read`: it would count the time in which the body is sent too.
            timeout=aiohttp.ClientTimeout(sock_connect=connect_timeout),
            allow_redirects=False,
            proxy=proxy.url if proxy else None,
            proxy_headers=proxy.headers if proxy else None,
        ) as response:
            return refusal(response.status, response.headers, await body_of(PUT_OBJECT, response))

    async def _send(
        self, call: Call[object], endpoint: Endpoint, proxy: Proxy | None, connect_timeout: float, read_timeout: float
    ) -> Response:
        async with self._session.request(
            call.method,
            _url(endpoint.base_url, call.path),
            params=call.params,
            json=call.json,
            headers=endpoint.headers,
            timeout=_timeout(connect_timeout, read_timeout),
            allow_redirects=False,
            proxy=proxy.url if proxy else None,
            proxy_headers=proxy.headers if proxy else None,
        ) as response:
            body = await body_of(call, response)
            return Response(response.status, response.headers, body, endpoint.redact, endpoint.address)

    def _proxy_for(self, operation: str, base_url: str) -> Proxy | None:
        if self._proxy is None or self._proxy[0] != base_url:
            self._proxy = base_url, proxy_for(operation, base_url)
        return self._proxy[1]


async def body_of(call: Call[object], response: aiohttp.ClientResponse) -> bytes:
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


def kind_of(error: BaseException, progress: Progress) -> type[WherobotsApiError]:
    """The typed error that an error of aiohttp becomes."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return UntrustedServerError
    if isinstance(error, aiohttp.ClientConnectorError) and is_plain_http(error.os_error):
        return PlainHttpError
    if isinstance(error, UnusableCaBundleError):
        return CaBundleError
    return ResponseLostError if progress.is_connected else NotSentError


def words_of(error: BaseException) -> str:
    """What an error of aiohttp says, without addresses. It may still hold the API key."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy refused the connection: {error.status} {error.message}"
    # The outer errors repeat the host and show objects.
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return str(error.certificate_error)
    if isinstance(error, aiohttp.ClientConnectorError):
        is_unresolved = isinstance(error.os_error, socket.gaierror)
        return describe_unresolved(error.host, error.os_error) if is_unresolved else str(error.os_error)
    # A `ClientResponseError` would show the URL again.
    text = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    return text or ("timed out" if isinstance(error, TimeoutError) else type(error).__name__)
