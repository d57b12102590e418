"""Uploads. Each is written to a folder of the server, and moved into the storage when it is complete."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterable
from pathlib import Path

from wherobots_local.storage import OWN_FOLDER, place_of

MAX_OBJECT_BYTES = 500 * 1024 * 1024
"""The most bytes of one request. Clients of the service send no more in one."""


class TooLargeError(Exception):
    def __init__(self) -> None:
        super().__init__(f"The object has more bytes than the limit of {MAX_OBJECT_BYTES}")


class UploadEndedError(Exception):
    """The storage was emptied during an upload."""


class Uploads:
    """Belongs to one event loop."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: set[Path] = set()
        self._folder = root / OWN_FOLDER / "uploads"
        # What a server that was killed has left.
        shutil.rmtree(self._folder, ignore_errors=True)

    async def receive(self, pieces: AsyncIterable[bytes], address: str) -> None:
        """Write a file to the folder of uploads, and move it to its address, where it replaces another. Raises
        ``StorageError`` or ``OSError`` if there can be no such file, and ``UploadEndedError`` after :meth:`end_all`."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / secrets.token_hex(16)
        self._files.add(path)
        size = 0
        try:
            with path.open("xb") as file:
                async for piece in pieces:
                    size += len(piece)
                    if size > MAX_OBJECT_BYTES:
                        raise TooLargeError
                    # In a thread, so that a slow disk does not stop the server.
                    await asyncio.to_thread(file.write, piece)
            if path not in self._files:
                raise UploadEndedError
            place = place_of(self._root, address)
            if place.is_dir() and not place.is_symlink():
                raise IsADirectoryError(None, "a folder has this address")
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, place)
        finally:
            self._discard(path)

    def end_all(self) -> None:
        """End all uploads in progress. None of them reaches the storage."""
        for file in tuple(self._files):
            self._discard(file)

    def _discard(self, file: Path) -> None:
        self._files.discard(file)
        file.unlink(missing_ok=True)
