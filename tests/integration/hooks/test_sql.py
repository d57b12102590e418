"""The SQL hook, its connection and its cursor, against a local server over HTTP and a WebSocket."""

import asyncio
import importlib
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from functools import partial
from types import SimpleNamespace
from typing import Any

import pandas
import pyarrow
import pytest
from airflow.providers.common.sql.operators.generic_transfer import GenericTransfer

from airflow_provider_wherobots import compat
from airflow_provider_wherobots.api.errors import ServerError
from airflow_provider_wherobots.api.sql.messages import STORED, Results
from airflow_provider_wherobots.api.storage import PresignedUrl
from airflow_provider_wherobots.api.transports import requests as download
from airflow_provider_wherobots.compat import (
    AIRFLOW,
    AirflowFailException,
    AirflowOptionalProviderFeatureException,
    AirflowTaskTerminated,
    AirflowTaskTimeout,
)
from airflow_provider_wherobots.dbapi import connection as connection_module
from airflow_provider_wherobots.dbapi.connection import ResultSet
from airflow_provider_wherobots.exceptions import (
    WherobotsArgumentException,
    WherobotsException,
    WherobotsExecutionTimeoutException,
    WherobotsRequestException,
    WherobotsSqlException,
    WherobotsSqlOutcomeUnknownException,
    WherobotsSqlSessionException,
    WherobotsSqlStatementFailedException,
    WherobotsTaskKilledException,
    WherobotsUnavailableException,
)
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.statement import last_word_after_cancel
from airflow_provider_wherobots.hooks.sql import WherobotsSqlHook
from airflow_provider_wherobots.sql import results as requirements
from tests.integration import sql_support
from tests.integration.signals import LogWithLock, signal_when
from tests.integration.sql_support import API_KEY, executed, set_connection
from tests.integration.support import Said
from tests.support.sql_control import SqlControl
from tests.support.waiting import wait_for
from wherobots_local import LocalServer

NOT_RETRIED = "The task is not retried, because this statement has written, or may have"
PLACES: dict[str, list[Any]] = {"id": [1, 2], "geom": ["SRID=4326;POINT (1 2)", None]}


class Region(Enum):
    """Stands for the official provider's."""

    AWS_US_WEST_2 = "aws-us-west-2"


server, control = sql_support.server, sql_support.control


@pytest.fixture
def hook(server: LocalServer, control: SqlControl, monkeypatch: pytest.MonkeyPatch) -> WherobotsSqlHook:
    set_connection(monkeypatch, server)
    return WherobotsSqlHook()


def session_requests(control: SqlControl) -> int:
    return len(control.requests("createSqlSession"))


# Statements and their results


def test_records_are_tuples(hook: WherobotsSqlHook, control: SqlControl) -> None:
    control.answer_sql("SELECT * FROM places", PLACES, geometry=["geom"])
    assert hook.get_records("SELECT * FROM places") == [(1, "SRID=4326;POINT (1 2)"), (2, None)]
    assert hook.get_first("SELECT * FROM places") == (1, "SRID=4326;POINT (1 2)")
    description = hook.last_description
    assert description is not None
    assert description[0] == ("id", "int64", None, None, None, None, True)


def test_geometries_are_written_as_told(server: LocalServer, control: SqlControl, hook: WherobotsSqlHook) -> None:
    control.answer_sql("SELECT geom FROM places", {"geom": PLACES["geom"]}, geometry=["geom"])
    assert WherobotsSqlHook(geometry="wkt").get_first("SELECT geom FROM places") == ("POINT (1 2)",)


