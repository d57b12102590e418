"""Files on their way into storage: written beside it, and put in place whole."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import AsyncIterable
from pathlib import Path

from airflow_provider_wherobots.local.storage import OWN_FOLDER, place_of

MAX_OBJECT_BYTES = 500 * 1024 * 1024
"""The most bytes of a file that is uploaded in one piece: what the service's clients send at most."""

_ABANDONED_SECONDS = 24 * 3600


class TooLargeError(Exception):
    """A file has more bytes than may be uploaded."""


class Uploads:
    """Receives files for a root.

    :param root: folder behind ``s3://``.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / OWN_FOLDER / "uploads"
        for left in self._folder.glob("*"):
            # Of a server that was killed; another one may run on the same root.
            with contextlib.suppress(OSError):
                if left.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                    left.unlink()

    async def receive(self, pieces: AsyncIterable[bytes], limit: int = MAX_OBJECT_BYTES) -> Path:
        """Write a file beside the storage.

        :param pieces: its bytes.
        :param limit: how many they may be.
        :returns: the file, which :meth:`put_in_place` or :meth:`discard` takes.
        :raises TooLargeError: if there are more bytes than allowed.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / secrets.token_hex(16)
        size = 0
        try:
            with path.open("xb") as file:
                async for piece in pieces:
                    size += len(piece)
                    if size > limit:
                        raise TooLargeError
                    # Off the event loop: a disk that is busy must not stop the server.
                    await asyncio.to_thread(file.write, piece)
        except BaseException:
            self.discard(path)
            raise
        return path

    async def put_in_place(self, files: list[Path], address: str) -> None:
        """Make files the content of an address; what was there is replaced.

        :param files: received files, in the order of their content.
        :param address: its ``s3://`` address.
        :raises StorageError: if the address leads out of the root.
        :raises OSError: if there is a folder, or the file cannot be written.
        """
        try:
            place = place_of(self._root, address)
            if place.is_dir() and not place.is_symlink():
                raise IsADirectoryError(None, "there is a folder")
            place.parent.mkdir(parents=True, exist_ok=True)
            await asyncio.to_thread(_join, files)
            os.replace(files[0], place)
        finally:
            for file in files:
                self.discard(file)

    @staticmethod
    def discard(file: Path) -> None:
        """Remove a received file."""
        file.unlink(missing_ok=True)


def _join(files: list[Path]) -> None:
    """Append all files to the first one."""
    with files[0].open("ab") as whole:
        for file in files[1:]:
            with file.open("rb") as part:
                while piece := part.read(1024 * 1024):
                    whole.write(piece)
