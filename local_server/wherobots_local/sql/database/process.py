"""The process of the database, as the server sees it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from wherobots_local.execution.environment_variables import user_packages
from wherobots_local.sql.engine import EngineDiedError, EngineError
from wherobots_local.storage import OWN_FOLDER

_STOP_SECONDS = 5.0
_CANCEL_SECONDS = 10.0


def database_folder(root: Path) -> Path:
    """Return the folder of the database file.

    :param root: folder behind ``s3://``.
    """
    return root / OWN_FOLDER / "sql"


class DatabaseProcess:
    """The running process. Made by :meth:`start`; belongs to one event loop."""

    def __init__(self, process: subprocess.Popen[bytes], connection: Connection) -> None:
        self._process = process
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count(1)
        self._pending: dict[int, asyncio.Future[Any]] = {0: self._loop.create_future()}
        self.has_ended = False
        threading.Thread(target=self._receive, name="wherobots-local-sql", daemon=True).start()

    @classmethod
    async def start(cls, root: Path) -> DatabaseProcess:
        """Start the process, and wait until it is ready.

        :param root: folder behind ``s3://``.
        :raises EngineError: if it does not start.
        """
        folder = database_folder(root)
        folder.mkdir(parents=True, exist_ok=True)
        ours, its = socket.socketpair()
        with ours, its, tempfile.TemporaryFile() as output:
            process = await asyncio.to_thread(
                subprocess.Popen,
                [sys.executable, "-P", "-m", f"{__package__}", str(its.fileno()), str(root), str(folder)],
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
                await started._pending[0]
            except EngineDiedError:
                output.seek(0)
                last = output.read().decode(errors="replace").strip().rpartition("\n")[2]
                raise EngineError(f"the SQL engine did not start. {last}") from None
            except asyncio.CancelledError:
                process.kill()
                raise
        return started

    async def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method of the process and wait for what it returns. If the caller is cancelled, so is the call.

        :raises EngineError: with the text for the client, if it failed.
        :raises EngineDiedError: if the process has ended.
        """
        number, answer = self._call(method, *arguments)
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            _, ended = self._call("cancel", number)
            # A few functions of DuckDB cannot be interrupted: then all sessions end.
            killing = self._loop.call_later(_CANCEL_SECONDS, self._process.kill)
            while not ended.done():
                # Also if the caller is cancelled once more.
                with contextlib.suppress(asyncio.CancelledError, EngineDiedError):
                    await asyncio.shield(ended)
            killing.cancel()
            raise

    def tell(self, method: str, *arguments: Any) -> None:
        """Call a method of the process, and do not wait for its end."""
        self._call(method, *arguments)

    async def stop(self) -> None:
        """End the process. What was committed stays."""
        with contextlib.suppress(EngineDiedError, TimeoutError):
            await asyncio.wait_for(self._call("stop")[1], _STOP_SECONDS)
        self._process.kill()
        await asyncio.to_thread(self._process.wait)

    def _call(self, method: str, *arguments: Any) -> tuple[int, asyncio.Future[Any]]:
        if self.has_ended:
            raise EngineDiedError("the SQL engine has ended")
        number = next(self._numbers)
        answer = self._pending[number] = self._loop.create_future()
        with contextlib.suppress(OSError):
            # The receiving thread notices the end.
            self._connection.send((number, method, *arguments))
        return number, answer

    def _receive(self) -> None:
        """Receive answers, in a thread of its own."""
        with contextlib.suppress(EOFError, OSError), self._connection:
            while True:
                self._in_loop(self._resolve, *self._connection.recv())
        self._process.wait()
        self._in_loop(self._end)

    def _in_loop(self, function: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):
            # The loop may have ended before the process.
            self._loop.call_soon_threadsafe(function, *arguments)

    def _resolve(self, number: int, value: Any, error: str | None) -> None:
        _settle(self._pending.pop(number), value, EngineError(error) if error is not None else None)

    def _end(self) -> None:
        self.has_ended = True
        for answer in self._pending.values():
            _settle(answer, None, EngineDiedError(f"the SQL engine has ended, with code {self._process.returncode}"))
        self._pending.clear()


def _settle(answer: asyncio.Future[Any], value: Any, error: Exception | None) -> None:
    if error is None:
        answer.set_result(value)
    else:
        answer.set_exception(error)
        # Not everyone waits for it.
        answer.exception()


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of the server's own, such as its key."""
    passed = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")}
    return {"HOME": str(folder), "LANG": "C.UTF-8", "PYTHONUTF8": "1", **user_packages(), **passed}
