"""The child process of a session, and the messages to and from it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import struct
import sys
import tempfile
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wherobots_local.execution.failure import failure_message
from wherobots_local.execution.process import GuardedProcess, StartError
from wherobots_local.sql.engine import EngineDiedError, EngineError

CHILD = Path(__file__).with_name("child")
"""The program. Nothing of it is imported here: it needs the extra ``sql``, and the server does not."""

LENGTHS = struct.Struct(">IQ")
MAX_HEADER_BYTES = 64 * 1024 * 1024
MAX_BODY_BYTES = 512 * 1024 * 1024

_LONGEST_FOLDER = 70
"""A Unix socket's path has 103 characters at most on some systems, and 30 of them are the socket's own."""
_START_SECONDS = 60.0
_END_SECONDS = 5.0
_LAST_BLOCKS = 20

Reply = tuple[dict[str, Any], bytes]


class ChildProcess:
    """A running child. Made by :meth:`start`; belongs to one event loop."""

    def __init__(
        self, process: GuardedProcess, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, last: deque[bytes]
    ) -> None:
        self._process = process
        self._writer = writer
        self._last = last
        self._pending: dict[str, asyncio.Future[Reply]] = {}
        self._ids = itertools.count()
        self._ended: Exception | None = None
        self._reading = asyncio.create_task(self._read(reader))

    @classmethod
    async def start(cls, *, root: Path, warehouse: Path, folder: Path, environment: Mapping[str, str]) -> ChildProcess:
        """Start a child, and wait until it is ready.

        :param root: folder behind ``s3://``.
        :param warehouse: folder of the tables.
        :param folder: its working directory.
        :param environment: its whole environment.
        :raises EngineError: if it does not start.
        """
        last: deque[bytes] = deque(maxlen=_LAST_BLOCKS)

        async def keep(lines: bytes) -> None:
            last.append(lines)

        connected: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
        connected = asyncio.get_running_loop().create_future()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if connected.done():
                writer.close()
            else:
                connected.set_result((reader, writer))

        # A path below the root may be too long for a socket, and so may TMPDIR.
        is_short = len(os.fsencode(tempfile.gettempdir())) <= _LONGEST_FOLDER
        place = tempfile.mkdtemp(prefix="wherobots-sql-", dir=None if is_short else "/tmp")  # noqa: S108
        address = os.path.join(place, "socket")
        argv = [sys.executable, str(CHILD), address, str(root), str(warehouse)]
        try:
            server = await asyncio.start_unix_server(accept, address)
            try:
                process = await GuardedProcess.start(argv, environment=environment, folder=folder, on_output=keep)
                try:
                    reader, writer = await _connection(process, connected, last)
                    child = cls(process, reader, writer, last)
                except BaseException:
                    await process.stop(0)
                    raise
            finally:
                # Its context manager would wait for the end of the connection, from Python 3.12 on.
                server.close()
        except (StartError, OSError) as error:
            raise EngineError(f"the SQL engine could not be started: {error}") from None
        finally:
            shutil.rmtree(place, ignore_errors=True)
        return child

    async def ask(self, request: Mapping[str, Any], body: bytes = b"") -> Reply:
        """Send a request and wait for its answer.

        :param request: the request; it gets an id.
        :param body: bytes that belong to it.
        :returns: header and body of the answer.
        :raises EngineError: with the text for the client, if it failed.
        :raises EngineDiedError: if the child ended by itself.
        """
        if self._ended is not None:
            raise self._ended
        number = str(next(self._ids))
        head = json.dumps({**request, "id": number}).encode()
        if len(head) > MAX_HEADER_BYTES:
            raise EngineError(f"the statement has {len(head):,} bytes, but {MAX_HEADER_BYTES:,} at most are allowed")
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._pending[number] = answer
        try:
            self._writer.write(LENGTHS.pack(len(head), len(body)) + head + body)
            with contextlib.suppress(ConnectionError):
                # The reader notices the end.
                await self._writer.drain()
            reply = await answer
        finally:
            self._pending.pop(number, None)
        return reply

    async def stop(self, reason: str) -> None:
        """Kill the child with all its processes, and wait for its end.

        :param reason: what those who wait for an answer are told.
        """
        self._fail(EngineError(reason))
        self._reading.cancel()
        self._writer.close()
        await self._process.stop(0)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                header, body = await _frame(reader)
                answer = self._pending.get(header["id"])
                if answer is None or answer.done():
                    continue
                if header["kind"] == "done":
                    answer.set_result((header, body))
                else:
                    answer.set_exception(EngineError(header["message"]))
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            code = await self._end()
            self._fail(EngineDiedError(f"the SQL engine ended by itself. {_why(code, self._last)}"))

    async def _end(self) -> int:
        """Wait for the end of a child that has closed its connection: it tells more than that of one that is killed."""
        try:
            async with asyncio.timeout(_END_SECONDS):
                return await self._process.wait()
        except TimeoutError:
            return await self._process.stop(0)

    def _fail(self, error: Exception) -> None:
        self._ended = self._ended or error
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(self._ended)


async def _connection(
    process: GuardedProcess,
    connected: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]],
    last: deque[bytes],
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Wait until the child has connected and says that it is ready."""
    ended = asyncio.ensure_future(process.wait())
    ready = asyncio.ensure_future(_ready(connected))
    try:
        await asyncio.wait({ended, ready}, timeout=_START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            if ready.exception() is None:
                return ready.result()
            # It has closed its connection, and is about to end.
            await asyncio.wait({ended}, timeout=_END_SECONDS)
        if ended.done():
            raise EngineError(f"the SQL engine did not start. {_why(ended.result(), last)}")
        raise EngineError(f"the SQL engine did not start within {_START_SECONDS:g} s")
    finally:
        for task in (ended, ready):
            if not task.done():
                task.cancel()


async def _ready(
    connected: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]],
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await connected
    await _frame(reader)
    return reader, writer


async def _frame(reader: asyncio.StreamReader) -> Reply:
    head_bytes, body_bytes = LENGTHS.unpack(await reader.readexactly(LENGTHS.size))
    if head_bytes > MAX_HEADER_BYTES or body_bytes > MAX_BODY_BYTES:
        raise ValueError("a message is too large")
    header: dict[str, Any] = json.loads(await reader.readexactly(head_bytes))
    return header, await reader.readexactly(body_bytes)


def _why(code: int, last: deque[bytes]) -> str:
    return failure_message(code, b"".join(last).decode("utf-8", errors="replace").splitlines())
