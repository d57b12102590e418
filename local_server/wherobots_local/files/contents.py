"""Lists, creates, renames and removes files and folders of the storage, only under the root."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from wherobots_local.api.errors import ApiError, Problem
from wherobots_local.api.queries import cursor_of, read_cursor
from wherobots_local.storage import OWN_FOLDER, StorageError, check_inside, is_bucket, place_of


@dataclass(frozen=True)
class FolderEntry:
    name: str
    is_folder: bool
    size: int
    modified: datetime


@dataclass(frozen=True)
class FolderPage:
    """``next_cursor`` is None on the last page."""

    entries: list[FolderEntry]
    next_cursor: str | None = None


@contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Turn errors of the file system into errors of the API."""
    try:
        yield
    except StorageError as error:
        raise ApiError(400, str(error)) from None
    except FileNotFoundError:
        raise ApiError(404, f"{what} does not exist") from None
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise ApiError(409, f"{what}: {error.strerror}") from None
    except (OSError, ValueError) as error:
        # For example a name that no file can have.
        raise ApiError(400, f"{what}: {getattr(error, 'strerror', None) or error}") from None


def folder_page(root: Path, address: str, *, limit: int = 0, cursor: str | None = None) -> FolderPage:
    """List a folder in the order of names. ``limit=0`` means all entries."""
    after = read_cursor(cursor, str) if cursor else ""
    with storage_errors(address):
        folder = _inside(root, place_of(root, address))
        names = sorted(name for name in os.listdir(folder) if name > after)
        kept = names[:limit] if limit else names
        entries = [entry for name in kept if (entry := _entry(root, folder / name)) is not None]
    return FolderPage(entries, cursor_of(kept[-1]) if len(kept) < len(names) else None)


def make_folder(root: Path, address: str) -> None:
    """Create a folder. It is a 409 if it exists, and a 404 if its parent does not."""
    with storage_errors(address):
        place_of(root, address).mkdir()


def remove_folder(root: Path, address: str) -> None:
    with storage_errors(address):
        folder = place_of(root, address)
        if folder.is_symlink():
            folder.unlink()
        else:
            shutil.rmtree(folder)


def remove_file(root: Path, address: str) -> None:
    with storage_errors(address):
        place_of(root, address).unlink()


def rename_file(root: Path, address: str, new_name: str) -> None:
    """Rename a file in its folder, replacing an existing file."""
    if new_name in ("", ".", "..") or "/" in new_name or "\0" in new_name:
        raise ApiError(422, [Problem(f"new_name is {new_name!r}, but must be the name of a file", "new_name")])
    with storage_errors(address):
        place = place_of(root, address)
        if not place.is_file():
            raise FileNotFoundError
        place.replace(place.with_name(new_name))


def _inside(root: Path, place: Path) -> Path:
    resolved = place.resolve(strict=True)
    check_inside(root.resolve(), resolved, place.name)
    return resolved


def _entry(root: Path, path: Path) -> FolderEntry | None:
    try:
        status = _inside(root, path).stat()
    except (OSError, StorageError):
        return None
    is_folder = path.is_dir()
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    return FolderEntry(path.name, is_folder, 0 if is_folder else status.st_size, modified)


KEPT_FOLDER = "storage-before-reset"
"""This folder in the server's own folder has a folder for each server that has emptied the storage."""


class Emptying:
    """Removes all buckets and tables of a root. The first time they are moved to :data:`KEPT_FOLDER` instead."""

    def __init__(self, root: Path, tables: Path) -> None:
        self._root = root
        self._tables = tables
        self._kept = root / OWN_FOLDER / KEPT_FOLDER
        self._moves = True

    def empty(self) -> Sequence[str]:
        """Remove everything, and return what could not be removed, with the reasons. Links are removed, but not their
        targets. Files next to the buckets stay."""
        moved_to = self._kept / f"{datetime.now(UTC):%Y-%m-%dT%H.%M.%S.%fZ}" if self._moves else None
        problems = []
        buckets = (place for place in self._root.glob("*") if is_bucket(place.name))
        for place in (*buckets, self._tables):
            try:
                if place.is_symlink():
                    place.unlink()
                elif place.is_dir():
                    _remove(place, moved_to)
            except OSError as error:
                problems.append(f"{place}: {error.strerror}")
        # If something could not be moved, the next reset must not delete it.
        self._moves = self._moves and bool(problems)
        return problems

    def remove_kept(self, before: float) -> None:
        """Remove what was moved before a time, in seconds since the epoch."""
        for folder in self._kept.glob("*"):
            if folder.stat().st_mtime < before:
                shutil.rmtree(folder, ignore_errors=True)


def _remove(place: Path, moved_to: Path | None) -> None:
    if moved_to is None or not any(path.is_file() for path in place.rglob("*")):
        shutil.rmtree(place)
    else:
        moved_to.mkdir(parents=True, exist_ok=True)
        place.rename(moved_to / place.name)
