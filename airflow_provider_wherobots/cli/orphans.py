"""``orphans``: finds active runs and SQL sessions that no task of this deployment needs any more, and ends them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from airflow_provider_wherobots.api.errors import NotFoundError, PermissionDeniedError, WherobotsApiError
from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.api.sql.calls import get_session, list_sessions
from airflow_provider_wherobots.api.sql.models import SqlSession
from airflow_provider_wherobots.cli import cancelling
from airflow_provider_wherobots.cli.deployment import Deployment
from airflow_provider_wherobots.cli.output import FAILED, CommandFailedError, print_message, print_result, print_rows
from airflow_provider_wherobots.cli.service import MAX_OUTAGE_SECONDS, driver_of, read_settings
from airflow_provider_wherobots.drivers.blocking import SyncDriver
from airflow_provider_wherobots.flows.list_runs import list_active_runs
from airflow_provider_wherobots.flows.retry import send
from airflow_provider_wherobots.flows.sql.session import stop_session
from airflow_provider_wherobots.messages.words import quoted
from airflow_provider_wherobots.runs.orphans import (
    RunVerdict,
    TaskInstance,
    count,
    find_owners,
    ids_of,
    judge,
    judge_session,
)
from airflow_provider_wherobots.xcoms import SQL_SESSION_KEY_KEY

COLUMNS = ("id", "kind", "verdict", "created", "task_instance", "state", "name")
RUN, SESSION = "run", "SQL session"
STOPPED = "stopped"
WITHOUT_SQL = (NotFoundError, PermissionDeniedError)
"""How the list of sessions may be refused to an organization without SQL."""


def find_orphans(arguments: argparse.Namespace) -> int:
    """List the active runs and SQL sessions, and end the orphans with ``--cancel``."""
    is_table = arguments.output == "table"
    report = print_result if is_table else print_message
    deployment = Deployment()
    with driver_of(read_settings(arguments.conn)) as driver:
        if arguments.stop_session:
            ended = [{"id": id_, "result": _stop_named(driver, id_)} for id_ in dict.fromkeys(arguments.stop_session)]
            print_rows(ended, arguments.output, ("id", "result"))
            report(cancelling.count(ended, SESSION))
            return cancelling.exit_code(ended)
        runs, (sessions, error) = _find_runs(driver, deployment), _find_sessions(driver, deployment)
        rows_of_runs = [_run_row(*found) for found in runs]
        rows_of_sessions = [_session_row(*found) for found in sessions]
        rows = rows_of_runs + rows_of_sessions
        orphans = {row["id"] for row in rows if row["verdict"] == RunVerdict.ORPHAN}
        ended_runs, ended_sessions = [], []
        if arguments.cancel:
            # Before anything is printed: a reader such as `head` may close the pipe early.
            owners = {run.id: owner for run, owner in runs if owner is not None and run.id in orphans}
            ended_runs = cancelling.cancel_each(
                driver, owners, lambda run: _why_kept(lambda: judge(run, deployment.read(owners[run.id])))
            )
            ended_sessions = [
                {"id": session.id, "result": _stop_orphan(driver, deployment, session)}
                for session, _ in sessions
                if session.id in orphans
            ]
    ended = ended_runs + ended_sessions
    if is_table:
        print_rows(rows, arguments.output, COLUMNS)
    else:
        results = {row["id"]: row for row in ended}
        print_rows([row | results.get(row["id"], {}) for row in rows], arguments.output, (*COLUMNS, "status", "result"))
    report(count(row["verdict"] for row in rows_of_runs))
    if sessions:
        report(count((row["verdict"] for row in rows_of_sessions), SESSION))
    if orphans and not arguments.cancel:
        report("Nothing was cancelled. --cancel cancels the orphans.")
    if is_table:
        print_rows(ended, arguments.output, cancelling.COLUMNS)
    for rows_of_kind, kind in ((ended_runs, RUN), (ended_sessions, SESSION)):
        if rows_of_kind:
            report(cancelling.count(rows_of_kind, kind))
    if error is not None:
        print_message(f"SQL sessions cannot be listed: {quoted(str(error))}")
    has_failed = error is not None and not isinstance(error, WITHOUT_SQL)
    return FAILED if has_failed else cancelling.exit_code(ended)


def _find_runs(driver: SyncDriver, deployment: Deployment) -> list[tuple[Run, TaskInstance | None]]:
    """The active runs, oldest first, each with the task instance that has its ids."""
    runs = driver.run(list_active_runs(MAX_OUTAGE_SECONDS))
    oldest = min((run.create_time for run in runs if run.create_time is not None), default=datetime.now(UTC))
    found = find_owners(runs, deployment.list_task_instances(oldest))
    owners = {ids: deployment.read(owner) for ids, owner in found.items()}
    # A run may have ended, and its task with it, since the runs were listed: then it is no orphan.
    active = {run.id: run for run in driver.run(list_active_runs(MAX_OUTAGE_SECONDS))} if runs else {}
    return [(active[run.id], owners.get(ids_of(run))) for run in reversed(runs) if run.id in active]


def _find_sessions(
    driver: SyncDriver, deployment: Deployment
) -> tuple[list[tuple[SqlSession, Sequence[TaskInstance]]], WherobotsApiError | None]:
    """The caller's SQL sessions that have not ended, oldest first, each with the task instances that name it.

    The second is why they could not be listed.
    """
    try:
        listed = driver.run(send(list_sessions(), MAX_OUTAGE_SECONDS))
    except WherobotsApiError as error:
        return [], error
    sessions = sorted((session for session in listed if not session.has_ended), key=lambda session: session.created)
    users = deployment.read_session_users(sessions) if sessions else {}
    return [(session, users[session.id]) for session in sessions], None


def _run_row(run: Run, owner: TaskInstance | None) -> dict[str, Any]:
    described = owner.describe() if owner else None
    if owner and not owner.owns(run):
        described = f"has the ids of {described}; of another deployment, or of before a clear"
    return {
        "id": run.id,
        "kind": RUN,
        "name": run.name,
        "status": run.status,
        "created": run.create_time.isoformat(timespec="seconds") if run.create_time else None,
        "verdict": judge(run, owner).value,
        "task_instance": described,
        "state": owner.state if owner else None,
        "result": None,
    }


def _session_row(session: SqlSession, users: Sequence[TaskInstance]) -> dict[str, Any]:
    return {
        "id": session.id,
        "kind": SESSION,
        "name": next((user.xcoms[SQL_SESSION_KEY_KEY] for user in users if SQL_SESSION_KEY_KEY in user.xcoms), None),
        "status": session.status,
        "created": session.created or None,
        "verdict": judge_session(users).value,
        "task_instance": ", ".join(user.describe() for user in users) or None,
        "state": ", ".join(str(user.state) for user in users) or None,
        "result": None,
    }


def _why_kept(judge_again: Callable[[], RunVerdict]) -> str | None:
    """The result of an orphan that is not ended after all: its task may have been cleared since it was judged."""
    try:
        verdict = judge_again()
    except CommandFailedError as error:
        # Raised, it would hide the results of those before this one.
        return f"{cancelling.NOT_CANCELLED}: {error}"
    return None if verdict is RunVerdict.ORPHAN else f"kept: {verdict}"


def _stop_orphan(driver: SyncDriver, deployment: Deployment, session: SqlSession) -> str:
    """Stop a session, unless its task instances have changed since it was judged. Returns the result."""
    why_kept = _why_kept(lambda: judge_session(deployment.read_session_users([session])[session.id]))
    return why_kept or _stop(driver, session.id)


def _stop_named(driver: SyncDriver, session_id: str) -> str:
    """Stop a session whose id may be wrong. Returns the result."""
    try:
        session = driver.run(send(get_session(session_id), MAX_OUTAGE_SECONDS))
    except NotFoundError:
        session = None
    except WherobotsApiError as error:
        # Raised, it would hide the results of the sessions before this one.
        return f"{cancelling.NOT_CANCELLED}: {error}"
    if session is None:
        return f"{cancelling.NOT_CANCELLED}: the service does not know it"
    return cancelling.HAD_ENDED if session.has_ended else _stop(driver, session_id)


def _stop(driver: SyncDriver, session_id: str) -> str:
    return STOPPED if driver.run(stop_session(session_id)) else cancelling.NOT_CANCELLED
