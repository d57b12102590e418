"""Switches for what the published description leaves open, and a start that is like the service."""

from collections.abc import Callable
from pathlib import Path

import pytest

from local_server.tests.support import KEY, Client
from wherobots_local import ControlClient, LocalServer, SettingsError
from wherobots_local.control.faults import LIKE_THE_SERVICE, Behaviour


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


def test_a_server_that_begins_like_the_service(tmp_path: Path) -> None:
    own = {"start_delay_seconds": 0.5, "cancel_delay_seconds": 0}
    with LocalServer(tmp_path / "root", api_key=KEY, like_the_service=True, behaviour=own) as server:
        expected = {**Behaviour().model_dump(), **LIKE_THE_SERVICE, **own}
        assert server.control.behaviour() == expected


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
    with pytest.raises(SettingsError, match="log_max_size is 0"):
        LocalServer(tmp_path, behaviour={"log_max_size": 0})
