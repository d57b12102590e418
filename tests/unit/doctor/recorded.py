"""A trial whose calls and responses are written by hand: the behaviour of a service in a test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import LogPage, Run, RunMetrics, RunPage
from airflow_provider_wherobots.doctor.trial import CANCEL, LOG, TIMEOUT, Exchange, Plan, Trial
from airflow_provider_wherobots.logs.records import LogRecord

START = 1_750_000_000.0
PLAN = Plan("0123456789ab", "s3://bucket/job.py", timeout_seconds=30)
IDS = {LOG: "log0run", CANCEL: "cancel0run", TIMEOUT: "timeout0run"}


def trial(*exchanges: Exchange, forwarded: Sequence[str] = ()) -> Trial:
    """A trial whose runs were created and have ended."""
    records = [LogRecord(1, 20, text) for text in forwarded]
    return Trial(PLAN, ids=dict(IDS), ended=set(IDS), forwarded=records, exchanges=list(exchanges))


def exchange(call: Call[Any], response: Any, at: float = 0.0) -> Exchange:
    """A call that had a response after a tenth of a second, ``at`` seconds after the start."""
    return Exchange(call, START + at, START + at + 0.1, response)


def page(
    lines: Sequence[tuple[Any, str]],
    next_page: str | int | None = None,
    *,
    at: float = 0.0,
    size: int = 1_000,
    cursor: str = "0",
) -> Exchange:
    return exchange(calls.get_run_logs(IDS[LOG], cursor, size), LogPage(tuple(lines), next_page), at)


def create(**sent: Any) -> Exchange:
    """The create of the printing run."""
    body = {"name": PLAN.name(LOG), "runPython": {"uri": PLAN.uri, "args": [LOG]}, **sent}
    return exchange(calls.create_run(body), Run(IDS[LOG], PLAN.name(LOG), "PENDING"))


def poll(role: str, status: str, *, at: float = 0.0, **fields: Any) -> Exchange:
    """A poll of a run; ``fields`` are further ones of the response."""
    view = {"id": IDS[role], "name": PLAN.name(role), "status": status, "kubeApp": {"status": "READY"}, **fields}
    return exchange(calls.get_run(IDS[role]), Run.from_json(view), at)


def cancel(role: str, *, at: float, error: WherobotsApiError | None = None) -> Exchange:
    return exchange(calls.cancel_run(IDS[role]), error, at)


def listed(ids: Sequence[str], *, at: float = 0.0, name: str) -> Exchange:
    """A list by name."""
    runs = tuple(Run(run_id, "a_run", "RUNNING") for run_id in ids)
    return exchange(calls.list_runs(name=name, size=100), RunPage(runs), at)


def metrics(value: float | None) -> Exchange:
    return exchange(calls.get_run_metrics(IDS[LOG]), RunMetrics({"COST_USD": value}))
