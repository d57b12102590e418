"""The profile that Cosmos makes for wherobots-dbt of an Airflow connection."""

import json
import sys
from typing import Any

import pytest
import yaml

from airflow_provider_wherobots.exceptions import WherobotsArgumentException

pytest.importorskip("cosmos", reason="two environments have Cosmos")
from cosmos import ProfileConfig

from airflow_provider_wherobots.cosmos import WherobotsProfileMapping

KEY = "dbt-key-3fa2"
TARGET = {"catalog": "org_catalog", "schema": "weather"}
VARIABLE = "COSMOS_CONN_WHEROBOTS_API_TOKEN"


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the connection, as Airflow reads it from the environment."""

    def set_connection(**fields: Any) -> None:
        fields = {"conn_type": "wherobots", "password": KEY, **fields}
        monkeypatch.setenv("AIRFLOW_CONN_WHEROBOTS_DEFAULT", json.dumps(fields))

    return set_connection


def profile_of(**arguments: Any) -> dict[str, Any]:
    mapping = WherobotsProfileMapping("wherobots_default", {**TARGET, **arguments})
    profile: dict[str, Any] = mapping.profile
    return profile


@pytest.mark.parametrize("conn_type", ["wherobots", "wherobots_sql"])
def test_the_profile_is_the_connections(connect: Any, conn_type: str) -> None:
    connect(conn_type=conn_type, extra={"region": "aws-us-west-2", "runtime": "tiny"})

    assert profile_of() == {
        "type": "wherobots",
        "host": "api.cloud.wherobots.com",
        "region": "aws-us-west-2",
        "runtime": "tiny",
        "catalog": "org_catalog",
        "schema": "weather",
        "api_token": f"{{{{ env_var('{VARIABLE}') }}}}",
    }


@pytest.mark.parametrize(
    ("fields", "host"),
    [
        ({"host": "https://127.0.0.1:8765"}, "127.0.0.1:8765"),
        ({"host": "api.example.com", "port": 8443}, "api.example.com:8443"),
        ({"host": "https://gateway.example.com/wherobots/"}, "gateway.example.com/wherobots"),
    ],
)
def test_the_host_has_the_port_in_it(connect: Any, fields: dict[str, Any], host: str) -> None:
    connect(**fields)
    assert profile_of()["host"] == host


def test_arguments_override_the_connection(connect: Any) -> None:
    connect(extra={"region": "aws-us-west-2", "runtime": "tiny"})
    found = profile_of(runtime="small", threads=4, shutdown_after_inactive_seconds=901)
    assert (found["region"], found["runtime"], found["threads"]) == ("aws-us-west-2", "small", 4)
    assert found["shutdown_after_inactive_seconds"] == 901


@pytest.mark.parametrize("given", [{}, {"api_token": KEY}])
def test_the_key_is_in_the_environment_and_not_in_the_file(connect: Any, given: dict[str, str]) -> None:
    connect(password=f" {KEY}\n")
    mapping = WherobotsProfileMapping("wherobots_default", {**TARGET, **given})
    config = ProfileConfig(profile_name="weather", target_name="airflow", profile_mapping=mapping)

    with config.ensure_profile() as (path, variables):
        written = path.read_text()

    assert variables == {VARIABLE: KEY}
    assert KEY not in written
    assert yaml.safe_load(written)["weather"]["outputs"]["airflow"] == {
        "type": "wherobots",
        "host": "api.cloud.wherobots.com",
        **TARGET,
        "api_token": f"{{{{ env_var('{VARIABLE}') }}}}",
    }


def test_a_dag_file_is_parsed_without_the_connection() -> None:
    mapping = WherobotsProfileMapping("there_is_none", TARGET)
    expected = {"type": "wherobots", "host": "mock_value", **TARGET, "api_token": "mock_value"}
    assert mapping.mock_profile == expected


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"host": "http://127.0.0.1:8765"},
            "connection 'wherobots_default': host='http://127.0.0.1:8765': must be https, because wherobots-dbt "
            "supports nothing else",
        ),
        (
            {"extra": {"version": "latest"}},
            "connection 'wherobots_default': extra['version']='latest': must be empty, because wherobots-dbt cannot "
            "request a version. Use another connection for dbt",
        ),
        ({"password": ""}, "connection 'wherobots_default': password: must hold the Wherobots API key, but is empty"),
    ],
)
def test_a_connection_that_dbt_cannot_use_is_refused(connect: Any, fields: dict[str, Any], message: str) -> None:
    connect(**fields)
    with pytest.raises(WherobotsArgumentException) as caught:
        profile_of()
    assert str(caught.value) == message


def test_without_cosmos_the_import_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "airflow_provider_wherobots.cosmos")
    monkeypatch.setitem(sys.modules, "cosmos.profiles.base", None)
    with pytest.raises(ImportError, match=r"^dbt needs Cosmos \(.*\): pip install astronomer-cosmos$"):
        import airflow_provider_wherobots.cosmos  # noqa: F401
