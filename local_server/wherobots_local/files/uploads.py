"""Uploads. Each is written to a folder of the server, and moved into the storage when it is complete."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterable
from dataclasses import dataclass, field
from pathlib import Path

from wherobots_local.storage import OWN_FOLDER, place_of

MAX_OBJECT_BYTES = 500 * 1024 * 1024
"""The most bytes of one request. Clients of the service send no more in one."""


class TooLargeError(Exception):
    def __init__(self) -> None:
        super().__init__(f"The object has more bytes than the limit of {MAX_OBJECT_BYTES}")


class UploadEndedError(Exception):
    """The storage was emptied during an upload."""


@dataclass
class PartedUpload:
    """A multipart upload."""

    address: str
    parts: dict[int, Path] = field(default_factory=dict)


class Uploads:
    """Belongs to one event loop."""

    def __init__(self, root: Path) -> None:
        self.parted: dict[str, PartedUpload] = {}
        """The open multipart uploads by their ids."""
        self._root = root
        self._files: set[Path] = set()
        self._folder = root / OWN_FOLDER / "uploads"
        # What a server that was killed has left.
        shutil.rmtree(self._folder, ignore_errors=True)

    async def receive(self, pieces: AsyncIterable[bytes]) -> Path:
        """Write a file to the folder of uploads, for :meth:`put_in_place` or :meth:`discard`."""
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
            self._check([path])
        except BaseException:
            self.discard(path)
            raise
        return path

    async def put_in_place(self, files: list[Path], address: str) -> None:
        """Join received files, in this order, to the file of an address. An existing file is replaced. Raises
        ``StorageError`` or ``OSError`` if there can be no such file, and ``UploadEndedError`` after :meth:`end_all`."""
        try:
            self._check(files)
            place = place_of(self._root, address)
            if place.is_dir() and not place.is_symlink():
                raise IsADirectoryError(None, "a folder has this address")
            place.parent.mkdir(parents=True, exist_ok=True)
            await asyncio.to_thread(_join, files)
            self._check(files)
            os.replace(files[0], place)
        finally:
            for file in files:
                self.discard(file)

    def discard(self, file: Path) -> None:
        self._files.discard(file)
        file.unlink(missing_ok=True)

    def end_all(self) -> None:
        """End all uploads, including those in progress. None of them reaches the storage."""
        self.parted.clear()
        for file in tuple(self._files):
            self.discard(file)

    def _check(self, files: list[Path]) -> None:
        if not self._files.issuperset(files):
            raise UploadEndedError


def _join(files: list[Path]) -> None:
    with files[0].open("ab") as whole:
        for file in files[1:]:
            with file.open("rb") as part:
                while piece := part.read(1024 * 1024):
                    whole.write(piece)
