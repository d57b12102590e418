"""A process with a guard, and its output as lines."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path

from wherobots_local.execution import guard

GRACE_SECONDS = 3.0
"""Time between SIGTERM and SIGKILL."""

MAX_LINE_BYTES = 1024 * 1024
"""Longer lines are cut: output without line ends cannot fill the memory, and two lines fit on a page of the log."""

GUARD_PROGRAM = guard.__file__

_GUARD_SECONDS = guard.KILL_DEADLINE_SECONDS + 2
_READ_BYTES = 64 * 1024
_DRAIN_SECONDS = 2.0

OnOutput = Callable[[bytes], Awaitable[None]]
"""Takes whole lines, each with its line end. No more output is read until it returns."""


class LineSplitter:
    """Turns pieces of a stream into blocks of whole lines. Many short lines cost as much as a few long ones."""

    def __init__(self) -> None:
        self._pending: list[bytes] = []
        self._pending_bytes = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Take a piece shorter than ``MAX_LINE_BYTES``, and return the complete lines."""
        whole, newline, rest = piece.rpartition(b"\n")
        if newline and self._pending_bytes:
            # On its own, so that no piece is longer than the limit.
            first, _, whole = (whole + newline).partition(b"\n")
            yield from self._keep(first)
            yield self._take()
        elif newline:
            whole += newline
        if whole:
            yield whole
        yield from self._keep(rest)

    def finish(self) -> Iterator[bytes]:
        """Return the last line if it has no line end."""
        if self._pending_bytes:
            yield self._take()

    def _keep(self, piece: bytes) -> Iterator[bytes]:
        if piece:
            if self._pending_bytes + len(piece) > MAX_LINE_BYTES:
                yield self._take()
            self._pending.append(piece)
            self._pending_bytes += len(piece)

    def _take(self) -> bytes:
        line = b"".join(self._pending)
        self._pending.clear()
        self._pending_bytes = 0
        return line + b"\n"


class StartError(Exception):
    """A process cannot be started."""


class GuardedProcess:
    """A running program. Its whole process tree ends with it, with :meth:`stop`, or with this process.

    It has its own pipes: with asyncio's, a process counts as ended only when they are closed, and a daemon that the
    program left behind can keep them open forever.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        commands: int,
        output: asyncio.ReadTransport,
        reading: Coroutine[object, object, None],
    ) -> None:
        self._process = process
        self._commands: int | None = commands
        self._output = output
        self._reading = asyncio.create_task(reading)

    @classmethod
    async def start(
        cls, argv: Sequence[str], *, environment: Mapping[str, str], folder: Path, on_output: OnOutput
    ) -> GuardedProcess:
        """Start a program in its own session, without a shell. Raises ``StartError`` if the guard cannot be started,
        such as for too many arguments. If the program cannot be started, the exit code is 127."""
        with contextlib.ExitStack() as opened:
            try:
                commands_end, commands = _pipe(opened)
                output, output_end = _pipe(opened)
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-I",
                    "-S",
                    GUARD_PROGRAM,
                    str(os.getpid()),
                    *argv,
                    stdin=commands_end,
                    stdout=output_end,
                    stderr=asyncio.subprocess.STDOUT,
                    cwd=folder,
                    env=dict(environment),
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                # ValueError: a NUL or a lone surrogate in an argument.
                raise StartError(_reason(error)) from None
            opened.pop_all()
        os.close(commands_end)
        os.close(output_end)
        stream = asyncio.StreamReader(limit=_READ_BYTES)
        try:
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(output, "rb", 0)
            )
        except BaseException:
            # Cancelled, and no object owns the process yet. The end of the pipe has the guard kill it.
            os.close(commands)
            await process.wait()
            raise
        return cls(process, commands, transport, _read(stream, on_output))

    @property
    def pid(self) -> int:
        """Process id of the guard, the parent of the program."""
        return self._process.pid

    async def wait(self) -> int:
        """Wait for the end of the process, and up to two seconds for output of processes that it left behind. Returns
        its exit code, or the negative number of the signal that ended it."""
        code = await self._process.wait()
        try:
            # Without /proc the guard may miss a descendant, which may still hold the output open.
            await asyncio.wait({self._reading}, timeout=_DRAIN_SECONDS)
            self._output.close()
            await asyncio.wait({self._reading}, timeout=_DRAIN_SECONDS)
        finally:
            self._close()
        return code

    async def __aenter__(self) -> GuardedProcess:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self, grace_seconds: float = GRACE_SECONDS) -> int:
        """Send SIGTERM, then SIGKILL, and kill a guard that does not react."""
        ending = asyncio.create_task(self._end(grace_seconds))
        try:
            return await asyncio.shield(ending)
        except asyncio.CancelledError:
            # The caller cannot wait any longer: kill at once, and leave no process behind.
            self.kill()
            await ending
            raise

    def kill(self) -> None:
        """Send SIGKILL to the process and all its descendants, without waiting for their end."""
        self._command(guard.KILL)

    async def _end(self, grace_seconds: float) -> int:
        self._command(guard.TERMINATE)
        await self._ended_within(grace_seconds)
        self.kill()
        if not await self._ended_within(_GUARD_SECONDS):
            await asyncio.to_thread(_kill_tree, self.pid)
        return await self.wait()

    async def _ended_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), seconds)
        return self._process.returncode is not None

    def _command(self, command: bytes) -> None:
        if self._commands is None or self._process.returncode is not None:
            return
        with contextlib.suppress(OSError):
            os.write(self._commands, command)

    def _close(self) -> None:
        self._reading.cancel()
        self._output.close()
        if self._commands is not None:
            os.close(self._commands)
            self._commands = None


def _pipe(opened: contextlib.ExitStack) -> tuple[int, int]:
    reader, writer = os.pipe()
    opened.callback(os.close, reader)
    opened.callback(os.close, writer)
    return reader, writer


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "an argument or variable holds a character that cannot be encoded, such as a lone surrogate"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _kill_tree(guard_pid: int) -> None:
    """Kill a guard and its descendants. Without /proc only the guard is found."""
    for pid in (*guard.descendants(guard_pid), guard_pid):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


async def _read(stream: asyncio.StreamReader, on_output: OnOutput) -> None:
    splitter = LineSplitter()
    while piece := await stream.read(_READ_BYTES):
        for lines in splitter.feed(piece):
            await on_output(lines)
        # A process that writes without a pause must not block the event loop.
        await asyncio.sleep(0)
    for lines in splitter.finish():
        await on_output(lines)
