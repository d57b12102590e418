"""Empties the storage. The first time its content is moved, because it may be the only copy of a user's data."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from wherobots_local.storage import OWN_FOLDER, is_bucket

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
