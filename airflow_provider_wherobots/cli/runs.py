"""``runs list`` and ``runs cancel``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.cli import cancelling
from airflow_provider_wherobots.cli.output import print_message, print_result, print_rows
from airflow_provider_wherobots.cli.service import MAX_OUTAGE_SECONDS, io_of, read_settings
from airflow_provider_wherobots.flows.list_runs import list_runs
from airflow_provider_wherobots.flows.summary import RunSummary, add_metrics
from airflow_provider_wherobots.runs.by_dag import totals_by_dag

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
        rows = cancelling.cancel_each(io, run_ids, lambda run: None if arguments.yes else cancelling.WOULD_BE)
    print_rows(rows, arguments.output, cancelling.COLUMNS)
    report(cancelling.count(rows))
    if not arguments.yes:
        report("Nothing was cancelled. --yes cancels the runs.")
    return cancelling.exit_code(rows)


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
