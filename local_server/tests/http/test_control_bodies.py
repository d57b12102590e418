"""The control surface answers every bad body with 422, and goes on."""

import json
from typing import Any

import pytest

from local_server.tests.support import Client, assert_shape
from wherobots_local import ControlClient

HUGE = "9" * 4000
TOO_HUGE = "9" * 5000
ACTION = '{"action": {"type": "status", "status": 503, "body": %s}}'
HEADERS = '{"action": {"type": "html", "headers": {"%s": "1"}}}'


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        *[("PATCH", "/behaviour", body) for body in ("[]", "null", '"x"', "{", "", '{"": 1}')],
        *[
            ("PATCH", "/behaviour", f'{{"{key}": {value}}}')
            for key in ("log_delay_seconds", "log_max_size", "cancel_finished_status", "log_cursor")
            for value in (HUGE, TOO_HUGE, f"-{HUGE}", "1e999", "NaN", "-Infinity", "[]", '"1"', "true")
        ],
        ("PATCH", "/behaviour", '{"cancel_finished_status": 404}'),
        ("PATCH", "/behaviour", '{"log_max_size": 0}'),
        ("PATCH", "/behaviour", '{"log_next_page_when_caught_up": null}'),
        ("PATCH", "/behaviour", '{"synthetic_runs": 1}'),
        ("POST", "/faults", ACTION % TOO_HUGE),
        ("POST", "/faults", ACTION % "NaN"),
        ("POST", "/faults", ACTION % "[1e999]"),
        *[("POST", "/faults", HEADERS % name) for name in ("a b", "ü", "", "Content-Length", "transfer-encoding")],
        ("POST", "/faults", '{"action": {"type": "status", "status": 503, "content_type": "ü\\n"}}'),
        ("POST", "/faults", f'{{"action": {{"type": "slow", "seconds": {HUGE}}}}}'),
        ("POST", "/faults", f'{{"action": {{"type": "reset"}}, "times": {HUGE}}}'),
        ("POST", "/runs", f'{{"name": "a_good_name", "environment": {{"sparkDriverDiskGB": {TOO_HUGE}}}}}'),
        ("POST", "/runs/ID/logs", f'{{"items": [{{"raw": "x", "timestamp": {HUGE}}}]}}'),
        ("POST", "/runs/ID/logs", f'{{"items": [{{"raw": "x", "timestamp": "{HUGE}"}}]}}'),
        ("POST", "/runs/ID/logs", f'{{"items": [{{"raw": "x", "timestamp": {2**62}}}]}}'),
        ("POST", "/runs/ID/logs", '{"items": [{"raw": 1}]}'),
        ("PATCH", "/runs/ID", '{"kubeApp": {"events": [null]}}'),
        ("PUT", "/api-key", '{"api_key": 5}'),
        *[
            ("POST", "/reset", body)
            for body in ("[]", "null", "{", '{"storage": 1}', '{"storage": null}', '{"all": true}')
        ],
    ],
)
def test_a_bad_body_is_422(method: str, path: str, body: str, client: Client, control: ControlClient) -> None:
    if "ID" in path:
        path = path.replace("ID", control.create_run("synthetic_run")["id"])
    answer = client.request(method, f"/_control{path}", data=body.encode())
    assert answer.status_code == 422, answer.text
    assert_shape(answer.json(), "ErrorBody")
    assert len(answer.text) < 3000
    assert control.faults() == []


@pytest.mark.parametrize(
    "action",
    [
        {"type": "status", "status": 204},
        {"type": "status", "status": 304, "body": {"a": 1}},
        {"type": "status", "status": 500, "body": "a lone surrogate: \ud800"},
        {"type": "status", "status": 500, "body": {"lone": "\ud800"}},
        {"type": "status", "status": 500, "body": int(HUGE)},
        {"type": "html", "status": 205},
    ],
)
def test_a_strange_fault_is_injected(action: dict[str, Any], client: Client, control: ControlClient) -> None:
    answer = client.request("POST", "/_control/faults", data=json.dumps({"action": action, "times": 1}).encode())
    assert answer.status_code == 201, answer.text
    assert client.request("GET", "/runs").status_code == action["status"]


def test_a_wrong_key_is_not_shown(client: Client) -> None:
    answer = client.request("PUT", "/_control/api-key", data=b'{"api_key": "two secret words"}')
    assert answer.status_code == 422
    assert "secret" not in answer.text
