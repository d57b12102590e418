"""The SQL hook, its connection and its cursor, against a local server over HTTP and a WebSocket."""

import importlib
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from enum import Enum
from typing import Any

import pytest

from airflow_provider_wherobots.compat import AIRFLOW, AirflowFailException, AirflowOptionalProviderFeatureException
from airflow_provider_wherobots.dbapi import connection as connection_module
from airflow_provider_wherobots.dbapi import errors
from airflow_provider_wherobots.exceptions import (
    WherobotsArgumentException,
    WherobotsRequestException,
    WherobotsSqlOutcomeUnknownException,
    WherobotsSqlSessionException,
    WherobotsSqlStatementCancelledException,
    WherobotsSqlStatementFailedException,
    WherobotsTaskKilledException,
)
from airflow_provider_wherobots.flows.sql import connection
from airflow_provider_wherobots.flows.sql.statement import cancel, connect
from airflow_provider_wherobots.hooks import sql as hook_module
from airflow_provider_wherobots.hooks.sql import WherobotsSqlHook
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from tests.integration import sql_support
from tests.integration.signals import signal_when
from tests.integration.sql_support import API_KEY, executed, set_connection
from tests.support.waiting import wait_for
from wherobots_local import ControlClient, LocalServer

PLACES: dict[str, list[Any]] = {"id": [1, 2], "geom": ["SRID=4326;POINT (1 2)", None]}


class Region(Enum):
    """Stands for the official provider's."""

    AWS_US_WEST_2 = "aws-us-west-2"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    yield from sql_support.synthetic_server(tmp_path_factory.mktemp("root"))


@pytest.fixture
def control(server: LocalServer) -> Iterator[ControlClient]:
    yield from sql_support.control_of(server)


@pytest.fixture
def hook(server: LocalServer, control: ControlClient, monkeypatch: pytest.MonkeyPatch) -> WherobotsSqlHook:
    set_connection(monkeypatch, server)
    return WherobotsSqlHook()


def session_requests(control: ControlClient) -> int:
    return len(control.requests("createSqlSession"))


# Statements and their results


def test_records_are_tuples(hook: WherobotsSqlHook, control: ControlClient) -> None:
    control.answer_sql("SELECT * FROM places", PLACES, geometry=["geom"])
    assert hook.get_records("SELECT * FROM places") == [(1, "SRID=4326;POINT (1 2)"), (2, None)]
    assert hook.get_first("SELECT * FROM places") == (1, "SRID=4326;POINT (1 2)")
    description = hook.last_description
    assert description is not None
    assert [column[:2] for column in description] == [("id", "bigint"), ("geom", "geometry")]
    assert all(len(column) == 7 for column in description)


def test_geometries_are_written_as_the_hook_is_told(
    server: LocalServer, control: ControlClient, hook: WherobotsSqlHook
) -> None:
    control.answer_sql("SELECT geom FROM places", {"geom": PLACES["geom"]}, geometry=["geom"])
    assert WherobotsSqlHook(geometry="wkt").get_first("SELECT geom FROM places") == ("POINT (1 2)",)


