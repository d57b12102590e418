"""The triggerer's transport, on sessions that many runs share. Only the worker uploads files."""

from __future__ import annotations

import asyncio
import socket
from functools import lru_cache
from typing import Any

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
from airflow_provider_wherobots.api.transports.environment import (
    UNRESOLVED_HINT,
    Proxy,
    UnusableCaBundleError,
    describe_route,
    is_plain_http,
    proxy_for,
)
from airflow_provider_wherobots.api.transports.session_pool import Sessions, had_connection


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
