"""A process under guard, its output as lines."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from airflow_provider_wherobots.local.execution import guard
from airflow_provider_wherobots.local.execution.lines import LineSplitter

GRACE_SECONDS = 3.0
"""Seconds between SIGTERM and SIGKILL."""

_READ_BYTES = 64 * 1024
_DRAIN_SECONDS = 2.0


class GuardedProcess:
    """A running program whose whole process tree ends with it, with :meth:`stop`, or with this process.

    Made by :meth:`start`.
    """

    def __init__(self, process: asyncio.subprocess.Process, on_line: Callable[[bytes], None]) -> None:
        self._process = process
        self._on_line = on_line
        self._reading = asyncio.create_task(self._read_output())

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        on_line: Callable[[bytes], None],
    ) -> GuardedProcess:
        """Start a program in its own session.

        :param argv: the program and its arguments; no shell is involved.
        :param environment: its whole environment.
        :param folder: its working directory.
        :param on_line: called with each line of its output, standard output and error as they come.
        :returns: the running process.
        :raises OSError: if the guard cannot be started. A program that cannot be started ends with code 127.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            guard.__file__,
            str(os.getpid()),
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
        )
        return cls(process, on_line)

    @property
    def pid(self) -> int:
        """Process id of the guard; the program and its descendants are below it."""
        return self._process.pid

    async def wait(self) -> int:
        """Wait for the end of the process and of its output.

        :returns: its exit code, or the negative number of the signal that ended it.
        """
        code = await self._process.wait()
        # Without /proc the guard may miss a descendant that still holds the output open.
        await asyncio.wait({self._reading}, timeout=_DRAIN_SECONDS)
        self._reading.cancel()
        return code

    async def __aenter__(self) -> GuardedProcess:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self, grace_seconds: float = GRACE_SECONDS) -> int:
        """End the process: send SIGTERM, then SIGKILL to what is left.

        :param grace_seconds: seconds between the two; default 3.
        :returns: as :meth:`wait`.
        """
        try:
            self._command(guard.TERMINATE)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), grace_seconds)
        finally:
            self.kill()
        return await self.wait()

    def kill(self) -> None:
        """Send SIGKILL to the process and all its descendants, without waiting for their end."""
        self._command(guard.KILL)

    def _command(self, command: bytes) -> None:
        if self._process.stdin is not None and self._process.returncode is None:
            self._process.stdin.write(command)

    async def _read_output(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        splitter = LineSplitter()
        while piece := await stream.read(_READ_BYTES):
            for line in splitter.feed(piece):
                self._on_line(line)
            # A process that writes without a pause must not block the event loop.
            await asyncio.sleep(0)
        for line in splitter.finish():
            self._on_line(line)
