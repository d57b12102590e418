"""Which servers run on a root: each holds a file lock, which ends with its process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from pathlib import Path
from typing import IO

_ENDING = ".lock"


class ServerLock:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)
        self.id = secrets.token_hex(8)
        self._file = self._locked()

    def is_alive(self, server: str) -> bool:
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
        if not self._file.closed:
            with contextlib.suppress(OSError):
                os.unlink(self._file.name)
            self._file.close()

    def _locked(self) -> IO[str]:
        """Create and lock the file. Repeat if another server removed it in between as the file of a dead server."""
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
