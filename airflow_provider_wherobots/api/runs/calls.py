"""One function per endpoint of the Runs API: what to send, and how to read the response.

Source: the service's OpenAPI description, tag "runs". Operation ids are taken from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from airflow_provider_wherobots.api.call import Call, no_content
from airflow_provider_wherobots.api.runs.models import LOG_START_CURSOR, LogPage, Run, RunMetrics, RunPage

MAX_LOG_PAGE_BYTES = 16_000_000
"""A log page may be larger than other responses. One over this limit is requested again with fewer lines."""


def create_run(payload: Mapping[str, Any], region: str | None = None, command: str = "") -> Call[Run]:
    """``POST /runs`` (createJobRun). Not repeatable: the API has no idempotency key."""
    params, body = _given((("region", region),)), dict(payload)
    return Call("createJobRun", "POST", "/runs", Run.from_json, params, body, repeatable=False, command=command)


def get_run(run_id: str) -> Call[Run]:
    """``GET /runs/{run_id}`` (getJobRun)."""
    return Call("getJobRun", "GET", _run_path(run_id), Run.from_json, date=Run.with_response_time)


def list_runs(
    *,
    name: str | None = None,
    created_after: datetime | None = None,
    status: Iterable[str] = (),
    region: str | None = None,
    cursor: str | None = None,
    size: int | None = None,
) -> Call[RunPage]:
    """``GET /runs`` (listJobRuns), one page.

    ``name`` may be a pattern with at most one ``*``. A naive ``created_after`` means UTC. ``size`` is 0 to 100; None
    takes the service's 50.
    """
    if created_after is not None and created_after.tzinfo is None:
        created_after = created_after.replace(tzinfo=UTC)
    params = (
        ("name", name),
        ("created_after", None if created_after is None else created_after.isoformat()),
        *(("status", value) for value in status),
        ("region", region),
        ("cursor", cursor),
        ("size", size),
    )
    return Call("listJobRuns", "GET", "/runs", RunPage.from_json, _given(params), date=RunPage.with_date)


def cancel_run(run_id: str) -> Call[None]:
    """``POST /runs/{run_id}/cancel`` (cancelJobRun). The status may take a minute to become CANCELLED."""
    return Call("cancelJobRun", "POST", f"{_run_path(run_id)}/cancel", no_content, urgent=True)


def get_run_logs(run_id: str, cursor: str | int = LOG_START_CURSOR, size: int | None = None) -> Call[LogPage]:
    """``GET /runs/{run_id}/logs`` (getJobRunLogs), one page.

    The cursor is sent exactly as received. Without ``size`` the service takes 100.
    """
    path, params = f"{_run_path(run_id)}/logs", _given((("cursor", cursor), ("size", size)))
    return Call(
        "getJobRunLogs",
        "GET",
        path,
        LogPage.from_json,
        params,
        date=LogPage.with_date,
        max_bytes=MAX_LOG_PAGE_BYTES,
    )


def get_run_metrics(run_id: str) -> Call[RunMetrics]:
    """``GET /runs/{run_id}/metrics`` (getJobRunMetrics)."""
    return Call("getJobRunMetrics", "GET", f"{_run_path(run_id)}/metrics", RunMetrics.from_json)


def _given(params: Iterable[tuple[str, str | int | None]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in params if value is not None)


def _run_path(run_id: str) -> str:
    if not run_id or run_id in (".", ".."):
        raise ValueError(f"run_id={run_id!r}: must be the id of a run")
    return f"/runs/{quote(run_id, safe='')}"
