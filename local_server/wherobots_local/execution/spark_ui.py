"""The Spark UI of a run: its port, and its address while it responds."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import http.client
import json
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Mapping

from wherobots_local.execution.spark_settings import LOOPBACK

PORT = "spark.ui.port"

# Below the ephemeral ports of common systems.
_PORTS = range(20_000, 32_000)
_ATTEMPTS = 100
_INTERVAL_SECONDS = 1.0
_CONNECT_SECONDS = 0.1
_RESPONSE_SECONDS = 2.0
_RESPONSE_BYTES = 64 * 1024


def free_port() -> int:
    """Return a free port; 0, for any, if none is found. If another program takes it first, Spark takes the next."""
    for _ in range(_ATTEMPTS):
        port = _PORTS[secrets.randbelow(len(_PORTS))]
        with socket.socket() as trial, contextlib.suppress(OSError):
            trial.bind((LOOPBACK, port))
            return port
    return 0


def ui_port(settings: Mapping[str, str], own: int) -> int:
    """Return the port of the UI, which ``sparkConfigs`` can set; 0 if it is unknown."""
    text = settings.get(PORT, str(own)).strip()
    port = int(text) if text.isascii() and text.isdigit() else 0
    return port if port < 2**16 else 0


@contextlib.asynccontextmanager
async def watching_ui(port: int, on_change: Callable[[str], None]) -> AsyncIterator[None]:
    """Report the address of a Spark UI when it responds, and ``""`` when it is gone, at the latest at the end."""
    task = asyncio.create_task(_watch(port, on_change)) if port else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.wait({task})


async def _watch(port: int, on_change: Callable[[str], None]) -> None:
    is_shown = False
    try:
        while True:
            await asyncio.sleep(_INTERVAL_SECONDS)
            if is_shown and _refuses(port):
                is_shown = False
                on_change("")
            elif not is_shown and not _refuses(port) and await asyncio.to_thread(_has_application, port):
                is_shown = True
                on_change(f"http://{LOOPBACK}:{port}")
    finally:
        if is_shown:
            on_change("")


def _refuses(port: int) -> bool:
    """Return whether nothing listens. This is cheap: it happens every second for every run, also without Spark."""
    with socket.socket() as trial:
        trial.settimeout(_CONNECT_SECONDS)
        return trial.connect_ex((LOOPBACK, port)) == errno.ECONNREFUSED


def _has_application(port: int) -> bool:
    """Return whether Spark's own API responds. It does not while Spark starts."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_RESPONSE_SECONDS)
    try:
        connection.request("GET", "/api/v1/applications")
        response = connection.getresponse()
        return response.status == 200 and bool(json.loads(response.read(_RESPONSE_BYTES)))
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
