"""A folder as one zip file. The same files always give the same bytes.

So names are sorted, times and modes fixed, and nothing is compressed: another version of zlib would compress otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

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
                        raise _too_large(max_bytes)
                    entry.write(piece)
    if out.tell() > max_bytes:
        raise _too_large(max_bytes)
    return tuple(sorted(hidden))


def _too_large(max_bytes: int) -> ArchiveError:
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
