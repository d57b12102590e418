"""A file of this machine, checked and hashed, and a folder as one zip file.

The same files always give the same bytes. So names are sorted, times and modes fixed, and nothing is compressed:
another version of zlib would compress otherwise.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO
from zipfile import ZIP_STORED, ZipFile, ZipInfo, is_zipfile

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.api.storage import MAX_UPLOAD_BYTES


@dataclass(frozen=True, slots=True)
class FileSource:
    """Where a file to upload is. Nothing of it has been read. ``root`` is the folder that must contain it; None for any
    place.
    """

    argument: str
    given: str
    path: Path
    root: Path | None = None
    may_be_folder: bool = False
    endings: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.argument}={self.given!r}"


class FileChangedError(Exception):
    """The bytes of a file have changed since they were hashed. Its last bytes were not sent."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to upload, as it was when it was hashed. Of a folder it is the zip file, which is removed with it."""

    source: FileSource
    name: str
    size: int
    sha256: str
    left_out: tuple[str, ...] = ()
    archive: IO[bytes] | None = field(default=None, compare=False, repr=False)

    def __del__(self) -> None:
        """Remove the zip file."""
        if self.archive is not None:
            self.archive.close()

    def pieces(self) -> Iterator[bytes]:
        """Read its bytes. The last piece comes only if all bytes are as they were hashed.

        Else it raises a ``FileChangedError``, or an ``InvalidArgumentError`` if they can no longer be read.
        """
        digest, size, held = hashlib.sha256(), 0, b""
        for piece in _pieces_of(self.source, self.archive):
            digest.update(piece)
            size += len(piece)
            if size > self.size:
                break
            if held:
                yield held
            held = piece
        if size != self.size or digest.hexdigest() != self.sha256:
            raise FileChangedError(f"{self.source.given} has changed while it was uploaded")
        if held:
            yield held


def open_file(source: FileSource) -> LocalFile:
    """Check a file or folder, and hash it. Raises an ``InvalidArgumentError`` if it cannot be uploaded. Blocks."""
    name = source.path.name
    archive: IO[bytes] | None = None
    left_out: tuple[str, ...] = ()
    if _checked_kind(source):
        folder = source.path.resolve() if name in ("", "..") else source.path
        name, (archive, left_out) = f"{folder.name}.zip", _zipped(source, folder)
    digest, size = hashlib.sha256(), 0
    for piece in _pieces_of(source, archive):
        digest.update(piece)
        size += len(piece)
    return LocalFile(source, name, size, digest.hexdigest(), left_out, archive)


def _checked_kind(source: FileSource) -> bool:
    """Check everything but the content. Return whether it is a folder."""
    try:
        real = source.path.resolve(strict=True)
        status = real.stat()
    except (FileNotFoundError, NotADirectoryError):
        if archive := next(filter(is_zipfile, filter(Path.is_file, source.path.parents)), None):
            # As of a DAG file in a zip file of the DAGs folder.
            raise InvalidArgumentError(
                f"{source}: leads into the zip file {archive}, and no file of a zip file is uploaded; "
                "put the file next to the zip file, and give its path as '../name'"
            ) from None
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


def _zipped(source: FileSource, folder: Path) -> tuple[IO[bytes], tuple[str, ...]]:
    """The zip file of a folder, which is made once: an upload that is repeated reads it again."""
    try:
        with ExitStack() as after_failure:
            archive = after_failure.enter_context(TemporaryFile())
            left_out = write_archive(folder, archive, MAX_UPLOAD_BYTES, source.root)
            archive.flush()
            after_failure.pop_all()
        return archive, left_out
    except ArchiveError as error:
        raise InvalidArgumentError(f"{source}: {error}") from None
    except (OSError, ValueError) as error:
        raise _unreadable(source, error) from None


def _pieces_of(source: FileSource, archive: IO[bytes] | None) -> Iterator[bytes]:
    size = 0
    try:
        # All readers of a zip file share its descriptor, so each keeps its own place: one that was broken off may still
        # read.
        with source.path.open("rb") if archive is None else nullcontext(archive) as file:
            while piece := os.pread(file.fileno(), PIECE_BYTES, size):
                size += len(piece)
                if size > MAX_UPLOAD_BYTES:
                    raise _too_large(source, f"grows over {MAX_UPLOAD_BYTES:,} bytes")
                yield piece
    except InvalidArgumentError:
        raise
    except (OSError, ValueError) as error:
        raise _unreadable(source, error) from None


