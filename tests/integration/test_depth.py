"""How deep the two main paths are: the functions of this package between Airflow's call and the service."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import airflow_provider_wherobots
from airflow_provider_wherobots.api.sql.messages import ExecuteSql
from airflow_provider_wherobots.api.transports.requests import RequestsTransport
from airflow_provider_wherobots.api.transports.websocket import SocketThread
from airflow_provider_wherobots.hooks.sql import WherobotsSqlHook
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from tests.integration import sql_support
from tests.integration.support import TaskInstance, deferral_of
from tests.support.sql_control import SqlControl
from wherobots_local import LocalServer

ROOT = str(Path(airflow_provider_wherobots.__file__).parent)
MAX_CREATE, MAX_STATEMENT = 10, 12

server, control = sql_support.server, sql_support.control


def watch(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, is_it: Callable[[Any], bool]
) -> Callable[[], list[str]]:
    """Watch for the first call that is it. Returns what returns the functions of this package that led to it."""
    found: list[list[str]] = []
    watched = getattr(owner, name)

    def watching(self: Any, what: Any, *args: Any) -> Any:
        if is_it(what):
            ours = [frame for frame in inspect.stack() if frame.filename.startswith(ROOT)]
            found.append([f"{Path(frame.filename).relative_to(ROOT)}: {frame.function}" for frame in ours][::-1])
        return watched(self, what, *args)

    monkeypatch.setattr(owner, name, watching)
    return lambda: found[0]


def test_a_create_is_at_most_ten_functions_deep(
    server: LocalServer, control: SqlControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql_support.set_connection(monkeypatch, server, conn_type="wherobots")
    led_to = watch(monkeypatch, RequestsTransport, "send", lambda call: call.operation == "createJobRun")
    deferral_of(WherobotsRunOperator(task_id="task", run_python={"uri": "s3://jobs/talk.py"}), TaskInstance())
    # Its own function is the last one.
    assert len([*led_to(), "send"]) <= MAX_CREATE, led_to()


def test_a_statement_of_the_hook_is_at_most_twelve_functions_deep(
    server: LocalServer, control: SqlControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql_support.set_connection(monkeypatch, server)
    led_to = watch(monkeypatch, SocketThread, "transmit", lambda message: isinstance(message, ExecuteSql))
    WherobotsSqlHook().run("SELECT 7 AS n", handler=lambda cursor: cursor.fetchall())
    assert len([*led_to(), "transmit"]) <= MAX_STATEMENT, led_to()