@pytest.mark.parametrize("ddl", ["columnless", "null"])
def test_a_statement_without_a_result_set(hook: WherobotsSqlHook, control: SqlControl, ddl: str) -> None:
    """The official package's users call ``fetchall()`` after a write, to wait for its end."""
    control.behaviour(sql_results_of_ddl=ddl)
    with closing(hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("CREATE TABLE t AS SELECT 1")
        assert (cursor.description, cursor.rowcount) == (None, -1)
        assert cursor.fetch_pandas().empty
        assert (cursor.fetchall(), cursor.fetchmany(2), cursor.fetchone(), list(cursor)) == ([], [], None, [])
    assert hook.get_records("DROP TABLE t") is None
    assert hook.get_first("DROP TABLE t") is None
    assert hook.run("INSERT INTO t VALUES (1)", handler=lambda cursor: cursor.fetchall()) == []


def test_a_result_is_fetched_only_of_what_has_one(hook: WherobotsSqlHook, control: SqlControl) -> None:
    control.answer_sql("CALL", {"rewritten": [3]})
    assert hook.get_records("CREATE OR REPLACE TABLE t AS SELECT 1") is None
    assert control.requests("retrieveResults") == []
    assert hook.get_first("CALL c.system.rewrite_data_files('t')") == (3,)
    assert len(control.requests("retrieveResults")) == 1


def test_rows_are_fetched_only_after_a_success(hook: WherobotsSqlHook) -> None:
    with closing(hook.get_conn()) as connection, closing(connection.cursor()) as cursor:

        def check_refusal() -> None:
            for fetch in (cursor.fetchone, cursor.fetchmany, cursor.fetchall, lambda: next(iter(cursor))):
                with pytest.raises(WherobotsArgumentException, match="no rows to fetch") as caught:
                    fetch()
                assert isinstance(caught.value, AirflowFailException)

        check_refusal()
        cursor.execute("DROP TABLE t")
        with pytest.raises(WherobotsSqlStatementFailedException):
            cursor.execute("FAIL gone")
        check_refusal()
        cursor.execute("SELECT ROWS 7", store=STORED)
        check_refusal()


def test_rows_are_fetched_in_order_and_once(hook: WherobotsSqlHook) -> None:
    with hook.get_conn() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT ROWS 7")
        assert cursor.rowcount == 7
        assert cursor.fetchone() == (0, "row 0")
        assert cursor.fetchmany(2) == [(1, "row 1"), (2, "row 2")]
        assert cursor.fetchmany() == [(3, "row 3")]
        assert next(iter(cursor)) == (4, "row 4")
        assert cursor.fetchall() == [(5, "row 5"), (6, "row 6")]
        assert cursor.fetchall() == []
        assert len(cursor.fetch_pandas()) == 7


def test_rows_are_inserted_many_at_a_time(hook: WherobotsSqlHook, control: SqlControl) -> None:
    rows = [(n, "O'Brien", None, 0.5) for n in range(3)]
    hook.insert_rows("t", rows, target_fields=["a", "b", "c", "d"], commit_every=2, executemany=True, autocommit=True)
    start = "INSERT INTO t (`a`, `b`, `c`, `d`) VALUES "
    assert executed(control) == [
        start + "(0, 'O\\'Brien', NULL, 0.5E0), (1, 'O\\'Brien', NULL, 0.5E0)",
        start + "(2, 'O\\'Brien', NULL, 0.5E0)",
    ]
    assert session_requests(control) == 1


@pytest.mark.parametrize("inserted", [0, 2])
def test_a_batch_that_fails_is_retried_only_if_none_before_it_is_inserted(
    hook: WherobotsSqlHook, control: SqlControl, inserted: int, said: Said
) -> None:
    control.answer_sql("(99)", error="out of memory")
    with pytest.raises(WherobotsSqlStatementFailedException, match="out of memory") as caught:
        hook.insert_rows("t", [*[(1,)] * inserted, (99,)], commit_every=2)
    assert isinstance(caught.value, AirflowFailException) is bool(inserted)
    assert ("Inserted 2 rows into t so far" in said()) is bool(inserted)


def test_a_write_whose_commit_is_unknown_is_not_retried(hook: WherobotsSqlHook, control: SqlControl) -> None:
    control.answer_sql("INSERT", error="org.apache.iceberg.exceptions.CommitStateUnknownException: no response")
    with pytest.raises(WherobotsSqlOutcomeUnknownException, match="its commit failed, and may have") as caught:
        hook.run("INSERT INTO t VALUES (1)")
    assert isinstance(caught.value, AirflowFailException)


@pytest.mark.parametrize(
    ("before", "is_retried"),
    [
        ("INSERT INTO t VALUES (1)", False),
        ("SELECT 1 AS n", True),
    ],
)
def test_a_task_that_has_written_is_not_retried(hook: WherobotsSqlHook, before: str, is_retried: bool) -> None:
    """A retry would execute all its statements again."""
    with pytest.raises(WherobotsSqlStatementFailedException, match="gone") as caught:
        hook.run([before, "FAIL gone"])
    assert isinstance(caught.value, AirflowFailException) is not is_retried
    assert (NOT_RETRIED in str(caught.value)) is not is_retried
    hook.run(before)
    with pytest.raises(WherobotsSqlStatementFailedException) as caught:
        hook.run("FAIL gone")
    assert isinstance(caught.value, AirflowFailException) is not is_retried


@pytest.mark.parametrize("sql", ["INSERT INTO t VALUES (1)", "USE a.b"])
def test_after_a_write_no_failure_of_the_program_in_the_hook_is_retried(hook: WherobotsSqlHook, sql: str) -> None:
    def fail(cursor: Any) -> None:
        raise ValueError("of the handler")

    expected = WherobotsSqlException if sql.startswith("INSERT") else ValueError
    with pytest.raises(expected, match="of the handler") as caught:
        hook.run(sql, handler=fail)
    assert isinstance(caught.value, AirflowFailException) is (expected is WherobotsSqlException)


def test_a_cursor_of_a_program_is_not_retried_after_a_write_either(hook: WherobotsSqlHook) -> None:
    with closing(hook.get_conn()) as connection:
        cursor = connection.cursor()
        cursor.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(WherobotsSqlStatementFailedException, match=NOT_RETRIED) as caught:
            cursor.execute("FAIL gone")
    assert isinstance(caught.value, AirflowFailException)


@pytest.mark.parametrize("kind", [ConnectionError, AirflowTaskTimeout])
def test_rows_that_cannot_be_read_are_not_inserted_again(hook: WherobotsSqlHook, kind: type[BaseException]) -> None:
    def rows() -> Iterator[tuple[int]]:
        yield from [(1,), (2,), (3,)]
        raise kind("the other database is away")

    with pytest.raises(AirflowFailException, match=f"(?s)the other database is away.*{NOT_RETRIED}") as caught:
        hook.insert_rows("t", rows(), commit_every=2)
    assert isinstance(caught.value, WherobotsException)


@pytest.mark.parametrize(
    ("rows", "arguments", "says"),
    [
        ([(1,)], {"replace": True}, "replace=True: Spark has no REPLACE INTO"),
        ([(1,), (1, 2)], {}, "rows[1]: has 2 values, but must have 1"),
    ],
)
def test_rows_that_cannot_be_inserted_are_refused(
    hook: WherobotsSqlHook, control: SqlControl, rows: Any, arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(WherobotsArgumentException, match=re.escape(says)) as caught:
        hook.insert_rows("t", rows, **arguments)
    assert isinstance(caught.value, AirflowFailException)
    assert executed(control) == []


def test_as_many_rows_as_the_limit_may_be_cut(hook: WherobotsSqlHook, times_said: Callable[[str], int]) -> None:
    assert len(hook.get_records("SELECT ROWS 999")) == 999
    with pytest.raises(WherobotsSqlException, match=r"has exactly 1,000 rows.*store=.*on_truncated='warn'") as caught:
        hook.get_records("SELECT ROWS 1500")
    assert isinstance(caught.value, AirflowFailException), "a retry would get the same rows"
    assert times_said("exactly 1,000 rows") == 0
    assert len(WherobotsSqlHook(on_truncated="warn").get_records("SELECT ROWS 1500")) == 1000
    assert times_said("exactly 1,000 rows") == 1


def test_a_transfer_of_airflows_does_not_take_the_first_rows_for_all(hook: WherobotsSqlHook) -> None:
    moved: list[Any] = []

    def transfer(sql: str) -> None:
        arguments: dict[str, Any] = {"source_conn_id": "wherobots_default", "destination_conn_id": "other"}
        task: Any = GenericTransfer(task_id="transfer", sql=sql, destination_table="t", **arguments)
        task.destination_hook = SimpleNamespace(insert_rows=lambda table, rows: moved.append(rows))
        task.execute({})

    transfer("SELECT ROWS 2")
    with pytest.raises(WherobotsSqlException, match="store="):
        transfer("SELECT ROWS 1500")
    assert moved == [[(0, "row 0"), (1, "row 1")]]


# Runs


def test_a_run_without_a_handler_does_not_cancel_its_statement(hook: WherobotsSqlHook, control: SqlControl) -> None:
    hook.run("SLEEP 0.2")
    hook.run("SLEEP 0.2", handler=lambda cursor: cursor.rowcount)
    assert executed(control) == ["SLEEP 0.2", "SLEEP 0.2"]
    assert control.requests("cancelExecution") == []
    (session,) = [one for one in control.sql_sessions() if one["status"] == "READY"]
    assert [one["state"] for one in session["executions"]] == ["succeeded", "succeeded"]
    assert session["connections"] == 0


# Parameters and logs


def test_parameters_are_never_logged(hook: WherobotsSqlHook, control: SqlControl, said: Said) -> None:
    control.answer_sql("hail", {"a": []})
    hook.run(
        "SELECT * FROM %(c)i.hail WHERE a = %(a)s AND b LIKE '%b'", parameters={"c": "org", "a": "secret'\\ OR 1=1"}
    )
    assert executed(control) == ["SELECT * FROM `org`.hail WHERE a = 'secret\\'\\\\ OR 1=1' AND b LIKE '%b'"]
    logged = said()
    assert "Executing: SELECT * FROM %(c)i.hail WHERE a = %(a)s AND b LIKE ?" in logged
    assert "secret" not in logged


def test_a_statement_can_stay_unlogged(server: LocalServer, hook: WherobotsSqlHook, said: Said) -> None:
    WherobotsSqlHook(log_sql=False).run("SELECT 7 AS n")
    assert "SELECT" not in said()


@pytest.mark.parametrize(
    ("sql", "parameters", "says"),
    [
        ("SELECT %s", [object()], "parameters[0]: is of type object"),
        ([["SELECT 'secret'"]], None, "sql: must be a string that is not empty, but is of type list"),
    ],
)
def test_wrong_statements_and_parameters_are_refused_before_anything_is_sent(
    hook: WherobotsSqlHook, control: SqlControl, sql: Any, parameters: Any, says: str
) -> None:
    with pytest.raises(WherobotsArgumentException, match=re.escape(says)) as caught:
        hook.run(sql, parameters=parameters)
    assert isinstance(caught.value, AirflowFailException)
    assert "secret" not in str(caught.value)
    assert executed(control) == []


def test_control_characters_are_visible_in_the_log(hook: WherobotsSqlHook, control: SqlControl, said: Said) -> None:
    control.answer_sql("SELECT `a", {"a": [1]})
    hook.run("SELECT `a\x1b[2Kb`")
    assert "Executing: SELECT `a\\x1b[2Kb`" in said()


# Failures


@pytest.mark.parametrize(
    ("statement", "is_retried", "says"),
    [
        ("INSERT INTO t SELECT 1", False, r"^Outcome unknown of the statement: .* may have taken effect"),
        ("SELECT * FROM t", True, r"^Outcome unknown of the statement: .*\. A retry of the task executes it again"),
    ],
)
def test_an_unknown_outcome_is_final_if_the_statement_may_not_be_repeated(
    hook: WherobotsSqlHook, control: SqlControl, statement: str, is_retried: bool, says: str
) -> None:
    """The connection is lost, and the session no longer knows the execution."""
    control.answer_sql(statement, held=True)

    def lose() -> None:
        wait_for(lambda: executed(control), what="the statement")
        (entry,) = control.requests("executeSql")
        control.evict_sql_execution(entry["session_id"], entry["execution_id"])
        control.drop_sql_connections(entry["session_id"])

    thread = threading.Thread(target=lose)
    thread.start()
    with pytest.raises(WherobotsSqlOutcomeUnknownException, match=says) as caught:
        hook.run(statement)
    thread.join()
    assert isinstance(caught.value, AirflowFailException) is not is_retried
    assert executed(control) == [statement]


def test_a_wrong_key_is_told_and_keeps_the_retries(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WHEROBOTS__MAX_OUTAGE_SECONDS", "1")
    set_connection(monkeypatch, server, password="wrong")
    with pytest.raises(WherobotsUnavailableException, match="the API key is refused") as caught:
        WherobotsSqlHook().run("SELECT 1 AS n")
    assert not isinstance(caught.value, AirflowFailException)


# Interruptions


class Interrupted(BaseException):
    """What Airflow raises in a task from a signal handler."""


def test_an_interruption_cancels_the_statement_that_runs(hook: WherobotsSqlHook, control: SqlControl) -> None:
    """As ``execution_timeout`` does."""

    def interrupt(*_: Any) -> None:
        raise Interrupted

    with signal_when_executed(control, interrupt), pytest.raises(Interrupted):
        hook.run("HOLD")
    wait_for(lambda: states(control) == ["cancelled"], what="the cancel")


@pytest.mark.parametrize(
    ("sql", "ends_before", "is_retried", "stored"),
    [
        ("HOLD", False, True, False),
        ("HOLD", True, False, False),
        (["INSERT INTO t VALUES (1)", "HOLD"], False, False, False),
        (["USE a.b", "HOLD"], False, True, False),
        (["SET a = 1", "SELECT held"], True, True, False),
        ("SELECT held", False, False, True),
    ],
)
def test_a_task_that_may_have_written_at_its_timeout_is_not_retried(
    hook: WherobotsSqlHook,
    control: SqlControl,
    sql: str | list[str],
    ends_before: bool,
    is_retried: bool,
    stored: bool,
) -> None:
    """A retry would write twice. The statement may end before its cancel."""
    control.answer_sql("SELECT held", {"held": [True]}, held=True)

    def pass_the_limit(*_: Any) -> None:
        if ends_before:
            control.release_sql()
            wait_for(lambda: states(control)[-1] == "succeeded", what="the end")
        raise AirflowTaskTimeout("Timeout, PID: 7")

    execute: Callable[..., Any] = hook.run
    if stored:
        hook.run("INSERT INTO t VALUES (1)")
        execute = partial(hook.get_df, stored=True)
    with (
        signal_when_executed(control, pass_the_limit),
        pytest.raises((AirflowTaskTimeout, WherobotsExecutionTimeoutException)) as caught,
    ):
        execute(sql)
    if is_retried:
        assert isinstance(caught.value, AirflowTaskTimeout)
    else:
        assert isinstance(caught.value, AirflowFailException)
        written = "HOLD" if sql == "HOLD" else "INSERT INTO t VALUES (?)"
        assert str(caught.value) == (
            f"AirflowTaskTimeout: Timeout, PID: 7\n{NOT_RETRIED}: {written}. Check its table. Then clear the task, or "
            "mark it as success"
        )


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (AirflowTaskTimeout("Timeout, PID: 7"), WherobotsExecutionTimeoutException),
        (WherobotsTaskKilledException("killed"), WherobotsTaskKilledException),
        # Airflow 2.11 retries a task whose process gets a SIGTERM.
        (AirflowTaskTerminated("Task received SIGTERM signal"), WherobotsSqlException),
        (MemoryError(), WherobotsSqlException),
    ],
)
def test_what_comes_between_the_end_of_a_write_and_its_note_is_not_retried(
    hook: WherobotsSqlHook, monkeypatch: pytest.MonkeyPatch, error: BaseException, raised: type[Exception]
) -> None:
    send = connection_module.Connection.send

    def send_and_interrupt(*given: Any) -> None:
        send(*given)
        raise error

    monkeypatch.setattr(connection_module.Connection, "send", send_and_interrupt)
    with pytest.raises(raised, match=NOT_RETRIED) as caught:
        hook.run("INSERT INTO t VALUES (1)")
    assert isinstance(caught.value, AirflowFailException)


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("failed", AirflowTaskTerminated),
        ("restarting", AirflowTaskTerminated),
        ("running", WherobotsSqlException),
        (None, WherobotsSqlException),
    ],
)
def test_what_a_user_makes_of_the_task_stays(
    hook: WherobotsSqlHook, monkeypatch: pytest.MonkeyPatch, state: str | None, kind: type[BaseException]
) -> None:
    """On 2.11 the process of a task that is marked or cleared gets a SIGTERM too."""
    monkeypatch.setattr(compat, "current_context", lambda: {"ti": object()})
    monkeypatch.setattr(compat, "get_task_state_on_worker", lambda _: state)
    send = connection_module.Connection.send

    def send_and_terminate(*given: Any) -> None:
        send(*given)
        raise AirflowTaskTerminated("Task received SIGTERM signal")

    monkeypatch.setattr(connection_module.Connection, "send", send_and_terminate)
    with pytest.raises(kind):
        hook.run("INSERT INTO t VALUES (1)")


