"""Switches for what the published description leaves open, and a start that is like the service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local_server.tests.support import FOREVER, KEY, Client, assert_shape
from wherobots_local import ControlClient, LocalServer, SettingsError
from wherobots_local.control.behaviour import LIKE_THE_SERVICE, Behaviour


def test_a_run_has_no_application_at_first(client: Client, control: ControlClient) -> None:
    control.behaviour(synthetic_runs=True, kube_app_null_seconds=3600)
    created = client.create("")
    assert created["kubeApp"] is None
    assert client.get(created["id"])["kubeApp"] is None
    assert client.request("GET", "/runs").json()["items"][0]["kubeApp"] is None
    control.behaviour(kube_app_null_seconds=0)
    assert client.get(created["id"])["kubeApp"]["status"] == "PENDING"


def test_a_cost_is_known_late(client: Client, control: ControlClient) -> None:
    run = control.create_run("a_synthetic_run")
    control.behaviour(cost_delay_seconds=3600)

    def cost() -> Any:
        metrics = client.request("GET", f"/runs/{run['id']}/metrics").json()
        assert_shape(metrics, "RunMetricsResponse")
        return metrics["instant_metrics"]["COST_USD"]["metric"]["data"]["value"]

    assert cost() is None
    control.patch_run(run["id"], status="COMPLETED")
    assert cost() is None
    control.behaviour(cost_delay_seconds=0)
    assert cost() == 0.0


def test_more_lines_than_a_page_may_have_can_be_refused(client: Client, control: ControlClient) -> None:
    control.behaviour(log_max_size=10, log_oversize="refused")
    run = control.create_run("a_synthetic_run")
    assert client.request("GET", f"/runs/{run['id']}/logs?size=10").status_code == 200
    answer = client.request("GET", f"/runs/{run['id']}/logs?size=11")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "size")


def test_the_last_line_becomes_visible_after_the_end(client: Client, control: ControlClient) -> None:
    control.behaviour(log_delay_seconds=3600)
    run, lines = client.run("print('the last line')")
    assert lines == []
    control.behaviour(log_delay_seconds=0)
    assert client.lines(run["id"]) == ["the last line"]


@pytest.mark.parametrize("counts", [True, False])
def test_a_timeout_with_or_without_the_time_pending(counts: bool, client: Client, control: ControlClient) -> None:
    # The delay is longer than the timeout, and the script never ends.
    control.behaviour(start_delay_seconds=2, timeout_counts_pending=counts)
    run = client.create(FOREVER, timeoutSeconds=1)
    assert (client.wait(run["id"], "TIMED_OUT")["startTime"] is None) is counts


def test_a_timeout_that_counts_the_time_pending_ends_a_script_too(client: Client, control: ControlClient) -> None:
    control.behaviour(start_delay_seconds=0.1, timeout_counts_pending=True)
    run = client.create(FOREVER, timeoutSeconds=4)
    assert client.wait(run["id"], "TIMED_OUT")["startTime"] is not None


def test_a_server_that_begins_like_the_service(tmp_path: Path) -> None:
    own = {"start_delay_seconds": 0.5, "cancel_delay_seconds": 0}
    with LocalServer(tmp_path / "root", api_key=KEY, like_the_service=True, behaviour=own) as server:
        expected = {**Behaviour().model_dump(), **LIKE_THE_SERVICE, **own}
        assert server.control.behaviour() == expected
        assert Client(server.url, server.root).create("print('done')")["kubeApp"] is None


def test_no_value_like_the_service_is_the_default() -> None:
    quick = Behaviour().model_dump()
    assert [switch for switch, value in LIKE_THE_SERVICE.items() if quick[switch] == value] == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("{", "is not JSON"),
        ("[]", "a JSON object"),
        ('{"log_cursor": "bytes"}', "log_cursor is 'bytes'"),
        ('{"no_such_switch": 1}', "there is no no_such_switch. There are: "),
    ],
)
def test_a_file_that_cannot_be_used(
    content: str | None, message: str, refusal: Callable[..., str], tmp_path: Path
) -> None:
    file = tmp_path / "behaviour.json"
    if content is not None:
        file.write_text(content)
    said = refusal("--behaviour", str(file))
    assert said.startswith("--behaviour ")
    assert message in said


def test_a_wrong_switch_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="create_status is 500"):
        LocalServer(tmp_path, behaviour={"create_status": 500})
