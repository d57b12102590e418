"""What ``orphans`` does: active runs, the task instances they belong to, and a cancel for those without need."""

from __future__ import annotations

import argparse
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.cli import cancelling
from airflow_provider_wherobots.cli.cancelling import cancel_each
from airflow_provider_wherobots.cli.deployment import read_again, read_noted, read_task_instances
from airflow_provider_wherobots.cli.output import emit, print_rows, say
from airflow_provider_wherobots.cli.service import MAX_OUTAGE_SECONDS, driver_of, read_settings
from airflow_provider_wherobots.drivers.blocking import SyncDriver
from airflow_provider_wherobots.flows.list_runs import list_active_runs
from airflow_provider_wherobots.flows.orphans import (
    ENDED_STATES,
    Owner,
    RunVerdict,
    count,
    find_owners,
    judge,
    suffix_of,
)

COLUMNS = ("id", "verdict", "created", "task_instance", "state", "name")


def find_orphans(arguments: argparse.Namespace) -> int:
    """List the active runs, and cancel the orphans if that was asked for.

    :param arguments: as parsed.
    """
    is_table = arguments.output == "table"
    tell = emit if is_table else say
    settings = read_settings(arguments.conn)
    with driver_of(settings, arguments.conn) as driver:
        found = _find(driver)
        rows = [_row(run, owner) for run, owner in found]
        orphans = {
            run.id: owner for run, owner in found if owner is not None and judge(run, owner) is RunVerdict.ORPHAN
        }
        ended = []
        if arguments.cancel:
            # Before anything is printed: whoever reads the output may have read enough of it, such as `head`.
            ended = cancel_each(driver, orphans, lambda run: _why_not(run, orphans[run.id]))
    if is_table:
        print_rows(rows, arguments.output, COLUMNS)
    tell(count(judge(run, owner) for run, owner in found))
    if orphans and not arguments.cancel:
        tell("Nothing was cancelled. --cancel cancels the orphans.")
    if is_table:
        print_rows(ended, arguments.output, cancelling.COLUMNS)
    else:
        results = {row["id"]: row for row in ended}
        print_rows([row | results.get(row["id"], {}) for row in rows], arguments.output, (*COLUMNS, "status", "result"))
    if ended:
        tell(cancelling.count(ended))
    return cancelling.exit_code(ended)


def _find(driver: SyncDriver) -> list[tuple[Run, Owner | None]]:
    """The active runs, oldest first, each with the task instance it belongs to."""
    runs = driver.run(list_active_runs(MAX_OUTAGE_SECONDS))
    if not runs:
        return []
    oldest = min((run.create_time for run in runs if run.create_time is not None), default=datetime.now(UTC))
    suffixes = [suffix for run in runs if (suffix := suffix_of(run)) is not None]
    with closing(read_noted(suffixes)) as noted, closing(read_task_instances(oldest)) as task_instances:
        owners = find_owners(runs, chain(noted, task_instances))
    for suffix, owner in owners.items():
        if owner.state in ENDED_STATES:
            owners[suffix] = read_again(owner) or owner
    # A run may have ended, and its task with it, since the runs were listed: then it is no orphan.
    active = {run.id: run for run in driver.run(list_active_runs(MAX_OUTAGE_SECONDS))}
    return [(active[run.id], owners.get(suffix_of(run) or "")) for run in reversed(runs) if run.id in active]


def _row(run: Run, owner: Owner | None) -> dict[str, Any]:
    return {
        "id": run.id,
        "name": run.name,
        "status": run.status,
        "created": run.create_time.isoformat(timespec="seconds") if run.create_time else None,
        "verdict": judge(run, owner).value,
        "task_instance": owner.describe() if owner else None,
        "state": owner.state if owner else None,
        "result": None,
    }


def _why_not(run: Run, owner: Owner) -> str | None:
    """Why a run is not cancelled after all: its task may have been cleared since it was judged."""
    present = read_again(owner)
    if present is None:
        return "its task instance is gone"
    verdict = judge(run, present)
    return None if verdict is RunVerdict.ORPHAN else f"{verdict} (its task instance is {present.state or 'cleared'})"
