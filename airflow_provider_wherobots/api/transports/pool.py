"""One pooled ``aiohttp.ClientSession`` per host for all that run in one event loop."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from requests.utils import DEFAULT_CA_BUNDLE_PATH

MAX_CONNECTIONS = 64
KEEP_ALIVE_SECONDS = 90.0
"""Longer than the longest usual delay between two polls, so that a poll needs no new TLS connection."""


@dataclass(slots=True)
class _Shared:
    session: aiohttp.ClientSession
    users: int = 0


_sessions: dict[tuple[int, str], _Shared] = {}


@asynccontextmanager
async def shared_session(base_url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Borrow the session for a host; the last to give it back closes it.

    :param base_url: the API's base URL.
    """
    key = (id(asyncio.get_running_loop()), base_url)
    # The context is read from disk, so off the loop; a session another one opened meanwhile is as good.
    context = await asyncio.to_thread(_ssl_context) if key not in _sessions and base_url.startswith("https") else None
    shared = _sessions.get(key)
    if shared is None:
        shared = _sessions[key] = _Shared(_open_session(base_url, context))
    shared.users += 1
    try:
        yield shared.session
    finally:
        shared.users -= 1
        if shared.users == 0:
            del _sessions[key]
            await shared.session.close()


def _open_session(base_url: str, context: ssl.SSLContext | None) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_SECONDS, ssl=True if context is None else context
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Not `trust_env`: it would look into ~/.netrc before every request.
        proxy=_proxy(base_url),
    )


def _ssl_context() -> ssl.SSLContext:
    """Trust what ``requests`` trusts on the worker: its bundle, or the one the environment names."""
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH
    if os.path.isdir(bundle):
        return ssl.create_default_context(capath=bundle)
    return ssl.create_default_context(cafile=bundle)


def _proxy(base_url: str) -> str | None:
    parts = urlsplit(base_url)
    if proxy_bypass(parts.hostname or ""):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")
