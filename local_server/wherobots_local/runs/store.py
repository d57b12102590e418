"""The folders of the runs: each holds the run's record and log, which outlive the server."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from wherobots_local.api.errors import ApiError
from wherobots_local.api.vocabulary import FAILED, TERMINAL_STATUSES
from wherobots_local.runs.log import LogLimits, RunLog
from wherobots_local.runs.record import from_record, to_record
from wherobots_local.runs.run import LocalRun

OWN_FOLDER_OF_A_RUN = ".run"
"""Folder of record and log in the folder of a run, which is the script's working directory."""

RECORD_FILE = "run.json"

_log = logging.getLogger(__name__)


class RunStore:
    """Records and logs on disk, in a folder for each run."""

    def __init__(self, folder: Path, server: str, limits: LogLimits) -> None:
        self._folder = folder
        self._server = server
        self._limits = limits
        self._failing = False

    def log(self, run_id: str) -> RunLog:
        return RunLog(self._own(run_id), self._limits)

    def save(self, run: LocalRun) -> bool:
        """Write the record of a run atomically. Returns False after a failure; the first in a row is logged."""
        try:
            _write(self._own(run.id) / RECORD_FILE, to_record(run, self._server))
        except OSError as error:
            if not self._failing:
                _log.warning("The record of the run %s cannot be written: %s", run.id, error)
            self._failing = True
            return False
        self._failing = False
        return True

    def load(self, is_alive: Callable[[str], bool]) -> list[LocalRun]:
        """Read the runs of earlier servers. Those that were active when their server ended become FAILED.

        Active runs of servers that are alive are left out. Returns the runs in the order of their creation.
        """
        found = []
        for path in self._records():
            try:
                record = json.loads(path.read_text(encoding="utf-8"))
                if record["status"] not in TERMINAL_STATUSES and is_alive(record["server"]):
                    continue
                run_id = path.parent.parent.name
                if record["id"] != run_id:
                    # Else another folder would be removed in the end, even one outside.
                    raise ValueError(f"its id is {record['id']!r}, but must be {run_id!r}, the name of its folder")
                found.append(from_record(record, self.log(run_id)))
            except (OSError, ApiError, LookupError, TypeError, ValueError, RecursionError) as error:
                _log.warning("A run is not listed, because its record %s cannot be read: %s", path, error)
        found.sort(key=lambda run: (run.created_at, run.sequence))
        for sequence, run in enumerate(found):
            run.sequence = sequence
            if not run.ended:
                self._end(run)
        return found

    def remove(self, run_id: str) -> None:
        """Remove the folder of a run, its record first."""
        folder, own = self._folder / run_id, self._own(run_id)
        with contextlib.suppress(OSError):
            # A script may have put a link to another folder in the place of either.
            if folder.is_symlink():
                folder.unlink()
            elif not own.is_symlink():
                (own / RECORD_FILE).unlink()
        shutil.rmtree(folder, ignore_errors=True)

    def remove_all(self, known: Iterable[str], is_alive: Callable[[str], bool]) -> None:
        """Remove the folders of runs: of these, and of all others with a record.

        Those of other servers that are alive stay. ``known`` are ids of runs whose record may be missing.
        """
        servers = dict.fromkeys(known, self._server)
        servers |= {path.parent.parent.name: _server_of(path) for path in self._records()}
        for run_id, server in servers.items():
            if server == self._server or not is_alive(server):
                self.remove(run_id)

    def remove_nameless(self, before: float) -> None:
        """Remove folders without a readable record that were last changed before a time: their runs are in no list."""
        with contextlib.suppress(OSError):
            for folder in self._folder.iterdir():
                if folder.stat().st_mtime < before and not _is_json(self._own(folder.name) / RECORD_FILE):
                    shutil.rmtree(folder, ignore_errors=True)

    def _own(self, run_id: str) -> Path:
        return self._folder / run_id / OWN_FOLDER_OF_A_RUN

    def _records(self) -> Iterator[Path]:
        return self._folder.glob(f"*/{OWN_FOLDER_OF_A_RUN}/{RECORD_FILE}")

    def _end(self, run: LocalRun) -> None:
        message = f"The local server was killed or crashed while the run was {run.status}."
        try:
            run.log.note(f"ERROR: {message}")
        except (OSError, LookupError, ValueError) as error:
            # The server must start all the same.
            _log.warning("The log of the run %s cannot be read: %s", run.id, error)
        run.add_event("RUN_FAIL_EXEC", message)
        run.set_spark_ui("")
        run.set_app("DESTROYED", message)
        run.set_status(FAILED)
        self.save(run)


def _write(path: Path, record: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(record), encoding="ascii")
    os.replace(new, path)


def _server_of(record: Path) -> str:
    """The server that a run belongs to; empty if its record cannot be read."""
    try:
        return str(json.loads(record.read_bytes())["server"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return ""


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return True
