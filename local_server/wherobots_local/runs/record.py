"""The record of a run: a JSON file from which a later server reads the run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from wherobots_local.api.create_request import parse_create_request
from wherobots_local.runs.log import RunLog
from wherobots_local.runs.run import AppEvent, LocalRun, Usage

VERSION = 1

_LATER_TIMES = ("started_at", "completed_at")
_TIMES = ("created_at", "updated_at", *_LATER_TIMES)
_PLAIN = (
    *("id", "region", "sequence", "synthetic", "status", "cancel_requested"),
    *("app_id", "app_status", "app_message", "spark_ui_url"),
)


def to_record(run: LocalRun, server: str) -> dict[str, Any]:
    """Build the record of a run. ``server`` is the id of the server that it belongs to while it is active."""
    return {
        "version": VERSION,
        "server": server,
        **{name: getattr(run, name) for name in _PLAIN},
        **{name: _text(getattr(run, name)) for name in _TIMES},
        "request": run.request.as_json(),
        "events": [{**vars(event), "created_at": _text(event.created_at)} for event in run.events],
        "usage": [[sample.timestamp, sample.cpu_percent, sample.memory_percent] for sample in run.usage],
    }


def from_record(record: Mapping[str, Any], log: RunLog) -> LocalRun:
    """Make a run from its record.

    Raises an ``ApiError``, ``KeyError``, ``TypeError`` or ``ValueError`` if it is not a valid one.
    """
    if record["version"] != VERSION:
        raise ValueError(f"its version is {record['version']!r}, but must be {VERSION}")
    run = LocalRun(
        request=parse_create_request(_without_nulls(record["request"])),
        region=record["region"],
        sequence=record["sequence"],
        # Before any delay: the monotonic clock may have started again since.
        created_monotonic=-math.inf,
        log=log,
    )
    for name in _PLAIN:
        setattr(run, name, record[name])
    for name in _TIMES:
        setattr(run, name, None if record[name] is None and name in _LATER_TIMES else _moment(record[name]))
    run.events = [AppEvent(**{**event, "created_at": _moment(event["created_at"])}) for event in record["events"]]
    run.usage = [Usage(*sample) for sample in record["usage"]]
    return run


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"its time {text} has no time zone")
    return moment


def _without_nulls(value: Any) -> Any:
    """Remove what is null: a request may leave it out, and for some fields may not send null."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value