def test_a_kill_cancels_the_statement_that_runs(hook: WherobotsSqlHook, control: SqlControl) -> None:
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


def test_a_kill_waits_for_no_line(hook: WherobotsSqlHook, control: SqlControl, monkeypatch: pytest.MonkeyPatch) -> None:
    log = LogWithLock()
    log.take_the_place_of_those_of(hook, hook._rest, monkeypatch=monkeypatch)

    def kill_in_a_line(*_: Any) -> None:
        with log.being_written():
            assert hook.cancel_running()

    with signal_when_executed(control, kill_in_a_line), pytest.raises(WherobotsTaskKilledException):
        hook.run("HOLD")
    wait_for(lambda: any("was cancelled" in line for line in log.lines), what="the line of the kill")


def test_a_kill_while_a_session_starts_executes_nothing(hook: WherobotsSqlHook, control: SqlControl) -> None:
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


def test_closing_after_the_end_cancels_nothing(hook: WherobotsSqlHook, control: SqlControl) -> None:
    connection = hook.get_conn()
    cursor = connection.cursor()
    cursor.execute("SELECT 1 AS n")
    cursor.close()
    connection.close()
    cursor.close()
    connection.close()
    assert control.requests("cancelExecution") == []
    with pytest.raises(WherobotsArgumentException, match="the connection is closed"):
        cursor.execute("SELECT 1")
    with pytest.raises(WherobotsArgumentException, match="the connection is closed"):
        connection.cursor()