@pytest.mark.parametrize("ddl", ["columnless", "null"])
def test_a_statement_without_a_result_set(hook: WherobotsSqlHook, control: ControlClient, ddl: str) -> None:
    control.behaviour(sql_results_of_ddl=ddl)
    with closing(hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("CREATE TABLE t AS SELECT 1")
        assert (cursor.description, cursor.rowcount) == (None, -1)
        assert (cursor.fetchall(), cursor.fetchone(), cursor.fetchmany(3), list(cursor)) == ([], None, [], [])
        assert cursor.fetch_pandas().empty
    assert hook.get_records("DROP TABLE t") is None
    assert hook.get_first("DROP TABLE t") is None


def test_an_empty_result_set_has_columns(hook: WherobotsSqlHook, control: ControlClient) -> None:
    control.answer_sql("SELECT * FROM empty", {"id": []})
    with closing(hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("SELECT * FROM empty")
        assert cursor.description is not None
        assert (cursor.description[0][0], cursor.rowcount) == ("id", 0)
        assert (cursor.fetchall(), cursor.fetchone()) == ([], None)
    assert hook.get_records("SELECT * FROM empty") == []


def test_rows_are_fetched_in_order_and_once(hook: WherobotsSqlHook) -> None:
    with hook.get_conn() as connection, connection.cursor() as cursor:
        cursor.execute("ROWS 7")
        assert cursor.rowcount == 7
        assert cursor.fetchone() == (0, "row 0")
        assert cursor.fetchmany(2) == [(1, "row 1"), (2, "row 2")]
        assert cursor.fetchmany() == [(3, "row 3")]
        assert next(iter(cursor)) == (4, "row 4")
        assert cursor.fetchall() == [(5, "row 5"), (6, "row 6")]
        assert cursor.fetchall() == []
        assert len(cursor.fetch_pandas()) == 7


def test_executemany_executes_once_for_each(hook: WherobotsSqlHook, control: ControlClient) -> None:
    with hook.get_conn() as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO t VALUES (%s, %s)", [(1, "a"), (2, "b'")])
        assert cursor.description is None
    assert executed(control) == ["INSERT INTO t VALUES (1, 'a')", "INSERT INTO t VALUES (2, 'b\\'')"]


def test_rows_are_inserted_with_the_types_that_they_have(hook: WherobotsSqlHook, control: ControlClient) -> None:
    hook.insert_rows("t", [(1, "O'Brien", None, 0.5)], target_fields=["a", "b", "c", "d"])
    assert executed(control) == ["INSERT INTO t (a, b, c, d) VALUES (1,'O\\'Brien',NULL,0.5E0)"]


def test_exactly_as_many_rows_as_the_service_returns_are_warned_about_once(
    hook: WherobotsSqlHook, times_said: Callable[[str], int]
) -> None:
    assert len(hook.get_records("ROWS 999")) == 999
    assert times_said("exactly 1,000 rows") == 0
    assert len(hook.get_records("ROWS 1500")) == 1000
    assert times_said("exactly 1,000 rows") == 1


# Runs


def test_a_run_without_a_handler_does_not_cancel_its_statement(hook: WherobotsSqlHook, control: ControlClient) -> None:
    hook.run("SLEEP 0.2")
    hook.run("SLEEP 0.2", handler=lambda cursor: cursor.fetchall())
    assert executed(control) == ["SLEEP 0.2", "SLEEP 0.2"]
    assert control.requests("cancelExecution") == []
    (session,) = [one for one in control.sql_sessions() if one["status"] == "READY"]
    assert [one["state"] for one in session["executions"]] == ["succeeded", "succeeded"]
    assert session["connections"] == 0


def test_a_second_run_works_in_the_same_session(hook: WherobotsSqlHook, control: ControlClient) -> None:
    assert hook.get_first("SELECT 7 AS n") == (7,)
    first = hook.session
    assert hook.get_first("SELECT 8 AS n") == (8,)
    assert hook.session == first
    assert len(control.sql_sessions()) == len({one["id"] for one in control.sql_sessions()})


def test_a_list_of_statements_runs_on_one_connection(hook: WherobotsSqlHook, control: ControlClient) -> None:
    results = hook.run(["CREATE TABLE t (a INT)", "SELECT 7 AS n"], handler=lambda cursor: cursor.fetchall())
    assert results == [[], [(7,)]]
    assert session_requests(control) == 1


def test_statements_are_split_at_semicolons_that_end_them(hook: WherobotsSqlHook, control: ControlClient) -> None:
    sql = "SELECT /*+ BROADCAST(t) */ ';' ; -- nothing;\nSELECT 7 AS n;"
    assert hook.run(sql, split_statements=True, handler=lambda cursor: cursor.fetchall()) == []
    assert executed(control) == ["SELECT /*+ BROADCAST(t) */ ';'", "-- nothing;\nSELECT 7 AS n"]


def test_a_cursor_shows_the_result_of_what_was_executed_otherwise(
    hook: WherobotsSqlHook, control: ControlClient
) -> None:
    with hook.get_conn() as connection, connection.cursor() as cursor:
        outcome = connection.execute("SELECT 7 AS n")
        cursor.take(outcome)
        assert (cursor.fetchall(), cursor.query_id) == ([(7,)], outcome.execution_id)
        with pytest.raises(WherobotsSqlStatementFailedException, match="gone"):
            cursor.take(connection.execute("FAIL gone"))
        assert (cursor.description, cursor.rowcount, cursor.fetchall()) == (None, -1, [])


def test_autocommit_and_commit_do_nothing(hook: WherobotsSqlHook) -> None:
    hook.run("SELECT 7 AS n", autocommit=True)
    with hook.get_conn() as connection:
        assert hook.get_autocommit(connection)
        connection.commit()
        with pytest.raises(errors.NotSupportedError, match="no transactions"):
            connection.rollback()


# Parameters and logs


def test_parameters_are_quoted_and_never_logged(
    hook: WherobotsSqlHook, control: ControlClient, said: Callable[[], str]
) -> None:
    hook.run(
        "SELECT * FROM %(c)i.hail WHERE a = %(a)s AND b LIKE '%b'", parameters={"c": "org", "a": "secret'\\ OR 1=1"}
    )
    assert executed(control) == ["SELECT * FROM `org`.hail WHERE a = 'secret\\'\\\\ OR 1=1' AND b LIKE '%b'"]
    logged = said()
    assert "Executing: SELECT * FROM %(c)i.hail WHERE a = %(a)s AND b LIKE ?" in logged
    assert "secret" not in logged


def test_a_statement_is_not_logged_if_the_hook_is_told_so(
    server: LocalServer, hook: WherobotsSqlHook, said: Callable[[], str]
) -> None:
    WherobotsSqlHook(log_sql=False).run("SELECT 7 AS n")
    assert "SELECT" not in said()


@pytest.mark.parametrize(
    ("sql", "parameters", "says"),
    [
        ("SELECT '%(a)s'", {"a": 1}, "stands inside quotes"),
        ("SELECT * FROM %(a)s.t", {"a": "x"}, "write %(a)i"),
        ("SELECT %s", [object()], "parameters[0]: is of type object"),
        ([" "], None, "sql: must be a string that is not empty, but is empty"),
        ([["SELECT 'secret'"]], None, "sql: must be a string that is not empty, but is of type list"),
    ],
)
def test_wrong_statements_and_parameters_are_refused_before_anything_is_sent(
    hook: WherobotsSqlHook, control: ControlClient, sql: Any, parameters: Any, says: str
) -> None:
    with pytest.raises(WherobotsArgumentException, match=re.escape(says)) as caught:
        hook.run(sql, parameters=parameters)
    assert isinstance(caught.value, AirflowFailException)
    assert "secret" not in str(caught.value)
    assert executed(control) == []


def test_control_characters_of_a_statement_are_visible_in_the_log(
    hook: WherobotsSqlHook, said: Callable[[], str]
) -> None:
    hook.run("SELECT `a\x1b[2Kb`")
    assert "Executing: SELECT `a\\x1b[2Kb`" in said()


# Failures


def test_a_statement_that_fails_says_why_in_the_engines_words(hook: WherobotsSqlHook) -> None:
    with pytest.raises(WherobotsSqlStatementFailedException, match=r"\[TABLE_OR_VIEW_NOT_FOUND\] gone") as caught:
        hook.run("FAIL [TABLE_OR_VIEW_NOT_FOUND] gone")
    assert not isinstance(caught.value, AirflowFailException), "a retry may help"
    assert isinstance(caught.value.__context__, errors.StatementError)


def test_a_cancel_of_somebody_else_is_a_failure_of_its_own(
    hook: WherobotsSqlHook, server: LocalServer, control: ControlClient
) -> None:
    def cancel_from_elsewhere() -> None:
        wait_for(lambda: executed(control), what="the statement")
        assert hook.session is not None
        with WherobotsHook().driver() as driver:
            driver.run(connect(hook.session))
            assert driver.run(cancel(control.requests("executeSql")[0]["execution_id"]))

    thread = threading.Thread(target=cancel_from_elsewhere)
    thread.start()
    with pytest.raises(WherobotsSqlStatementCancelledException):
        hook.run("HOLD")
    thread.join()


def test_a_forgotten_execution_is_an_unknown_outcome_that_is_not_retried(
    hook: WherobotsSqlHook, control: ControlClient
) -> None:
    """The connection is lost, and the session no longer knows the execution."""

    def lose() -> None:
        wait_for(lambda: executed(control), what="the statement")
        (entry,) = control.requests("executeSql")
        control.evict_sql_execution(entry["session_id"], entry["execution_id"])
        control.drop_sql_connections(entry["session_id"])

    thread = threading.Thread(target=lose)
    thread.start()
    with pytest.raises(WherobotsSqlOutcomeUnknownException, match=r"^Outcome unknown: .* may have written") as caught:
        hook.run("HOLD")
    thread.join()
    assert isinstance(caught.value, AirflowFailException)
    assert executed(control) == ["HOLD"]


def test_a_session_that_ends_while_it_starts(hook: WherobotsSqlHook, control: ControlClient) -> None:
    control.behaviour(sql_start_delay_seconds=60)

    def end() -> None:
        wait_for(lambda: control.requests("getSqlSession"), what="a poll")
        for session in control.sql_sessions():
            control.end_sql_session(session["id"])

    thread = threading.Thread(target=end)
    thread.start()
    with pytest.raises(WherobotsSqlSessionException):
        hook.run("SELECT 1 AS n")
    thread.join()


def test_a_session_that_is_not_ready_in_time(
    server: LocalServer, control: ControlClient, hook: WherobotsSqlHook
) -> None:
    control.behaviour(sql_start_delay_seconds=60)
    with pytest.raises(WherobotsSqlSessionException, match=r"session_wait_timeout=1\b"):
        WherobotsSqlHook(session_wait_timeout=1).run("SELECT 1 AS n")
    assert executed(control) == []


def test_a_session_that_refuses_the_connection_is_asked_for_again_by_a_retry(
    hook: WherobotsSqlHook, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has ended after its last poll."""
    monkeypatch.setattr(connection, "REFUSED_SECONDS", 0.5)
    control.add_fault("openSqlSocket", {"type": "status", "status": 404})
    with pytest.raises(WherobotsSqlSessionException, match="404") as caught:
        hook.run("SELECT 1 AS n")
    assert not isinstance(caught.value, AirflowFailException)
    control.clear_faults()
    assert hook.get_first("SELECT 7 AS n") == (7,)


def test_a_key_that_the_session_refuses_is_not_retried(hook: WherobotsSqlHook, control: ControlClient) -> None:
    control.add_fault("openSqlSocket", {"type": "status", "status": 401})
    with pytest.raises(WherobotsRequestException, match="the API key is refused") as caught:
        hook.run("SELECT 1 AS n")
    assert isinstance(caught.value, AirflowFailException)


def test_a_connection_that_is_lost_is_replaced_without_executing_twice(
    hook: WherobotsSqlHook, control: ControlClient
) -> None:
    def lose() -> None:
        wait_for(lambda: executed(control), what="the statement")
        (entry,) = control.requests("executeSql")
        control.drop_sql_connections(entry["session_id"])
        wait_for(lambda: any(one["connections"] for one in control.sql_sessions()), what="another connection")
        control.release_sql()

    thread = threading.Thread(target=lose)
    thread.start()
    assert hook.get_first("HOLD") == (True,)
    thread.join()
    assert executed(control) == ["HOLD"]


def test_a_wrong_key_is_told_and_not_retried(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    set_connection(monkeypatch, server, password="wrong")
    with pytest.raises(WherobotsRequestException, match="the API key is refused") as caught:
        WherobotsSqlHook().run("SELECT 1 AS n")
    assert isinstance(caught.value, AirflowFailException)


# Interruptions


class Interrupted(BaseException):
    """What Airflow raises in a task from a signal handler."""


def test_an_interruption_cancels_the_statement_that_runs(hook: WherobotsSqlHook, control: ControlClient) -> None:
    """As ``execution_timeout`` does."""

    def interrupt(*_: Any) -> None:
        raise Interrupted

    with signal_when_executed(control, interrupt), pytest.raises(Interrupted):
        hook.run("HOLD")
    wait_for(lambda: states(control) == ["cancelled"], what="the cancel")


def test_a_kill_cancels_the_statement_that_runs(hook: WherobotsSqlHook, control: ControlClient) -> None:
    """As an operator's ``on_kill`` does in a signal handler, while the main thread waits."""
    told = []

    with (
        signal_when_executed(control, lambda *_: told.append(hook.cancel_running())),
        pytest.raises(WherobotsTaskKilledException),
    ):
        hook.run(["HOLD", "SELECT 1 AS n"])
    assert told == [True]
    assert states(control) == ["cancelled"]
    assert executed(control) == ["HOLD"]
    assert len(control.requests("cancelExecution")) == 1


def test_a_kill_while_a_session_starts_executes_nothing(hook: WherobotsSqlHook, control: ControlClient) -> None:
    control.behaviour(sql_start_delay_seconds=60)
    with (
        signal_when(lambda: control.requests("getSqlSession"), lambda *_: hook.cancel_running()),
        pytest.raises(WherobotsTaskKilledException),
    ):
        hook.run("SELECT 1 AS n")
    assert executed(control) == []


def test_a_kill_of_a_hook_that_does_nothing_is_nothing(hook: WherobotsSqlHook) -> None:
    assert hook.cancel_running()
    hook.run("SELECT 1 AS n")
    assert hook.cancel_running()


def test_closing_after_the_end_cancels_nothing(hook: WherobotsSqlHook, control: ControlClient) -> None:
    connection = hook.get_conn()
    cursor = connection.cursor()
    cursor.execute("SELECT 1 AS n")
    cursor.close()
    connection.close()
    cursor.close()
    connection.close()
    assert control.requests("cancelExecution") == []
    for use in (cursor.fetchall, lambda: cursor.execute("SELECT 1"), connection.cursor, connection.commit):
        with pytest.raises(errors.InterfaceError, match="is closed"):
            use()


def states(control: ControlClient) -> list[str]:
    """The states of the executions of this test."""
    known = {entry["execution_id"] for entry in control.requests("executeSql")}
    found = [one for session in control.sql_sessions() for one in session["executions"]]
    return [one["state"] for one in found if one["execution_id"] in known]


def signal_when_executed(control: ControlClient, handler: Callable[..., Any]) -> Any:
    return signal_when(lambda: "running" in states(control), handler)


def test_a_statement_that_an_interruption_left_behind_is_cancelled_before_the_next(
    hook: WherobotsSqlHook, control: ControlClient
) -> None:
    """A program catches the interruption, and goes on with the same connection."""

    def interrupt(*_: Any) -> None:
        raise Interrupted

    with hook.get_conn() as connection, connection.cursor() as cursor:
        with signal_when_executed(control, interrupt), pytest.raises(Interrupted):
            cursor.execute("HOLD")
        assert cursor.execute("SELECT 7 AS n").fetchall() == [(7,)]
        assert states(control) == ["cancelled", "succeeded"]


def test_a_connection_serves_one_thread_at_a_time(hook: WherobotsSqlHook, control: ControlClient) -> None:
    """Two would take each other's messages."""
    with hook.get_conn() as connection:
        rows: list[Any] = []
        thread = threading.Thread(target=lambda: rows.extend(connection.cursor().execute("HOLD")))
        thread.start()
        wait_for(lambda: states(control) == ["running"], what="the statement")
        with pytest.raises(errors.InterfaceError, match="each thread needs its own connection"):
            connection.cursor().execute("SELECT 1 AS n")
        control.release_sql()
        thread.join()
        assert rows == [(True,)]
        assert connection.cursor().execute("SELECT 7 AS n").fetchall() == [(7,)]
    assert control.requests("cancelExecution") == []


def test_a_connection_that_another_thread_closes_stays_closed(hook: WherobotsSqlHook, control: ControlClient) -> None:
    """Nothing takes the statement over on a connection that nobody would close: it would keep the session alive."""
    connection, ended = hook.get_conn(), []

    def hold() -> None:
        try:
            connection.cursor().execute("HOLD")
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=hold)
    thread.start()
    wait_for(lambda: states(control) == ["running"], what="the statement")
    connection.close()
    thread.join()
    assert [type(error) for error in ended] == [WherobotsTaskKilledException]
    wait_for(lambda: states(control) == ["cancelled"], what="the cancel")
    wait_for(lambda: not any(one["connections"] for one in control.sql_sessions()), what="the end of the connection")
    assert [one.name for one in threading.enumerate() if one.name == "wherobots-sql-session"] == []


@pytest.mark.parametrize("pause", [0.0, 0.5])
def test_a_hook_serves_many_threads_and_a_kill_finds_all_of_them(
    hook: WherobotsSqlHook, control: ControlClient, monkeypatch: pytest.MonkeyPatch, pause: float
) -> None:
    """With the pause, each thread has closed its connection before the kill cancels."""

    def late_cancel(*given: Any, **more: Any) -> Any:
        time.sleep(pause)
        return cancel(*given, **more)

    monkeypatch.setattr(connection_module, "cancel", late_cancel)
    killed: list[BaseException] = []

    def hold() -> None:
        try:
            hook.run("HOLD")
        except BaseException as error:
            killed.append(error)

    threads = [threading.Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_for(lambda: states(control) == ["running"] * 4, what="the statements")
    hook.cancel_running()
    for thread in threads:
        thread.join()
    assert [type(error) for error in killed] == [WherobotsTaskKilledException] * 4
    wait_for(lambda: states(control) == ["cancelled"] * 4, what="the cancels")
    wait_for(lambda: not any(one["connections"] for one in control.sql_sessions()), what="the end of the connections")
    assert [one.name for one in threading.enumerate() if one.name == "wherobots-sql-session"] == []


# Sessions and arguments


def test_the_session_is_asked_for_with_the_arguments_and_the_connections_defaults(
    server: LocalServer, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(monkeypatch, server, extra={"region": "aws-us-east-1", "runtime": "tiny", "version": ""})
    WherobotsSqlHook(Region.AWS_US_WEST_2, "wherobots_default", "small", None, 900, 0.25, True, "multi").run("SELECT 1")
    (entry,) = control.requests("createSqlSession")
    assert entry["query"] == "force_new=true&region=aws-us-west-2"
    request = WherobotsSqlHook(session_key="nightly", shutdown_after_inactive_seconds=60).session_request
    assert request.region == "aws-us-east-1"
    assert request.body() == {
        "runtimeId": "tiny",
        "sessionType": "multi",
        "sessionKey": "nightly",
        "shutdownAfterInactiveSeconds": 60,
    }


def test_a_hook_with_a_session_of_its_own_keeps_it_as_long_as_it_lives(
    hook: WherobotsSqlHook, control: ControlClient
) -> None:
    own = WherobotsSqlHook(force_new=True)
    own.run("SELECT 1 AS n")
    first = own.session
    own.run("SELECT 2 AS n")
    assert first is not None
    assert own.session == first
    assert session_requests(control) == 1
    control.end_sql_session(first.id)
    own.run("SELECT 3 AS n")
    assert session_requests(control) == 2
    assert own.session is not None
    assert own.session.id != first.id


def test_a_session_that_is_named_is_used(hook: WherobotsSqlHook, control: ControlClient) -> None:
    hook.run("SELECT 1 AS n")
    assert hook.session is not None
    WherobotsSqlHook(session_id=hook.session.id).run("SELECT 2 AS n")
    assert session_requests(control) == 1
    control.end_sql_session(hook.session.id)
    with pytest.raises(WherobotsSqlSessionException):
        WherobotsSqlHook(session_id=hook.session.id).run("SELECT 3 AS n")


def test_each_execution_is_told_before_it_is_sent(hook: WherobotsSqlHook, control: ControlClient) -> None:
    told: list[str] = []

    def tell(execution_id: str) -> None:
        assert len(executed(control)) == len(told)
        told.append(execution_id)

    hook.before_statement = tell
    hook.run(["SELECT 1 AS n", "SELECT 2 AS n"])
    assert [entry["execution_id"] for entry in control.requests("executeSql")] == told


@pytest.mark.parametrize("kind", ["wherobots", "wherobots_sql", "generic", "http"])
def test_a_connection_of_each_type_works_when_it_is_named(
    server: LocalServer, control: ControlClient, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    set_connection(monkeypatch, server, conn_type=kind)
    assert WherobotsSqlHook().get_first("SELECT 7 AS n") == (7,)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"geometry": "shape"}, "geometry='shape': must be ewkt, wkt, wkb, ewkb or geojson"),
        ({"session_wait_timeout": 0}, "session_wait_timeout=0: must be a number of seconds above 0"),
        ({"session_wait_timeout": "900"}, "session_wait_timeout='900'"),
        ({"session_type": "many"}, "session_type='many': must be multi or single"),
        ({"shutdown_after_inactive_seconds": 0}, "shutdown_after_inactive_seconds=0"),
        ({"force_new": "yes"}, "force_new='yes': must be True or False"),
        ({"region": 7}, "region=7: must be a string"),
        ({"session_id": ".."}, "session_id='..': must be the id of a SQL session"),
        ({"session_id": 7}, "session_id=7: must be the id of a SQL session"),
    ],
)
def test_wrong_arguments_are_refused_at_once(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(WherobotsArgumentException, match=re.escape(says)):
        WherobotsSqlHook(**arguments)


def test_unknown_arguments_have_no_effect(hook: WherobotsSqlHook) -> None:
    WherobotsSqlHook(console_url_template="x", upload_to="s3://a", extra__wherobots__region="r", anything=1)


def test_a_current_database_is_refused(hook: WherobotsSqlHook) -> None:
    with pytest.raises(WherobotsArgumentException, match=r"database='hail': .* name it in the statement"):
        hook.schema = "hail"


def test_the_key_is_in_no_address(hook: WherobotsSqlHook) -> None:
    assert API_KEY not in hook.get_uri()
    assert hook.dialect_name == "default"


def test_the_connection_is_tested_without_a_session(hook: WherobotsSqlHook, control: ControlClient) -> None:
    works, message = hook.test_connection()
    assert works, message
    assert message.endswith(". No SQL session was started")
    assert session_requests(control) == 0


# Data frames


def test_a_pandas_frame_holds_the_last_result(hook: WherobotsSqlHook, control: ControlClient) -> None:
    import pandas

    control.answer_sql("SELECT * FROM places", PLACES, geometry=["geom"])
    frame = hook.get_df("SELECT * FROM places")
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == ["id", "geom"]
    assert frame["geom"].iloc[0] == "SRID=4326;POINT (1 2)"
    assert list(hook.get_df(["SELECT 1 AS n", "SELECT 2 AS n"])["n"]) == [2]
    assert list(hook.get_pandas_df("SELECT %(a)s AS n", parameters={"a": 3})["n"]) == [3]
    assert [len(part) for part in hook.get_df_by_chunks("ROWS 5", chunksize=2)] == [2, 2, 1]
    assert hook.get_df("CREATE TABLE t (a INT)").empty


@pytest.mark.skipif(AIRFLOW < (3, 3), reason="the environment of the newest Airflow has polars")
def test_a_polars_frame(hook: WherobotsSqlHook) -> None:
    polars = importlib.import_module("polars")
    frame = hook.get_df("ROWS 5", df_type="polars")
    assert isinstance(frame, polars.DataFrame)
    assert frame.rows()[4] == (4, "row 4")
    assert [len(part) for part in hook.get_df_by_chunks("ROWS 5", chunksize=2, df_type="polars")] == [2, 2, 1]
    assert hook.get_df("CREATE TABLE t (a INT)", df_type="polars").is_empty()


def test_a_frame_of_what_is_not_installed_is_refused_before_anything_is_sent(
    hook: WherobotsSqlHook, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook_module, "find_spec", lambda name: None)
    with pytest.raises(AirflowOptionalProviderFeatureException, match="polars is not installed: pip install polars"):
        hook.get_df("SELECT 1 AS n", df_type="polars")
    assert control.requests() == []


def test_arguments_of_pandas_are_refused(hook: WherobotsSqlHook) -> None:
    with pytest.raises(TypeError, match="get_df: unknown arguments: index_col"):
        hook.get_df("SELECT 1 AS n", index_col="n")


def test_the_hook_names_the_extra_if_airflows_part_of_it_is_missing() -> None:
    code = (
        "import sys; sys.modules['airflow.providers.common.sql.hooks.sql'] = None\n"
        "from airflow_provider_wherobots.compat import AirflowOptionalProviderFeatureException as Missing\n"
        "try:\n    import airflow_provider_wherobots.hooks.sql\nexcept Missing as error:\n    print(error)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip().endswith("pip install 'airflow-provider-wherobots[sql]'")


def test_what_the_extra_installs_is_named_if_it_is_missing(
    hook: WherobotsSqlHook, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook_module, "find_spec", lambda name: None)
    with pytest.raises(
        AirflowOptionalProviderFeatureException,
        match=re.escape("SQL needs pyarrow and cbor2: pip install 'airflow-provider-wherobots[sql]'"),
    ):
        hook.run("SELECT 1 AS n")
    assert control.requests() == []
