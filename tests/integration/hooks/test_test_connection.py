"""What the connection form's Test button says, for everything that can be wrong."""

import json
import socket
import threading
from typing import Any

import pytest

from airflow_provider_wherobots import compat
from airflow_provider_wherobots.hooks import wherobots as hook_module
from airflow_provider_wherobots.hooks.connection_form import PLACEHOLDERS
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from tests.integration.conftest import API_KEY, set_connection
from wherobots_local import LocalServer
from wherobots_local.control.client import ControlClient
from wherobots_local.settings import DEFAULT_PORT


def says(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> tuple[bool, str]:
    set_connection(monkeypatch, **{"conn_type": "wherobots", "password": API_KEY, **fields})
    works, said = WherobotsHook().test_connection()
    assert API_KEY not in said
    assert "wherobots_default" not in said, "Airflow tests a copy under a random id, which helps nobody"
    return works, said


def test_a_connection_that_works(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert says(monkeypatch, host=server.url) == (True, f"The Runs API accepts the API key ({server.url})")


def test_a_wrong_key(server: LocalServer, control: ControlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    works, said = says(monkeypatch, host=server.url, password="not-the-key")
    assert not works
    assert said.startswith("The API key is refused: 401 UNAUTHORIZED_ERROR: ")
    assert "not-the-key" not in said
    assert len(control.requests("listJobRuns")) == 1


def test_a_mask_is_no_wrong_key(server: LocalServer, control: ControlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    works, said = says(monkeypatch, host=server.url, password="***")
    assert not works
    assert "sent *** in place of the stored API key" in said
    host, _, port = server.url.rpartition(":")
    assert (f"Store API host {host} and API port {port}, and test again" in said) is (compat.AIRFLOW >= (3, 3))
    assert not control.requests("listJobRuns")


@pytest.mark.skipif(compat.AIRFLOW < (3, 3), reason="before 3.3 nothing helps, or nothing has to")
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "API host api.cloud.wherobots.com and API port 443,"),
        ({"host": "https://wherobots.example.com:8443/base"}, "API host wherobots.example.com/base and API port 8443,"),
        ({"host": "http://localhost"}, "API host http://localhost and API port 80,"),
        ({"host": "http://[::1]:8765"}, "API host http://[::1] and API port 8765,"),
    ],
)
def test_what_to_fill_in_for_the_mask(monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], words: str) -> None:
    assert words in says(monkeypatch, password="***", **fields)[1]


def test_host_and_port_apart_as_the_form_suggests(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the way of Airflow's Test button: as a URI."""
    from airflow.models import Connection

    host, _, port = server.url.rpartition(":")
    given = Connection(conn_id="x", conn_type="wherobots", host=host, port=int(port), password=API_KEY)  # noqa: AIR311
    monkeypatch.setenv("AIRFLOW_CONN_TRANSIENT", given.get_uri())
    assert host == "http://127.0.0.1"
    assert f"{host} for the local server" in PLACEHOLDERS["host"]
    assert f"{DEFAULT_PORT} for the local server" in PLACEHOLDERS["port"]
    assert WherobotsHook("transient").test_connection() == (True, f"The Runs API accepts the API key ({server.url})")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"password": ""}, "password: must hold the Wherobots API key, but is empty"),
        ({"extra": json.dumps({"console_url_template": "https://x/"})}, "must contain {run_id}"),
    ],
)
def test_a_field_that_breaks_a_rule(monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], words: str) -> None:
    works, said = says(monkeypatch, **fields)
    assert not works
    assert words in said


def test_an_answer_that_never_ends_does_not_hold_the_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook_module, "PROBE_SECONDS", 6.0)
    enough = threading.Event()

    def trickle(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
            # Always a byte before the read timeout: no timeout of the client's ever comes.
            while not enough.wait(0.2):
                connection.sendall(b" ")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=trickle, args=(listener,))
        server.start()
        try:
            works, said = says(monkeypatch, host=f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            enough.set()
            server.join()
    assert not works
    assert said.startswith("The host was reached, but did not respond: ")


def test_what_is_tested_is_the_form_that_airflow_sends(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow turns the form into a URI in an environment variable, and the hook reads that."""
    from airflow.models import Connection

    extra = {"region": None, "runtime": "", "console_url_template": "https://console.example.com/{run_id}?a=b&c"}
    fields: dict[str, Any] = {
        "conn_type": "wherobots",
        "host": server.url,
        "password": API_KEY,
        "extra": json.dumps(extra),
    }
    given = Connection(conn_id="x", **fields)  # noqa: AIR311 - the class that Airflow's server itself uses
    monkeypatch.setenv("AIRFLOW_CONN_TRANSIENT", given.get_uri())
    hook = WherobotsHook("transient")
    assert hook.test_connection()[0]
    assert hook.settings.run_url("r1") == "https://console.example.com/r1?a=b&c"
    assert (hook.settings.region, hook.settings.runtime) == (None, None)