def states(control: SqlControl) -> list[str]:
    """The states of the executions of this test."""
    known = {entry["execution_id"] for entry in control.requests("executeSql")}
    found = [one for session in control.sql_sessions() for one in session["executions"]]
    return [one["state"] for one in found if one["execution_id"] in known]


def signal_when_executed(control: SqlControl, handler: Callable[..., Any]) -> Any:
    return signal_when(lambda: "running" in states(control), handler)


def test_what_an_interruption_left_is_cancelled_first(hook: WherobotsSqlHook, control: SqlControl) -> None:
    """A program catches the interruption, and goes on with the same connection."""

    def interrupt(*_: Any) -> None:
        raise Interrupted

    with hook.get_conn() as connection, connection.cursor() as cursor:
        with signal_when_executed(control, interrupt), pytest.raises(Interrupted):
            cursor.execute("HOLD")
        assert cursor.execute("SELECT 7 AS n").fetchall() == [(7,)]
        assert states(control) == ["cancelled", "succeeded"]


def test_a_connection_serves_one_thread_at_a_time(hook: WherobotsSqlHook, control: SqlControl) -> None:
    """Two would take each other's messages."""
    with hook.get_conn() as connection:
        rows: list[Any] = []
        thread = threading.Thread(target=lambda: rows.extend(connection.cursor().execute("SELECT HOLD")))
        thread.start()
        wait_for(lambda: states(control) == ["running"], what="the statement")
        with pytest.raises(WherobotsArgumentException, match="each thread needs its own connection"):
            connection.cursor().execute("SELECT 1 AS n")
        control.release_sql()
        thread.join()
        assert rows == [(True,)]
        assert connection.cursor().execute("SELECT 7 AS n").fetchall() == [(7,)]
    assert control.requests("cancelExecution") == []


