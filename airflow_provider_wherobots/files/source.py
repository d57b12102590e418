"""A file or folder that a task or a caller names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FileSource:
    """Where a file to upload is. Nothing of it has been read.

    :param argument: what names it, such as ``run_python['uri']``, for messages.
    :param given: the path as it was given.
    :param path: the absolute path.
    :param root: the folder that it must be in; None if it may be anywhere.
    :param may_be_folder: whether it may be a folder, of which a zip file is uploaded; default False.
    :param endings: how the file's name must end; default any way.
    """

    argument: str
    given: str
    path: Path
    root: Path | None = None
    may_be_folder: bool = False
    endings: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.argument}={self.given!r}"
