"""List Runs: pages of the matching runs, newest first, with opaque cursors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from typing import Any

from wherobots_local.api.queries import ListQuery, cursor_of, name_matches, read_cursor
from wherobots_local.control.behaviour import Behaviour
from wherobots_local.runs.run import LocalRun
from wherobots_local.views.run_view import run_view

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
