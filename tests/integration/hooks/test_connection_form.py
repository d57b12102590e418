"""The connection form as the installed Airflow makes it, and what its Test button says of what can be wrong."""

import json
import socket
import subprocess
import sys
import threading
from typing import Any

import pytest
from airflow import __version__ as airflow_version
from packaging.version import Version

from airflow_provider_wherobots import compat
from airflow_provider_wherobots.hooks import wherobots as hook_module
from airflow_provider_wherobots.hooks.connection_form import EXTRA_FIELDS, HIDDEN_FIELDS, LABELS, PLACEHOLDERS
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from tests.integration.conftest import API_KEY, set_connection
from wherobots_local import LocalServer
from wherobots_local.control.client import ControlClient
from wherobots_local.settings import DEFAULT_PORT

installed = Version(Version(airflow_version).base_version)

# In a process of its own: Airflow 3 puts mocks in the place of wtforms to make the form.
ASK_AIRFLOW_2 = """
from airflow.providers_manager import ProvidersManager
manager = ProvidersManager()
behaviour = manager.field_behaviours[connection_type]
form = {
    "name": manager.hooks[connection_type].hook_name,
    "hidden": behaviour["hidden_fields"],
    "labels": behaviour["relabeling"],
    "placeholders": behaviour["placeholders"],
    "extra": {
        widget.field_name: {
            "label": widget.field.args[0],
            "help": widget.field.kwargs["description"],
            "kind": widget.field.field_class.__name__,
        }
        for key, widget in manager.connection_form_widgets.items()
        if key.startswith(f"extra__{connection_type}__")
    },
}
"""
ASK_AIRFLOW_3 = """
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
(meta,) = [meta for meta in HookMetaService.hook_meta_data() if meta.connection_type == connection_type]
standard = {
    "schema" if key == "url_schema" else key: value
    for key, value in (meta.standard_fields.model_dump() if meta.standard_fields else {}).items()
    if value
}
form = {
    "name": meta.hook_name,
    "hidden": [key for key, value in standard.items() if value["hidden"]],
    "labels": {key: value["title"] for key, value in standard.items() if value["title"]},
    "placeholders": {key: value["placeholder"] for key, value in standard.items() if value["placeholder"]},
    "extra": {
        key: {"label": field["schema"]["title"], "help": field["description"], **field["schema"]}
        for key, field in (meta.extra_fields or {}).items()
    },
}
"""
ASK = """
import json, sys, warnings
for connection_type in sys.argv[1:]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        {ask}
    form["warnings"] = [str(warning.message) for warning in caught if "herobots" in str(warning.message)]
    print("FORM" + json.dumps(form))
"""
TYPES = ("wherobots", "wherobots_sql")


@pytest.fixture(scope="module")
def forms() -> dict[str, dict[str, Any]]:
    """What Airflow makes of each type of connection."""
    ask = ASK_AIRFLOW_2 if installed < Version("3") else ASK_AIRFLOW_3
    script = ASK.format(ask=ask.strip().replace("\n", "\n        "))
    answer = subprocess.run([sys.executable, "-c", script, *TYPES], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    lines = [line.removeprefix("FORM") for line in answer.stdout.splitlines() if line.startswith("FORM")]
    return dict(zip(TYPES, map(json.loads, lines), strict=True))


@pytest.fixture(params=TYPES)
def connection_type(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def form(forms: dict[str, dict[str, Any]], connection_type: str) -> dict[str, Any]:
    made = forms[connection_type]
    if Version("3.0") <= installed < Version("3.1") and not made["extra"]:
        pytest.skip("Airflow 3.0 itself has no form of any provider's own without the FAB provider's wtforms")
    return made


def test_unused_fields_are_hidden_and_the_others_say_what_they_are(form: dict[str, Any], connection_type: str) -> None:
    assert form["name"] == {"wherobots": "Wherobots", "wherobots_sql": "Wherobots SQL"}[connection_type]
    assert sorted(form["hidden"]) == sorted(HIDDEN_FIELDS)
    assert form["labels"] == LABELS
    standard = {name: text for name, text in form["placeholders"].items() if not name.startswith("extra__")}
    assert standard == PLACEHOLDERS


def test_the_extra_fields_are_free_text_with_help(form: dict[str, Any]) -> None:
    assert {name: (field["label"], field["help"]) for name, field in form["extra"].items()} == {
        field.name: (field.label, field.help) for field in EXTRA_FIELDS
    }
    assert not any("enum" in field for field in form["extra"].values())


def test_known_values_are_suggested(form: dict[str, Any], connection_type: str) -> None:
    for field in EXTRA_FIELDS:
        made = form["extra"][field.name]
        if installed >= Version("3.2"):
            assert made.get("examples", []) == list(field.suggestions)
        elif installed < Version("3"):
            assert made["kind"] == "StringField"
            assert form["placeholders"][f"extra__{connection_type}__{field.name}"] == field.placeholder
        # Whatever the form can do, its help names some.
        assert all(value in made["help"] for value in field.suggestions[:2])


def test_nothing_the_provider_says_is_deprecated(forms: dict[str, dict[str, Any]], connection_type: str) -> None:
    assert forms[connection_type]["warnings"] == []


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
