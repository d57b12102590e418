"""Runs in the published schemas (``RunView``, ``RunMetricsResponse``), the pages of List Runs, and those of a log.

Pages of runs are newest first, with opaque cursors. Pages of a log exist for each way in which known clients of the
service read the cursor.

The published description only says that ``cursor``, ``timestamp``, ``current_page`` and ``next_page`` are strings.
By default a cursor is the time of the last line shown, the page begins after it, and every page names a next one. With
this the official provider, the Wherobots SDK and the Wherobots command-line client all show each line once:

* The official provider drops a first line whose time is the cursor that it sent, so ``next_page`` must not be the time
  of a line that has not been shown.
* The SDK and the command-line client show every line of every page, so no page may repeat a line. If ``next_page`` is
  null, the SDK requests the same page again, and the command-line client adds the number of lines to its cursor.
"""

from __future__ import annotations

import bisect
import math
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from wherobots_local.api.errors import USER_ID
from wherobots_local.api.queries import (
    ListQuery,
    LogEndQuery,
    LogsQuery,
    cursor_of,
    name_matches,
    read_cursor,
    wrong_cursor,
)
from wherobots_local.control.faults import Behaviour
from wherobots_local.runs.log import RunLog, StoredLine
from wherobots_local.runs.run import AppEvent, LocalRun, timestamp

_SINCE = timestamp(datetime(2026, 1, 1, tzinfo=UTC))
SINCE = {"createTime": _SINCE, "updateTime": _SINCE}
"""The times of the user, the organization and the storage."""

_MOVING_VERSIONS = ("", "latest", "preview")
_LOCAL_VERSION = "local"


def run_view(run: LocalRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "createTime": timestamp(run.created_at),
        "updateTime": timestamp(run.updated_at),
        "name": run.request.name,
        "status": run.status,
        "triggeredBy": {
            "id": USER_ID,
            **SINCE,
            "email": None,
            "name": "local",
            "roles": [],
        },
        "startTime": timestamp(run.started_at) if run.started_at else None,
        "completeTime": timestamp(run.completed_at) if run.completed_at else None,
        "kubeApp": _kube_app(run),
        "payload": run.request.as_json(),
    }


def metrics_view(run: LocalRun) -> dict[str, Any]:
    """A local run is not measured, and costs nothing."""
    moment = int(run.completed_at.timestamp() if run.completed_at else time.time())
    return {
        "series_metrics": {
            f"{name.upper()}_UTILIZATION_PERCENT": {
                "display_name": f"{name} Utilization",
                "metric": {"data": [], "format": "PERCENTAGE"},
            }
            for name in ("CPU", "Memory")
        },
        "instant_metrics": {
            "COST_USD": _instant("Cost", 0.0, moment, "CURRENCY"),
            "CONSUMED_SPATIAL_UNITS": _instant("Consumed Spatial Units", 0.0, moment, "NUMBER"),
        },
    }


def event_view(event: AppEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "createTime": timestamp(event.created_at),
        "updateTime": timestamp(event.created_at),
        "code": event.code,
        "message": event.message,
        "eventMeta": event.meta,
    }


def resolved_version(version: str | None) -> str:
    """Return a version itself, unless it is a moving one."""
    return _LOCAL_VERSION if version is None or version in _MOVING_VERSIONS else version


def _kube_app(run: LocalRun) -> dict[str, Any]:
    return {
        "id": run.app_id,
        "createTime": timestamp(run.created_at),
        "updateTime": timestamp(run.updated_at),
        "instanceId": f"local-{run.app_id}",
        "appType": "RUN",
        "status": run.app_status,
        "createdById": USER_ID,
        "apiPayload": None,
        "appMeta": {
            "spark_ui_url": run.spark_ui_url,
            "spark_eventlogs_url": "",
            "resolved_version": resolved_version(run.request.version),
        },
        "events": [event_view(event) for event in run.events],
        "cpuUsage": 0,
        "regionName": run.region,
        "message": run.app_message,
    }


def _instant(name: str, value: float, moment: int, data_format: str) -> dict[str, Any]:
    return {"display_name": name, "metric": {"data": {"value": value, "timestamp": moment}, "format": data_format}}


_AFTER = ">"
_BEFORE = "<"
_UP_TO = "="


