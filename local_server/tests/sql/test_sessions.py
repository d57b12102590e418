"""SQL sessions over REST: who shares which, how they start and how they end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from local_server.tests.sql_support import SqlClient
from local_server.tests.support import KEY, assert_shape, behaviour
from tests.support.sql_control import SqlControl
from wherobots_local import LocalServer
from wherobots_local.api.requests import SqlSessionPayload
from wherobots_local.sql.session import LocalSqlSession


@pytest.fixture
def sql(server: LocalServer, control: SqlControl) -> SqlClient:
    for session in control.sql_sessions():
        control.end_sql_session(session["id"])
    control.behaviour(sql_synthetic=True)
    return SqlClient(server.url, server.root)


def test_a_session_is_asked_for_and_becomes_ready(sql: SqlClient, control: SqlControl) -> None:
    answer = sql.asked(runtimeId="tiny", version="latest", region="aws-eu-west-1")
    assert answer.status_code == 303
    session_id = answer.headers["Location"].removeprefix("/sql/session/")
    assert "X-Wherobots-Sql-Session-Fallback" not in answer.headers
    session = sql.wait_for_session(session_id)
    assert_shape(session, "SqlSessionKubeApp")
    assert session["appMeta"]["url"] == f"{sql.url}/sql/local0org00000/{session_id}/ws"
    assert (session["regionName"], session["appType"]) == ("aws-eu-west-1", "SQL_SESSION")
    assert session["apiPayload"]["runtimeId"] == "tiny"
    (entry,) = control.requests("createSqlSession")
    assert (entry["status"], entry["session_id"], entry["effective"]) == (303, session_id, True)


@pytest.mark.parametrize(
    ("other", "shares"),
    [
        ({}, True),
        ({"sessionType": "multi", "version": None}, True),
        ({"runtimeId": "small"}, False),
        ({"region": "aws-eu-west-1"}, False),
        ({"version": "preview"}, False),
        ({"shutdownAfterInactiveSeconds": 60}, False),
        ({"sessionKey": "k"}, False),
        ({"sessionType": "single"}, False),
        ({"force_new": True}, False),
    ],
)
def test_requests_that_are_equal_share_a_session(other: dict[str, Any], shares: bool, sql: SqlClient) -> None:
    first = sql.ask()
    second = sql.ask(**other)
    assert (first == second) is shares
    # The default region is one like any other.
    assert sql.ask(region="aws-us-west-2") in (first, second)


def test_a_key_is_shared_and_a_single_session_never(sql: SqlClient) -> None:
    assert sql.ask(sessionKey="k") == sql.ask(sessionKey="k")
    assert sql.ask(sessionType="single") != sql.ask(sessionType="single")


def test_a_key_that_the_service_ignores(sql: SqlClient, control: SqlControl) -> None:
    control.behaviour(sql_session_key=False)
    shared = sql.ask(sessionKey="k")
    assert shared == sql.ask(sessionKey="other") == sql.ask()
    assert sql.wait_for_session(shared)["apiPayload"]["sessionKey"] is None


def test_both_spellings_of_force_new(sql: SqlClient) -> None:
    first = sql.ask()
    for text, is_new in (("False", False), ("false", False), ("True", True), ("true", True)):
        answer = sql.request("POST", f"/sql/session?force_new={text}", json={}, allow_redirects=False)
        assert (answer.headers["Location"].rpartition("/")[2] != first) is is_new
        first = answer.headers["Location"].rpartition("/")[2]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"runtimeId": "huge"}, "runtimeId"),
        ({"sessionType": "many"}, "sessionType"),
        ({"shutdownAfterInactiveSeconds": 0}, "shutdownAfterInactiveSeconds"),
        ({"idleTimeoutMinutes": "soon"}, "idleTimeoutMinutes"),
    ],
)
def test_wrong_requests_are_refused(body: dict[str, Any], field: str, sql: SqlClient) -> None:
    answer = sql.asked(**body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert_shape(answer.json(), "ErrorBody")


def test_a_blank_region_is_refused(sql: SqlClient) -> None:
    assert sql.asked(region=" ").json()["errors"][0]["field"] == "region"


def test_a_session_takes_its_time(sql: SqlClient, control: SqlControl, monkeypatch: pytest.MonkeyPatch) -> None:
    control.behaviour(sql_start_delay_seconds=0.3)
    seen: list[tuple[str, str]] = []
    progress = LocalSqlSession._progress

    def noted(session: LocalSqlSession, status: str, message: str | None = None) -> None:
        seen.append((session.id, status))
        progress(session, status, message)

    monkeypatch.setattr(LocalSqlSession, "_progress", noted)
    begun = time.monotonic()
    session_id = sql.ready()["id"]
    assert time.monotonic() - begun >= 0.3
    steps = ("PREPARING", "REQUESTED", "DEPLOYING", "DEPLOYED", "INITIALIZING", "READY")
    assert [step for step in seen if step[0] == session_id] == [(session_id, step) for step in steps]


def test_an_unknown_session(sql: SqlClient) -> None:
    assert sql.request("GET", "/sql/session/nosuchsession").status_code == 404
    assert sql.request("DELETE", "/sql/session/nosuchsession").status_code == 404


def test_a_session_is_deleted_once(sql: SqlClient, control: SqlControl) -> None:
    session_id = sql.ready()["id"]
    for _ in range(2):
        assert sql.request("DELETE", f"/sql/session/{session_id}").json() is None
    assert sql.wait_for_session(session_id, "DESTROYED")["appMeta"]["url"] == ""
    assert [entry["effective"] for entry in control.requests("deleteSqlSession")] == [True, False]
    assert sql.ask() != session_id


def test_the_list_of_living_sessions(sql: SqlClient, control: SqlControl) -> None:
    here, there, ended = sql.ask(), sql.ask(region="aws-eu-west-1"), sql.ask(sessionKey="k")
    control.end_sql_session(ended)
    assert {item["id"] for item in sql.request("GET", "/sql/sessions").json()} == {here, there}
    (only,) = sql.request("GET", "/sql/sessions?region=aws-eu-west-1").json()
    assert only["id"] == there
    assert_shape(only, "SqlSessionKubeApp")


def test_a_session_beyond_the_quota_is_another_one(sql: SqlClient, control: SqlControl) -> None:
    control.behaviour(sql_max_sessions=1)
    first = sql.ask()
    answer = sql.asked(sessionKey="own")
    assert answer.headers["Location"] == f"/sql/session/{first}"
    assert answer.headers["X-Wherobots-Sql-Session-Fallback"] == "quota"
    # One that may be shared anyway is no fallback.
    assert "X-Wherobots-Sql-Session-Fallback" not in sql.asked().headers


def test_a_session_without_clients_ends(sql: SqlClient) -> None:
    session_id = sql.ask(shutdownAfterInactiveSeconds=1)
    assert sql.wait_for_session(session_id, "DESTROYED")["message"] == "the session was inactive"


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        ({}, 900),
        ({"idleTimeoutMinutes": 1}, 60),
        ({"idleTimeoutMinutes": 1, "shutdownAfterInactiveSeconds": 5}, 5),
        ({"idleTimeoutMinutes": 60}, 900),
    ],
)
def test_the_limits_of_a_session(limits: dict[str, int], seconds: float) -> None:
    # They are looked at instead of waited for.
    session = LocalSqlSession(
        SqlSessionPayload.model_validate(limits),
        "region",
        lambda _: None,  # type: ignore[arg-type, return-value]
        behaviour,
        stored=None,  # type: ignore[arg-type]
    )
    assert session.unused_seconds == seconds


def test_tests_end_a_session(sql: SqlClient, control: SqlControl) -> None:
    control.behaviour(sql_start_delay_seconds=60)
    session_id = sql.ask()
    control.end_sql_session(session_id, status="DEPLOY_FAILED", message="no nodes")
    assert sql.wait_for_session(session_id, "DEPLOY_FAILED")["message"] == "no nodes"


def test_faults_hit_the_calls_for_sessions(sql: SqlClient, control: SqlControl) -> None:
    control.add_fault("createSqlSession", {"type": "status", "status": 503}, times=1)
    assert sql.asked().status_code == 503
    session_id = sql.ask()
    control.add_fault("getSqlSession", {"type": "status", "status": 502})
    assert sql.request("GET", f"/sql/session/{session_id}").status_code == 502


def test_the_end_of_the_server_ends_sessions(tmp_path: Path) -> None:
    with LocalServer(tmp_path / "root", api_key=KEY, behaviour={"sql_synthetic": True}) as server:
        sql = SqlClient(server.url, server.root)
        socket = sql.open(sql.ready())
        socket.begin("HOLD")
    with pytest.raises(ConnectionClosed, match="1012"):
        socket.receive()