def test_a_connection_that_another_thread_closes_stays_closed(hook: WherobotsSqlHook, control: SqlControl) -> None:
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
    hook: WherobotsSqlHook, control: SqlControl, monkeypatch: pytest.MonkeyPatch, pause: float
) -> None:
    """With the pause, each thread has closed its connection before the kill cancels."""

    def late_cancel(*given: Any, **more: Any) -> Any:
        time.sleep(pause)
        return last_word_after_cancel(*given, **more)

    monkeypatch.setattr(connection_module, "last_word_after_cancel", late_cancel)
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
    server: LocalServer, control: SqlControl, monkeypatch: pytest.MonkeyPatch
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


def test_a_hook_keeps_a_session_of_its_own_as_long_as_it_lives(hook: WherobotsSqlHook, control: SqlControl) -> None:
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


def ready(control: SqlControl) -> list[str]:
    return [one["id"] for one in control.sql_sessions() if one["status"] == "READY"]


@pytest.mark.parametrize("arguments", [{"force_new": True}, {"session_type": "single"}])
def test_closing_it_ends_its_session(hook: WherobotsSqlHook, control: SqlControl, arguments: dict[str, Any]) -> None:
    own = WherobotsSqlHook(**arguments)
    assert own.session_request.inactive_seconds == 300
    own.run("SELECT 1 AS n")
    own.close()
    assert ready(control) == []
    assert own.get_first("SELECT 7 AS n") == (7,)
    assert len(ready(control)) == 1
    control.behaviour(sql_start_delay_seconds=60)
    late = WherobotsSqlHook(force_new=True, session_wait_timeout=1)
    with pytest.raises(WherobotsSqlSessionException):
        late.run("SELECT 1 AS n")
    late.close()
    assert len(control.requests("deleteSqlSession")) == 2