def run_page(runs: Sequence[LocalRun], query: ListQuery, behaviour: Behaviour, now: float) -> dict[str, Any]:
    """Return a ``CursorPage`` of the matching runs. ``runs`` are sorted by age, oldest first."""
    latest = now - behaviour.list_delay_seconds
    fitting = [run for run in runs if run.created_monotonic <= latest and _fits(run, query, behaviour)]
    fitting.reverse()
    page = _cut(fitting, query)
    has_previous = bool(page) and page[0] is not fitting[0]
    has_next = bool(page) and page[-1] is not fitting[-1]
    return {
        "items": [run_view(run) for run in page],
        "total": len(fitting),
        "current_page": query.cursor or _to_cursor(_AFTER, None),
        "current_page_backwards": _to_cursor(_UP_TO, page[-1].sequence) if page else None,
        "previous_page": _to_cursor(_BEFORE, page[0].sequence) if has_previous else None,
        "next_page": _to_cursor(_AFTER, page[-1].sequence) if has_next else None,
    }


def _fits(run: LocalRun, query: ListQuery, behaviour: Behaviour) -> bool:
    part = behaviour.name_filter == "substring"
    return (
        (query.name is None or name_matches(query.name, run.request.name, part=part))
        and (query.created_after is None or run.created_at > query.created_after)
        and (query.status is None or run.status in query.status)
        and (query.region is None or run.region == query.region)
    )


def _cut(fitting: list[LocalRun], query: ListQuery) -> list[LocalRun]:
    direction, sequence = read_cursor(query.cursor, _from_cursor) if query.cursor else (_AFTER, None)
    if query.size == 0:
        return []
    place = math.inf if sequence is None else sequence
    if direction == _AFTER:
        return list(islice((run for run in fitting if run.sequence < place), query.size))
    place -= 1 if direction == _UP_TO else 0
    before = (run for run in reversed(fitting) if run.sequence > place)
    return list(islice(before, query.size))[::-1]


def _to_cursor(direction: str, sequence: int | None) -> str:
    return cursor_of(direction if sequence is None else f"{direction}{sequence}")


def _from_cursor(text: str) -> tuple[str, int | None]:
    direction, sequence = text[:1], text[1:]
    if direction not in (_AFTER, _BEFORE, _UP_TO) or (direction != _AFTER and not sequence):
        raise ValueError(direction)
    return direction, int(sequence) if sequence else None


START = "0"

MAX_PAGE_BYTES = 2 * 1024 * 1024
"""A page with more text has fewer lines than requested. In JSON a byte can become six."""

_BYTES_OF_AN_ITEM = 64
_FEWEST_LINES = 2
_OPAQUE_PREFIX = "after:"


