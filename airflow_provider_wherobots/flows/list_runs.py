"""Listing the organisation's runs, page by page."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import ACTIVE_STATUSES, Run
from airflow_provider_wherobots.flows.effects import Flow
from airflow_provider_wherobots.flows.retry import send
from airflow_provider_wherobots.flows.runs_by_suffix import age

MAX_PAGE_SIZE = 100


def list_runs(
    *,
    name: str | None = None,
    status: Iterable[str] = (),
    region: str | None = None,
    created_after: datetime | None = None,
    limit: int | None = None,
    max_outage_seconds: float,
) -> Flow[tuple[list[Run], bool]]:
    """List runs (``GET /runs``), each once: runs that are created meanwhile move others to the next page.

    :param name: name or pattern with at most one ``*``; default all.
    :param status: only runs in one of these statuses; default all.
    :param region: only runs of this region; default all.
    :param created_after: only runs created after this moment; default all.
    :param limit: how many runs at most; default all.
    :param max_outage_seconds: how long consecutive failures of a call are tolerated, in seconds.
    :returns: the runs, newest first, and whether the limit left some out.
    :raises WherobotsApiError: the failure of a call.
    """
    chosen = tuple(status)
    # One more than the limit, to see whether there are more. The same for every page: what a cursor counts is unknown.
    size = MAX_PAGE_SIZE if limit is None else min(MAX_PAGE_SIZE, limit + 1)
    runs: dict[str, Run] = {}
    cursor: str | None = None
    while True:
        call = calls.list_runs(
            name=name, created_after=created_after, status=chosen, region=region, cursor=cursor, size=size
        )
        page = yield from send(call, max_outage_seconds)
        runs.update((run.id, run) for run in page.items)
        is_full = limit is not None and len(runs) > limit
        if is_full or page.next_page is None or page.next_page == cursor:
            break
        cursor = page.next_page
    # The service's order is not documented, so those of the last page may be newer than those of the first.
    return sorted(list(runs.values())[:limit], key=age, reverse=True), is_full


def list_active_runs(max_outage_seconds: float) -> Flow[list[Run]]:
    """List the runs of the organisation that have not ended and are not being torn down.

    :param max_outage_seconds: how long consecutive failures of a call are tolerated, in seconds.
    :returns: the runs, newest first.
    :raises WherobotsApiError: the failure of a call.
    """
    runs, _ = yield from list_runs(status=sorted(ACTIVE_STATUSES), max_outage_seconds=max_outage_seconds)
    return [run for run in runs if run.is_active]
