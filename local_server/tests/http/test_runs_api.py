"""The six operations over HTTP: shapes, statuses, error bodies, paging."""

import json
import re
from typing import Any

import pytest
import requests

from local_server.tests.support import KEY, PUBLISHED, Client, assert_shape
from wherobots_local import ControlClient, LocalServer

GOOD: dict[str, Any] = {"name": "a_good_name", "runPython": {"uri": "s3://bucket/none.py"}}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def no_processes(control: ControlClient) -> None:
    control.behaviour(synthetic_runs=True)


def assert_error(answer: requests.Response, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert_shape(body, "ErrorBody")
    assert body["requestId"] == answer.headers["X-Request-Id"]
    error: dict[str, Any] = body["errors"][0]
    assert (error["code"], error["field"]) == (code, field)
    assert error["path"] == requests.utils.urlparse(answer.url).path  # type: ignore[attr-defined]
    return error


def test_a_new_run(client: Client) -> None:
    answer = client.request("POST", "/runs", json=GOOD, params={"region": "byoc-acme-us-east-1"})
    assert answer.status_code == 201
    run = answer.json()
    assert_shape(run, "RunView")
    assert len(run["id"]) == 14
    assert run["id"].isalnum()
    assert (run["status"], run["kubeApp"]["status"]) == ("PENDING", "PENDING")
    assert run["kubeApp"]["regionName"] == "byoc-acme-us-east-1"
    assert answer.headers["X-Request-Id"]
    answer = client.cancel(run["id"])
    assert answer.status_code == 200
    assert_shape(answer.json(), "RunView")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *((method, path) for path, methods in PUBLISHED["paths"].items() for method in methods),
        ("get", "/_control/counts"),
        ("get", "/_control/runs"),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong"}])
def test_no_answer_without_the_key(method: str, path: str, headers: dict[str, str], server: LocalServer) -> None:
    answer = requests.request(method, server.url + re.sub(r"{\w+}", "x", path), headers=headers, timeout=30)
    assert_error(answer, 401, "UNAUTHORIZED_ERROR")
    assert KEY not in answer.text


def test_the_key_as_a_bearer_token(server: LocalServer) -> None:
    answer = requests.get(f"{server.url}/runs", headers={"Authorization": f"Bearer {KEY}"}, timeout=30)
    assert answer.status_code == 200


def test_health_needs_no_key(server: LocalServer) -> None:
    assert requests.get(f"{server.url}/health", timeout=30).json() == {"status": "ok"}


def test_other_hosts_are_refused(server: LocalServer) -> None:
    answer = requests.get(f"{server.url}/health", headers={"Host": f"evil.example:{server.port}"}, timeout=30)
    assert_error(answer, 403, "INSUFFICIENT_PERMISSIONS_ERROR")
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "--host-name" in answer.text
    answer = requests.get(f"{server.url}/health", headers={"Host": "localhost:1"}, timeout=30)
    assert_error(answer, 403, "INSUFFICIENT_PERMISSIONS_ERROR")
    assert f"The port must be {server.port}" in answer.text


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        (b"{", 422, "INVALID_INPUT_ERROR", "body"),
        (b"\xff", 422, "INVALID_INPUT_ERROR", "body"),
        (b"", 422, "INVALID_INPUT_ERROR", "body"),
        (b"[" * 100_000, 422, "INVALID_INPUT_ERROR", "body"),
        (b"9" * 10_000, 422, "INVALID_INPUT_ERROR", "body"),
        (b"[]", 422, "INVALID_INPUT_ERROR", "body"),
        (b'{"name": "short"}', 422, "INVALID_INPUT_ERROR", "name"),
        (b'{"name": "a_good_name"}', 400, "BAD_REQUEST_ERROR", "runPython"),
        (b" " * (5 * 1024 * 1024), 413, "REQUEST_ENTITY_TOO_LARGE", None),
    ],
)
def test_bad_bodies(
    body: bytes, status: int, code: str, field: str | None, client: Client, control: ControlClient
) -> None:
    assert_error(client.request("POST", "/runs", data=body, headers=JSON), status, code, field)
    assert control.counts()["creates_effective"] == 0


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "json"])
def test_a_create_must_be_declared_as_json(kind: str | None, client: Client, control: ControlClient) -> None:
    body, headers = json.dumps(GOOD).encode(), {} if kind is None else {"Content-Type": kind}
    error = assert_error(
        client.request("POST", "/runs", data=body, headers=headers), 422, "INVALID_INPUT_ERROR", "body"
    )
    assert "Content-Type: application/json" in error["suggestion"]
    assert control.counts()["creates_effective"] == 0


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/merge-patch+json"]
)
def test_it_may_be_declared_in_each_way_that_json_has(kind: str, client: Client) -> None:
    answer = client.request("POST", "/runs", data=json.dumps(GOOD).encode(), headers={"Content-Type": kind})
    assert answer.status_code == 201


