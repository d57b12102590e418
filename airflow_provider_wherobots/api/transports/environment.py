"""Proxy and trusted certificates from environment variables, for both transports."""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies

from requests.utils import DEFAULT_CA_BUNDLE_PATH, should_bypass_proxies

from airflow_provider_wherobots.api.endpoint import is_loopback
from airflow_provider_wherobots.api.errors import ProxySettingError

UNRESOLVED_HINT = "the name may be wrong"
"""What to do about a host without an address."""
_PLAIN_HTTP = ("WRONG_VERSION_NUMBER", "record layer failure")
"""What OpenSSL reports, depending on its version, when a server responds in plain http."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. Its credentials are kept out of its address, because libraries show addresses in errors."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def proxy_for(operation: str, base_url: str) -> Proxy | None:
    """Find the proxy for a host in ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``. None for a direct
    connection, as always to this machine. An error names the variable, not its value.
    """
    target = urlsplit(base_url)
    host = target.hostname or ""
    if is_loopback(host):
        return None
    proxies = getproxies()
    key = next((key for key in (target.scheme, "all") if proxies.get(key)), None)
    if key is None or should_bypass_proxies(base_url, None):
        return None
    address = proxies[key]
    names = (f"{key}_proxy", f"{key}_proxy".upper())
    name = next((name for name in names if os.environ.get(name)), "The system's proxy setting")
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        netloc = parts.netloc.rsplit("@", 1)[-1]
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and netloc.isascii() and parts.port != 0
        user = None if parts.username is None else f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    except ValueError:
        # The parser's message may quote the password, so it is not shown.
        usable = False
    if not usable:
        kind = "a SOCKS proxy" if address.lower().startswith("socks") else "something else"
        raise ProxySettingError(
            operation,
            f"{name}: must name an HTTP proxy, such as http://proxy.example.com:3128, but names {kind}; "
            f"change it, or add {host} to NO_PROXY",
        )
    headers = {} if user is None else {"Proxy-Authorization": f"Basic {base64.b64encode(user.encode()).decode()}"}
    return Proxy(f"{parts.scheme}://{netloc}", headers)


def describe_route(address: str, proxy: Proxy | None) -> str:
    """Name a host, and the proxy before it, for messages."""
    return address if proxy is None else f"{address} through the proxy {proxy.url}"


def is_plain_http(error: object) -> bool:
    """Whether the response to TLS was plain http."""
    return isinstance(error, ssl.SSLError) and any(said in str(error) for said in _PLAIN_HTTP)


class UnusableCaBundleError(Exception):
    """The CA bundle of the environment cannot be used. The message names the variable, the value and the rule."""


def ca_bundle() -> str:
    """Return the file or folder of trusted certificate authorities that the environment names, else certifi's."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if path := os.environ.get(name):
            try:
                _context_of(path, os.stat(path).st_mtime_ns)
            except (OSError, ValueError) as error:
                raise UnusableCaBundleError(
                    f"{name}={path!r}: must name a file in PEM format or a folder of trusted certificates "
                    f"({getattr(error, 'strerror', None) or error})"
                ) from None
            return path
    return str(DEFAULT_CA_BUNDLE_PATH)


def ssl_context() -> ssl.SSLContext:
    """The TLS context that trusts :func:`ca_bundle`, one for the whole process. Blocks: it may read files."""
    # Many connections that are opened at once would make one each.
    with _one_at_a_time:
        path = ca_bundle()
        return _context_of(path, os.stat(path).st_mtime_ns)


_one_at_a_time = Lock()


@lru_cache(maxsize=8)
def _context_of(path: str, changed_at: int) -> ssl.SSLContext:
    """Cached: one takes a megabyte of memory, and 12 ms or more."""
    if os.path.isdir(path):
        return ssl.create_default_context(capath=path)
    return ssl.create_default_context(cafile=path)
