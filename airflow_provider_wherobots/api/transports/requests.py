"""The worker's transport, on one adapter of ``requests``.

Not on a ``requests.Session``, which parses redirects even if they are not followed, keeps cookies, and reads ~/.netrc.

A presigned URL gets no header of the API.
"""

from __future__ import annotations

import logging
import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from http.client import HTTPException
from typing import IO, Any, TypeVar

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, MaxRetryError, NameResolutionError
from urllib3.util.ssl_match_hostname import CertificateError

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
from airflow_provider_wherobots.api.storage import (
    PUT_OBJECT,
    Content,
    PresignedUrl,
    refusal,
    upload_seconds,
)
from airflow_provider_wherobots.api.transports.environment import (
    UNRESOLVED_HINT,
    Proxy,
    UnusableCaBundleError,
    ca_bundle,
    describe_route,
    is_plain_http,
    proxy_for,
)

T = TypeVar("T")

PIECE_BYTES = 65_536

_LAYERS = re.compile(r"^<?[\w.]*Connection(?:Pool)?[( ][^)>]*[)>]: | \((?:connect|read) timeout=[^)]*\)$")
"""What urllib3 adds around a message: the connection's repr and the timeout."""


class RequestsTransport:
    """Sends calls over its own connections. Its endpoint can be replaced between calls."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._adapter = Adapter()
        self._upload: _UploadBody | None = None

    def send(self, call: Call[Any], connect_timeout: float, read_timeout: float) -> Response:
        """Send a call once. ``read_timeout`` is the longest time without a byte of the response. A body that has not
        ended after the sum of both timeouts is read no further.
        """
        endpoint = self.endpoint
        until = time.monotonic() + connect_timeout + read_timeout

        def prepare() -> requests.PreparedRequest:
            url, headers = endpoint.base_url + call.path, endpoint.headers_for(call.command)
            return requests.Request(call.method, url, params=call.params, json=call.json, headers=headers).prepare()

        def receive(response: requests.Response) -> Response:
            body = _read_body(call, response, until)
            return Response(response.status_code, response.headers, body, endpoint.redact, endpoint.address)

        return self._adapter.exchange(call.operation, endpoint, prepare, receive, (connect_timeout, read_timeout))

    def put(self, url: PresignedUrl, content: Content, connect_timeout: float, read_timeout: float) -> None:
        """Upload a file once, without any header of the API. ``read_timeout`` is the longest time without a byte of the
        response; the size of the file bounds the whole upload. What reading the file raises is raised.
        """
        until = time.monotonic() + connect_timeout + read_timeout + upload_seconds(content.size)
        body = self._upload = _UploadBody(content, until)

        def prepare() -> requests.PreparedRequest:
            request = prepare_presigned(PUT_OBJECT.method, url, self.endpoint.user_agent)
            request.headers["Content-Length"] = str(content.size)
            # Without bytes there is nothing to iterate over.
            request.body = body if content.size else None  # type: ignore[assignment]
            return request

        def receive(response: requests.Response) -> WherobotsApiError | None:
            return refusal(response.status_code, response.headers, _read_body(PUT_OBJECT, response, until))

        failed: WherobotsApiError | None
        try:
            failed = self._adapter.exchange(
                PUT_OBJECT.operation, url, prepare, receive, (connect_timeout, read_timeout)
            )
        except WherobotsApiError as error:
            failed = error
        finally:
            self._upload = None
        if body.failure is not None:
            raise body.failure
        if failed is not None:
            raise failed

    def break_off_upload(self) -> bool:
        """End the upload that a signal handler has interrupted on this thread, before its next piece is sent. False if
        there is none.
        """
        if self._upload is None:
            return False
        self._upload.is_broken_off = True
        return True

    def close(self) -> None:
        self._adapter.close()


class _UploadBody:
    """Iterates over a file from its beginning, each time that it is iterated."""

    def __init__(self, content: Content, until: float) -> None:
        self._content = content
        self._until = until
        self.is_broken_off = False
        self.failure: Exception | None = None
        """Why the file could not be read to its end. The HTTP library would hide it in its own error."""

    def __iter__(self) -> Iterator[bytes]:
        pieces = self._content.pieces()
        while True:
            try:
                piece = next(pieces, None)
            except Exception as error:
                self.failure = error
                raise
            if piece is None:
                return
            if self.is_broken_off:
                raise TimeoutError("broken off")
            if time.monotonic() > self._until:
                raise TimeoutError("timed out")
            yield piece


class Adapter(HTTPAdapter):
    """Sends requests, each once and without following redirects, through the proxy that the environment names."""

    _proxy: Proxy | None = None

    def exchange(
        self,
        operation: str,
        target: Endpoint | PresignedUrl,
        prepare: Callable[[], requests.PreparedRequest],
        receive: Callable[[requests.Response], T],
        timeouts: tuple[float, float],
    ) -> T:
        """Send a request and receive its response. The timeouts are those to connect, and without a byte of the
        response. A presigned URL appears in no log.
        """
        if isinstance(target, Endpoint):
            base_url, address = target.base_url, target.address
        else:
            base_url = address = target.origin
        proxy = self._proxy = proxy_for(operation, base_url)
        token = _HAS_SECRET_URL.set(isinstance(target, PresignedUrl))
        try:
            request = prepare()
            with self.send(
                request,
                stream=True,
                timeout=timeouts,
                verify=ca_bundle() if str(request.url).startswith("https") else True,
                proxies={"all": proxy.url} if proxy else None,
            ) as response:
                return receive(response)
        except _FAILURES as error:
            kind, words = _kind_of(error), _words(error)
        finally:
            _HAS_SECRET_URL.reset(token)
        # Raised outside the except block: the libraries' errors may show the URL, or a key that the response echoed.
        raise kind(operation, f"{describe_route(address, proxy)}: {target.redact(words)}")

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        # The proxy's credentials are not in its address.
        return dict(self._proxy.headers) if self._proxy else {}

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class _NotConnectedError(Exception):
    """No connection was made, including a proxy's tunnel and TLS where they apply, so nothing was sent."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Connection(HTTPConnection):
    def connect(self) -> None:
        # urllib3 reports a connection that is reset in the TLS handshake as one that is reset after the request.
        try:
            super().connect()
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            raise _NotConnectedError(error) from None


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS = {"http": _Pool, "https": _TlsPool}


