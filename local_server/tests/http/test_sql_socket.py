"""Statements over the WebSocket of a SQL session: executed, retrieved, cancelled, taken over and forgotten."""

import json
import socket as sockets
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from local_server.tests.sql_support import NO_PROXY, Session, SqlClient, SqlSocket, table
from local_server.tests.support import KEY, assert_shape
from tests.support.sql_control import SqlControl
from tests.support.waiting import wait_for
from wherobots_local import LocalServer

NOT_FOUND = "Execution not found"


def of_session(control: SqlControl, session: Session, execution_id: str) -> dict[str, Any]:
    """What the server knows about an execution."""
    found: dict[str, Any] = next(
        item for item in control.sql_session(session["id"])["executions"] if item["execution_id"] == execution_id
    )
    return found


def wait_for_state(control: SqlControl, session: Session, execution_id: str, state: str) -> None:
    wait_for(lambda: of_session(control, session, execution_id)["state"] == state, what=f"the execution to be {state}")


def wait_for_orphan(control: SqlControl, session: Session, execution_id: str) -> None:
    wait_for(lambda: not of_session(control, session, execution_id)["has_listener"], what="the execution's orphanhood")


# Statements and results.


def test_a_statement_and_its_rows(sql: SqlClient, session: Session, control: SqlControl) -> None:
    with sql.open(session) as socket:
        execution_id, state = socket.run("SELECT 7 AS n")
        assert state == {"kind": "state_updated", "execution_id": execution_id, "state": "succeeded"}
        answer = socket.retrieve(execution_id)
    assert table(answer).to_pylist() == [{"n": 7}]
    del answer["results"]["result_bytes"]
    # What was left out means Arrow, Brotli and EWKT.
    form = {"format": "arrow", "compression": "brotli", "geometry": "ewkt", "geo_columns": []}
    assert answer == {"kind": "execution_result", "execution_id": execution_id, "state": "succeeded", "results": form}
    executed, retrieved = control.requests("executeSql") + control.requests("retrieveResults")
    assert (executed["method"], executed["statement"], executed["effective"]) == ("MESSAGE", "SELECT 7 AS n", True)
    assert executed["session_id"] == retrieved["session_id"] == session["id"]
    assert executed["execution_id"] == retrieved["execution_id"] == execution_id
    assert KEY not in str(control.requests())


def test_a_statement_without_a_result(sql: SqlClient, session: Session, control: SqlControl) -> None:
    with sql.open(session) as socket:
        execution_id, state = socket.run("CREATE TABLE t (n INT)")
        assert state["state"] == "succeeded"
        found = table(socket.retrieve(execution_id))
        assert (found.num_columns, found.num_rows) == (0, 0)
        control.behaviour(sql_results_of_ddl="null")
        assert socket.retrieve(execution_id)["results"] is None


def test_a_statement_that_fails(sql: SqlClient, session: Session) -> None:
    with sql.open(session) as socket:
        execution_id, state = socket.run("FAIL [TABLE_OR_VIEW_NOT_FOUND] gone")
        assert state == {"kind": "state_updated", "execution_id": execution_id, "state": "failed"}
        error = {"kind": "error", "execution_id": execution_id, "message": "[TABLE_OR_VIEW_NOT_FOUND] gone"}
        assert socket.receive() == error
        # Who asks later hears the same.
        answer = socket.retrieve(execution_id)
        assert (answer["kind"], answer["state"], answer["results"]) == ("execution_result", "failed", None)
        assert socket.receive() == error


def test_progress_is_sent_on_request(sql: SqlClient, session: Session) -> None:
    with sql.open(session) as socket:
        execution_id = socket.begin("SLEEP 0.5", enable_progress_events=True)
        seen = [socket.receive()]
        while seen[-1]["kind"] == "execution_progress":
            seen.append(socket.receive())
        assert seen[0] == {
            "kind": "execution_progress",
            "execution_id": execution_id,
            "tasks_total": 10,
            "tasks_completed": 0,
            "tasks_active": 1,
        }
        assert [message["tasks_completed"] for message in seen[:-1]] == list(range(11))
        _, state = socket.run("SLEEP 0.2")
        assert state["kind"] == "state_updated"