def log_page(lines: Sequence[StoredLine], query: LogsQuery, behaviour: Behaviour, now: float) -> dict[str, Any]:
    """Return a page of the sorted lines of a log: the ``LogsResponse`` of ``GET /runs/{run_id}/logs``."""
    size = min(query.size, behaviour.log_max_size, MAX_PAGE_BYTES // _BYTES_OF_AN_ITEM)
    cursor = query.cursor or START
    start = start_of_page(lines, cursor, behaviour)
    if behaviour.log_cursor == "offset" and behaviour.log_delay_seconds:
        skipped = min(start, len(lines))
        found = list(islice(_visible(lines, 0, behaviour, now), skipped, skipped + size + 1))
    else:
        found = list(islice(_visible(lines, start, behaviour, now), size + 1))
    page = _fitting(found[:size])
    following = found[len(page) :]
    if page and following and _is_exclusive(behaviour):
        page, following = _cut_between_times(page, following, _visible(lines, start, behaviour, now))
    as_number = behaviour.log_cursor == "nanoseconds-int"
    written = int if as_number else str
    body: dict[str, Any] = {
        "items": [{"timestamp": written(line.timestamp), "raw": line.raw} for line in page],
        "current_page": int(cursor) if as_number else cursor,
    }
    if following or behaviour.log_next_page_when_caught_up == "end":
        body["next_page"] = _next_cursor(start, page, following, cursor, behaviour)
    elif behaviour.log_next_page_when_caught_up == "equal":
        body["next_page"] = body["current_page"]
    elif behaviour.log_next_page_when_caught_up == "null":
        body["next_page"] = None
    return body


def log_end(log: RunLog, query: LogEndQuery, behaviour: Behaviour, now: float) -> dict[str, Any]:
    """Return a page of the end of a log, for the status page: a ``LogsResponse`` with three more fields.

    ``log_file`` is the path of the text, ``left_out`` the number of lines skipped between cursor and page, and ``more``
    is whether lines follow.
    """
    lines, cursor = log.lines, query.cursor or START
    shown = start_of_page(lines, cursor, behaviour)
    left_out = max(len(lines) - shown - query.last, 0)
    if left_out:
        cursor = str(max(lines[shown + left_out].timestamp - 1, int(START)))
        # A page begins with all lines of a time.
        left_out = start_of_page(lines, cursor, behaviour) - shown
    query = query.model_copy(update={"cursor": cursor})
    page = log_page(lines, query, behaviour, now)
    more = start_of_page(lines, page["next_page"], behaviour) < len(lines)
    return {**page, "left_out": left_out, "more": more, "log_file": str(log.file or "")}


def _fitting(lines: list[StoredLine]) -> list[StoredLine]:
    """Cut a page with too many bytes. Two lines stay at least: with one, an inclusive cursor would not move."""
    size = 0
    for count, line in enumerate(lines):
        size += line.size + _BYTES_OF_AN_ITEM
        if size > MAX_PAGE_BYTES and count >= _FEWEST_LINES:
            return lines[:count]
    return lines


def _visible(lines: Sequence[StoredLine], start: int, behaviour: Behaviour, now: float) -> Iterator[StoredLine]:
    latest, index = now - behaviour.log_delay_seconds, start
    # By index: slicing would copy the whole rest of a long log, and islice would walk over its beginning.
    while index < len(lines):
        line = lines[index]
        if line.read_at <= latest:
            yield line
            index += 1
        else:
            # All lines of a block were read at once.
            index = line.block.first + line.block.lines


def start_of_page(lines: Sequence[StoredLine], cursor: str, behaviour: Behaviour) -> int:
    """Return the index of the first line of a page."""
    if behaviour.log_cursor == "opaque":
        place = None if cursor == START else read_cursor(cursor, _from_opaque)
        return 0 if place is None else bisect.bisect_right(lines, place, key=lambda line: line[:2])
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 30:
        raise wrong_cursor(cursor)
    position = int(cursor)
    if behaviour.log_cursor == "offset":
        return position
    side = bisect.bisect_right if _is_exclusive(behaviour) and position else bisect.bisect_left
    return side(lines, position, key=lambda line: line.timestamp)


def _is_exclusive(behaviour: Behaviour) -> bool:
    """Whether a page begins after the time in its cursor."""
    return behaviour.log_boundary == "after" and behaviour.log_cursor not in ("offset", "opaque")


def _cut_between_times(
    page: list[StoredLine], following: list[StoredLine], visible: Iterator[StoredLine]
) -> tuple[list[StoredLine], list[StoredLine]]:
    """Cut a page where the time changes, because an exclusive cursor would skip the other lines of the same time. This
    makes the page shorter; longer only if all its lines have one time."""
    last = page[-1].timestamp
    if following[0].timestamp != last:
        return page, following
    shorter = [line for line in page if line.timestamp != last]
    if shorter:
        return shorter, page[len(shorter) :]
    same: list[StoredLine] = []
    for line in visible:
        if line.timestamp != last:
            following = [line]
            break
        same.append(line)
    else:
        following = []
    longer = _fitting(same)
    return longer, same[len(longer) :] or following


def _next_cursor(
    start: int, page: list[StoredLine], following: list[StoredLine], cursor: str, behaviour: Behaviour
) -> str | int:
    if behaviour.log_cursor == "offset":
        return str(start + len(page))
    if behaviour.log_cursor == "opaque":
        return _to_opaque(page[-1]) if page else cursor
    named = following if following and behaviour.log_boundary == "next" else page
    if not named:
        return int(cursor) if behaviour.log_cursor == "nanoseconds-int" else cursor
    timestamp = (named[0] if named is following else named[-1]).timestamp
    return timestamp if behaviour.log_cursor == "nanoseconds-int" else str(timestamp)


def _to_opaque(line: StoredLine) -> str:
    return cursor_of(f"{_OPAQUE_PREFIX}{line.timestamp}:{line.number}")


def _from_opaque(text: str) -> tuple[int, int]:
    timestamp, number = text.removeprefix(_OPAQUE_PREFIX).split(":")
    return int(timestamp), int(number)
