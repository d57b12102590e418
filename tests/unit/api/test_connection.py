import json
from typing import Any

import pytest

from airflow_provider_wherobots.api.connection import read_settings
from airflow_provider_wherobots.api.errors import InvalidArgumentError

KEY = "wh-secret-4711"


def test_a_key_alone_is_enough() -> None:
    settings = read_settings(conn_type="wherobots", password=KEY)
    assert settings.endpoint.base_url == "https://api.cloud.wherobots.com"
    assert settings.endpoint.api_key == KEY
    assert (settings.region, settings.runtime, settings.version) == (None, None, None)


def test_the_key_is_stripped_and_never_shown() -> None:
    settings = read_settings(password=f"  {KEY}\n")
    assert settings.endpoint.api_key == KEY
    assert KEY not in repr(settings)


@pytest.mark.parametrize("password", [None, "", "   ", "\n"])
def test_an_empty_key_is_refused(password: str | None) -> None:
    with pytest.raises(InvalidArgumentError, match="password: must hold the Wherobots API key"):
        read_settings(password=password)


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"conn_type": "generic", "host": "api.cloud.wherobots.com"}, "https://api.cloud.wherobots.com"),
        # The official provider ignores the schema and speaks https; a key must not travel in the clear for it.
        ({"conn_type": "http", "host": "api.cloud.wherobots.com", "schema": "http"}, "https://api.cloud.wherobots.com"),
        (
            {"conn_type": "http", "host": "api.cloud.wherobots.com", "schema": "http", "port": 80},
            "https://api.cloud.wherobots.com",
        ),
        ({"conn_type": "generic", "host": "api.example.com", "port": 8443}, "https://api.example.com:8443"),
        ({"conn_type": "http", "host": "127.0.0.1", "port": 8765, "schema": "http"}, "http://127.0.0.1:8765"),
        ({"conn_type": "wherobots", "host": "127.0.0.1", "port": 8765, "schema": "HTTP "}, "http://127.0.0.1:8765"),
        ({"conn_type": "wherobots", "host": "http://127.0.0.1:8765"}, "http://127.0.0.1:8765"),
        ({"conn_type": "wherobots", "host": "https://api.example.com", "port": 8443}, "https://api.example.com:8443"),
    ],
)
def test_connections_of_all_three_types(fields: dict[str, Any], url: str) -> None:
    assert read_settings(password=KEY, **fields).endpoint.base_url == url


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"conn_type": "wherobots", "host": "api.cloud.wherobots.com", "schema": "http"}, "host="),
        ({"conn_type": "wherobots", "host": "http://api.cloud.wherobots.com"}, "host="),
        ({"conn_type": "http", "host": "http://api.cloud.wherobots.com", "schema": "http"}, "host="),
        ({"conn_type": "wherobots", "schema": "ftp"}, "schema='ftp'"),
        ({"extra": "{"}, "extra: must be a JSON object"),
        ({"extra": "[]"}, "extra: must be a JSON object"),
        ({"extra": '{"region": 5}'}, r"extra\['region'\]=5"),
    ],
)
def test_a_wrong_field_is_named_and_the_key_is_not(fields: dict[str, Any], names: str) -> None:
    with pytest.raises(InvalidArgumentError, match=names) as caught:
        read_settings(password=KEY, **fields)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("conn_type", ["postgres", "aws", "https", "wherobots2"])
def test_a_connection_of_another_type_is_refused_as_its_password_is_no_key(conn_type: str) -> None:
    words = f"^conn_type='{conn_type}': must be wherobots, wherobots_sql, generic or http$"
    for password in (KEY, None):
        with pytest.raises(InvalidArgumentError, match=words):
            read_settings(conn_type=conn_type, password=password)


@pytest.mark.parametrize("conn_type", [None, "", "wherobots-sql", "Generic"])
def test_what_airflow_stores_for_a_type_is_that_type(conn_type: str | None) -> None:
    assert read_settings(conn_type=conn_type, password=KEY).endpoint.api_key == KEY


def test_extra_holds_defaults_and_other_keys_in_it_are_ignored() -> None:
    extra = json.dumps({"region": "aws-us-east-1", "runtime": "tiny", "version": "preview", "timeout": 5})
    settings = read_settings(password=KEY, extra=extra)
    assert (settings.region, settings.runtime, settings.version) == ("aws-us-east-1", "tiny", "preview")


@pytest.mark.parametrize("extra", [None, "", "  ", "{}", '{"region": null, "runtime": "", "version": ""}'])
def test_empty_defaults_are_no_defaults(extra: str | None) -> None:
    settings = read_settings(password=KEY, extra=extra)
    assert (settings.region, settings.runtime, settings.version) == (None, None, None)


def test_agent_and_client_hop_reach_the_headers() -> None:
    headers = read_settings(password=KEY, user_agent="agent/1", client="client=x").endpoint.headers
    assert (headers["User-Agent"], headers["X-Wherobots-Client"]) == ("agent/1", "client=x")


def test_a_runs_address_is_derived_or_follows_the_template() -> None:
    assert read_settings(password=KEY).run_url("r1") == "https://cloud.wherobots.com/runs/r1"
    extra = json.dumps({"console_url_template": "https://console.example.com/jobs?id={run_id}"})
    assert read_settings(password=KEY, extra=extra).run_url("r 1/x") == "https://console.example.com/jobs?id=r%201%2Fx"


def test_a_wrong_template_is_refused_with_the_connection() -> None:
    with pytest.raises(InvalidArgumentError, match="console_url_template='https://x/'"):
        read_settings(password=KEY, extra=json.dumps({"console_url_template": "https://x/"}))