def test_several_statements_at_the_same_time(sql: SqlClient, session: Session, control: SqlControl) -> None:
    with sql.open(session) as socket:
        slow = socket.begin("HOLD")
        quick, state = socket.run("SELECT 1 AS n")
        assert (state["execution_id"], state["state"]) == (quick, "succeeded")
        answer = socket.retrieve(slow)
        assert (answer["kind"], answer["state"], answer["results"]) == ("execution_result", "running", None)
        control.release_sql()
        assert socket.receive()["execution_id"] == slow


@pytest.mark.parametrize(
    "frame",
    [
        "no JSON",
        "[]",
        b"\x00\x01",
        '{"kind": "execute_sql"}',
        '{"kind": "dance", "execution_id": "e"}',
        '{"execution_id": "e"}',
        "[" * 100_000,
        '{"kind": "cancel", "execution_id": "e", "a": ' + '{"a": ' * 600 + "1" + "}" * 601,
    ],
)
def test_a_message_without_a_known_kind_is_ignored(frame: str | bytes, sql: SqlClient, session: Session) -> None:
    with sql.open(session) as socket:
        socket.connection.send(frame)
        assert socket.rows("SELECT 1 AS n") == [{"n": 1}]


def test_a_message_that_breaks_a_rule_is_an_error(sql: SqlClient, session: Session) -> None:
    with sql.open(session) as socket:
        socket.send("execute_sql", "e1", statement=5)
        answer = socket.receive()
        assert (answer["kind"], answer["execution_id"]) == ("error", "e1")
        assert "statement is 5" in answer["message"]
        socket.send("retrieve_results", "e1", compression="rar")
        assert "compression is 'rar'" in socket.receive()["message"]


# Stored results.


@pytest.mark.parametrize("form", ["parquet", "csv", "geojson"])
@pytest.mark.parametrize("single", [True, False, "true", "false"])
def test_a_result_is_stored(
    form: str, single: bool | str, sql: SqlClient, session: Session, control: SqlControl
) -> None:
    with sql.open(session) as socket:
        execution_id, state = socket.run("ROWS 1500", store={"format": form, "single": single, "options": None})
        answer = socket.retrieve(execution_id)
    path = sql.root / state["result_uri"].removeprefix("s3://")
    is_file = str(single).lower() == "true"
    assert state["result_uri"].startswith(
        "s3://managed-storage/local0org00000/data/customer-local0user0000/sql-results/"
    )
    assert (state["result_uri"].endswith("/"), path.is_file()) == (not is_file, is_file)
    (file,) = [path] if is_file else path.iterdir()
    assert (file.suffix, file.stat().st_size) == (f".{form}", state["size"])
    # Nothing is retrieved, but who takes over hears where it is.
    assert (answer["results"], answer["result_uri"]) == (None, state["result_uri"])


def test_a_stored_result_can_be_read_without_the_key(sql: SqlClient, session: Session) -> None:
    store = {"format": "csv", "single": "true", "generate_presigned_url": "true"}
    with sql.open(session) as socket:
        _, state = socket.run("ROWS 2", store=store)
        _, failed = socket.run("ROWS 2", store={**store, "single": "false"})
        error = socket.receive()
    assert requests.get(state["result_uri"], timeout=30).text == '"id","name"\n0,"row 0"\n1,"row 1"\n'
    assert (failed["state"], "needs single" in error["message"]) == ("failed", True)


# Cancelling.


def test_a_statement_is_cancelled(sql: SqlClient, session: Session, control: SqlControl) -> None:
    with sql.open(session) as socket:
        execution_id = socket.begin("HOLD")
        for _ in range(2):
            socket.send("cancel", execution_id)
        assert socket.receive() == {"kind": "state_updated", "execution_id": execution_id, "state": "cancelled"}
        assert socket.silence()
    assert [entry["effective"] for entry in control.requests("cancelExecution")] == [True, False]


def test_a_statement_is_cancelled_before_it_begins(sql: SqlClient, session: Session) -> None:
    with sql.open(session) as socket:
        for number in range(20):
            socket.send("execute_sql", f"e{number}", statement="HOLD")
            socket.send("cancel", f"e{number}")
            assert [socket.receive()["state"] for _ in range(2)] == ["running", "cancelled"]


