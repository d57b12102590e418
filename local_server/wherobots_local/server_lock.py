"""One server at a time uses a root. It holds a file lock, which ends with its process."""

from __future__ import annotations

import fcntl
from pathlib import Path


class ServerLock:
    """It is a ``BlockingIOError`` if another server has the lock."""

    def __init__(self, folder: Path) -> None:
        self._file = (folder / "server.lock").open("w")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise

    def release(self) -> None:
        self._file.close()
