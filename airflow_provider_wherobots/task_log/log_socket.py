"""Waiting for room in the task log, so that a write does not block the triggerer's event loop.

On Airflow 3 every record of every trigger is written to one socket, which the triggerer's supervisor reads. The write
blocks: if the supervisor is busy, some hundred records fill the socket, and the next write stops the event loop with
all its triggers until the supervisor reads again. It may be busy for seconds, because it also reads connections, XComs
and states for the triggers, and starts them.

So before a trigger writes, it asks the operating system whether the socket is writable. Linux says so only while at
least three quarters of the socket are free. That is room for the ``ROOM`` of records that a driver then writes.
"""

from __future__ import annotations

import asyncio
import os
import select
import stat

from airflow_provider_wherobots.shared import of_event_loop

RETRY_SECONDS = 0.05
"""The delay between two looks at a socket that the event loop cannot watch."""


class LogSocket:
    """The socket to the supervisor, shared by all triggers of an event loop."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._turn = asyncio.Lock()

    def is_writable(self) -> bool:
        """Whether a write does not block. It does not if the other end is closed: then it fails."""
        return bool(self._poll.poll(0))

    async def wait_for_room(self) -> None:
        """Wait until the socket is writable. Several triggers wait in turn, in their order."""
        if not self._turn.locked() and self.is_writable():
            return
        async with self._turn:
            while not self.is_writable():
                await self._writable()

    async def _writable(self) -> None:
        loop, event = asyncio.get_running_loop(), asyncio.Event()
        try:
            loop.add_writer(self._descriptor, event.set)
        except (NotImplementedError, OSError):
            await asyncio.sleep(RETRY_SECONDS)
            return
        try:
            await event.wait()
        finally:
            loop.remove_writer(self._descriptor)


class LogSockets(dict[int, LogSocket]):
    """The sockets of an event loop, by their file descriptors."""


def log_socket(descriptor: int) -> LogSocket | None:
    """The socket of a file descriptor, the same for all callers of an event loop.

    None if it is something else, such as a file.
    """
    sockets = of_event_loop(LogSockets)
    if descriptor not in sockets and _is_socket(descriptor):
        sockets[descriptor] = LogSocket(descriptor)
    return sockets.get(descriptor)


def _is_socket(descriptor: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:
        return False
