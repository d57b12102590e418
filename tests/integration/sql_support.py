"""What tests of SQL share: a local server whose sessions have the synthetic engine, and a connection to it."""

import json
from collections.abc import Iterator

import pytest

from tests.support.sql_control import SqlControl
from wherobots_local import ControlClient, LocalServer

API_KEY = "sql-key-91c4"
CONN_ID = "wherobots_default"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    # Without a grace, a statement that ends as cancelled was cancelled by its client.
    behaviour = {"sql_synthetic": True, "sql_orphan_grace_seconds": None}
    with LocalServer(tmp_path_factory.mktemp("root"), api_key=API_KEY, behaviour=behaviour) as running:
        yield running


@pytest.fixture
def control(server: LocalServer) -> SqlControl:
    """A client of the server's control surface. Nothing is left of earlier tests."""
    client = SqlControl(server)
    client.reset()
    return client


def set_connection(monkeypatch: pytest.MonkeyPatch, server: LocalServer, **fields: object) -> str:
    """Make the connection, as Airflow reads it from the environment."""
    fields = {"conn_type": "wherobots_sql", "host": server.url, "password": API_KEY, **fields}
    monkeypatch.setenv("AIRFLOW_CONN_WHEROBOTS_DEFAULT", json.dumps(fields))
    return CONN_ID


def is_running(control: ControlClient) -> bool:
    """Whether a statement runs in any session."""
    return any(one["state"] == "running" for session in control.sql_sessions() for one in session["executions"])


def executed(control: ControlClient) -> list[str]:
    """The statements that were sent, in order."""
    return [entry["statement"] for entry in control.requests("executeSql")]
