"""A file that is open only while it is used, unless it is held."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


class StoreFile:
    """Bytes on disk; without a path in memory, for tests. One thread can read while another writes."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._held: int | None = None
        self._memory = b""
        self.size = 0
        if path is not None:
            with contextlib.suppress(OSError):
                self.size = path.stat().st_size

    def read(self, offset: int, size: int) -> bytes:
        if self._path is None:
            return self._memory[offset : offset + size]
        with self._opened(self._path, os.O_RDONLY) as descriptor:
            return os.pread(descriptor, min(size, max(self.size - offset, 0)), offset)

    def write(self, offset: int, data: bytes) -> None:
        """Replace everything from an offset on."""
        if self._path is None:
            self._memory = self._memory[:offset] + data
        else:
            with self._opened(self._path, os.O_RDWR | os.O_CREAT) as descriptor:
                _write_all(descriptor, offset, data)
        self.size = offset + len(data)

    def hold(self) -> None:
        """Keep the file open for the next writes. If it cannot be opened, each write tries again."""
        if self._path is not None and self._held is None:
            with contextlib.suppress(OSError):
                self._held = _open(self._path, os.O_RDWR | os.O_CREAT)

    def release(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None

    @contextlib.contextmanager
    def _opened(self, path: Path, flags: int) -> Iterator[int]:
        if self._held is not None:
            yield self._held
            return
        descriptor = _open(path, flags)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _open(path: Path, flags: int) -> int:
    if flags & os.O_CREAT:
        path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, flags, 0o600)


def _write_all(descriptor: int, offset: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        offset += written
        rest = rest[written:]
