"""Pages of a log, for each way in which known clients of the service read the cursor.

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
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from wherobots_local.api.queries import LogEndQuery, LogsQuery, cursor_of, read_cursor, wrong_cursor
from wherobots_local.control.behaviour import Behaviour
from wherobots_local.runs.log import RunLog
from wherobots_local.runs.log_blocks import StoredLine

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
