"""The worker's transport, on one adapter of ``requests``.

Not on a ``requests.Session``, which parses redirects even if they are not followed, keeps cookies, and reads ~/.netrc.
The libraries bound each socket read but not the whole call: a response that arrives byte by byte would never end. So
the connections here bound each step by the time the call has left. A watchdog thread would not work in a
signal handler, where a kill sends its cancel. Only name resolution runs in a thread, because nothing else can bound it.
"""

from __future__ import annotations

import io
import logging
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from contextvars import ContextVar
from http.client import HTTPException, HTTPResponse, RemoteDisconnected
from threading import Thread
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, MaxRetryError
from urllib3.util.connection import create_connection
from urllib3.util.ssl_match_hostname import CertificateError

from airflow_provider_wherobots.api.body import Body
from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.errors import (
    CaBundleError,
    NotSentError,
    PlainHttpError,
    ResponseLostError,
    ResponseTooLargeError,
    UntrustedServerError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.response import Response
from airflow_provider_wherobots.api.storage.presigned import (
    PUT_OBJECT,
    Content,
    PresignedUrl,
    refusal,
    upload_seconds,
)
from airflow_provider_wherobots.api.transports.environment import (
    Proxy,
    UnusableCaBundleError,
    ca_bundle,
    describe_route,
    describe_unresolved,
    is_plain_http,
    proxy_for,
)

PIECE_BYTES = 65_536
RAW_BYTES_PER_BYTE = 2
"""Headers and chunk framing (RFC 9112, section 7.1) add to the body's bytes, and have no separate limit."""

_LAYERS = re.compile(r"^<?[\w.]*Connection(?:Pool)?[( ][^)>]*[)>]: | \((?:connect|read) timeout=[^)]*\)$")
"""What urllib3 adds around a message: the connection's repr and the timeout."""


class RequestsTransport:
    """Sends calls over its own connections. Its endpoint can be replaced between calls."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._adapter = _Adapter()
        self._upload: _Bounds | None = None

    def send(self, call: Call[object], connect_timeout: float, read_timeout: float) -> Response:
        """Send a call once. ``read_timeout`` is the longest time without a byte of the response; the sum of both
        timeouts bounds the whole call.
        """
        endpoint = self.endpoint

        def prepare() -> requests.PreparedRequest:
            return requests.Request(
                call.method, endpoint.base_url + call.path, params=call.params, json=call.json, headers=endpoint.headers
            ).prepare()

        bounds = _Bounds(call, connect_timeout, read_timeout)
        received = self._exchange(bounds, prepare, endpoint.base_url, endpoint.address, endpoint.redact)
        return Response(*received, endpoint.redact, endpoint.address)

    def put(self, url: PresignedUrl, content: Content, connect_timeout: float, read_timeout: float) -> None:
        """Upload a file once, without any header of the API. ``read_timeout`` is the longest time without progress; the
        size of the file bounds the whole upload. What reading the file raises is raised.
        """
        body = _UploadBody(content)

        def prepare() -> requests.PreparedRequest:
            request = requests.PreparedRequest()
            # Not quoted again: the URL would no longer fit its signature.
            request.method, request.url = PUT_OBJECT.method, url.value
            request.prepare_headers({"User-Agent": self.endpoint.user_agent, "Content-Length": str(content.size)})
            # Without bytes there is nothing to iterate over.
            request.body = body if content.size else None  # type: ignore[assignment]
            return request

        self._upload = _Bounds(PUT_OBJECT, connect_timeout, read_timeout, upload_seconds(content.size))
        failed: WherobotsApiError | None
        try:
            failed = refusal(*self._exchange(self._upload, prepare, url.origin, url.origin, url.redact))
        except WherobotsApiError as error:
            failed = error
        finally:
            self._upload = None
        if body.failure is not None:
            raise body.failure
        if failed is not None:
            raise failed

    def break_off_upload(self) -> bool:
        """End the upload that a signal handler has interrupted on this thread. False if there is none."""
        if self._upload is None:
            return False
        self._upload.break_off()
        return True

    def close(self) -> None:
        self._adapter.close()

    def _exchange(
        self,
        bounds: _Bounds,
        prepare: Callable[[], requests.PreparedRequest],
        base_url: str,
        address: str,
        redact: Callable[[str], str],
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send a request within its bounds, and return the status, the headers and the body of its response."""
        operation = bounds.call.operation
        proxy = proxy_for(operation, base_url)
        token = _BOUNDS.set(bounds)
        try:
            return self._receive(bounds, prepare(), proxy)
        except _FAILURES as error:
            kind, words = _kind_and_words(error, bounds)
        finally:
            _BOUNDS.reset(token)
        # Raised outside the except block: the libraries' errors may show the URL, or a key that the response echoed.
        raise kind(operation, f"{describe_route(address, proxy)}: {redact(words)}")

    def _receive(
        self, bounds: _Bounds, request: requests.PreparedRequest, proxy: Proxy | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        self._adapter.proxy = proxy
        response = self._adapter.send(
            request,
            stream=True,
            timeout=bounds.timeouts,
            verify=ca_bundle() if str(request.url).startswith("https") else True,
            proxies={"all": proxy.url} if proxy else None,
        )
        whole = False
        try:
            body = Body(bounds.call, response.status_code, response.headers)
            for piece in response.raw.stream(PIECE_BYTES, decode_content=False):
                while body.feed(piece):
                    piece = b""
                if body.ended:
                    break
            content, whole = body.close(), not body.ended
        finally:
            if not whole:
                # The unread rest must not be taken for the next response.
                response.close()
        return response.status_code, response.headers, content


class _UploadBody:
    """Iterates over a file from its beginning, each time that it is iterated."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self.failure: Exception | None = None
        """Why the file could not be read to its end. The HTTP library would hide it in its own error."""

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._content.pieces()
        except Exception as error:
            self.failure = error
            raise


class _Bounds:
    """The time a call has left, first to connect and then for the response, and the bytes it can still receive.
    ``transfer_seconds``, for a file, come on top of both timeouts.
    """

    def __init__(
        self, call: Call[object], connect_timeout: float, read_timeout: float, transfer_seconds: float = 0.0
    ) -> None:
        self.call = call
        self.timeouts = connect_timeout, read_timeout
        self._start = time.monotonic()
        self._seconds = connect_timeout + read_timeout + transfer_seconds
        self._is_broken_off = False
        self.sock: socket.socket | None = None
        """The connection, once something is sent."""
        self._bytes = RAW_BYTES_PER_BYTE * call.max_bytes
        self.is_connecting = False
        self.is_sent = False
        """Whether some of the request may have been sent."""

    def left(self) -> float:
        """Seconds left for the current step."""
        if self._is_broken_off:
            raise TimeoutError("broken off")
        connect_timeout, read_timeout = self.timeouts
        seconds = connect_timeout if self.is_connecting else self._seconds
        left = self._start + seconds - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left if self.is_connecting else min(left, read_timeout)

    def break_off(self) -> None:
        """Let the current step fail at once, and every later one."""
        self._is_broken_off = True
        if self.sock is not None:
            with suppress(OSError):
                # Not the method of a TLS socket, which the interrupted code may be using.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def count_received(self, size: int) -> None:
        """Count received bytes, including those outside the body."""
        self._bytes -= size
        if self._bytes < 0:
            raise ResponseTooLargeError(self.call.operation, self.call.max_bytes)


_BOUNDS: ContextVar[_Bounds] = ContextVar("_BOUNDS")
"""The bounds of the current call. A signal handler that sends another call restores them."""


class _NotConnectedError(Exception):
    """No connection was made, including a proxy's tunnel and TLS where they apply, so nothing was sent."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.is_untrusted = isinstance(cause, ssl.SSLCertVerificationError | CertificateError)


class _BoundedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self.is_reading_headers = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        bounds = _BOUNDS.get()
        self._sock.settimeout(bounds.left())
        size = self._raw.readinto(buffer)
        if not size and self.is_reading_headers:
            raise RemoteDisconnected("The connection was closed before the end of the headers")
        bounds.count_received(size or 0)
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self._reader = _BoundedReader(sock)
        self.fp = io.BufferedReader(self._reader)

    def begin(self) -> None:
        # The base class would treat a closed connection as the end of the headers.
        self._reader.is_reading_headers = True
        super().begin()
        self._reader.is_reading_headers = False


class _BoundedConnection(HTTPConnection):
    response_class = _BoundedResponse

    def connect(self) -> None:
        bounds = _BOUNDS.get()
        bounds.is_connecting = True
        try:
            super().connect()
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            raise _NotConnectedError(error) from None
        finally:
            bounds.is_connecting = False

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        bounds = _BOUNDS.get()
        bounds.sock = self.sock
        self.sock.settimeout(bounds.left())
        # While connecting, only the request for a proxy's tunnel is sent.
        bounds.is_sent |= not bounds.is_connecting
        super().send(data)

    def _new_conn(self) -> socket.socket:
        # Private names of urllib3: this method, and `_dns_host`. If they move, the base class resolves the host, for as
        # long as the system's resolver takes.
        bounds = _BOUNDS.get()
        addresses = _resolve(self._dns_host, self.port, bounds)
        while True:
            # An address that never responds must leave time for the others.
            timeout = bounds.left() / len(addresses)
            address = addresses.pop(0)
            try:
                sock = create_connection(address, timeout, self.source_address, self.socket_options)
            except OSError:
                if not addresses:
                    raise
            else:
                sock.settimeout(bounds.left())
                return sock


class _BoundedTlsConnection(_BoundedConnection, HTTPSConnection):
    pass


class _BoundedConnectionPool(HTTPConnectionPool):
    ConnectionCls = _BoundedConnection


class _BoundedTlsConnectionPool(HTTPSConnectionPool):
    ConnectionCls = _BoundedTlsConnection


class ProxyAdapter(HTTPAdapter):
    """Sends the proxy's credentials, which are not in its address."""

    proxy: Proxy | None = None

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        return dict(self.proxy.headers) if self.proxy else {}


class _Adapter(ProxyAdapter):
    """Makes bounded connections."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _BoundedConnectionPool,
            "https": _BoundedTlsConnectionPool,
        }

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self.poolmanager.pool_classes_by_scheme
        return manager


def _resolve(host: str, port: int, bounds: _Bounds) -> list[tuple[str, int]]:
    """Resolve a host in a thread, because the system's resolver has no timeout."""
    found: Future[list[tuple[str, int]]] = Future()

    def resolve() -> None:
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.set_result(list(dict.fromkeys((str(info[4][0]), port) for info in infos)))
        except Exception as error:
            found.set_exception(OSError(describe_unresolved(host, error)))

    Thread(target=resolve, name="wherobots-resolve", daemon=True).start()
    try:
        return found.result(bounds.left())
    except TimeoutError:
        raise TimeoutError(f"Failed to resolve {host!r} in time") from None


_FAILURES = (
    _NotConnectedError,
    UnusableCaBundleError,
    requests.exceptions.RequestException,
    HTTPError,
    HTTPException,
    OSError,
    ValueError,
)
"""The errors of a call without a complete response."""


def _kind_and_words(error: Exception, bounds: _Bounds) -> tuple[type[WherobotsApiError], str]:
    if isinstance(error, _NotConnectedError):
        kind = PlainHttpError if is_plain_http(error.cause) else NotSentError
        return UntrustedServerError if error.is_untrusted else kind, _words(error.cause)
    if isinstance(error, UnusableCaBundleError):
        return CaBundleError, str(error)
    return ResponseLostError if bounds.is_sent else NotSentError, _words(error)


def _is_not_of_upload(record: logging.LogRecord) -> bool:
    """Whether a message of urllib3 may be written. A message about an upload would show its URL."""
    bounds = _BOUNDS.get(None)
    return bounds is None or bounds.call is not PUT_OBJECT


for _name in ("connection", "connectionpool", "util.retry"):
    logging.getLogger(f"urllib3.{_name}").addFilter(_is_not_of_upload)


def _words(error: Exception) -> str:
    """The error's message, without the outer errors' text, which repeats the host and shows objects."""
    cause: Any = error
    if isinstance(error, requests.exceptions.RequestException) and error.args:
        cause = error.args[0]
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    text = str(cause.args[-1] if isinstance(cause, HTTPError) and cause.args else cause)
    return _LAYERS.sub("", text) or type(cause).__name__