def test_a_session_that_others_may_use_is_left_alone(hook: WherobotsSqlHook, control: SqlControl) -> None:
    hook.run("SELECT 1 AS n")
    WherobotsSqlHook().run("SELECT 2 AS n")
    WherobotsSqlHook(session_id=ready(control)[0], force_new=True).run("SELECT 3 AS n")
    hook.close()
    control.behaviour(sql_max_sessions=1)
    with closing(WherobotsSqlHook(force_new=True)) as shared:
        shared.run("SELECT 4 AS n")
    assert control.requests("deleteSqlSession") == []


def test_a_session_that_is_named_is_used(hook: WherobotsSqlHook, control: SqlControl) -> None:
    hook.run("SELECT 1 AS n")
    assert hook.session is not None
    WherobotsSqlHook(session_id=hook.session.id).run("SELECT 2 AS n")
    assert session_requests(control) == 1
    control.end_sql_session(hook.session.id)
    with pytest.raises(WherobotsSqlSessionException):
        WherobotsSqlHook(session_id=hook.session.id).run("SELECT 3 AS n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"on_truncated": "cut"}, "on_truncated='cut': must be fail or warn"),
        ({"geometry": "shape"}, "geometry='shape': must be ewkt, wkt, wkb, ewkb or geojson"),
        ({"session_wait_timeout": 0}, "session_wait_timeout=0: must be a number of seconds above 0"),
        ({"session_wait_timeout": "900"}, "session_wait_timeout='900'"),
        ({"session_type": "many"}, "session_type='many': must be multi or single"),
        ({"session_id": ".."}, "session_id='..': must be the id of a SQL session"),
        ({"session_id": 7}, "session_id=7: must be the id of a SQL session"),
    ],
)
def test_wrong_arguments_are_refused_at_once(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(WherobotsArgumentException, match=re.escape(says)):
        WherobotsSqlHook(**arguments)


def test_the_key_is_in_no_address(hook: WherobotsSqlHook) -> None:
    assert API_KEY not in hook.get_uri()
    assert hook.dialect_name == "spark"


def test_the_connection_is_tested_without_a_session(hook: WherobotsSqlHook, control: SqlControl) -> None:
    works, message = hook.test_connection()
    assert works, message
    assert session_requests(control) == 0


# Data frames


def test_a_pandas_frame_holds_the_last_result(hook: WherobotsSqlHook, control: SqlControl) -> None:
    import pandas

    control.answer_sql("SELECT * FROM places", PLACES, geometry=["geom"])
    frame = hook.get_df("SELECT * FROM places")
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == ["id", "geom"]
    assert frame["geom"].iloc[0] == "SRID=4326;POINT (1 2)"
    assert list(hook.get_df(["SELECT 1 AS n", "SELECT 2 AS n"])["n"]) == [2]
    assert list(hook.get_pandas_df("SELECT %(a)s AS n", parameters={"a": 3})["n"]) == [3]
    assert [len(part) for part in hook.get_df_by_chunks("SELECT ROWS 5", chunksize=2)] == [2, 2, 1]
    assert hook.get_df("CREATE TABLE t (a INT)").empty


def result_of(table: pyarrow.Table, hook: WherobotsSqlHook) -> ResultSet:
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    outcome = StatementOutcome(
        StatementState.SUCCEEDED, "e1", results=Results(sink.getvalue().to_pybytes(), compression="none")
    )
    found = ResultSet(hook.log.log)
    found.take(outcome, is_read=True)
    return found


def test_records_go_through_xcom_exactly(hook: WherobotsSqlHook) -> None:
    """Airflow's XCom makes floats of decimals and timestamps, and cannot read timestamps with an offset."""
    digits = Decimal("12345678901234567890.123456789012345678")
    last = datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)
    table = pyarrow.table(
        {
            "exact": pyarrow.array([digits], pyarrow.decimal128(38, 18)),
            "whole": pyarrow.array([Decimal("1.50")], pyarrow.decimal128(10, 2)),
            "last": pyarrow.array([last]),
            "first": pyarrow.array([datetime.min], pyarrow.timestamp("us")),
            "offset": pyarrow.array([datetime(2026, 5, 1, tzinfo=UTC)], pyarrow.timestamp("us", "+02:00")),
            "nested": [[{"at": last, "exact": digits}, None]],
            "map": pyarrow.array([[("a", digits)]], pyarrow.map_(pyarrow.string(), pyarrow.decimal128(38, 18))),
            "day": [date(9999, 12, 31)],
        }
    )
    records = result_of(table, hook).fetch_records()
    assert records == [
        {
            "exact": "12345678901234567890.123456789012345678",
            "whole": "1.50",
            "last": "9999-12-31T23:59:59.999999+00:00",
            "first": "0001-01-01T00:00:00",
            "offset": "2026-05-01T02:00:00+02:00",
            "nested": [{"at": "9999-12-31T23:59:59.999999+00:00", "exact": str(digits)}, None],
            "map": [{"key": "a", "value": str(digits)}],
            "day": date(9999, 12, 31),
        }
    ]
    xcom = importlib.import_module("airflow.serialization.serde")
    assert xcom.deserialize(json.loads(json.dumps(xcom.serialize(records)))) == records


