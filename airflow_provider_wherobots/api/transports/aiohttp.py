"""The triggerer's transport, on an ``aiohttp.ClientSession`` that many runs share."""

from __future__ import annotations

import asyncio
from functools import lru_cache

import aiohttp

from airflow_provider_wherobots.api.body import Body
from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.errors import (
    AnswerLostError,
    CaBundleError,
    NotSentError,
    UntrustedServerError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.response import Response
from airflow_provider_wherobots.api.transports.environment import (
    Proxy,
    UnusableCaBundleError,
    describe_route,
    proxy_for,
)
from airflow_provider_wherobots.api.transports.session_pool import PROGRESS, Progress


class AiohttpTransport:
    """Sends calls over a session that the caller owns and closes.

    :param endpoint: host and key; may be replaced between calls.
    :param session: a pooled session, made by
        :func:`~airflow_provider_wherobots.api.transports.session_pool.shared_session`.
    """

    def __init__(self, endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        self.endpoint = endpoint
        self._session = session
        self._proxy: tuple[str, Proxy | None] | None = None

    async def send(self, call: Call[object], connect_timeout: float, read_timeout: float) -> Response:
        """Send a call once.

        :param call: what to send.
        :param connect_timeout: seconds to connect, once a place in the pool is free.
        :param read_timeout: seconds without a byte of the response. The sum with ``connect_timeout`` bounds the whole
            call.
        :raises WherobotsApiError: if there is no complete response; the subclass says whether the request arrived.
        """
        endpoint, progress = self.endpoint, Progress()
        proxy = self._proxy_for(call.operation, endpoint.base_url)
        token = PROGRESS.set(progress)
        try:
            return await self._send(call, endpoint, proxy, connect_timeout, read_timeout)
        except (UnusableCaBundleError, TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            kind, words = _kind(error, progress), endpoint.redact(_words(error))
        finally:
            PROGRESS.reset(token)
        # Raised outside the except block: the libraries' errors may show a key that the response echoed.
        raise kind(call.operation, f"{describe_route(endpoint.base_url, proxy)}: {words}")

    async def _send(
        self, call: Call[object], endpoint: Endpoint, proxy: Proxy | None, connect_timeout: float, read_timeout: float
    ) -> Response:
        async with self._session.request(
            call.method,
            endpoint.base_url + call.path,
            params=call.params,
            json=call.json,
            headers=endpoint.headers,
            timeout=_timeout(connect_timeout, read_timeout),
            allow_redirects=False,
            proxy=proxy.url if proxy else None,
            proxy_headers=proxy.headers if proxy else None,
        ) as response:
            body = Body(call, response.status, response.headers)
            async for piece in response.content.iter_any():
                while body.feed(piece):
                    piece = b""
                    await asyncio.sleep(0)
                if body.ended:
                    break
            return Response(response.status, response.headers, body.close(), endpoint.redact)

    def _proxy_for(self, operation: str, base_url: str) -> Proxy | None:
        if self._proxy is None or self._proxy[0] != base_url:
            self._proxy = base_url, proxy_for(operation, base_url)
        return self._proxy[1]


@lru_cache(maxsize=16)
def _timeout(connect_timeout: float, read_timeout: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=connect_timeout + read_timeout, sock_connect=connect_timeout, sock_read=read_timeout
    )


def _kind(error: BaseException, progress: Progress) -> type[WherobotsApiError]:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return UntrustedServerError
    if isinstance(error, UnusableCaBundleError):
        return CaBundleError
    return AnswerLostError if progress.is_connected else NotSentError


def _words(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy refused the connection: {error.status} {error.message}"
    # The outer errors repeat the host and show objects.
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return str(error.certificate_error)
    if isinstance(error, aiohttp.ClientConnectorError):
        return str(error.os_error)
    # A `ClientResponseError` would show the URL again.
    text = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    return text or type(error).__name__
