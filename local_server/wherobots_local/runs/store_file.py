"""A file on a disk that may be full. Data that must not be lost stays in memory until there is room."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


class StoreFile:
    """Bytes on disk, followed by bytes that could not be written yet. Without a path all are in memory, for tests."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._held: int | None = None
        # How many bytes are on disk, and the bytes that follow: one value, because one thread may read while another
        # writes.
        self._state = (0, b"")
        if path is not None:
            with contextlib.suppress(OSError):
                self._state = (path.stat().st_size, b"")

    @property
    def size(self) -> int:
        on_disk, memory = self._state
        return on_disk + len(memory)

    def read(self, offset: int, size: int) -> bytes:
        on_disk, memory = self._state
        end = offset + size
        behind = memory[max(offset - on_disk, 0) : max(end - on_disk, 0)]
        if offset >= on_disk or self._path is None:
            return behind
        with self._opened(self._path, os.O_RDONLY) as descriptor:
            return os.pread(descriptor, min(end, on_disk) - offset, offset) + behind

    def write(self, offset: int, data: bytes, *, keep: bool = False) -> None:
        """Replace everything from an offset on. If it fails, the file is as before. With ``keep``, data for the end of
        the file then stays in memory instead of raising an ``OSError``."""
        on_disk, memory = self._state
        if self._path is None:
            self._state = (0, memory[:offset] + data)
            return
        try:
            with self._opened(self._path, os.O_RDWR | os.O_CREAT) as descriptor:
                if memory:
                    _write_all(descriptor, on_disk, memory)
                    self._state = (on_disk + len(memory), b"")
                self._replace(descriptor, offset, data)
        except OSError:
            if not keep or offset != self.size:
                raise
            on_disk, memory = self._state
            self._state = (on_disk, memory + data)
        else:
            self._state = (offset + len(data), b"")

    def hold(self) -> None:
        """Keep the file open for the next writes. If it cannot be opened, each write tries again."""
        if self._path is not None and self._held is None:
            with contextlib.suppress(OSError):
                self._held = _open(self._path, os.O_RDWR | os.O_CREAT)

    def release(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _replace(self, descriptor: int, offset: int, data: bytes) -> None:
        before = os.pread(descriptor, max(self._state[0] - offset, 0), offset)
        try:
            _write_all(descriptor, offset, data)
        except OSError:
            # The disk is full, but not for what was there already.
            _write_all(descriptor, offset, before)
            raise

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