def test_a_frame_of_any_result_goes_through_xcom(hook: WherobotsSqlHook, times_said: Callable[[str], int]) -> None:
    tags = pyarrow.array(
        [[("a", 617700169958293503), ("b", None)], None], pyarrow.map_(pyarrow.string(), pyarrow.int64())
    )
    cells = pyarrow.array([617700169958293503, None])
    found = result_of(pyarrow.Table.from_arrays([cells, cells, tags], names=["n", "n", "tags"]), hook)
    frame = found.fetch_pandas()
    assert found.fetchone() == (617700169958293503, 617700169958293503, [("a", 617700169958293503), ("b", None)])
    assert [column[0] for column in found.description or ()] == ["n", "n", "tags"]
    assert times_said("renamed: n_2") == 1
    [first, second] = found.fetch_records()
    entries = [{"key": "a", "value": 617700169958293503}, {"key": "b", "value": None}]
    assert first == {"n": 617700169958293503, "n_2": 617700169958293503, "tags": entries}
    assert second == {"n": None, "n_2": None, "tags": None}
    # The name is that of every Airflow; the newest have it as an alias.
    xcom = importlib.import_module("airflow.serialization.serde")
    if AIRFLOW[:2] == (3, 1) and not pandas.__version__.startswith("2."):
        # docs/sql.md says so.
        with pytest.raises(TypeError, match=r"pandas\.DataFrame"):
            xcom.serialize(frame)
        return
    pulled = xcom.deserialize(xcom.serialize(frame))
    assert pulled["n_2"].iloc[0] == 617700169958293503
    assert list(pulled["tags"].iloc[0]) == [{"key": "a", "value": 617700169958293503}, {"key": "b", "value": None}]


