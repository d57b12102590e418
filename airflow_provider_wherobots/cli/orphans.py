"""``orphans``: finds active runs that no task of this deployment needs any more, and cancels them.

The task instances of this deployment are read from Airflow's public REST API: v2, or v1 on Airflow 2.11.
It shows only the DAGs that the user may read. Deleted DAG runs are unknown, and so are the names of runs of operators
that a function executes, and of tasks in a loop.
Sources: the OpenAPI documents of both versions; they agree but for what :data:`IS_V2` decides here.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import requests
from airflow.configuration import conf

from airflow_provider_wherobots.api.runs.models import Run, parse_time
from airflow_provider_wherobots.cli import runs as of_runs
from airflow_provider_wherobots.cli.common import (
    MAX_OUTAGE_SECONDS,
    CommandFailedError,
    io_of,
    print_message,
    print_result,
    print_rows,
    read_settings,
)
from airflow_provider_wherobots.compat import AIRFLOW
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
from airflow_provider_wherobots.stored import RUN_ID_KEY, RUN_LEFT_ACTIVE_KEY
from airflow_provider_wherobots.words import reason_of

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
            ended = of_runs.cancel_each(io, owners, lambda run: _why_kept(deployment, run, owners[run.id]))
    if is_table:
        print_rows(rows, arguments.output, COLUMNS)
    else:
        results = {row["id"]: row for row in ended}
        print_rows([row | results.get(row["id"], {}) for row in rows], arguments.output, (*COLUMNS, "status", "result"))
    report(count(row["verdict"] for row in rows))
    if orphans and not arguments.cancel:
        report("Nothing was cancelled. --cancel cancels the orphans.")
    if is_table:
        print_rows(ended, arguments.output, of_runs.COLUMNS)
    if ended:
        report(of_runs.count(ended))
    return of_runs.exit_code(ended)


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
        return f"{of_runs.NOT_CANCELLED}: {error}"
    return None if verdict is RunVerdict.ORPHAN else f"kept: {verdict}"


IS_V2 = AIRFLOW >= (3, 0)
MARGIN = timedelta(hours=1)
"""How much earlier than a run the last change of its task instance may be: a task can end while its create is on the
way, and the clocks may differ."""
PAGE_SIZE = 100
"""What Airflow's ``[api] maximum_page_limit`` allows by default."""
RESPONSE_SECONDS = 60.0
TOKEN, USERNAME, PASSWORD = "AIRFLOW_API_TOKEN", "AIRFLOW_API_USERNAME", "AIRFLOW_API_PASSWORD"
"""The environment variables with the credentials."""
_XCOMS = (RUN_ID_KEY, RUN_LEFT_ACTIVE_KEY)


class Deployment:
    """A client of Airflow's REST API, where Airflow's configuration says. It logs in with its first call."""

    def __init__(self) -> None:
        base_url = conf.get("api" if IS_V2 else "webserver", "base_url", fallback="")
        self._url = (base_url or "http://localhost:8080").rstrip("/")
        self._session = requests.Session()

    def list_task_instances(self, runs_created_after: datetime) -> Iterator[TaskInstance]:
        """List the task instances that may own runs, without what only :meth:`read` reads.

        A task instance is changed when it begins, is deferred and ends, but ``end_date`` is not set by every end. One
        that is running may have begun long before its run was created.
        """
        # The newest first. Without an order, those between two pages may be missed; 2.11 offers none.
        order = {"order_by": "-id"} if IS_V2 else {}
        changed_after = (runs_created_after - MARGIN).isoformat()
        for filters in ({"updated_at_gte": changed_after}, {"state": "running"}):
            path = ("dags", "~", "dagRuns", "~", "taskInstances")
            for item in self._list(path, "task_instances", **filters, **order):
                ids = item["dag_id"], item["dag_run_id"], item["task_id"], item["map_index"]
                yield TaskInstance(*ids, item["state"])

    def read(self, known: TaskInstance) -> TaskInstance | None:
        """Read a task instance again, with its DAG run and its XComs. None if it is gone."""
        # v1 knows no path with the map index -1.
        index = [str(known.map_index)] if known.map_index >= 0 else []
        item, dag_run = self._get(*_path_of(known), *index), self._get(*_path_of(known)[:-2])
        if item is None or dag_run is None:
            return None
        return replace(
            known,
            state=item["state"],
            dag_run_start=parse_time(dag_run["start_date"]),
            xcoms={key: text for key in _XCOMS if (text := self._xcom(known, key)) is not None},
        )

    def _xcom(self, task_instance: TaskInstance, key: str) -> str | None:
        """The text of an XCom, which is JSON on v2. A custom backend's equals no id."""
        path = (*_path_of(task_instance), "xcomEntries", key)
        entry = self._get(*path, map_index=task_instance.map_index, stringify="true")
        return None if entry is None else str(entry["value"]).strip('"')

    def _list(self, path: Sequence[str], items: str, **params: Any) -> Iterator[dict[str, Any]]:
        offset, total = 0, 1
        while offset < total:
            page = self._get(*path, limit=PAGE_SIZE, offset=offset, **params)
            if page is None:
                raise CommandFailedError(f"Airflow's REST API is not at {self._url}: 404")
            yield from page[items]
            offset, total = offset + len(page[items]), page["total_entries"] if page[items] else 0

    def _get(self, *path: str, **params: Any) -> Any:
        """Get an object of the API. None if there is no such object."""
        if self._session.auth is None:
            self._session.auth = self._log_in()
        prefix = "/api/v2/" if IS_V2 else "/api/v1/"
        return self._send("GET", prefix + "/".join(quote(part, safe="") for part in path), params=params)

    def _log_in(self) -> Any:
        token, username, password = (os.environ.get(name, "").strip() for name in (TOKEN, USERNAME, PASSWORD))
        if not token and username and password:
            if not IS_V2:
                return username.encode(), password.encode()
            body = self._send("POST", "/auth/token", json={"username": username, "password": password})
            token = str(body["access_token"]) if body else ""
        # Whoever puts anything else into a header would show it in an error.
        if not re.fullmatch(r"[!-~]+", token):
            raise CommandFailedError(
                f"Airflow's REST API needs a user: set {TOKEN}, without spaces, or {USERNAME} and {PASSWORD}"
            )

        def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["Authorization"] = f"Bearer {token}"
            return request

        return authorize

    def _send(self, method: str, path: str, **content: Any) -> Any:
        """Send a call, and return what it responds with. None for 404."""
        try:
            # A redirect is not followed: it might lead to another server.
            response = self._session.request(
                method, f"{self._url}{path}", timeout=RESPONSE_SECONDS, allow_redirects=False, **content
            )
            if response.status_code == 404:
                return None
            if response.status_code >= 300:
                raise requests.HTTPError(f"{response.status_code} {response.reason} for {method} {path}")
            return response.json()
        except requests.RequestException as error:
            raise CommandFailedError(f"Airflow's REST API at {self._url}: {reason_of(error)}") from None


def _path_of(task_instance: TaskInstance) -> tuple[str, ...]:
    return "dags", task_instance.dag_id, "dagRuns", task_instance.run_id, "taskInstances", task_instance.task_id
