"""Cancelling runs one by one, and the result of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import CANCELLED as CANCELLED_STATUS
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.cli.output import FAILED
from airflow_provider_wherobots.cli.service import MAX_OUTAGE_SECONDS
from airflow_provider_wherobots.flows.cancel import await_ends, cancel_run
from airflow_provider_wherobots.flows.retry import send
from airflow_provider_wherobots.io.worker import WorkerIo
from airflow_provider_wherobots.messages.words import counted

CANCELLED = "cancelled"
REQUESTED = "cancel requested"
NOT_CANCELLED = "not cancelled"
HAD_ENDED = "had ended"
WOULD_BE = "would be cancelled"
COLUMNS = ("id", "name", "status", "result")


def cancel_each(io: WorkerIo, run_ids: Iterable[str], instead: Callable[[Run], str | None]) -> list[dict[str, Any]]:
    """Cancel runs, wait until they have ended, and return a row for each.

    ``instead`` is called immediately before each cancel. It returns the result of a run that is not to be cancelled, or
    None.
    """
    rows = [_cancel(io, run_id, instead) for run_id in run_ids]
    ended = io.run(await_ends, [row["id"] for row in rows if row["result"] == REQUESTED])
    for row in rows:
        if (status := ended.get(row["id"])) is not None:
            row.update(status=status, result=CANCELLED if status == CANCELLED_STATUS else HAD_ENDED)
    return rows


def count(rows: Iterable[Mapping[str, Any]]) -> str:
    """Count the results in one line: "10 runs: 9 cancelled, 1 had ended"."""
    results = Counter(row["result"].partition(":")[0] for row in rows)
    number = results.total()
    runs = counted(number, "run")
    return f"{runs}: {', '.join(f'{times} {result}' for result, times in results.items())}" if number else runs


def exit_code(rows: Iterable[Mapping[str, Any]]) -> int:
    """The exit code of a command that cancels: 1 if a run that was to be cancelled was not."""
    return FAILED if any(row["result"].startswith(NOT_CANCELLED) for row in rows) else 0


def _cancel(io: WorkerIo, run_id: str, instead: Callable[[Run], str | None]) -> dict[str, Any]:
    try:
        run = io.run(send, calls.get_run(run_id), MAX_OUTAGE_SECONDS)
    except WherobotsApiError as error:
        return {"id": run_id, "name": None, "status": None, "result": f"{NOT_CANCELLED}: {error}"}
    result = HAD_ENDED if run.is_terminal else instead(run)
    if result is None:
        result = REQUESTED if io.run(cancel_run, run_id, refused_seconds=0.0) is None else NOT_CANCELLED
    return {"id": run.id, "name": run.name, "status": run.status, "result": result}
