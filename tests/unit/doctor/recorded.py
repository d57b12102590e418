"""Recorded answers for the findings, written by hand: a service that behaves as a test says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from airflow_provider_wherobots.doctor.transcript import Exchange
from airflow_provider_wherobots.doctor.trial import CANCEL, LOG, TIMEOUT, Plan, Trial

START = 1_750_000_000.0
PLAN = Plan("0123456789ab", "s3://bucket/job.py", timeout_seconds=30)
IDS = {LOG: "log0run", CANCEL: "cancel0run", TIMEOUT: "timeout0run"}


def trial(forwarded: Sequence[str] = (), plan: Plan = PLAN) -> Trial:
    """A trial whose runs were created and have ended."""
    return Trial(plan, ids=dict(IDS), ended=set(IDS), forwarded=list(forwarded))


def exchange(operation: str, path: str, document: Any = None, *, at: float = 0.0, **fields: Any) -> Exchange:
    """A call that was answered with 200 after a tenth of a second, ``at`` seconds after the start."""
    made = Exchange(operation, path, (), None, START + at, 0.1, 200, document)
    return replace(made, **fields)


def page(
    items: Sequence[tuple[Any, str]], *, at: float = 0.0, size: int = 1_000, cursor: str = "0", **more: Any
) -> Exchange:
    """A page of the printing run's log; ``more`` are further fields of it, such as ``next_page``."""
    document = {"items": [{"timestamp": time, "raw": raw} for time, raw in items], "current_page": cursor, **more}
    params = (("cursor", cursor), ("size", str(size)))
    return exchange("getJobRunLogs", f"/runs/{IDS[LOG]}/logs", document, at=at, params=params)


def create(role: str = LOG, *, status: int = 201, **sent: Any) -> Exchange:
    """The create of a run."""
    body = {"name": PLAN.name(role), "runPython": {"uri": PLAN.uri, "args": [role]}, **sent}
    return exchange("createJobRun", "/runs", {"id": IDS[role], "status": "PENDING"}, sent=body, status=status)


def status(role: str, word: str, *, at: float = 0.0, app: str | None = "READY", **fields: Any) -> Exchange:
    """A poll of a run; ``fields`` are further ones of the answer."""
    view = {"id": IDS[role], "name": PLAN.name(role), "status": word, "kubeApp": app and {"status": app}, **fields}
    return exchange("getJobRun", f"/runs/{IDS[role]}", view, at=at)


def cancel(role: str, *, at: float, answer: int = 200) -> Exchange:
    """A cancel."""
    return exchange("cancelJobRun", f"/runs/{IDS[role]}/cancel", at=at, status=answer)


def listed(ids: Sequence[str], *, at: float = 0.0, name: str | None = None, created: Sequence[str] = ()) -> Exchange:
    """A page of List Runs."""
    times = created or ["2026-01-01T00:00:00Z"] * len(ids)
    items = [
        {"id": run_id, "name": "a_run", "status": "RUNNING", "createTime": time}
        for run_id, time in zip(ids, times, strict=True)
    ]
    params = () if name is None else (("name", name),)
    return exchange("listJobRuns", "/runs", {"items": items, "total": len(items)}, at=at, params=params)
