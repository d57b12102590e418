"""Faults of SQL sessions: messages, connections, executions and sessions that are lost."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import cbor2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from local_server.tests.sql_support import Session, SqlClient, table
from tests.support.waiting import wait_for
from wherobots_local import ControlClient, ControlError


def effects(control: ControlClient) -> list[tuple[str, str | None, bool]]:
    return [
        (entry["operation"], entry["fault"], entry["effective"])
        for entry in control.requests()
        if entry["method"] == "MESSAGE"
    ]


def executions(control: ControlClient, session: Session) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = control.sql_session(session["id"])["executions"]
    return found


def test_the_connection_is_lost_before_the_statement(sql: SqlClient, session: Session, control: ControlClient) -> None:
    control.add_fault("executeSql", "reset", times=1)
    socket = sql.open(session)
    for execution_id in ("e1", "e2"):
        # The second one is lost with the connection.
        with contextlib.suppress(ConnectionClosed):
            socket.send("execute_sql", execution_id, statement="SELECT 1")
    with pytest.raises(ConnectionClosed):
        socket.receive()
    assert effects(control) == [("executeSql", "reset", False)]
    assert executions(control, session) == []
    with sql.open(session) as second:
        assert second.retrieve("e1", attach=True)["message"] == "Execution not found"


def test_the_connection_is_lost_after_the_statement(sql: SqlClient, session: Session, control: ControlClient) -> None:
    control.add_fault("executeSql", "lose_answer")
    socket = sql.open(session)
    socket.send("execute_sql", "e1", statement="HOLD")
    with pytest.raises(ConnectionClosed):
        socket.receive()
    assert effects(control) == [("executeSql", "lose_answer", True)]
    with sql.open(session) as second:
        assert second.retrieve("e1", attach=True)["attached"] is True
        control.release_sql()
        assert second.receive()["state"] == "succeeded"


@pytest.mark.parametrize("operation", ["executeSql", "retrieveResults", "cancelExecution"])
def test_a_message_does_not_arrive(operation: str, sql: SqlClient, session: Session, control: ControlClient) -> None:
    kinds = {"executeSql": "execute_sql", "retrieveResults": "retrieve_results", "cancelExecution": "cancel"}
    with sql.open(session) as socket:
        execution_id = socket.begin("HOLD")
        control.add_fault(operation, "lose_message", times=1)
        control.clear_requests()
        socket.send(kinds[operation], execution_id, statement="SELECT 1")
        assert socket.silence()
        assert effects(control) == [(operation, "lose_message", False)]
        assert executions(control, session)[-1]["state"] == "running"
        socket.send("cancel", execution_id)
        assert socket.receive()["state"] == "cancelled"


@pytest.mark.parametrize("state", ["running", "succeeded"])
def test_the_news_of_a_state_is_lost(state: str, sql: SqlClient, session: Session, control: ControlClient) -> None:
    control.add_fault("stateUpdated", "lose_message", state=state)
    with sql.open(session) as socket:
        socket.send("execute_sql", "e1", statement="SELECT 7 AS n")
        other = "succeeded" if state == "running" else "running"
        assert socket.receive()["state"] == other
        assert socket.silence()
        # Who asks again hears it.
        assert table(socket.retrieve("e1")).to_pylist() == [{"n": 7}]


def test_the_connection_is_lost_instead_of_a_result(sql: SqlClient, session: Session, control: ControlClient) -> None:
    control.add_fault("executionResult", "reset", times=1)
    with sql.open(session) as socket:
        execution_id, _ = socket.run("SELECT 7 AS n")
        with pytest.raises(ConnectionClosed):
            socket.retrieve(execution_id)
    with sql.open(session) as second:
        assert table(second.retrieve(execution_id)).to_pylist() == [{"n": 7}]


def test_half_a_result(sql: SqlClient, session: Session, control: ControlClient) -> None:
    control.add_fault("executionResult", "truncate", times=1)
    with sql.open(session) as socket:
        execution_id, _ = socket.run("SELECT 7 AS n")
        socket.send("retrieve_results", execution_id)
        frame = socket.connection.recv(timeout=20)
        assert isinstance(frame, bytes)
        with pytest.raises(cbor2.CBORDecodeError):
            cbor2.loads(frame)
        with pytest.raises(ConnectionClosed):
            socket.receive()


def test_half_of_the_news(sql: SqlClient, session: Session, control: ControlClient) -> None:
    control.add_fault("stateUpdated", "truncate", times=1)
    with sql.open(session) as socket:
        socket.send("execute_sql", "e1", statement="SELECT 1")
        with pytest.raises(json.JSONDecodeError):
            socket.receive()


def test_news_are_late(sql: SqlClient, session: Session, control: ControlClient) -> None:
    control.add_fault("stateUpdated", {"type": "slow", "seconds": 0.7}, state="succeeded")
    with sql.open(session) as socket:
        begun = time.monotonic()
        socket.begin("SELECT 1")
        assert socket.receive()["state"] == "succeeded"
    assert time.monotonic() - begun >= 0.7


def test_a_message_is_handled_late(sql: SqlClient, session: Session, control: ControlClient) -> None:
    control.add_fault("executeSql", {"type": "slow", "seconds": 5}, times=1)
    with sql.open(session) as socket:
        socket.send("execute_sql", "e1", statement="SELECT 1")
        assert socket.retrieve("e1")["message"] == "Execution not found"
        assert [socket.receive()["state"] for _ in range(2)] == ["running", "succeeded"]


def test_a_late_message_arrives_although_the_connection_has_ended(
    sql: SqlClient, session: Session, control: ControlClient
) -> None:
    control.behaviour(sql_orphan_grace_seconds=0.2)
    control.add_fault("executeSql", {"type": "slow", "seconds": 0.5})
    with sql.open(session) as socket:
        socket.send("execute_sql", "e1", statement="HOLD")
    wait_for(lambda: executions(control, session), what="the statement")
    wait_for(lambda: executions(control, session)[0]["state"] == "cancelled", what="the end of the orphan")


def test_a_running_execution_is_forgotten(sql: SqlClient, session: Session, control: ControlClient) -> None:
    control.add_fault("executeSql", "evict", statement="hold")
    with sql.open(session) as socket:
        execution_id = socket.begin("HOLD")
        assert socket.retrieve(execution_id) == {
            "kind": "error",
            "execution_id": execution_id,
            "message": "Execution not found",
        }
        control.release_sql()
        assert socket.receive()["state"] == "succeeded"


def test_a_session_dies(sql: SqlClient, session: Session, control: ControlClient) -> None:
    control.add_fault("executeSql", "end_session")
    with sql.open(session) as socket:
        socket.send("execute_sql", "e1", statement="HOLD")
        with pytest.raises(ConnectionClosed) as raised:
            [socket.receive() for _ in range(2)]
    assert raised.value.rcvd is not None
    assert raised.value.rcvd.code == 1011
    assert sql.wait_for_session(session["id"], "DESTROYED")["message"] == "an injected fault"


@pytest.mark.parametrize(
    ("action", "status"),
    [({"type": "status", "status": 429, "headers": {"Retry-After": "5"}}, 429), ({"type": "html"}, 502)],
)
def test_the_upgrade_is_refused(
    action: dict[str, Any], status: int, sql: SqlClient, session: Session, control: ControlClient
) -> None:
    control.add_fault("openSqlSocket", action, session_id=session["id"], times=1)
    with pytest.raises(InvalidStatus) as raised:
        sql.open(session)
    assert raised.value.response.status_code == status
    assert raised.value.response.headers.get("Retry-After") == action.get("headers", {}).get("Retry-After")
    with sql.open(session) as socket:
        assert socket.rows("SELECT 1 AS n") == [{"n": 1}]
    entries = control.requests("openSqlSocket")
    assert [(entry["status"], entry["fault"]) for entry in entries] == [(status, action["type"]), (101, None)]


@pytest.mark.parametrize("action", ["reset", {"type": "hang", "seconds": 0.3}])
def test_the_upgrade_is_not_answered(action: Any, sql: SqlClient, session: Session, control: ControlClient) -> None:
    control.add_fault("openSqlSocket", action)
    with pytest.raises((OSError, EOFError, InvalidMessage)):
        sql.open(session)
    assert [entry["status"] for entry in control.requests("openSqlSocket")] == [None]


def test_the_upgrade_is_answered_and_the_connection_lost(
    sql: SqlClient, session: Session, control: ControlClient
) -> None:
    control.add_fault("openSqlSocket", "lose_answer")
    with pytest.raises((ConnectionClosed, EOFError, OSError)), sql.open(session) as socket:
        socket.receive()
    wait_for(lambda: control.sql_session(session["id"])["connections"] == 0, what="no connection")


def test_a_rule_for_everything_is_about_requests(sql: SqlClient, session: Session, control: ControlClient) -> None:
    with sql.open(session) as socket:
        control.add_fault("*", {"type": "status", "status": 503})
        assert socket.rows("SELECT 1 AS n") == [{"n": 1}]
        with pytest.raises(InvalidStatus, match="503"):
            sql.open(session)


def test_wrong_control_calls_are_refused(sql: SqlClient, session: Session, control: ControlClient) -> None:
    with pytest.raises(ControlError, match="404"):
        control.sql_session("nosuchsession")
    with pytest.raises(ControlError, match="code is 5"):
        control.drop_sql_connections(session["id"], code=5)
