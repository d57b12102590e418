"""Connections as triggers read them: those that start at the same time share one read.

A triggerer may start hundreds of triggers at once. Each read goes through the one supervisor of the triggerer, which
also writes all task logs, and through Airflow's API to the database.
"""

from __future__ import annotations

import asyncio
import time
from weakref import WeakKeyDictionary

from airflow_provider_wherobots.compat import Connection, get_async_connection
from airflow_provider_wherobots.drivers.turns import shared_result

SHARED_SECONDS = 3.0
"""How long after its start a read is shared. A key that was changed since is noticed by the 401, and read anew."""

_Reads = dict[str, tuple[float, "asyncio.Task[Connection]"]]
_reads: WeakKeyDictionary[asyncio.AbstractEventLoop, _Reads] = WeakKeyDictionary()


async def recent_connection(conn_id: str, *, in_turn: bool = True) -> Connection:
    """Read a connection without blocking the event loop, unless it is being read or was read a moment ago.

    :param conn_id: id of the connection.
    :param in_turn: whether callers that share a read continue in turns; default True. False is for a kill.
    :returns: the connection. Callers must not change it.
    """
    reads = _reads.setdefault(asyncio.get_running_loop(), {})
    begun, read = reads.get(conn_id, (0.0, None))
    if read is None or _is_over(read) or time.monotonic() - begun > SHARED_SECONDS:
        read = asyncio.create_task(get_async_connection(conn_id))
        # If all callers are cancelled, nobody asks for its failure, and asyncio would log that.
        read.add_done_callback(_is_over)
        reads[conn_id] = time.monotonic(), read
    return await shared_result(read, in_turn=in_turn)


def _is_over(read: asyncio.Task[Connection]) -> bool:
    """Whether a read has failed, so that it is not shared any more."""
    return read.done() and (read.cancelled() or read.exception() is not None)
