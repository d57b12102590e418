"""What the tests of the local server share: a plain client, and the published schemas."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from jsonschema import Draft202012Validator

from tests.support.waiting import wait_for
from wherobots_local.control.faults import Behaviour, patched

KEY = "test-key"
FOREVER = "import os, time\nprint(os.getpid())\nprint('up')\nwhile True: time.sleep(0.05)\n"
"""A script that ends only if it is ended. It says first which processes it has, and then that it is up."""
TERMINAL = ("FAILED", "COMPLETED", "CANCELLED", "TIMED_OUT")

PUBLISHED: dict[str, Any] = json.loads((Path(__file__).parent / "openapi.json").read_text())
"""The published API description, as recorded: its own first lines say from where and when."""


def published(schema: str) -> dict[str, Any]:
    """Return a schema of the published API description."""
    found: dict[str, Any] = PUBLISHED["components"]["schemas"][schema]
    return found


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    is_object = "properties" in schema and "additionalProperties" not in schema
    return {**schema, "additionalProperties": False} if is_object else schema


_CLOSED = {
    "components": {"schemas": {name: _closed(item) for name, item in PUBLISHED["components"]["schemas"].items()}}
}


def assert_shape(value: object, schema: str) -> None:
    """Check a value against a schema of the published API description, which allows no further fields here."""
    validator = Draft202012Validator({"$ref": f"#/components/schemas/{schema}", **_CLOSED})
    errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]
    assert not errors, errors


def missing(value: Any, schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """The fields of the description that an answer does not have."""
    schemas = PUBLISHED["components"]["schemas"]
    if "$ref" in schema:
        yield from missing(value, schemas[schema["$ref"].rsplit("/", 1)[1]], path)
    elif isinstance(value, dict) and "properties" in schema:
        yield from (f"{path}.{name}" for name in schema["properties"] if name not in value)
        for name, item in schema["properties"].items():
            if name in value:
                yield from missing(value[name], item, f"{path}.{name}")
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from missing(item, schema["items"], f"{path}.{index}")
    elif "anyOf" in schema:
        found = [list(missing(value, item, path)) for item in schema["anyOf"] if item.get("type") != "null"]
        yield from min(found, key=len, default=[]) if value is not None else ()


def behaviour(**switches: Any) -> Behaviour:
    """The default behaviour with some switches changed."""
    return patched(Behaviour(), switches)


def require(found: object, missing: str) -> None:
    """Leave a test out where something is missing. What CI lacks must fail there."""
    if not found:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)


class Client:
    """Calls the six operations with nothing clever about it."""

    def __init__(self, url: str, root: Path, key: str = KEY, **session: Any) -> None:
        self.url = url
        self.root = root
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["X-API-Key"] = key
        self.options = session

    def request(self, method: str, path: str, **arguments: Any) -> requests.Response:
        return self.session.request(method, f"{self.url}{path}", timeout=30, **self.options, **arguments)

    def script(self, source: str, name: str = "job.py") -> str:
        """Write a script and return its address."""
        path = self.root / "bucket" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        return f"s3://bucket/{name}"

    def create(self, source: str = "", *, args: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
        body: dict[str, Any] = {"name": "a_test_run", **fields}
        if "runJar" not in body and "runPython" not in body:
            body["runPython"] = {"uri": self.script(source), "args": list(args)}
        answer = self.request("POST", "/runs", json=body)
        assert answer.status_code == 201, answer.text
        run: dict[str, Any] = answer.json()
        return run

    def get(self, run_id: str) -> dict[str, Any]:
        answer = self.request("GET", f"/runs/{run_id}")
        assert answer.status_code == 200, answer.text
        run: dict[str, Any] = answer.json()
        assert_shape(run, "RunView")
        return run

    def begin(self, source: str = FOREVER, *args: str, **fields: Any) -> tuple[str, list[int]]:
        """Create a run whose script says what :data:`FOREVER` says, and return its id and its processes."""
        run_id = self.create(source, args=args, **fields)["id"]
        self.wait_for_line(run_id, "up")
        line = self.lines(run_id)[0]
        return run_id, [int(word) for word in line.split() if word.isdigit()]

    def cancel(self, run_id: str) -> requests.Response:
        return self.request("POST", f"/runs/{run_id}/cancel")

    def wait(self, run_id: str, *statuses: str, seconds: float = 240) -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            run = self.get(run_id)
            assert run["status"] in statuses or run["status"] not in TERMINAL, (run, self.lines(run_id))
            return run if run["status"] in statuses else None

        return wait_for(reached, timeout=seconds, what=f"the run to be {' or '.join(statuses)}")

    def run(self, source: str = "", *, status: str = "COMPLETED", **fields: Any) -> tuple[dict[str, Any], list[str]]:
        """Create a run, wait for its end, and return it with its log."""
        run = self.wait(self.create(source, **fields)["id"], status)
        return run, self.lines(run["id"])

    def log_page(self, run_id: str, **query: Any) -> dict[str, Any]:
        answer = self.request("GET", f"/runs/{run_id}/logs", params=query)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    def lines(self, run_id: str) -> list[str]:
        return [item["raw"] for item in self.log_page(run_id, size=1000)["items"]]

    def wait_for_line(self, run_id: str, line: str) -> None:
        wait_for(lambda: line in self.lines(run_id), what=f"the line {line!r}")


def assert_answers(url: str) -> None:
    """See that a server answers, although something keeps it busy for ever."""
    for _ in range(10):
        assert requests.get(f"{url}/health", timeout=60).status_code == 200