def prepare_presigned(method: str, url: PresignedUrl, user_agent: str) -> requests.PreparedRequest:
    """Make a request to a presigned URL, which is not quoted again: it would no longer fit its signature."""
    request = requests.PreparedRequest()
    request.method, request.url = method, url.value
    request.prepare_headers({"User-Agent": user_agent})
    return request


def _read_body(call: Call[Any], response: requests.Response, until: float) -> bytes:
    body = Body(call, response.status_code, response.headers)
    while not body.ended and (piece := response.raw.read1(PIECE_BYTES, decode_content=False)):
        if time.monotonic() > until:
            raise TimeoutError("timed out")
        while body.feed(piece):
            piece = b""
    return body.close()


_FAILURES = (
    _NotConnectedError,
    UnusableCaBundleError,
    requests.exceptions.RequestException,
    HTTPError,
    HTTPException,
    TimeoutError,
    ValueError,
)
"""The errors of a call without a complete response."""


def _kind_of(error: Exception) -> type[WherobotsApiError]:
    if isinstance(error, UnusableCaBundleError):
        return CaBundleError
    if isinstance(error, requests.exceptions.InvalidURL):
        return NotSentError
    if not isinstance(error, _NotConnectedError):
        return ResponseLostError
    if isinstance(error.cause, ssl.SSLCertVerificationError | CertificateError):
        return UntrustedServerError
    return PlainHttpError if is_plain_http(error.cause) else NotSentError


def _words(error: Exception) -> str:
    """The error's message, without the outer errors' text, which repeats the host and shows objects."""
    cause: Any = error.cause if isinstance(error, _NotConnectedError) else error
    if isinstance(cause, requests.exceptions.RequestException) and cause.args:
        cause = cause.args[0]
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    text = str(cause.args[-1] if isinstance(cause, HTTPError) and cause.args else cause)
    text = _LAYERS.sub("", text) or type(cause).__name__
    return f"{text}; {UNRESOLVED_HINT}" if isinstance(cause, NameResolutionError) else text


_HAS_SECRET_URL: ContextVar[bool] = ContextVar("_HAS_SECRET_URL", default=False)


def _shows_no_secret(record: logging.LogRecord) -> bool:
    return not _HAS_SECRET_URL.get()


for _name in ("connection", "connectionpool", "util.retry"):
    logging.getLogger(f"urllib3.{_name}").addFilter(_shows_no_secret)


OPERATION = "getObject"
TIMEOUTS = (10.0, 60.0)
"""The most seconds to connect, and without a byte of the file. A large file may take long."""
DOWNLOAD_PIECE_BYTES = 1024 * 1024
MAX_ERROR_BYTES = 10_000


def download(url: PresignedUrl, file: IO[bytes]) -> None:
    """Download a file once. Redirects are not followed. Errors show no part of the URL that is secret."""

    def prepare() -> requests.PreparedRequest:
        return prepare_presigned("GET", url, "airflow-provider-wherobots")

    def receive(response: requests.Response) -> WherobotsApiError | None:
        if response.status_code != 200:
            body = response.raw.read(MAX_ERROR_BYTES)
            return refusal(response.status_code, response.headers, body, OPERATION)
        for piece in response.iter_content(DOWNLOAD_PIECE_BYTES):
            file.write(piece)
        return None

    adapter = Adapter()
    try:
        failed = adapter.exchange(OPERATION, url, prepare, receive, TIMEOUTS)
    finally:
        adapter.close()
    if failed is not None:
        raise failed
