"""The folders of the runs. Each has a record (JSON) and a log, from which a later server reads the run."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from wherobots_local.api.errors import FAILED, ApiError
from wherobots_local.api.queries import without_nulls
from wherobots_local.api.requests import parse_create_request
from wherobots_local.runs.log import RunLog
from wherobots_local.runs.run import AppEvent, LocalRun

_LATER_TIMES = ("started_at", "completed_at")
_TIMES = ("created_at", "updated_at", *_LATER_TIMES)
_PLAIN = (
    *("id", "region", "sequence", "synthetic", "status", "cancel_requested"),
    *("app_id", "app_status", "app_message", "spark_ui_url"),
)

OWN_FOLDER_OF_A_RUN = ".run"
"""The folder of record and log, in the folder of the run, which is the script's working directory."""

RECORD_FILE = "run.json"

_log = logging.getLogger(__name__)


class RunStore:
    def __init__(self, folder: Path, max_log_bytes: int) -> None:
        self._folder = folder
        self._max_log_bytes = max_log_bytes
        self._failing = False

    def log(self, run_id: str) -> RunLog:
        return RunLog(self._own(run_id), self._max_log_bytes)

    def write(self, run: LocalRun) -> None:
        _write(self._own(run.id) / RECORD_FILE, to_record(run))

    def save(self, run: LocalRun) -> bool:
        """Write the record of a run atomically. Returns False after a failure; the first in a row is logged."""
        try:
            self.write(run)
        except OSError as error:
            if not self._failing:
                _log.warning("The record of the run %s cannot be written: %s", run.id, error)
            self._failing = True
            return False
        self._failing = False
        return True

    def load(self) -> list[LocalRun]:
        """Read the runs of earlier servers, in the order of their creation. If a run was active when its server ended,
        it becomes FAILED."""
        found = []
        for path in self._folder.glob(f"*/{OWN_FOLDER_OF_A_RUN}/{RECORD_FILE}"):
            try:
                record = json.loads(path.read_text(encoding="utf-8"))
                run_id = path.parent.parent.name
                # The name of the folder counts: with another id, another folder would be removed later.
                found.append(from_record({**record, "id": run_id}, self.log(run_id)))
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

    def remove_all(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            for folder in self._folder.iterdir():
                self.remove(folder.name)

    def _own(self, run_id: str) -> Path:
        return self._folder / run_id / OWN_FOLDER_OF_A_RUN

    def _end(self, run: LocalRun) -> None:
        message = f"The local server was killed or crashed while the run was {run.status}."
        run.log.note(f"ERROR: {message}")
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


def to_record(run: LocalRun) -> dict[str, Any]:
    return {
        **{name: getattr(run, name) for name in _PLAIN},
        **{name: _text(getattr(run, name)) for name in _TIMES},
        "request": run.request.as_json(),
        "events": [{**vars(event), "created_at": _text(event.created_at)} for event in run.events],
    }


def from_record(record: Mapping[str, Any], log: RunLog) -> LocalRun:
    """Make a run from its record. An invalid one raises ``ApiError``, ``LookupError``, ``TypeError`` or
    ``ValueError``."""
    run = LocalRun(
        request=parse_create_request(without_nulls(record["request"])),
        region=record["region"],
        sequence=record["sequence"],
        # Older than any delay: the monotonic clock may have restarted.
        created_monotonic=-math.inf,
        log=log,
    )
    for name in _PLAIN:
        setattr(run, name, record[name])
    for name in _TIMES:
        setattr(
            run, name, None if record[name] is None and name in _LATER_TIMES else datetime.fromisoformat(record[name])
        )
    run.events = [
        AppEvent(**{**event, "created_at": datetime.fromisoformat(event["created_at"])}) for event in record["events"]
    ]
    return run


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
