"""Connections as triggers read them: triggers that start at the same time share one read.

A triggerer can start hundreds of triggers at once, and a key that is changed is refused to all of them. Each read goes
through the one supervisor of the triggerer, which also writes all task logs, and through Airflow's API to the database.
"""

from __future__ import annotations

import asyncio
import math
import time

from airflow_provider_wherobots.compat import Connection, get_async_connection
from airflow_provider_wherobots.shared import has_failed, of_event_loop, share, shared_result

SHARED_SECONDS = 3.0
"""How long after its start a read is shared. After a 401 the connection is read again, in case the key has changed."""


class Reads(dict[str, "_Read"]):
    """The latest read of each connection, by its id."""


async def recent_connection(conn_id: str, *, since: float | None = None, in_turn: bool = True) -> Connection:
    """Read a connection without blocking the event loop, unless it is being read or was read a moment ago.

    A read that began before ``since`` (``time.monotonic``; default 3 s ago) is not shared. If it is given, a new read
    begins once the last one has ended, and 3 s after the start of that one, so that many callers share it. A kill is
    not ``in_turn``, and does not wait for these 3 s. Callers must not change the connection.
    """
    reads = of_event_loop(Reads)
    read = reads.get(conn_id)
    earliest = time.monotonic() - SHARED_SECONDS if since is None else since
    if read is None or has_failed(read.task) or read.began < earliest:
        previous = None if since is None else read
        read = reads[conn_id] = _Read(conn_id, previous, SHARED_SECONDS if in_turn else 0.0)
    return await shared_result(read.task, in_turn=in_turn)


class _Read:
    """A read that begins now, or after another one."""

    def __init__(self, conn_id: str, previous: _Read | None, pause: float) -> None:
        self.began = math.inf
        self.task = share(self._begin(conn_id, previous, pause))

    async def _begin(self, conn_id: str, previous: _Read | None, pause: float) -> Connection:
        if previous is not None:
            await asyncio.wait({previous.task})
            await asyncio.sleep(previous.began + pause - time.monotonic())
        self.began = time.monotonic()
        return await get_async_connection(conn_id)
