"""Proxy and trusted certificates as the environment sets them, the same for both transports."""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies

from requests.utils import DEFAULT_CA_BUNDLE_PATH, should_bypass_proxies

from airflow_provider_wherobots.api.endpoint import is_loopback
from airflow_provider_wherobots.api.errors import ProxySettingError


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy, its credentials apart from its address: libraries show addresses in errors.

    :param url: scheme, host and port.
    :param headers: the headers that carry its credentials; default none.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def proxy_for(operation: str, base_url: str) -> Proxy | None:
    """The proxy to a host, of ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``; None for this machine.

    :param operation: operation id of the call that is to be sent.
    :param base_url: the API's base URL.
    :raises ProxySettingError: for a proxy that cannot be used, such as a SOCKS one; names the variable, not its value.
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
        # Not with the parser's words: they may quote the password.
        usable = False
    if not usable:
        kind = "a SOCKS proxy" if address.lower().startswith("socks") else "something else"
        raise ProxySettingError(
            operation,
            f"{name}: must name an HTTP proxy, such as http://proxy.example.com:3128, and names {kind}; "
            f"set it so, or add {host} to NO_PROXY",
        )
    headers = {} if user is None else {"Proxy-Authorization": f"Basic {base64.b64encode(user.encode()).decode()}"}
    return Proxy(f"{parts.scheme}://{netloc}", headers)


def name_way(base_url: str, proxy: Proxy | None) -> str:
    """Name a host and the proxy that leads there, for messages.

    :param base_url: the API's base URL.
    :param proxy: the proxy that leads there; None for a direct connection.
    """
    return base_url if proxy is None else f"{base_url} through the proxy {proxy.url}"


class UnusableCaBundleError(Exception):
    """The CA bundle of the environment cannot be used. The message names the variable, the value and the rule."""


def ca_bundle() -> str:
    """File or folder of trusted certificate authorities: the one the environment names, else certifi's.

    :raises UnusableCaBundleError: when the one of ``REQUESTS_CA_BUNDLE`` or ``CURL_CA_BUNDLE`` cannot be read.
    """
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if path := os.environ.get(name):
            try:
                _check_ca_bundle(path, os.stat(path).st_mtime_ns)
            except (OSError, ValueError) as error:
                raise UnusableCaBundleError(
                    f"{name}={path!r}: must name a file in PEM format or a folder of trusted certificates "
                    f"({getattr(error, 'strerror', None) or error})"
                ) from None
            return path
    return str(DEFAULT_CA_BUNDLE_PATH)


def ssl_context() -> ssl.SSLContext:
    """A context that trusts :func:`ca_bundle`. Reads files.

    :raises UnusableCaBundleError: see there.
    """
    return _context_of(ca_bundle())


@lru_cache(maxsize=8)
def _check_ca_bundle(path: str, changed_at: int) -> None:
    _context_of(path)


def _context_of(path: str) -> ssl.SSLContext:
    if os.path.isdir(path):
        return ssl.create_default_context(capath=path)
    return ssl.create_default_context(cafile=path)
