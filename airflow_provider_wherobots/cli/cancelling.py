"""Cancelling runs one by one, and what became of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.cli.errors import FAILED, CommandFailedError
from airflow_provider_wherobots.cli.service import MAX_OUTAGE_SECONDS
from airflow_provider_wherobots.drivers.blocking import SyncDriver
from airflow_provider_wherobots.flows.cancel import await_ends, cancel_run
from airflow_provider_wherobots.flows.retry import send

CANCELLED = "cancelled"
REQUESTED = "cancel requested"
NOT_CANCELLED = "not cancelled"
HAD_ENDED = "had ended"
WOULD_BE = "would be cancelled"
COLUMNS = ("id", "name", "status", "result")


def always(run: Run) -> str | None:
    """The check of a command that names its runs: each is cancelled."""
    return None


def cancel_each(
    driver: SyncDriver, run_ids: Iterable[str], why_not: Callable[[Run], str | None] = always
) -> list[dict[str, Any]]:
    """Cancel runs, wait until they have ended, and return a row for each.

    ``why_not`` gives the reason why a run is not cancelled after all. It is called immediately before the cancel.
    """
    rows = [_cancel(driver, run_id, why_not) for run_id in run_ids]
    ended = driver.run(await_ends(row["id"] for row in rows if row["result"] == REQUESTED))
    for row in rows:
        if (status := ended.get(row["id"])) is not None:
            row.update(status=status, result=CANCELLED if status == "CANCELLED" else HAD_ENDED)
    return rows


def count(rows: Iterable[Mapping[str, Any]], noun: str = "run") -> str:
    """Count in one line what became of the runs: "10 runs: 9 cancelled, 1 had ended"."""
    results = Counter(row["result"].partition(":")[0] for row in rows)
    number = results.total()
    runs = f"{number} {noun}{'' if number == 1 else 's'}"
    return f"{runs}: {', '.join(f'{times} {result}' for result, times in results.items())}" if number else runs


def exit_code(rows: Iterable[Mapping[str, Any]]) -> int:
    """The exit code of a command that cancels: 1 if a run that was to be cancelled was not."""
    return FAILED if any(row["result"].startswith(NOT_CANCELLED) for row in rows) else 0


def preview(driver: SyncDriver, run_ids: Iterable[str]) -> list[dict[str, Any]]:
    """A row for each run that a cancel would end; nothing is changed."""
    return [_cancel(driver, run_id, None) for run_id in run_ids]


def _cancel(driver: SyncDriver, run_id: str, why_not: Callable[[Run], str | None] | None) -> dict[str, Any]:
    """Cancel a run, unless there is a reason not to; without a check only say that it would be."""
    try:
        run = driver.run(send(calls.get_run(run_id), MAX_OUTAGE_SECONDS))
    except WherobotsApiError as error:
        return {"id": run_id, "name": None, "status": None, "result": f"{NOT_CANCELLED}: {error}"}
    row = {"id": run.id, "name": run.name, "status": run.status}
    if run.is_terminal:
        return {**row, "result": HAD_ENDED}
    if why_not is None:
        return {**row, "result": WOULD_BE}
    try:
        reason = why_not(run)
    except CommandFailedError as error:
        # What became of the runs before this one is still told.
        return {**row, "result": f"{NOT_CANCELLED}: {error}"}
    if reason is not None:
        return {**row, "result": f"kept: {reason}"}
    return {**row, "result": REQUESTED if driver.run(cancel_run(run_id)) else NOT_CANCELLED}
