"""A file of this machine, checked and hashed, and how its bytes are read for the upload."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.api.storage.presigned import MAX_UPLOAD_BYTES
from airflow_provider_wherobots.files.archive import PIECE_BYTES, ArchiveError, write_archive
from airflow_provider_wherobots.files.source import FileSource


class FileChangedError(Exception):
    """The bytes of a file are no longer those that were hashed. Its last bytes were not sent."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to upload, as it was when it was hashed.

    :param source: where it is.
    :param name: its name in storage.
    :param size: its size in bytes; that of the zip file for a folder.
    :param sha256: hash of its bytes, as hexadecimal digits.
    """

    source: FileSource
    name: str
    size: int
    sha256: str

    def pieces(self) -> Iterator[bytes]:
        """Read its bytes. The last piece comes only if all of them are those that were hashed.

        :raises FileChangedError: if they are not.
        :raises InvalidArgumentError: if they can no longer be read.
        """
        digest, size, held = hashlib.sha256(), 0, b""
        for piece in _pieces_of(self.source):
            if held:
                yield held
            digest.update(piece)
            size, held = size + len(piece), piece
            if size > self.size:
                break
        if size != self.size or digest.hexdigest() != self.sha256:
            raise FileChangedError(f"{self.source.given} has changed while it was uploaded")
        if held:
            yield held


def open_file(source: FileSource) -> LocalFile:
    """Check a file or folder, and hash it. Blocks.

    :param source: where it is.
    :raises InvalidArgumentError: if it cannot be uploaded; says why and what to do.
    """
    is_folder = _checked_kind(source)
    digest, size = hashlib.sha256(), 0
    for piece in _pieces_of(source):
        digest.update(piece)
        size += len(piece)
    name = f"{_folder(source).name}.zip" if is_folder else source.path.name
    return LocalFile(source, name, size, digest.hexdigest())


def _checked_kind(source: FileSource) -> bool:
    """Check everything but the content. Return whether it is a folder."""
    try:
        real = source.path.resolve(strict=True)
        status = real.stat()
    except (FileNotFoundError, NotADirectoryError):
        relative = "" if source.root is None else "a relative path starts from the DAG file's folder, and "
        raise InvalidArgumentError(
            f"{source}: there is no file {source.path} on the worker; {relative}an address in S3 begins with s3://"
        ) from None
    except (OSError, RuntimeError, ValueError) as error:
        raise _unreadable(source, error) from None
    if source.root is not None and not real.is_relative_to(source.root.resolve()):
        raise InvalidArgumentError(
            f"{source}: leads out of the DAG bundle {source.root}, to {real}; "
            "put the file into the bundle, or give an absolute path"
        )
    if stat.S_ISDIR(status.st_mode):
        if not source.may_be_folder:
            raise InvalidArgumentError(
                f"{source}: is a folder, but one file is run; name the script, "
                "and give the folder as a FILE dependency, which is uploaded as a zip file"
            )
        return True
    if not stat.S_ISREG(status.st_mode):
        raise InvalidArgumentError(f"{source}: is neither a file nor a folder")
    if source.endings and not source.path.name.endswith(source.endings):
        raise InvalidArgumentError(f"{source}: must be a folder, or end in one of {', '.join(source.endings)}")
    if status.st_size > MAX_UPLOAD_BYTES:
        raise _too_large(source, f"has {status.st_size:,} bytes")
    return False


def _pieces_of(source: FileSource) -> Iterator[bytes]:
    try:
        if source.path.is_dir():
            with TemporaryFile() as file:
                write_archive(_folder(source), file, MAX_UPLOAD_BYTES, source.root)
                file.seek(0)
                while piece := file.read(PIECE_BYTES):
                    yield piece
        else:
            yield from _read(source)
    except ArchiveError as error:
        raise InvalidArgumentError(f"{source}: {error}") from None
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidArgumentError):
            raise
        raise _unreadable(source, error) from None


def _folder(source: FileSource) -> Path:
    """The folder by a path that ends in its name."""
    return source.path.resolve() if source.path.name in ("", "..") else source.path


def _read(source: FileSource) -> Iterator[bytes]:
    size = 0
    with source.path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            size += len(piece)
            if size > MAX_UPLOAD_BYTES:
                raise _too_large(source, f"grows over {MAX_UPLOAD_BYTES:,} bytes")
            yield piece


def _unreadable(source: FileSource, error: Exception) -> InvalidArgumentError:
    reason = getattr(error, "strerror", None) or error
    return InvalidArgumentError(f"{source}: {source.path} cannot be read on the worker ({reason})")


def _too_large(source: FileSource, what: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{source}: {what}, but one upload takes at most {MAX_UPLOAD_BYTES:,} (500 MiB); "
        "put the file in S3, and give its s3:// address"
    )


def absolute(folder: Path, given: str) -> Path:
    """The absolute path of a given one, without following links.

    :param folder: absolute path of the folder that a relative one starts from.
    :param given: the path.
    """
    return Path(os.path.normpath(folder / given)) if ".." not in Path(given).parts else folder / given
