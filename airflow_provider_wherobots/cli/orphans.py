"""``orphans``: finds active runs that no task of this deployment needs any more, and cancels them."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.cli import cancelling
from airflow_provider_wherobots.cli.deployment import Deployment
from airflow_provider_wherobots.cli.output import CommandFailedError, print_message, print_result, print_rows
from airflow_provider_wherobots.cli.service import MAX_OUTAGE_SECONDS, io_of, read_settings
from airflow_provider_wherobots.flows.list_runs import list_active_runs
from airflow_provider_wherobots.io.worker import WorkerIo
from airflow_provider_wherobots.runs.orphans import (
    RunVerdict,
    TaskInstance,
    count,
    find_owners,
    ids_of,
    judge,
)

COLUMNS = ("id", "verdict", "created", "task_instance", "state", "name")


def find_orphans(arguments: argparse.Namespace) -> int:
    """List the active runs, and cancel the orphans with ``--cancel``."""
    is_table = arguments.output == "table"
    report = print_result if is_table else print_message
    deployment = Deployment()
    with io_of(read_settings(arguments.conn)) as io:
        runs, ended = _find_runs(io, deployment), []
        rows = [_run_row(*found) for found in runs]
        orphans = {row["id"] for row in rows if row["verdict"] == RunVerdict.ORPHAN}
        if arguments.cancel:
            # Before anything is printed: a reader such as `head` may close the pipe early.
            owners = {run.id: owner for run, owner in runs if owner is not None and run.id in orphans}
            ended = cancelling.cancel_each(io, owners, lambda run: _why_kept(deployment, run, owners[run.id]))
    if is_table:
        print_rows(rows, arguments.output, COLUMNS)
    else:
        results = {row["id"]: row for row in ended}
        print_rows([row | results.get(row["id"], {}) for row in rows], arguments.output, (*COLUMNS, "status", "result"))
    report(count(row["verdict"] for row in rows))
    if orphans and not arguments.cancel:
        report("Nothing was cancelled. --cancel cancels the orphans.")
    if is_table:
        print_rows(ended, arguments.output, cancelling.COLUMNS)
    if ended:
        report(cancelling.count(ended))
    return cancelling.exit_code(ended)


def _find_runs(io: WorkerIo, deployment: Deployment) -> list[tuple[Run, TaskInstance | None]]:
    """The active runs, oldest first, each with the task instance that has its ids."""
    runs = io.run(list_active_runs, MAX_OUTAGE_SECONDS)
    oldest = min((run.create_time for run in runs if run.create_time is not None), default=datetime.now(UTC))
    found = find_owners(runs, deployment.list_task_instances(oldest))
    owners = {ids: deployment.read(owner) for ids, owner in found.items()}
    # A run may have ended, and its task with it, since the runs were listed: then it is no orphan.
    active = {run.id: run for run in io.run(list_active_runs, MAX_OUTAGE_SECONDS)} if runs else {}
    return [(active[run.id], owners.get(ids_of(run))) for run in reversed(runs) if run.id in active]


def _run_row(run: Run, owner: TaskInstance | None) -> dict[str, Any]:
    described = owner.describe() if owner else None
    if owner and not owner.owns(run):
        described = f"same name as {described}, but not started by it"
    return {
        "id": run.id,
        "name": run.name,
        "status": run.status,
        "created": run.create_time.isoformat(timespec="seconds") if run.create_time else None,
        "verdict": judge(run, owner).value,
        "task_instance": described,
        "state": owner.state if owner else None,
        "result": None,
    }


def _why_kept(deployment: Deployment, run: Run, owner: TaskInstance) -> str | None:
    """The result of an orphan that is not cancelled after all: its task may have been cleared since it was judged."""
    try:
        verdict = judge(run, deployment.read(owner))
    except CommandFailedError as error:
        # Raised, it would hide the results of those before this one.
        return f"{cancelling.NOT_CANCELLED}: {error}"
    return None if verdict is RunVerdict.ORPHAN else f"kept: {verdict}"