@pytest.mark.parametrize(
    ("rule", "unknown", "ended"),
    [
        ("nothing", None, None),
        ("state", {"kind": "state_updated", "state": "cancelled"}, {"kind": "state_updated", "state": "succeeded"}),
        (
            "error",
            {"kind": "error", "message": NOT_FOUND},
            {"kind": "error", "message": "Execution is already succeeded"},
        ),
    ],
)
def test_a_needless_cancel(
    rule: str, unknown: Any, ended: Any, sql: SqlClient, session: Session, control: SqlControl
) -> None:
    control.behaviour(sql_needless_cancel=rule)
    with sql.open(session) as socket:
        execution_id, _ = socket.run("SELECT 1")
        for cancelled, expected in (("unknown", unknown), (execution_id, ended)):
            socket.send("cancel", cancelled)
            if expected is None:
                assert socket.silence()
            else:
                assert socket.receive() == {**expected, "execution_id": cancelled}
    assert [entry["effective"] for entry in control.requests("cancelExecution")] == [False, False]


# Used ids.


@pytest.mark.parametrize(("rule", "times"), [("executed", 2), ("refused", 1)])
def test_a_used_id(rule: str, times: int, sql: SqlClient, session: Session, control: SqlControl) -> None:
    control.behaviour(sql_used_execution_id=rule)
    with sql.open(session) as socket:
        execution_id, _ = socket.run("INSERT INTO t VALUES (1)")
        socket.send("execute_sql", execution_id, statement="INSERT INTO t VALUES (1)")
        if rule == "executed":
            assert [socket.receive()["state"] for _ in range(2)] == ["running", "succeeded"]
        else:
            assert socket.receive()["message"] == "Execution already exists"
    assert sum(entry["effective"] for entry in control.requests("executeSql")) == times


# Lost connections.


def test_a_statement_is_taken_over(sql: SqlClient, session: Session, control: SqlControl) -> None:
    with sql.open(session) as socket:
        execution_id = socket.begin("HOLD", enable_progress_events=True)
        assert control.drop_sql_connections(session["id"]) == 1
        with pytest.raises(ConnectionClosedError):
            [socket.receive() for _ in range(2)]
    with sql.open(session) as second:
        answer = second.retrieve(execution_id, attach=True)
        assert (answer["state"], answer["attached"], answer["results"]) == ("running", True, None)
        control.release_sql()
        seen = [second.receive(), second.receive()]
        assert [message["kind"] for message in seen] == ["execution_progress", "state_updated"]
        assert table(second.retrieve(execution_id)).to_pylist() == [{"held": True}]
    assert [entry["effective"] for entry in control.requests("executeSql")] == [True]


def test_only_the_newest_connection_hears_of_it(sql: SqlClient, session: Session, control: SqlControl) -> None:
    with sql.open(session) as first, sql.open(session) as second:
        execution_id = first.begin("HOLD")
        assert "attached" not in second.retrieve(execution_id)
        assert second.retrieve(execution_id, attach=True)["attached"] is True
        control.release_sql()
        assert second.receive()["state"] == "succeeded"
        assert first.silence()


def test_an_older_session_does_not_attach(sql: SqlClient, session: Session, control: SqlControl) -> None:
    control.behaviour(sql_attach=False)
    with sql.open(session) as first, sql.open(session) as second:
        execution_id = first.begin("ROWS 2", store={"format": "csv"})
        assert first.receive()["result_uri"]
        answer = second.retrieve(execution_id, attach=True)
    assert (answer["state"], answer["results"]) == ("succeeded", None)
    assert not {"attached", "result_uri", "size"} & set(answer)


def test_orphans_are_cancelled(sql: SqlClient, session: Session, control: SqlControl) -> None:
    control.behaviour(sql_orphan_grace_seconds=0.5)
    socket = sql.open(session)
    execution_id = socket.begin("HOLD")
    control.drop_sql_connections(session["id"])
    wait_for_state(control, session, execution_id, "cancelled")
    with sql.open(session) as second:
        answer = second.retrieve(execution_id, attach=True)
        assert (answer["state"], answer["attached"]) == ("cancelled", True)


def test_without_a_grace_an_orphan_continues(sql: SqlClient, session: Session, control: SqlControl) -> None:
    control.behaviour(sql_orphan_grace_seconds=None)
    with sql.open(session) as socket:
        execution_id = socket.begin("SLEEP 1")
    wait_for_state(control, session, execution_id, "succeeded")


