"""Airflow's public REST API, as far as `orphans` uses it: v2, or v1 on Airflow 2.11.

Each request and each response is held against the OpenAPI document of the Airflow that is installed.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import yaml

from airflow_provider_wherobots.compat import AIRFLOW

Json = dict[str, Any]
IS_V2 = AIRFLOW >= (3, 0)
PREFIX = "/api/v2" if IS_V2 else "/api/v1"
USERNAME, PASSWORD, TOKEN = "viewer", "viewers-password", "a.viewers.token"
BASIC = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
STARTED = datetime.now(UTC).replace(microsecond=123456) - timedelta(hours=1)


@cache
class OpenApi:
    """Airflow's own description of its API. There is one object, because it takes long to read."""

    def __init__(self) -> None:
        folder, name = "api_fastapi/core_api/openapi", "v2-rest-api-generated.yaml"
        if not IS_V2:
            folder, name = "api_connexion/openapi", "v1.yaml"
        text = files("airflow").joinpath(folder, name).read_text()
        self._document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
        server = "" if IS_V2 else PREFIX
        self._paths = {re.sub(r"{\w+}", "[^/]+", server + path): item for path, item in self._document["paths"].items()}

    def check(self, path: str, params: Iterable[str], body: Any) -> None:
        """Raise an AssertionError unless a GET has parameters, and its response fields, that Airflow knows."""
        # "/taskInstances/{task_id}/xcomEntries" also looks like "/taskInstances/{task_id}/{map_index}".
        matching = (pattern for pattern in self._paths if re.fullmatch(pattern, path))
        item = self._paths[min(matching, key=lambda pattern: pattern.count("[^/]+"))]
        declared = [*item.get("parameters", []), *item["get"].get("parameters", [])]
        assert set(params) <= {self._resolved(parameter)["name"] for parameter in declared}, path
        schema = item["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert _keys(body) <= set(self._properties(schema)), path

    def _resolved(self, node: Json) -> Json:
        while "$ref" in node:
            *_, kind, name = node["$ref"].split("/")
            node = self._document["components"][kind][name]
        return node

    def _properties(self, node: Json) -> Iterator[str]:
        node = self._resolved(node)
        for name, schema in node.get("properties", {}).items():
            yield name
            if schema.get("type") == "array":
                yield from self._properties(schema["items"])
        for part in (*node.get("allOf", ()), *node.get("anyOf", ())):
            yield from self._properties(part)


def _keys(body: Any) -> set[str]:
    lists = (item for value in body.values() if isinstance(value, list) for item in value)
    return {*body, *(key for item in lists for key in item)}


class FakeAirflow:
    """Serves rows, in which a task instance, its DAG run and its XComs are one.

    :ivar rows: ``dag_id``, ``run_id``, ``task_id``, ``map_index``, ``state``, ``xcoms``, and optionally
        ``started`` and ``updated``.
    :ivar before: called with the path of a request before it is answered. A status that it returns is the answer.
    """

    def __init__(self) -> None:
        self.rows: list[Json] = []
        self.calls: list[str] = []
        self.before: Callable[[str], int | None] = lambda path: None
        self._open_api = OpenApi()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, target: str, authorization: str, sent: Any) -> tuple[int, Any]:
        """Return the status and the body of a response."""
        path, params = urlsplit(target).path, dict(parse_qsl(urlsplit(target).query))
        self.calls.append(f"{method} {path}")
        if (status := self.before(path)) is not None:
            return status, {}
        if IS_V2 and (method, path) == ("POST", "/auth/token"):
            is_right = sent == {"username": USERNAME, "password": PASSWORD}
            return (201, {"access_token": TOKEN}) if is_right else (401, {})
        if authorization not in (f"Bearer {TOKEN}", *(() if IS_V2 else (f"Basic {BASIC}",))):
            return 401, {}
        body = self._find([unquote(part) for part in path.removeprefix(f"{PREFIX}/").split("/")], params)
        if body is None:
            return 404, {}
        self._open_api.check(path, params, body)
        return 200, body

    def _find(self, path: list[str], params: Json) -> Any:
        match path:
            case ["dags", "~", "dagRuns", "~", "taskInstances"]:
                since = params.get("updated_at_gte", "")
                found = [row for row in self.rows if row.get("updated", datetime.now(UTC)).isoformat() >= since]
                wanted = [row for row in found if params.get("state") in (None, row["state"])]
                return _page(params, "task_instances", map(_task_instance, wanted))
            case ["dags", dag_id, "dagRuns", run_id, *rest]:
                rows = [row for row in self.rows if (row["dag_id"], row["run_id"]) == (dag_id, run_id)]
                return self._find_in(rows, rest, params)
        return None

    def _find_in(self, rows: list[Json], path: list[str], params: Json) -> Any:
        """Find the DAG run of some rows, a task instance or an XCom."""
        match path:
            case []:
                return next(map(self._dag_run, rows), None)
            case ["taskInstances", task_id, "xcomEntries", key]:
                for row in rows:
                    ids = row["task_id"], str(row["map_index"])
                    if ids == (task_id, params["map_index"]) and key in row["xcoms"]:
                        value = row["xcoms"][key]
                        # v1 stringifies what it has read from the database, v2 the JSON that is there.
                        return {"key": key, "value": json.dumps(value) if IS_V2 else str(value)}
            case ["taskInstances", task_id, *index] if index != ["-1"]:
                # v1 knows no path with the map index -1.
                ids = task_id, (index or ["-1"])[0]
                found = (row for row in rows if (row["task_id"], str(row["map_index"])) == ids)
                return next(map(_task_instance, found), None)
        return None

    def _dag_run(self, row: Json) -> Json:
        started = row.get("started", STARTED).isoformat()
        return {"dag_id": row["dag_id"], "dag_run_id": row["run_id"], "start_date": started}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                sent = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "null")
                status, body = fake.answer(self.command, self.path, self.headers.get("Authorization", ""), sent)
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


def _task_instance(row: Json) -> Json:
    ids = {"dag_id": row["dag_id"], "dag_run_id": row["run_id"], "task_id": row["task_id"]}
    return {**ids, "map_index": row["map_index"], "state": row["state"]}


def _page(params: Json, name: str, items: Iterable[Json]) -> Json:
    found = list(items)
    first = int(params["offset"])
    return {name: found[first : first + int(params["limit"])], "total_entries": len(found)}