def _unreadable(source: FileSource, error: Exception) -> InvalidArgumentError:
    reason = getattr(error, "strerror", None) or error
    return InvalidArgumentError(f"{source}: {source.path} cannot be read on the worker ({reason})")


def _too_large(source: FileSource, what: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{source}: {what}, but one upload takes at most {MAX_UPLOAD_BYTES:,} (500 MiB); "
        "put the file in S3, and give its s3:// address"
    )


def absolute(folder: Path, given: str) -> Path:
    """The absolute path of a given one, without following links. The folder may be a zip file with a DAG file."""
    is_plain = ".." not in Path(given).parts or folder.is_file()
    return Path(os.path.normpath(folder / given)) if is_plain else folder / given


PIECE_BYTES = 262_144

_FIRST_MOMENT = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file can contain."""
_MODE = 0o100644 << 16
_UNIX = 3


class ArchiveError(Exception):
    """A folder cannot be made a zip file. The message names the reason."""


def write_archive(folder: Path, out: IO[bytes], max_bytes: int, root: Path | None = None) -> tuple[str, ...]:
    """Write the zip file of a folder to a seekable file.

    The modules of a package are below the package's name in it, so that it can be imported. The files of any other
    folder are at its top. ``__pycache__``, ``*.pyc``, and names that begin with a dot are left out, such as ``.git``
    and the secrets in an ``.env``. No link can lead out of ``root``, if it is given.

    Returns the names with a dot that are left out, sorted. Raises an ``ArchiveError`` for a folder that cannot be one,
    and an ``OSError`` for a file that cannot be read.
    """
    top = f"{folder.name}/" if (folder / "__init__.py").is_file() else ""
    hidden: list[str] = []
    files = sorted(_files_of(folder, root, hidden))
    if not files:
        raise ArchiveError(
            f"the folder contains no file{' (names that begin with a dot are left out)' if hidden else ''}"
        )
    with ZipFile(out, "w", ZIP_STORED) as archive:
        for name, path in files:
            info = ZipInfo(f"{top}{name}", _FIRST_MOMENT)
            info.external_attr, info.create_system = _MODE, _UNIX
            with path.open("rb") as file, archive.open(info, "w") as entry:
                while piece := file.read(PIECE_BYTES):
                    if out.tell() + len(piece) > max_bytes:
                        raise _archive_too_large(max_bytes)
                    entry.write(piece)
    if out.tell() > max_bytes:
        raise _archive_too_large(max_bytes)
    return tuple(sorted(hidden))


def _archive_too_large(max_bytes: int) -> ArchiveError:
    return ArchiveError(f"its zip file has more than {max_bytes:,} bytes; put it in S3, and give its s3:// address")


def _files_of(folder: Path, root: Path | None, hidden: list[str]) -> Iterator[tuple[str, Path]]:
    """Yield the name in the zip file and the path of each file, and add names that begin with a dot to ``hidden``."""

    def fail(error: OSError) -> None:
        raise error

    for parent, folders, names in os.walk(folder, onerror=fail):
        below = Path(parent).relative_to(folder)
        hidden += [(below / name).as_posix() for name in (*folders, *names) if name.startswith(".")]
        folders[:] = [name for name in folders if not _is_left_out(name)]
        for name in [*folders, *names]:
            path = Path(parent, name)
            shown = (below / name).as_posix()
            if name in folders:
                if path.is_symlink():
                    raise ArchiveError(f"{shown!r} is a link to a folder; put the folder itself there")
                continue
            if _is_left_out(name) or name.endswith(".pyc"):
                continue
            if not path.is_file():
                raise ArchiveError(f"{shown!r} is neither a file nor a link to one")
            if root is not None and path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
                raise ArchiveError(
                    f"{shown!r} is a link that leads out of the DAG bundle {root}; put the file itself there"
                )
            if not shown.isprintable():
                raise ArchiveError(f"{shown!r}: its name contains a control character, or is not UTF-8")
            yield shown, path


def _is_left_out(name: str) -> bool:
    return name.startswith(".") or name == "__pycache__"
