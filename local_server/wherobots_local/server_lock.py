"""Which servers run on a root: each holds the lock of a file, which ends with its process, however that ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from pathlib import Path
from typing import IO

_ENDING = ".lock"


class ServerLock:
    """The lock of this server. It ends with :meth:`release`, or with the process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)
        self.id = secrets.token_hex(8)
        self._file = self._locked()

    def is_alive(self, server: str) -> bool:
        """Return whether the server with an id holds its lock."""
        if server == self.id:
            return True
        try:
            with self._path(server).open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except (OSError, ValueError):
            return False
        return False

    def remove_dead(self) -> None:
        for path in self._folder.glob(f"*{_ENDING}"):
            if not self.is_alive(path.stem):
                path.unlink(missing_ok=True)

    def release(self) -> None:
        """Release the lock. Does nothing the second time."""
        if not self._file.closed:
            with contextlib.suppress(OSError):
                os.unlink(self._file.name)
            self._file.close()

    def _locked(self) -> IO[str]:
        """Make the file and lock it, again if another server took it for that of a dead one before it was locked."""
        path = self._path(self.id)
        while True:
            file = path.open("w")
            fcntl.flock(file, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    return file
            file.close()

    def _path(self, server: str) -> Path:
        return self._folder / f"{server}{_ENDING}"