@pytest.mark.parametrize(("reading", "state"), [("orphans", "running"), ("cancels", "cancelled")])
def test_a_client_that_closes_cleanly(
    sql: SqlClient, session: Session, control: SqlControl, reading: str, state: str
) -> None:
    control.behaviour(sql_clean_close=reading)
    with sql.open(session) as socket, sql.open(session) as other:
        execution_id, others = socket.begin("HOLD"), other.begin("HOLD")
        socket.connection.close()
        wait_for_orphan(control, session, execution_id)
        wait_for_state(control, session, execution_id, state)
        control.release_sql()
        wait_for_state(control, session, others, "succeeded")


def test_a_clean_close_cancels_only_when_it_is_one(sql: SqlClient, session: Session, control: SqlControl) -> None:
    control.behaviour(sql_clean_close="cancels")
    with sql.open(session) as socket:
        execution_id = socket.begin("HOLD")
        socket.connection.socket.shutdown(sockets.SHUT_RDWR)
        wait_for_orphan(control, session, execution_id)
    control.release_sql()
    wait_for_state(control, session, execution_id, "succeeded")


def test_the_server_closes_connections_with_a_code(sql: SqlClient, session: Session, control: SqlControl) -> None:
    with sql.open(session) as socket:
        execution_id = socket.begin("HOLD")
        control.drop_sql_connections(session["id"], code=4001)
        with pytest.raises(ConnectionClosed) as raised:
            socket.receive()
    assert raised.value.rcvd is not None
    assert raised.value.rcvd.code == 4001
    wait_for_orphan(control, session, execution_id)
    assert of_session(control, session, execution_id)["state"] == "running"


# What a session remembers.


def test_the_oldest_execution_is_forgotten(sql: SqlClient, session: Session, control: SqlControl) -> None:
    with sql.open(session) as socket:
        running = socket.begin("HOLD")
        first, _ = socket.run("SELECT 1 AS n")
        second, *_ = [socket.run("SELECT 2 AS n")[0] for _ in range(15)]
        # One that still runs is forgotten too, and its last state comes all the same.
        error = {"kind": "error", "execution_id": running, "message": NOT_FOUND}
        assert socket.retrieve(running) == error
        assert table(socket.retrieve(first)).to_pylist() == [{"n": 1}]
        # The one that was not asked for is the oldest now.
        third, _ = socket.run("SELECT 3 AS n")
        assert socket.retrieve(second)["message"] == NOT_FOUND
        assert socket.retrieve(third)["state"] == "succeeded"
        control.release_sql()
        assert socket.receive() == {"kind": "state_updated", "execution_id": running, "state": "succeeded"}


def test_a_client_that_reads_nothing_loses_its_connection(
    sql: SqlClient, session: Session, control: SqlControl
) -> None:
    control.answer_sql("LONG", {"text": ["x" * 1_000_000]})
    with sql.open(session) as socket:
        execution_id, _ = socket.run("SELECT LONG")
        # It may end before the last of them is sent.
        with suppress(ConnectionClosed):
            for _ in range(100):
                socket.send("retrieve_results", execution_id, compression="none")
        wait_for(lambda: not control.sql_session(session["id"])["connections"], what="the end of the connection")


# The end of a session.


def test_the_end_of_a_session_closes_its_connections(sql: SqlClient, session: Session, control: SqlControl) -> None:
    with sql.open(session) as socket:
        execution_id = socket.begin("HOLD")
        sql.request("DELETE", f"/sql/session/{session['id']}")
        with pytest.raises(ConnectionClosed) as raised:
            socket.receive()
    assert raised.value.rcvd is not None
    assert (raised.value.rcvd.code, raised.value.rcvd.reason) == (1000, "the session was deleted")
    wait_for_state(control, session, execution_id, "cancelled")


def refused(session: Session, **options: Any) -> int:
    with pytest.raises(InvalidStatus) as raised:
        SqlSocket(session["appMeta"]["url"], **options)
    return raised.value.response.status_code


def test_no_connection_to_a_session_that_is_not_ready(sql: SqlClient, control: SqlControl) -> None:
    control.behaviour(sql_start_delay_seconds=3600)
    session_id = sql.ask(sessionType="single")
    session = {"appMeta": {"url": f"{sql.url}/sql/local0org00000/{session_id}/ws"}}
    assert refused(session) == 503
    control.end_sql_session(session_id)
    assert refused(session) == 404
    assert [entry["status"] for entry in control.requests("openSqlSocket")] == [503, 404]


# Who is let in.


