"""The control surface: switches, journal, synthetic runs, inserted lines, another key, and every bad body."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from local_server.tests.support import KEY, Client, assert_shape
from wherobots_local import ControlClient, ControlError, LocalServer
from wherobots_local.control.journal import LONGEST_TEXT

BODY: dict[str, Any] = {"name": "a_controlled_run", "runPython": {"uri": "s3://bucket/none.py"}}


def test_switches_are_shown_and_changed(control: ControlClient) -> None:
    assert control.behaviour()["log_cursor"] == "nanoseconds"
    assert control.behaviour(log_cursor="opaque", log_delay_seconds=1.5)["log_delay_seconds"] == 1.5
    with pytest.raises(ControlError, match="log_cursor"):
        control.behaviour(log_cursor="bytes")
    assert control.behaviour()["log_cursor"] == "opaque"


def test_the_journal_shows_what_took_effect(client: Client, control: ControlClient) -> None:
    control.behaviour(synthetic_runs=True, cancel_delay_seconds=0)
    run = client.request("POST", "/runs?region=byoc-1", json=BODY).json()
    client.request("POST", "/runs", json={"name": "x"})
    client.cancel(run["id"])
    client.wait(run["id"], "CANCELLED")
    client.cancel(run["id"])
    entries = control.requests()
    assert [
        (entry["operation"], entry["status"], entry["effective"], entry["name"], entry["run_id"] == run["id"])
        for entry in entries
        if entry["operation"] != "getJobRun"
    ] == [
        ("createJobRun", 201, True, BODY["name"], True),
        ("createJobRun", 422, False, "x", False),
        ("cancelJobRun", 200, True, None, True),
        ("cancelJobRun", 200, False, None, True),
    ]
    assert (entries[0]["method"], entries[0]["path"], entries[0]["query"]) == ("POST", "/runs", "region=byoc-1")
    assert KEY not in str(entries)
    counts = control.counts()
    del counts["operations"]["getJobRun"]
    assert counts == {
        "creates_received": 2,
        "creates_effective": 1,
        "cancels_received": 2,
        "cancels_effective": 1,
        "operations": {"createJobRun": 2, "cancelJobRun": 2},
    }
    control.clear_requests()
    assert (control.requests(), control.counts()["creates_received"]) == ([], 0)


def test_the_journal_keeps_nothing_large(server: LocalServer, control: ControlClient) -> None:
    long = "x" * 20_000
    for key in ("wrong", KEY):
        headers = {"X-API-Key": key}
        requests.get(f"{server.url}/runs/{long}?cursor={long}", headers=headers, timeout=30)
        requests.post(f"{server.url}/runs?region={long}", json={"name": long}, headers=headers, timeout=30)
    entries = control.requests()
    assert [entry["status"] for entry in entries] == [401, 401, 404, 422]
    for entry in entries:
        assert all(len(value) <= LONGEST_TEXT for value in entry.values() if isinstance(value, str))
    assert [bool(entry["query"]) for entry in entries] == [False, False, True, True]
    assert [entry["name"] for entry in entries] == [None, None, None, "x" * LONGEST_TEXT]


def test_cancel_of_a_finished_run_can_be_a_conflict(client: Client, control: ControlClient) -> None:
    run = control.create_run("synthetic_run")
    control.patch_run(run["id"], status="COMPLETED")
    assert client.cancel(run["id"]).status_code == 200
    control.behaviour(cancel_finished_status=409)
    answer = client.cancel(run["id"])
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, "CONFLICT_ERROR")


def test_synthetic_runs_do_what_a_test_sets(client: Client, control: ControlClient) -> None:
    run = control.create_run("synthetic_run", timeoutSeconds=7)
    assert_shape(run, "RunView")
    assert (run["status"], run["payload"]["timeoutSeconds"]) == ("PENDING", 7)
    running = control.patch_run(run["id"], status="RUNNING")
    assert running["startTime"] is not None
    assert running["completeTime"] is None
    event = {"code": "RUN_FAIL_EXEC", "message": "Timeout reached"}
    control.patch_run(run["id"], status="FAILED", kubeApp={"status": "DESTROYED", "message": "why", "events": [event]})
    seen = client.get(run["id"])
    assert seen["completeTime"] is not None
    assert (seen["status"], seen["kubeApp"]["message"]) == ("FAILED", "why")
    assert seen["kubeApp"]["events"][-1]["code"] == "RUN_FAIL_EXEC"


@pytest.mark.parametrize(
    "changes",
    [{"status": 1}, {"completed": "yes"}, {"kubeApp": []}, {"kubeApp": {"events": [{"x": 1}]}}, {"name": "x"}],
)
def test_wrong_changes_are_refused(changes: dict[str, Any], control: ControlClient) -> None:
    run = control.create_run("synthetic_run")
    with pytest.raises(ControlError, match="422"):
        control.patch_run(run["id"], **changes)


def test_a_run_with_a_process_cannot_be_changed(client: Client, control: ControlClient) -> None:
    run, _ = client.run("")
    with pytest.raises(ControlError, match="409"):
        control.patch_run(run["id"], status="FAILED", kubeApp={"spark_ui_url": "https://spark/"})
    assert client.get(run["id"])["kubeApp"]["appMeta"]["spark_ui_url"] == ""


def test_a_run_may_have_a_spark_ui_with_and_without_a_process(client: Client, control: ControlClient) -> None:
    run, _ = client.run("")
    for run_id in (run["id"], control.create_run("synthetic_run")["id"]):
        control.patch_run(run_id, kubeApp={"spark_ui_url": "https://spark/"})
        assert client.get(run_id)["kubeApp"]["appMeta"]["spark_ui_url"] == "https://spark/"


def test_lines_are_inserted_where_their_timestamps_belong(client: Client, control: ControlClient) -> None:
    run = control.create_run("synthetic_run")
    control.insert_logs(run["id"], [{"timestamp": 20, "raw": "b"}, {"timestamp": "40", "raw": "d"}])
    assert client.lines(run["id"]) == ["b", "d"]
    control.insert_logs(run["id"], [{"timestamp": 30, "raw": "c"}, {"timestamp": 10, "raw": "a"}, {"raw": "now"}])
    assert client.lines(run["id"]) == ["a", "b", "c", "d", "now"]
    with pytest.raises(ControlError, match=r"items\.0\.timestamp"):
        control.insert_logs(run["id"], [{"timestamp": 1.5, "raw": "x"}])


@pytest.mark.parametrize("caught_up", ["end", "null", "equal", "absent"])
def test_the_end_of_a_log(caught_up: str, client: Client, control: ControlClient) -> None:
    control.behaviour(log_next_page_when_caught_up=caught_up)
    run = control.create_run("synthetic_run")
    control.insert_logs(run["id"], [{"timestamp": 20, "raw": "b"}])
    page = client.log_page(run["id"])
    endings: dict[str, dict[str, Any]] = {
        "end": {"next_page": "20"},
        "null": {"next_page": None},
        "equal": {"next_page": "0"},
        "absent": {},
    }
    assert page == {"items": [{"timestamp": "20", "raw": "b"}], "current_page": "0", **endings[caught_up]}


def test_another_key(tmp_path: Path) -> None:
    with LocalServer(tmp_path, api_key="old-key") as server:
        control = server.control

        def status(key: str, path: str = "/runs") -> int:
            return requests.get(server.url + path, headers={"X-API-Key": key}, timeout=30).status_code

        assert status("old-key") == 200
        assert control.rotate_api_key("new-key") == "new-key"
        assert (status("old-key"), status("new-key"), status("old-key", "/_control/counts")) == (401, 200, 401)
        assert server.api_key == "new-key"
        made = control.rotate_api_key()
        assert (status("new-key"), status(made)) == (401, 200)
        with pytest.raises(ControlError, match="printable"):
            control.rotate_api_key("two words")


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
