"""Waiting for room in the task log, so that a write does not block the triggerer's event loop.

On Airflow 3 every record of every trigger is written to one socket, which the triggerer's supervisor reads. The write
blocks: if the supervisor is busy, some hundred records fill the socket, and the next write stops the event loop with
all its triggers until the supervisor reads again. It may be busy for seconds, because it also reads connections, XComs
and states for the triggers, and starts them.

So before a trigger writes, it asks the operating system whether the socket is writable. Linux says so only while at
least three quarters of the socket are free. That is room for the ``ROOM`` of records that a driver then writes.

And before a trigger fires its event, it waits until the supervisor has read the socket. The supervisor closes a
trigger's log file as soon as it learns, on another socket, that the trigger has ended. What it reads later it writes
to its own output, where no user looks.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import stat
import struct
import termios
import time

from airflow_provider_wherobots.shared import of_event_loop

RETRY_SECONDS = 0.05
"""The delay between two looks at a socket that the event loop cannot watch."""
READ_SECONDS = 10.0
"""How long the supervisor may take to read: other triggers may never let the socket be empty."""


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

    def is_read(self) -> bool:
        """Whether the other end has read everything. Linux says what it has not read, other systems do not."""
        try:
            (unread,) = struct.unpack("i", fcntl.ioctl(self._descriptor, termios.TIOCOUTQ, bytes(4)))
        except OSError:
            return True
        return bool(unread == 0)

    async def wait_until_read(self) -> None:
        """Wait until the other end has read everything, for ten seconds at most."""
        until = time.monotonic() + READ_SECONDS
        while not self.is_read() and time.monotonic() < until:  # noqa: ASYNC110 - nothing tells when it was read
            await asyncio.sleep(RETRY_SECONDS)

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
