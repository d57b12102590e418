"""The hook: every endpoint, the connection, and every way it can be wrong."""

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_wherobots.api.errors import AuthenticationError, BadRequestError
from airflow_provider_wherobots.exceptions import WherobotsArgumentException
from airflow_provider_wherobots.hooks import wherobots as hook_module
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from tests.integration.conftest import API_KEY, set_connection
from wherobots_local import LocalServer
from wherobots_local.control.client import ControlClient

PAYLOAD = {"name": "hook-test-run", "runPython": {"uri": "s3://jobs/talk.py", "args": ["2"]}}


@pytest.fixture
def hook(conn_id: str, monkeypatch: pytest.MonkeyPatch) -> WherobotsHook:
    # Failures that would be tolerated for a minute end the call at once.
    monkeypatch.setattr(hook_module, "HOOK_OUTAGE_SECONDS", 0.0)
    return WherobotsHook(conn_id)


def test_every_endpoint_answers_in_its_type(hook: WherobotsHook) -> None:
    run = hook.create_run(PAYLOAD, region="aws-eu-west-1")
    assert run.status in ("PENDING", "RUNNING")
    assert run.payload["runPython"] == {"uri": "s3://jobs/talk.py", "args": ["2"]}
    hook.cancel_run(run.id)
    again = hook.get_run(run.id)
    assert (again.id, again.name, again.kube_app.region) == (run.id, "hook-test-run", "aws-eu-west-1")
    page = hook.get_run_logs(run.id, size=10)
    assert isinstance(page.items, tuple)
    assert isinstance(hook.get_run_metrics(run.id).instant_metrics, dict)


def test_list_runs_follows_the_pages_and_passes_every_filter(hook: WherobotsHook, control: ControlClient) -> None:
    names = [f"list-test-{number}" for number in range(5)]
    created = [control.create_run(name)["id"] for name in names]
    control.patch_run(created[0], status="COMPLETED")
    since = datetime.now(UTC) - timedelta(minutes=5)
    listed = list(hook.list_runs(name="list-test-*", created_after=since, status=["PENDING", "RUNNING"], page_size=2))
    assert {run.id for run in listed} == set(created[1:])
    assert len(control.requests("listJobRuns")) >= 2
    assert list(hook.list_runs(name="list-test-*", region="nowhere-1")) == []


def test_a_wrong_key_is_told_in_the_services_words(
    hook: WherobotsHook, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(monkeypatch, conn_type="wherobots", host=server.url, password="not-the-key")
    with pytest.raises(AuthenticationError, match=r"401 UNAUTHORIZED_ERROR.*request id") as caught:
        hook.get_run("abc")
    assert str(caught.value).startswith(
        "connection 'wherobots_default': the API key is refused (Reading the run failed: 401 "
    )
    assert "header" not in str(caught.value), "the service's advice is for API clients"
    assert "not-the-key" not in str(caught.value)
    works, said = hook.test_connection()
    assert not works
    assert "401" in said


def test_a_rotated_key_is_picked_up(hook: WherobotsHook, server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    set_connection(monkeypatch, conn_type="wherobots", host=server.url, password="old-key")
    assert hook.settings.endpoint.api_key == "old-key"
    set_connection(monkeypatch, conn_type="wherobots", host=server.url, password=API_KEY)
    assert list(hook.list_runs(name="nobody-has-this-name")) == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"password": ""}, "password: must hold the Wherobots API key"),
        ({"host": "http://api.cloud.wherobots.com", "password": API_KEY}, "plain http"),
        ({"password": API_KEY, "extra": json.dumps({"runtime": 7})}, r"extra\['runtime'\]=7: must be a string"),
    ],
)
def test_a_rule_that_breaks_sends_nothing(fields: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_connection(monkeypatch, conn_type="wherobots", **fields)
    with pytest.raises(WherobotsArgumentException, match=words) as caught:
        _ = WherobotsHook().settings
    assert "wherobots_default" in str(caught.value)
    assert API_KEY not in str(caught.value)


def test_the_password_of_a_connection_of_another_type_is_not_sent(
    server: LocalServer, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(monkeypatch, conn_type="postgres", host=server.url, password=API_KEY)
    with pytest.raises(WherobotsArgumentException, match="connection 'wherobots_default': conn_type='postgres'"):
        WherobotsHook().get_run("abc")
    assert control.requests() == []


def test_the_key_is_never_logged(
    hook: WherobotsHook, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], control: ControlClient
) -> None:
    control.add_fault("getJobRun", {"type": "status", "status": 413, "body": f"you sent X-API-Key: {API_KEY}"})
    with caplog.at_level(logging.DEBUG), pytest.raises(BadRequestError) as caught:
        hook.get_run("abc")
    shown = caplog.text + str(caught.value) + repr(caught.value) + repr(hook.settings) + "".join(capfd.readouterr())
    assert "you sent X-API-Key: ***" in str(caught.value)
    assert API_KEY not in shown
