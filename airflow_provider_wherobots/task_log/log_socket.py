"""Waiting for room in the task log, so that a write does not block the triggerer's event loop.

On Airflow 3 every record of every trigger is written to one socket, which the triggerer's supervisor reads. The write
blocks: if the supervisor is busy, some hundred records fill the socket, and the next write stops the event loop with
all its triggers until the supervisor reads again. It may be busy for seconds, because it also reads connections, XComs
and states for the triggers, and starts them.

So before a trigger writes, it waits until the operating system reports the socket as writable. Linux does so only while
at least three quarters of the socket are free. That is room for the ``ROOM`` of records that an ``Io`` then writes.

And before a trigger fires its event, it waits until the supervisor has read the socket. The supervisor closes a
trigger's log file as soon as it learns, on another socket, that the trigger has ended. It writes the records that it
reads later to its own output, where no user looks.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import stat
import struct
import termios
from weakref import WeakKeyDictionary

CHECK_SECONDS = 0.05
"""The delay between two checks whether the supervisor has read the socket."""
READ_SECONDS = 10.0
"""How long the supervisor may take to read: other triggers may never let the socket be empty."""

_sockets: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, LogSocket | None]] = WeakKeyDictionary()


class LogSocket:
    """The socket to the supervisor, shared by all triggers of an event loop."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._turn = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None

    def is_writable(self) -> bool:
        """Whether a write does not block. It does not if the other end is closed: then it fails."""
        return bool(self._poll.poll(0))

    async def wait_for_room(self) -> None:
        """Wait until the socket is writable. Several triggers wait in turn, in their order."""
        if not self._turn.locked() and self.is_writable():
            return
        async with self._turn:
            while not self.is_writable():
                await self._wait_until_writable()

    def is_read(self) -> bool:
        """Whether the other end has read everything. Only Linux reports what it has not read."""
        try:
            (unread,) = struct.unpack("i", fcntl.ioctl(self._descriptor, termios.TIOCOUTQ, bytes(4)))
        except OSError:
            return True
        return bool(unread == 0)

    async def wait_until_read(self) -> None:
        """Wait until the other end has read everything, for ten seconds at most."""
        if self.is_read():
            return
        if self._reading is None or self._reading.done():
            # One for all triggers: thousands that end together would fill the event loop with their looks.
            self._reading = asyncio.create_task(self._look_until_read())
        await asyncio.wait({self._reading}, timeout=READ_SECONDS)

    async def _look_until_read(self) -> None:
        while not self.is_read():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(CHECK_SECONDS)

    async def _wait_until_writable(self) -> None:
        loop, event = asyncio.get_running_loop(), asyncio.Event()
        loop.add_writer(self._descriptor, event.set)
        try:
            await event.wait()
        finally:
            loop.remove_writer(self._descriptor)


def log_socket(descriptor: int) -> LogSocket | None:
    """The socket of a file descriptor, the same for all callers of an event loop. None if it is not a socket."""
    sockets = _sockets.setdefault(asyncio.get_running_loop(), {})
    if descriptor not in sockets:
        sockets[descriptor] = LogSocket(descriptor) if _is_socket(descriptor) else None
    return sockets[descriptor]


def _is_socket(descriptor: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:
        return False
