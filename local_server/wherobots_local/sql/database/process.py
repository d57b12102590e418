"""The database process, as the server uses it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import Future
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from wherobots_local.execution.commands import user_packages
from wherobots_local.memory import usable_memory
from wherobots_local.sql.engine import EngineDiedError, EngineError
from wherobots_local.storage import OWN_FOLDER

_STOP_SECONDS = 5.0
_CANCEL_SECONDS = 10.0
_PING_SECONDS = 5.0
_SILENCE_SECONDS = 30.0
_MEMORY = usable_memory() // 2


def database_folder(root: Path) -> Path:
    return root / OWN_FOLDER / "sql"


class DatabaseProcess:
    def __init__(self, process: subprocess.Popen[bytes], connection: Connection) -> None:
        self._process = process
        self._connection = connection
        self._numbers = itertools.count(1)
        self._pending: dict[int, Future[Any]] = {0: _future()}
        self._requests: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self._ended = threading.Event()
        for work in (self._send, self._receive):
            threading.Thread(target=work, name="wherobots-local-sql", daemon=True).start()

    @property
    def has_ended(self) -> bool:
        return self._ended.is_set()

    @classmethod
    async def start(cls, root: Path) -> DatabaseProcess:
        """Start the process, and wait until it is ready."""
        folder = database_folder(root)
        folder.mkdir(parents=True, exist_ok=True)
        ours, its = socket.socketpair()
        with ours, its, tempfile.TemporaryFile() as output:
            process = await asyncio.to_thread(
                subprocess.Popen,
                [sys.executable, "-P", "-m", f"{__package__}", str(its.fileno()), str(root), str(folder), str(_MEMORY)],
                pass_fds=[its.fileno()],
                cwd=folder,
                env=_environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            its.close()
            started = cls(process, Connection(ours.detach()))
            try:
                await asyncio.wrap_future(started._pending[0])
            except EngineDiedError:
                output.seek(0)
                last = output.read().decode(errors="replace").strip().rpartition("\n")[2]
                raise EngineError(f"the SQL engine did not start. {last}") from None
            except asyncio.CancelledError:
                process.kill()
                raise
        threading.Thread(target=started._watch, name="wherobots-local-sql", daemon=True).start()
        return started

    async def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the process. If the caller is cancelled, the call is cancelled too, unless it had its effect
        before. Raises an ``EngineError`` with the text for the client, and ``EngineDiedError`` if the process has
        ended."""
        number, result = self.send(method, *arguments)
        try:
            return await asyncio.wrap_future(result)
        except asyncio.CancelledError:
            _, ended = self.send("cancel", number)
            # A few functions of DuckDB cannot be interrupted. Then the process is killed, and all sessions end.
            killing = asyncio.get_running_loop().call_later(_CANCEL_SECONDS, self._process.kill)
            while not ended.done():
                # Also if the caller is cancelled again.
                with contextlib.suppress(asyncio.CancelledError, EngineDiedError):
                    await asyncio.wrap_future(ended)
            killing.cancel()
            if result.done() and result.exception() is None:
                return result.result()
            raise

    def send(self, method: str, *arguments: Any) -> tuple[int, Future[Any]]:
        """Send a call. Return its number and its future result."""
        number, result = next(self._numbers), _future()
        self._pending[number] = result
        if self.has_ended:
            raise EngineDiedError("the SQL engine has ended")
        self._requests.put((number, method, *arguments))
        return number, result

    async def stop(self) -> None:
        """End the process. Committed changes stay."""
        with contextlib.suppress(EngineDiedError, EngineError, TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(self.send("stop")[1]), _STOP_SECONDS)
        self._process.kill()
        await asyncio.to_thread(self._process.wait)

    def _send(self) -> None:
        """Send requests in a thread: a process that does not read must not stop the server."""
        with contextlib.suppress(OSError):
            while not self.has_ended:
                self._connection.send(self._requests.get())

    def _watch(self) -> None:
        """End a process that does not work any more, which keeps the tables from all sessions."""
        while not self._ended.wait(_PING_SECONDS):
            try:
                self.send("ping")[1].result(_SILENCE_SECONDS)
            except TimeoutError:
                self._process.kill()
            except EngineDiedError:
                return

    def _receive(self) -> None:
        with contextlib.suppress(EOFError, OSError), self._connection:
            while True:
                number, value, error = self._connection.recv()
                result = self._pending.pop(number)
                if error is None:
                    result.set_result(value)
                else:
                    result.set_exception(EngineError(error))
        code = self._process.wait()
        self._ended.set()
        # Ends the sending thread.
        self._requests.put(())
        for result in list(self._pending.values()):
            result.set_exception(EngineDiedError(f"the SQL engine has ended, with code {code}"))


def _future() -> Future[Any]:
    result: Future[Any] = Future()
    # A cancelled caller must not cancel the call.
    result.set_running_or_notify_cancel()
    return result


def _environment(folder: Path) -> dict[str, str]:
    """Without the server's own variables, such as its key."""
    # DuckDB's allocator would keep the address space of a statement that failed for want of memory, which the limit of
    # the process counts.
    allocator = {"DUCKDB_JE_MALLOC_CONF": "retain:false"}
    passed = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")}
    return {"HOME": str(folder), "LANG": "C.UTF-8", "PYTHONUTF8": "1", **allocator, **user_packages(), **passed}