def test_a_stored_result_brings_all_rows(hook: WherobotsSqlHook, said: Said) -> None:
    frame = hook.get_df("SELECT ROWS 1500", stored=True)
    assert list(frame.columns) == ["id", "name"]
    assert (len(frame), frame["id"].iloc[-1]) == (1500, 1499)
    assert hook.get_df("SELECT %(n)s AS n", {"n": 7}, stored=True)["n"].iloc[0] == 7
    assert hook.get_df("SELECT ROWS 0", stored=True).empty
    logged = said()
    assert "X-Amz" not in logged
    assert "exactly 1,000 rows" not in logged


def test_what_the_operator_has_stored_is_read(hook: WherobotsSqlHook) -> None:
    with hook.get_conn() as connection:
        address = connection.execute("SELECT ROWS 1500", STORED).result_uri
    assert len(hook.read_stored(address)) == 1500
    assert hook.read_stored(None).empty
    with pytest.raises(WherobotsArgumentException, match="'generate_presigned_url': True"):
        hook.read_stored("s3://bucket/sql-results/x")
    with pytest.raises(WherobotsRequestException, match=r"cannot be downloaded: getObject") as caught:
        hook.read_stored(f"{address}9")
    assert str(address) not in str(caught.value)


@pytest.mark.parametrize(
    ("sql", "arguments", "says"),
    [
        ("SELECT 1", {"df_type": "polars"}, "df_type='polars': must be pandas"),
        (["SELECT 1"], {"stored": True}, "sql: must be one statement with stored=True"),
    ],
)
def test_a_frame_that_there_is_not_is_refused(
    hook: WherobotsSqlHook, control: SqlControl, sql: Any, arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(WherobotsArgumentException, match=re.escape(says)):
        hook.get_df(sql, **arguments)
    assert control.requests() == []


@pytest.mark.parametrize(
    ("statement", "is_retried"), [("SELECT * FROM t", True), ("INSERT INTO u SELECT * FROM t", False)]
)
def test_a_stored_result_that_cannot_be_downloaded(
    hook: WherobotsSqlHook,
    control: SqlControl,
    monkeypatch: pytest.MonkeyPatch,
    statement: str,
    is_retried: bool,
) -> None:
    control.answer_sql("t", {"n": [1]})

    def refuse(url: PresignedUrl, file: Any) -> None:
        raise ServerError("getObject", 503)

    monkeypatch.setattr(download, "download", refuse)
    says = r"stored result cannot be downloaded: getObject.*503"
    with pytest.raises(WherobotsUnavailableException, match=says) as caught:
        hook.get_df(statement, stored=True)
    assert isinstance(caught.value, AirflowFailException) is not is_retried


def test_a_read_without_a_result_is_no_success(hook: WherobotsSqlHook) -> None:
    """The session sends none where it has lost it: rows that are missing must not pass for no rows."""
    with pytest.raises(WherobotsSqlException, match="the statement succeeded, but the session has sent no result"):
        hook.get_records("SELECT * FROM nobody.has.answered")


def test_an_event_loop_is_not_blocked(hook: WherobotsSqlHook, control: SqlControl) -> None:
    async def call() -> Any:
        return hook.get_records("SELECT 1 AS n")

    with pytest.raises(WherobotsArgumentException, match=r"must not be called in an event loop.*asyncio\.to_thread"):
        asyncio.run(call())
    assert control.requests() == []

    async def call_in_a_thread() -> Any:
        return await asyncio.to_thread(hook.get_records, "SELECT 1 AS n")

    assert asyncio.run(call_in_a_thread()) == [(1,)]


def test_the_hook_names_the_extra_if_airflows_part_of_it_is_missing() -> None:
    code = (
        "import sys; sys.modules['airflow.providers.common.sql.hooks.sql'] = None\n"
        "from airflow_provider_wherobots.compat import AirflowOptionalProviderFeatureException as Missing\n"
        "try:\n    import airflow_provider_wherobots.hooks.sql\nexcept Missing as error:\n    print(error)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip().endswith(
        "install the extra sql of airflow-provider-wherobots, from where you got the provider"
    )


def test_a_missing_extra_is_told(hook: WherobotsSqlHook, control: SqlControl, monkeypatch: pytest.MonkeyPatch) -> None:
    how = re.escape(": install the extra sql of airflow-provider-wherobots, from where you got the provider")
    monkeypatch.setattr(requirements, "find_spec", lambda name: None)
    for use, what in ((hook.get_df, "pyarrow and cbor2 and pandas"), (hook.run, "pyarrow and cbor2")):
        with pytest.raises(AirflowOptionalProviderFeatureException, match=f"SQL needs {what}{how}"):
            use("SELECT 1 AS n")
    assert control.requests() == []
