"""``runs list`` and ``runs cancel``, and how each command cancels runs."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import CANCELLED as CANCELLED_STATUS
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.cli.common import (
    FAILED,
    MAX_OUTAGE_SECONDS,
    io_of,
    print_message,
    print_result,
    print_rows,
    read_settings,
)
from airflow_provider_wherobots.flows.cancel import await_ends, cancel_run
from airflow_provider_wherobots.flows.follow import add_metrics
from airflow_provider_wherobots.flows.list_runs import list_runs
from airflow_provider_wherobots.flows.retry import send
from airflow_provider_wherobots.io.worker import WorkerIo
from airflow_provider_wherobots.runs.summary import RunSummary, totals_by_dag
from airflow_provider_wherobots.words import counted

LIST_COLUMNS = ("id", "status", "created", "ran_seconds", "region", "runtime", "name")
DAG_COLUMNS = ("dag", "runs", "hours", "cost_usd", "without_cost", "failures")


def _list(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments.conn)
    with io_of(settings) as io:
        runs, is_cut = io.run(
            list_runs,
            name=arguments.name,
            status=arguments.status,
            region=arguments.region,
            created_after=arguments.created_after,
            limit=arguments.limit,
            max_outage_seconds=MAX_OUTAGE_SECONDS,
        )
        summaries = [io.run(add_metrics, RunSummary.of_run(run)) for run in runs if arguments.by]
    if arguments.by:
        print_rows(totals_by_dag(zip(runs, summaries, strict=True)), arguments.output, DAG_COLUMNS)
    else:
        print_rows([_row(run, settings.run_url(run.id)) for run in runs], arguments.output, LIST_COLUMNS)
    if not runs:
        print_message("No such runs.")
    elif is_cut:
        print_message(f"There are more runs than --limit allows ({arguments.limit}).")
    return 0


def _cancel(arguments: argparse.Namespace) -> int:
    report = print_result if arguments.output == "table" else print_message
    with io_of(read_settings(arguments.conn)) as io:
        run_ids = dict.fromkeys(arguments.run_ids)
        rows = cancel_each(io, run_ids, lambda run: None if arguments.yes else WOULD_BE)
    print_rows(rows, arguments.output, COLUMNS)
    report(count(rows))
    if not arguments.yes:
        report("Nothing was cancelled. --yes cancels the runs.")
    return exit_code(rows)


def _row(run: Run, url: str) -> dict[str, Any]:
    summary = RunSummary.of_run(run)
    return {
        "id": run.id,
        "name": run.name,
        "status": run.status,
        "region": summary.region,
        "runtime": summary.runtime,
        "created": _seconds(run.create_time),
        "started": _seconds(run.start_time),
        "ended": _seconds(run.complete_time),
        "queued_seconds": summary.queued_seconds,
        "ran_seconds": summary.ran_seconds,
        "url": url,
    }


def _seconds(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "runs list": _list,
    "runs cancel": _cancel,
}


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
    rows = [_cancel_one(io, run_id, instead) for run_id in run_ids]
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


def _cancel_one(io: WorkerIo, run_id: str, instead: Callable[[Run], str | None]) -> dict[str, Any]:
    try:
        run = io.run(send, calls.get_run(run_id), MAX_OUTAGE_SECONDS)
    except WherobotsApiError as error:
        return {"id": run_id, "name": None, "status": None, "result": f"{NOT_CANCELLED}: {error}"}
    result = HAD_ENDED if run.is_terminal else instead(run)
    if result is None:
        result = REQUESTED if io.run(cancel_run, run_id, refused_seconds=0.0) is None else NOT_CANCELLED
    return {"id": run.id, "name": run.name, "status": run.status, "result": result}
