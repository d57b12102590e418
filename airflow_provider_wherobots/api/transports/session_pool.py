"""One pooled ``aiohttp.ClientSession`` per host for all that run in one event loop."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

import aiohttp

from airflow_provider_wherobots.api.transports.environment import ca_bundle

if TYPE_CHECKING:
    from aiohttp.client import ClientTimeout
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

T = TypeVar("T")

MAX_CONNECTIONS = 64
KEEP_ALIVE_SECONDS = 90.0
"""Longer than the longest usual delay between two polls, so that a poll needs no new TLS connection."""


@dataclass(slots=True)
class Progress:
    """How far a request has come.

    :param is_connected: whether it has a connection, through a proxy and TLS where there are such; only from then on
        can it have been sent.
    """

    is_connected: bool = False


PROGRESS: ContextVar[Progress] = ContextVar("PROGRESS")
"""The progress of the request that is being sent."""


class _Connector(aiohttp.TCPConnector):
    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:  # noqa: ASYNC109 - aiohttp's own
        connection = await super().connect(req, traces, timeout)
        PROGRESS.get().is_connected = True
        return connection


@dataclass(slots=True)
class _Shared:
    session: aiohttp.ClientSession
    users: int = 0


_sessions: dict[tuple[int, str], _Shared] = {}
_belongings: WeakKeyDictionary[aiohttp.ClientSession, dict[type, Any]] = WeakKeyDictionary()


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
        shared = _sessions[key] = _Shared(_open_session(context))
    shared.users += 1
    try:
        yield shared.session
    finally:
        shared.users -= 1
        if shared.users == 0:
            del _sessions[key]
            await shared.session.close()


def shared_by(session: aiohttp.ClientSession, kind: type[T]) -> T:
    """What all that borrow a session share besides: made when first asked for, gone with the session.

    :param session: the session.
    :param kind: what to share, made without arguments; one of each kind.
    """
    found: T = _belongings.setdefault(session, {}).setdefault(kind, kind())
    return found


def _open_session(context: ssl.SSLContext | None) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=_Connector(
            limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_SECONDS, ssl=True if context is None else context
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Bodies are decompressed where they are limited. Not `trust_env`: it would look into ~/.netrc before every
        # request, and use a proxy for this machine.
        auto_decompress=False,
    )


def _ssl_context() -> ssl.SSLContext:
    """Trust what ``requests`` trusts on the worker."""
    bundle = ca_bundle()
    if os.path.isdir(bundle):
        return ssl.create_default_context(capath=bundle)
    return ssl.create_default_context(cafile=bundle)
