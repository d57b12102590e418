"""List Runs: the matching runs, newest first, in pages with opaque cursors."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from airflow_provider_wherobots.local.api.errors import ApiError, Problem
from airflow_provider_wherobots.local.api.queries import ListQuery, name_matches
from airflow_provider_wherobots.local.runs.run import LocalRun
from airflow_provider_wherobots.local.views.run_view import run_view

MAX_PAGE_BYTES = 4 * 1024 * 1024
"""A page holds fewer runs than asked for if their requests have more bytes, but one at least."""

_OLDER = ">"
_NEWER = "<"


def run_page(runs: Sequence[LocalRun], query: ListQuery, *, delay_seconds: float, now: float) -> dict[str, Any]:
    """Cut one page out of the runs.

    :param runs: all runs, oldest first.
    :param query: filters, cursor and size.
    :param delay_seconds: how long after its creation a run shows up in the list.
    :param now: the current ``time.monotonic()``.
    :returns: the ``CursorPage`` of ``RunView``; ``total`` counts all runs that fit.
    :raises ApiError: 400 if the cursor is not one that this server issued. Source: ``GET /runs``.
    """
    fitting = [run for run in reversed(runs) if run.created_monotonic + delay_seconds <= now and _fits(run, query)]
    page = _cut(fitting, query)
    has_newer = bool(page) and page[0] is not fitting[0]
    has_older = bool(page) and page[-1] is not fitting[-1]
    return {
        "items": [run_view(run) for run in page],
        "total": len(fitting),
        "current_page": query.cursor or _to_cursor(_OLDER, None),
        "current_page_backwards": _to_cursor(_NEWER, page[-1].sequence - 1) if page else None,
        "previous_page": _to_cursor(_NEWER, page[0].sequence) if has_newer else None,
        "next_page": _to_cursor(_OLDER, page[-1].sequence) if has_older else None,
    }


def _fits(run: LocalRun, query: ListQuery) -> bool:
    return (
        (query.name is None or name_matches(query.name, run.request.name))
        and (query.created_after is None or run.created_at > query.created_after)
        and (query.statuses is None or run.status in query.statuses)
        and (query.region is None or run.region == query.region)
    )


def _cut(fitting: list[LocalRun], query: ListQuery) -> list[LocalRun]:
    direction, sequence = (_OLDER, None) if query.cursor is None else _from_cursor(query.cursor)
    if query.size == 0:
        return []
    if direction == _OLDER:
        older = (run for run in fitting if sequence is None or run.sequence < sequence)
        return list(_bounded(islice(older, query.size)))
    newer = (run for run in reversed(fitting) if sequence is None or run.sequence > sequence)
    return list(_bounded(islice(newer, query.size)))[::-1]


def _bounded(runs: Iterable[LocalRun]) -> Iterator[LocalRun]:
    size = 0
    for run in runs:
        if size and size + run.request_bytes > MAX_PAGE_BYTES:
            return
        size += run.request_bytes
        yield run


def _to_cursor(direction: str, sequence: int | None) -> str:
    text = direction if sequence is None else f"{direction}{sequence}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def _from_cursor(cursor: str) -> tuple[str, int | None]:
    try:
        text = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
        direction, sequence = text[:1], text[1:]
        if direction not in (_OLDER, _NEWER):
            raise ValueError(direction)
        return direction, int(sequence) if sequence else None
    except (ValueError, binascii.Error):
        raise ApiError(
            400, [Problem(f"cursor is {cursor!r}, but must be a cursor from an earlier page", "cursor")]
        ) from None