def test_a_large_body_without_a_length_is_refused_too(client: Client) -> None:
    pieces = (b" " * 65536 for _ in range(100))
    try:
        answer = client.request("POST", "/runs", data=pieces)
    except requests.ConnectionError:
        return  # The server may hang up before the client has sent it all.
    assert answer.status_code == 413


@pytest.mark.parametrize("region", ["", "us-west-2"])
def test_a_region_that_does_not_exist_is_refused(client: Client, region: str) -> None:
    answer = client.request("POST", f"/runs?region={region}", json=GOOD)
    assert_error(answer, 422, "INVALID_INPUT_ERROR", "region")


def test_lone_surrogates_are_echoed(client: Client) -> None:
    body = {**GOOD, "runPython": {"uri": "s3://b/x.py", "args": ["\ud800", "ü"]}}
    run = client.request("POST", "/runs", data=json.dumps(body).encode(), headers=JSON).json()
    assert run["payload"]["runPython"]["args"] == ["\ud800", "ü"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/runs/0123456789abcd", 404, "NOT_FOUND_ERROR"),
        ("POST", "/runs/0123456789abcd/cancel", 404, "NOT_FOUND_ERROR"),
        ("GET", "/runs/0123456789abcd/logs", 404, "NOT_FOUND_ERROR"),
        ("GET", "/runs/0123456789abcd/metrics", 404, "NOT_FOUND_ERROR"),
        ("GET", "/openapi.json", 404, "NOT_FOUND_ERROR"),
        ("GET", "/runs/", 404, "NOT_FOUND_ERROR"),
        ("PUT", "/runs", 405, "BAD_REQUEST_ERROR"),
    ],
)
def test_nothing_there(method: str, path: str, status: int, code: str, client: Client) -> None:
    assert_error(client.request(method, path), status, code)


@pytest.mark.parametrize(
    ("path", "status", "field"), [("/runs?size=101", 422, "size"), ("/runs?cursor=%21", 400, "cursor")]
)
def test_wrong_parameters(path: str, status: int, field: str, client: Client) -> None:
    code = {400: "BAD_REQUEST_ERROR", 422: "INVALID_INPUT_ERROR"}[status]
    assert_error(client.request("GET", path), status, code, field)


def test_list_over_http(client: Client, control: ControlClient) -> None:
    names = [f"listed_{index}" for index in range(5)]
    ids = [client.request("POST", "/runs", json={**GOOD, "name": name}).json()["id"] for name in names]
    control.patch_run(ids[1], status="RUNNING")
    control.patch_run(ids[2], status="FAILED")
    page = client.request("GET", "/runs?name=listed_*&size=2").json()
    assert_shape(page, "CursorPage__T_Customized_RunView_")
    assert ([run["name"] for run in page["items"]], page["total"]) == (["listed_4", "listed_3"], 5)
    following = client.request("GET", "/runs", params={"name": "listed_*", "size": 2, "cursor": page["next_page"]})
    assert [run["name"] for run in following.json()["items"]] == ["listed_2", "listed_1"]
    chosen = client.request("GET", "/runs?name=listed_*&status=RUNNING&status=FAILED").json()
    assert [run["name"] for run in chosen["items"]] == ["listed_2", "listed_1"]
