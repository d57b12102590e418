"""The part of Airflow's REST API that the demo and the tests use: v2 (Airflow 3) and v1 (Airflow 2.11) alike."""

import abc
import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

import requests

from tests.support.waiting import PATIENCE_SECONDS, WaitTimeout, wait_for

Json = dict[str, Any]
RESPONSE_SECONDS = 180.0
"""How long a response may take on a busy machine."""
FINISHED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


class AirflowApiError(RuntimeError):
    """Airflow responded with an error status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class TaskLog:
    """The log of one try of a task, as Airflow's API serves it.

    :param lines: one string for each line, with time and level where Airflow serves them.
    :param records: Airflow 3 only: the structured records (``timestamp``, ``level``, ``event``, ...).
    """

    lines: list[str]
    records: list[Json] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All lines in one string."""
        return "\n".join(self.lines)


class AirflowApi(abc.ABC):
    """A client of one running Airflow.

    :param username: login of a user with all permissions.
    """

    prefix: str

    def __init__(self, url: str, username: str, password: str) -> None:
        self.url = url
        self._username = username
        self._password = password
        self._session = requests.Session()
        self._session.trust_env = False
        # A server may close a connection that is just used again, and then the request is lost.
        self._session.headers["Connection"] = "close"

    @abc.abstractmethod
    def _log_in(self) -> None:
        """Give the session its token or its user and password."""

    @abc.abstractmethod
    def health(self) -> Json:
        """Return the state of each component, as Airflow reports it."""

    @abc.abstractmethod
    def task_log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, *, map_index: int = -1) -> TaskLog:
        """Return the whole log of one try of a task."""

    @abc.abstractmethod
    def _new_run(self, run_id: str | None, conf: Mapping[str, Any] | None) -> Json:
        """Return the request body that starts a DAG run now."""

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def request(self, method: str, path: str, *, params: Mapping[str, Any] | None = None, json: Any = None) -> Any:
        """Call an endpoint below the API's prefix and return the JSON of its response."""
        if not self._session.headers.get("Authorization") and self._session.auth is None:
            self._log_in()
        return self._send(method, f"{self.prefix}/{path}", params=params, json=json)

    def _send(self, method: str, path: str, *, params: Mapping[str, Any] | None = None, json: Any = None) -> Any:
        response = self._session.request(
            method,
            f"{self.url}{path}",
            params=params,
            json=json,
            headers={"Accept": "application/json"},
            timeout=RESPONSE_SECONDS,
        )
        if response.status_code >= 400:
            raise AirflowApiError(
                response.status_code, f"{method} {path}: {response.status_code} {response.text[:2000]}"
            )
        return response.json() if response.content else None

    def _find(self, path: str, **params: Any) -> Any | None:
        try:
            return self.request("GET", path, params=params)
        except AirflowApiError as error:
            if error.status == 404:
                return None
            raise

    def dag(self, dag_id: str) -> Json | None:
        """Return the DAG, or None while Airflow does not know it."""
        found: Json | None = self._find(_path("dags", dag_id))
        return found

    def import_errors(self) -> list[Json]:
        """Return the DAG files that could not be imported."""
        errors: list[Json] = self.request("GET", "importErrors")["import_errors"]
        return errors

    def wait_for_dag(self, dag_id: str, *, timeout: float = PATIENCE_SECONDS) -> Json:
        """Wait until Airflow has parsed the DAG, and return it."""
        return wait_for(
            lambda: self.dag(dag_id),
            timeout=timeout,
            what=f"DAG {dag_id!r} to be parsed",
            detail=lambda: f"Import errors: {self.import_errors()}",
        )

    def trigger_dag(self, dag_id: str, conf: Mapping[str, Any] | None = None, run_id: str | None = None) -> str:
        """Start a DAG run and return its run id."""
        run: Json = self.request("POST", _path("dags", dag_id, "dagRuns"), json=self._new_run(run_id, conf))
        return str(run["dag_run_id"])

    def dag_run(self, dag_id: str, run_id: str) -> Json:
        """Return the DAG run."""
        run: Json = self.request("GET", _path("dags", dag_id, "dagRuns", run_id))
        return run

    def task_instance(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> Json:
        """Return the task instance, of its newest try."""
        instance: Json = self.request("GET", _instance_path(dag_id, run_id, task_id, map_index))
        return instance

    def task_instances(self, dag_id: str, run_id: str) -> list[Json]:
        """Return all task instances of a DAG run, mapped ones one by one."""
        path = _path("dags", dag_id, "dagRuns", run_id, "taskInstances")
        instances: list[Json] = []
        while True:
            params = {"limit": 100, "offset": len(instances)}
            page = self.request("GET", path, params=params)
            instances += page["task_instances"]
            if not page["task_instances"] or len(instances) >= page["total_entries"]:
                return instances

    def count_task_instances(self, dag_id: str, run_id: str, task_id: str, state: str) -> int:
        """Return how many instances of a mapped task are in a state.

        :param run_id: the DAG run; ``~`` means all of them.
        """
        path = f"dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='~')}/taskInstances"
        params = {"task_id": task_id, "state": state, "limit": 1}
        return int(self.request("GET", path, params=params)["total_entries"])

    def set_task_state(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        state: Literal["success", "failed", "skipped"],
        *,
        map_index: int = -1,
    ) -> None:
        """Mark a task instance, as a user does in the UI."""
        self.request(
            "PATCH",
            _instance_path(dag_id, run_id, task_id, map_index),
            json={"dry_run": False, "new_state": state} if self.prefix == "/api/v1" else {"new_state": state},
        )

    def clear_task(self, dag_id: str, run_id: str, task_id: str, **options: bool) -> None:
        """Clear a task instance in any state, so that it runs again.

        :param options: more fields of the request.
        """
        self.request(
            "POST",
            _path("dags", dag_id, "clearTaskInstances"),
            json={
                "dry_run": False,
                "dag_run_id": run_id,
                "task_ids": [task_id],
                "only_failed": False,
                "reset_dag_runs": True,
                **options,
            },
        )

    def xcom(
        self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", *, map_index: int = -1
    ) -> Any | None:
        """Return an XCom's value, or None when there is no such XCom."""
        path = f"{_instance_path(dag_id, run_id, task_id)}/xcomEntries/{quote(key, safe='')}"
        found = self._find(path, map_index=map_index, stringify=False)
        if found is None:
            return None
        return found["value"]

    def links(self, dag_id: str, run_id: str, task_id: str, *, map_index: int = -1) -> Json:
        """Return the extra links of a task instance by their names."""
        path = f"{_instance_path(dag_id, run_id, task_id)}/links"
        response: Json = self.request("GET", path, params={"map_index": map_index})
        links: Json = response.get("extra_links", response)
        return links

    def connection(self, conn_id: str) -> Json | None:
        """Return a connection that is stored in Airflow, without its secrets, or None."""
        found: Json | None = self._find(_path("connections", conn_id))
        return found

    def set_connection(
        self,
        conn_id: str,
        conn_type: str,
        *,
        host: str | None = None,
        port: int | None = None,
        schema: str | None = None,
        password: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Store a connection in Airflow; replaces one with the same id."""
        body = {
            "connection_id": conn_id,
            "conn_type": conn_type,
            "host": host,
            "port": port,
            "schema": schema,
            "password": password,
            "extra": json.dumps(extra) if extra else None,
        }
        if self.connection(conn_id) is None:
            self.request("POST", "connections", json=body)
        else:
            self.request("PATCH", _path("connections", conn_id), json=body)

    def wait_for_task(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        *states: str,
        map_index: int = -1,
        try_number: int | None = None,
        timeout: float = PATIENCE_SECONDS,
    ) -> Json:
        """Wait until a task instance is in one of ``states`` (default: any finished one), and return it.

        :param try_number: wait for this try; default: any.
        """
        wanted = frozenset(states) or FINISHED

        def poll() -> Json | None:
            instance = self._find(_instance_path(dag_id, run_id, task_id, map_index))
            if instance is None or try_number not in (None, instance["try_number"]):
                return None
            if instance["state"] in FINISHED - wanted:
                log = self.task_log(dag_id, run_id, task_id, instance["try_number"], map_index=map_index).text
                raise WaitTimeout(f"Waited for {what}, but {where()} The end of its log:\n{log[-2_000:]}")
            return instance if instance["state"] in wanted else None

        def where() -> str:
            found = self._find(_instance_path(dag_id, run_id, task_id, map_index)) or {}
            return f"it is in state {found.get('state')!r}, try {found.get('try_number')}."

        what = f"task {task_id!r} of {dag_id!r} to be {' or '.join(sorted(wanted))}"
        return wait_for(poll, timeout=timeout, what=what, detail=where)

    def wait_for_run(self, dag_id: str, run_id: str, *, timeout: float = PATIENCE_SECONDS) -> str:
        """Wait until the DAG run has ended, and return its state."""

        def poll() -> str | None:
            state = str(self.dag_run(dag_id, run_id)["state"])
            return state if state in FINISHED else None

        return wait_for(
            poll,
            timeout=timeout,
            what=f"run {run_id!r} of DAG {dag_id!r} to end",
            detail=lambda: f"Tasks: {[(ti['task_id'], ti['state']) for ti in self.task_instances(dag_id, run_id)]}",
        )


class AirflowApiV2(AirflowApi):
    """API v2 of Airflow 3, with the token of the simple auth manager."""

    prefix = "/api/v2"

    def _log_in(self) -> None:
        body = {"username": self._username, "password": self._password}
        token = self._send("POST", "/auth/token", json=body)["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def health(self) -> Json:
        """Return the state of each component, as ``/monitor/health`` reports it."""
        health: Json = self._send("GET", f"{self.prefix}/monitor/health")
        return health

    def task_log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, *, map_index: int = -1) -> TaskLog:
        """Return the whole log of one try of a task."""
        path = f"{_instance_path(dag_id, run_id, task_id)}/logs/{try_number}"
        response = self.request("GET", path, params={"full_content": True, "map_index": map_index})
        records: list[Json] = [
            {"event": record} if isinstance(record, str) else record for record in response["content"]
        ]
        return TaskLog([_render(record) for record in records], records)

    def _new_run(self, run_id: str | None, conf: Mapping[str, Any] | None) -> Json:
        body: Json = {"logical_date": None, "conf": dict(conf or {})}
        return body if run_id is None else {**body, "dag_run_id": run_id}


class AirflowApiV1(AirflowApi):
    """API v1 of Airflow 2.11, with basic authentication."""

    prefix = "/api/v1"

    def _log_in(self) -> None:
        self._session.auth = (self._username, self._password)

    def health(self) -> Json:
        """Return the state of each component, as ``/health`` reports it."""
        health: Json = self._send("GET", "/health")
        return health

    def task_log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, *, map_index: int = -1) -> TaskLog:
        """Return the whole log of one try of a task."""
        path = f"{_instance_path(dag_id, run_id, task_id)}/logs/{try_number}"
        response = self.request("GET", path, params={"full_content": True, "map_index": map_index})
        # The content is the printed form of a list of (host, text).
        parts: list[tuple[str, str]] = ast.literal_eval(response["content"])
        return TaskLog([line for _, text in parts for line in text.splitlines()])

    def _new_run(self, run_id: str | None, conf: Mapping[str, Any] | None) -> Json:
        body: Json = {"conf": dict(conf or {})}
        return body if run_id is None else {**body, "dag_run_id": run_id}


def _path(*parts: str) -> str:
    return "/".join(quote(part, safe="") for part in parts)


def _instance_path(dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str:
    path = _path("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id)
    return path if map_index < 0 else f"{path}/{map_index}"


def _render(record: Json) -> str:
    """Return an Airflow 3 log record as text, with its exceptions, as the UI shows it."""
    head = [f"[{record['timestamp']}]"] if record.get("timestamp") else []
    level = [str(record["level"]).upper()] if record.get("level") else []
    errors = [f"\n{error['exc_type']}: {error['exc_value']}" for error in record.get("error_detail") or ()]
    return " ".join([*head, *level, str(record["event"])]) + "".join(errors)