@pytest.mark.parametrize(
    ("headers", "status"), [({}, 401), ({"X-API-Key": "wrong"}, 401), ({"Authorization": "Bearer wrong"}, 401)]
)
def test_no_connection_without_the_key(headers: dict[str, str], status: int, sql: SqlClient, session: Session) -> None:
    with pytest.raises(InvalidStatus) as raised:
        SqlSocket(session["appMeta"]["url"], headers=headers)
    assert raised.value.response.status_code == status
    assert_shape(json.loads(raised.value.response.body or b""), "ErrorBody")
    assert "X-Request-Id" in raised.value.response.headers


def test_a_key_in_the_url_is_not_logged(sql: SqlClient, session: Session, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(1)
    url = f"ws{session['appMeta']['url'].removeprefix('http')}/1.0.0"
    with connect(f"{url}?token={KEY}", additional_headers={"X-API-Key": KEY}, **NO_PROXY):
        pass
    assert KEY not in "".join(record.getMessage() for record in caplog.records if "websockets" not in record.name)


def test_another_host_is_refused(sql: SqlClient, session: Session, server: LocalServer) -> None:
    url = f"ws{session['appMeta']['url'].removeprefix('http')}/1.0.0".replace("127.0.0.1", "evil.example")
    reached = sockets.create_connection(("127.0.0.1", server.port))
    with reached, pytest.raises(InvalidStatus, match="403"):
        connect(url, sock=reached, additional_headers={"X-API-Key": KEY})


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/1.0.1", {"X-API-Key": KEY}, "404"),
        ("", {"X-API-Key": KEY}, "403"),
        ("/1.0.0/more", {"X-API-Key": KEY}, "403"),
        (f"/1.0.0?token={KEY}", {}, "401"),
        (f"/1.0.0?api_key={KEY}", {}, "401"),
    ],
)
def test_another_address_or_a_key_in_it_opens_nothing(
    path: str, headers: dict[str, str], status: str, sql: SqlClient, session: Session
) -> None:
    url = f"ws{session['appMeta']['url'].removeprefix('http')}{path}"
    with pytest.raises(InvalidStatus, match=status):
        connect(url, additional_headers=headers, **NO_PROXY)


def test_a_large_result_arrives_whole(sql: SqlClient, session: Session, control: SqlControl) -> None:
    control.behaviour(sql_max_rows=None)
    with sql.open(session) as socket:
        answer = socket.retrieve(socket.run("ROWS 500000")[0], compression="none")
    assert len(answer["results"]["result_bytes"]) > 10_000_000
    assert table(answer).num_rows == 500_000


def test_servers_one_after_the_other_give_results_and_cause_no_warning(tmp_path: Path) -> None:
    """The allocator of pyarrow belongs to the thread that imports it, which must not be one of the first server."""
    program = (
        "import json, sys, cbor2, requests\n"
        "from websockets.sync.client import connect\n"
        "from local_server.tests.sql_support import NO_PROXY\n"
        "from wherobots_local import LocalServer\n"
        "for turn in range(6):\n"
        "    behaviour = {'sql_synthetic': True}\n"
        "    with LocalServer(sys.argv[1], api_key='test-key', behaviour=behaviour) as server:\n"
        "        server.control.answer_sql('ROWS', {'id': list(range(1500))})\n"
        "        headers, session = {'X-API-Key': 'test-key'}, {'status': ''}\n"
        "        while session['status'] != 'READY':\n"
        "            session = requests.post(f'{server.url}/sql/session', json={}, headers=headers, timeout=9).json()\n"
        "        url = f\"ws{session['appMeta']['url'].removeprefix('http')}/1.0.0\"\n"
        "        with connect(url, additional_headers=headers, **NO_PROXY) as socket:\n"
        "            for text in '12345':\n"
        "                message = {'kind': 'execute_sql', 'execution_id': text, 'statement': 'ROWS 1500'}\n"
        "                socket.send(json.dumps(message)), socket.recv(), socket.recv()\n"
        "                socket.send(json.dumps({'kind': 'retrieve_results', 'execution_id': text}))\n"
        "                assert cbor2.loads(socket.recv())['results']['result_bytes']\n"
    )
    errors = [f"-Werror::DeprecationWarning:{package}" for package in ("uvicorn", "websockets", "wherobots_local")]
    command = [sys.executable, *errors, "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
