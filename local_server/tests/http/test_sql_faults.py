"""Faults of SQL sessions: messages, connections, executions and sessions that are lost."""

from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from local_server.tests.sql_support import Session, SqlClient
from tests.support.sql_control import SqlControl
from tests.support.waiting import wait_for
from wherobots_local import ControlError


def test_the_connection_is_lost_after_the_statement(sql: SqlClient, session: Session, control: SqlControl) -> None:
    control.lose_sql_connection_after("hold")
    socket = sql.open(session)
    socket.send("execute_sql", "e1", statement="HOLD")
    with pytest.raises(ConnectionClosed):
        socket.receive()
    assert [entry["effective"] for entry in control.requests("executeSql")] == [True]
    with sql.open(session) as second:
        assert second.retrieve("e1", attach=True)["attached"] is True
        control.release_sql()
        assert second.receive()["state"] == "succeeded"


def test_a_running_execution_is_forgotten(sql: SqlClient, session: Session, control: SqlControl) -> None:
    with sql.open(session) as socket:
        execution_id = socket.begin("HOLD")
        control.evict_sql_execution(session["id"], execution_id)
        assert socket.retrieve(execution_id) == {
            "kind": "error",
            "execution_id": execution_id,
            "message": "Execution not found",
        }
        control.release_sql()
        assert socket.receive()["state"] == "succeeded"


@pytest.mark.parametrize(
    ("action", "status"),
    [({"type": "status", "status": 429, "headers": {"Retry-After": "5"}}, 429), ({"type": "html"}, 502)],
)
def test_the_upgrade_is_refused(
    action: dict[str, Any], status: int, sql: SqlClient, session: Session, control: SqlControl
) -> None:
    control.add_fault("openSqlSocket", action, times=1)
    with pytest.raises(InvalidStatus) as raised:
        sql.open(session)
    assert raised.value.response.status_code == status
    assert raised.value.response.headers.get("Retry-After") == action.get("headers", {}).get("Retry-After")
    with sql.open(session) as socket:
        assert socket.rows("SELECT 1 AS n") == [{"n": 1}]
    entries = control.requests("openSqlSocket")
    assert [(entry["status"], entry["fault"]) for entry in entries] == [(status, action["type"]), (101, None)]


@pytest.mark.parametrize("action", ["reset", {"type": "hang", "seconds": 0.3}])
def test_the_upgrade_is_not_answered(action: Any, sql: SqlClient, session: Session, control: SqlControl) -> None:
    control.add_fault("openSqlSocket", action)
    with pytest.raises((OSError, EOFError, InvalidMessage)):
        sql.open(session)
    assert [entry["status"] for entry in control.requests("openSqlSocket")] == [None]


def test_the_upgrade_is_answered_and_the_connection_lost(sql: SqlClient, session: Session, control: SqlControl) -> None:
    control.add_fault("openSqlSocket", "lose_answer")
    with pytest.raises((ConnectionClosed, EOFError, OSError)), sql.open(session) as socket:
        socket.receive()
    wait_for(lambda: control.sql_session(session["id"])["connections"] == 0, what="no connection")


def test_a_rule_for_everything_is_about_requests(sql: SqlClient, session: Session, control: SqlControl) -> None:
    with sql.open(session) as socket:
        control.add_fault("*", {"type": "status", "status": 503})
        assert socket.rows("SELECT 1 AS n") == [{"n": 1}]
        with pytest.raises(InvalidStatus, match="503"):
            sql.open(session)


def test_a_control_call_for_no_session_is_refused(control: SqlControl) -> None:
    with pytest.raises(ControlError, match="404"):
        control.sql_session("nosuchsession")
