"""What tests of SQL share: a local server whose sessions have the synthetic engine, and a connection to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherobots_local import ControlClient, LocalServer

API_KEY = "sql-key-91c4"
CONN_ID = "wherobots_default"


def synthetic_server(root: Path) -> Iterator[LocalServer]:
    with LocalServer(root, api_key=API_KEY, behaviour={"sql_synthetic": True}) as running:
        yield running


def control_of(server: LocalServer) -> Iterator[ControlClient]:
    """A client of the server's control surface, with an empty journal and without sessions of earlier tests."""
    client = ControlClient(server.url, API_KEY)
    before = client.behaviour()
    for session in client.sql_sessions():
        client.end_sql_session(session["id"])
    client.clear_requests()
    yield client
    client.release_sql()
    client.clear_faults()
    client.clear_sql_answers()
    client.behaviour(**before)


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
