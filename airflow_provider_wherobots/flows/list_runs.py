"""Listing runs, page by page: all of the organization, or those of a task, by the suffix of their names.

Names are not unique, List Runs has no documented order, and its filter may match substrings.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from functools import partial

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import ResponseTooLargeError, WherobotsApiError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import ACTIVE_STATUSES, Run, RunPage
from airflow_provider_wherobots.flows.retry import repeat
from airflow_provider_wherobots.io.base import Io
from airflow_provider_wherobots.runs.run_name import Identity

PAGE_SIZE = 100
MAX_RUNS = 2_000
"""How many runs are read to find those of a name, in case the service names pages without end."""
_EPOCH = datetime.fromtimestamp(0, UTC)


async def read_pages(
    io: Io,
    call: Callable[..., Call[RunPage]],
    fetch: Callable[[Call[RunPage]], Awaitable[RunPage]] | None = None,
    *,
    wanted: Callable[[Run], bool] = lambda run: True,
    limit: float = math.inf,
    max_runs: float = MAX_RUNS,
    size: int = PAGE_SIZE,
) -> list[Run]:
    """Read pages of ``call(cursor=…, size=…)`` until there are more wanted runs than the limit, in the service's order.

    A run that is created between two pages moves others to the next page, so each counts once. If a page is too large,
    all are read again with half the size: what a cursor counts is unknown.
    """
    while True:
        try:
            return await _read_pages_of(io, size, call, fetch or io.send, wanted, limit, max_runs)
        except ResponseTooLargeError:
            if size <= 1:
                raise
            size //= 2


async def _read_pages_of(
    io: Io,
    size: int,
    call: Callable[..., Call[RunPage]],
    fetch: Callable[[Call[RunPage]], Awaitable[RunPage]],
    wanted: Callable[[Run], bool],
    limit: float,
    max_runs: float,
) -> list[Run]:
    runs: dict[str, Run] = {}
    cursor: str | None = None
    pages = left_out = 0
    while pages * size < max_runs:
        page = await fetch(call(cursor=cursor, size=size))
        pages += 1
        left_out += page.left_out
        runs.update((run.id, run) for run in page.items if wanted(run))
        if len(runs) > limit or page.next_page is None or page.next_page == cursor:
            break
        cursor = page.next_page
    if left_out:
        text = f"Left out {words.counted(left_out, 'listed run')} without an id or a status"
        await io.note(logging.WARNING, text)
    return list(runs.values())


async def list_runs(
    io: Io,
    *,
    name: str | None = None,
    status: Iterable[str] = (),
    region: str | None = None,
    created_after: datetime | None = None,
    limit: int | None = None,
    max_outage_seconds: float,
) -> tuple[list[Run], bool]:
    """List runs (``GET /runs``). ``name`` can be a pattern with at most one ``*``.

    Returns the runs, newest first, and whether the limit left some out.
    """
    call = partial(calls.list_runs, name=name, created_after=created_after, status=tuple(status), region=region)
    runs = await read_pages(
        io,
        call,
        lambda page: repeat(io, lambda: io.send(page), max_outage_seconds, _is_not_too_large),
        limit=math.inf if limit is None else limit,
        max_runs=math.inf,
        # One more than the limit, to see whether there are more.
        size=PAGE_SIZE if limit is None else min(PAGE_SIZE, limit + 1),
    )
    # The service's order is not documented, so those of the last page may be newer than those of the first.
    return sorted(runs[:limit], key=age, reverse=True), limit is not None and len(runs) > limit


async def find_runs(io: Io, suffix: str, timeout: float | None = None, *, urgent: bool = False) -> list[Run]:
    """List every run whose name ends with the suffix, in any status, oldest first (``GET /runs?name=*{suffix}``).

    Urgent calls are sent even while the service limits the API key.
    """
    call = partial(calls.list_runs, name=f"*{suffix}")
    runs = await read_pages(
        io,
        call,
        lambda page: io.send(page.at_once() if urgent else page, timeout),
        wanted=lambda run: run.name.endswith(suffix),
    )
    return sorted(runs, key=age)


async def find_runs_of_task(io: Io, identity: Identity) -> list[Run]:
    """List every run with the ids of a task instance, in any status, and of any deployment, oldest first.

    Source: ``GET /runs?name=*{identity.task}``.
    """

    def has_ids(run: Run) -> bool:
        found = Identity.in_name(run.name)
        return found is not None and found.task == identity.task

    runs = await read_pages(io, partial(calls.list_runs, name=f"*{identity.task}"), wanted=has_ids)
    return sorted(runs, key=age)


async def list_active_runs(io: Io, max_outage_seconds: float) -> list[Run]:
    """List the runs of the organization that have not ended and are not being torn down. Newest first."""
    runs, _ = await list_runs(io, status=sorted(ACTIVE_STATUSES), max_outage_seconds=max_outage_seconds)
    return [run for run in runs if run.is_active]


def _is_not_too_large(error: WherobotsApiError) -> bool:
    return not isinstance(error, ResponseTooLargeError)


def age(run: Run) -> tuple[datetime, str]:
    """The key for sorting runs by age, oldest first. A run without a time counts as the oldest."""
    return run.create_time or _EPOCH, run.id
