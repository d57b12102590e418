"""Airflow's own operators, sensor and trigger for SQL, as they are, with a connection of the type ``wherobots_sql``.

The sessions of the local server have SQLite as their engine here, so that the checks really check.
"""

import asyncio
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.providers.common.sql.hooks.handlers import fetch_one_handler
from airflow.providers.common.sql.operators import sql as sql_operators
from airflow.providers.common.sql.operators.sql import (
    BranchSQLOperator,
    SQLCheckOperator,
    SQLColumnCheckOperator,
    SQLExecuteQueryOperator,
    SQLThresholdCheckOperator,
)
from airflow.providers.common.sql.sensors.sql import SqlSensor
from airflow.providers.common.sql.triggers.sql import SQLExecuteQueryTrigger

from airflow_provider_wherobots.compat import AIRFLOW, AirflowException
from airflow_provider_wherobots.exceptions import WherobotsArgumentException, WherobotsSqlStatementFailedException
from airflow_provider_wherobots.hooks.sql import WherobotsSqlHook
from tests.integration import sql_support
from tests.integration.hooks.sqlite_engine import SqliteEngine
from tests.integration.sql_support import CONN_ID, executed, set_connection
from tests.support.sql_control import SqlControl
from tests.support.waiting import wait_for
from wherobots_local import LocalServer
from wherobots_local.service import LocalService

TABLE = """
CREATE TABLE hail (id INTEGER, state TEXT, size REAL, ds TEXT);
INSERT INTO hail VALUES (1, 'TX', 1.5, '2026-11-25'), (2, 'TX', 2.0, '2026-11-25'), (3, 'O''K', NULL, '2026-11-26');
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalService, "_sql_engine", lambda service, session_id: SqliteEngine())
        with LocalServer(tmp_path_factory.mktemp("root"), api_key=sql_support.API_KEY) as running:
            yield running


control = sql_support.control


@pytest.fixture(autouse=True)
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    database = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    database.executescript(TABLE)
    monkeypatch.setattr(SqliteEngine, "database", database, raising=False)
    yield
    database.close()


@pytest.fixture(autouse=True)
def connection(server: LocalServer, control: SqlControl, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {
        "region": "aws-us-west-2",
        "runtime": "tiny",
        "version": "",
        "upload_to": "",
        "console_url_template": "https://cloud.wherobots.com/runs/{run_id}",
        "anything": {"else": 1},
    }
    set_connection(monkeypatch, server, extra=extra)


def query(sql: Any, **arguments: Any) -> Any:
    operator: Any = SQLExecuteQueryOperator(task_id="query", conn_id=CONN_ID, sql=sql, **arguments)
    return operator.execute({})


def test_the_hook_is_found_by_the_connection() -> None:
    hook = SQLExecuteQueryOperator(task_id="query", conn_id=CONN_ID, sql="SELECT 1").get_db_hook()
    assert type(hook) is WherobotsSqlHook
    assert hook.session_request.region == "aws-us-west-2"
    assert hook.session_request.runtime == "tiny"


def test_a_query_returns_tuples() -> None:
    assert query("SELECT id, state FROM hail WHERE id < 3 ORDER BY id") == [(1, "TX"), (2, "TX")]
    assert query("SELECT id, state FROM hail ORDER BY id", handler=fetch_one_handler) == (1, "TX")
    assert query("SELECT id FROM hail WHERE id > 99") == []


def test_a_query_with_parameters() -> None:
    found = query(
        "SELECT id FROM %(table)i WHERE size >= %(size)s AND state LIKE 'T%' AND id IN %(ids)s ORDER BY id",
        parameters={"table": "hail", "size": 1.75, "ids": [1, 2, 3]},
    )
    assert found == [(2,)]


def test_ddl_and_dml_return_nothing(control: SqlControl) -> None:
    assert query("CREATE TABLE t (a INTEGER)") is None
    assert query(["INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)"]) == [None, None]
    assert query("INSERT INTO t VALUES (3)", do_xcom_push=False) is None
    assert query("SELECT COUNT(*) FROM t") == [(3,)]
    assert control.requests("cancelExecution") == []


@pytest.mark.skipif(not hasattr(sql_operators, "SQLInsertRowsOperator"), reason="this Airflow's common-sql has none")
def test_rows_are_inserted(control: SqlControl) -> None:
    sql_operators.SQLInsertRowsOperator(
        task_id="insert",
        conn_id=CONN_ID,
        table_name="hail",
        columns=["id", "state"],
        rows=[(4, "CA"), (5, None)],
        preoperator="DELETE FROM hail",
    ).execute({})
    assert query("SELECT id, state FROM hail ORDER BY id") == [(4, "CA"), (5, None)]
    assert executed(control)[:2] == ["DELETE FROM hail", "INSERT INTO hail (`id`, `state`) VALUES (4, 'CA'), (5, NULL)"]


def test_statements_are_split() -> None:
    sql = "CREATE TABLE t (a TEXT); -- first;\nINSERT INTO t VALUES ('a;b');\nSELECT a FROM t;"
    assert query(sql, split_statements=True) == [("a;b",)]
    assert query("SELECT 1; SELECT 2", split_statements=True, return_last=False) == [[(1,)], [(2,)]]


def test_hook_params_are_the_hooks_arguments(control: SqlControl) -> None:
    query("SELECT 1", hook_params={"region": "aws-eu-west-1", "session_key": "nightly", "force_new": True})
    (entry,) = control.requests("createSqlSession")
    assert entry["query"] == "force_new=true&region=aws-eu-west-1"


def test_a_query_that_fails() -> None:
    with pytest.raises(WherobotsSqlStatementFailedException, match="no such table: gone"):
        query("SELECT * FROM gone")


def test_a_current_database_is_refused(control: SqlControl) -> None:
    with pytest.raises(WherobotsArgumentException, match=r"database='hail': .* name it in the statement"):
        query("SELECT 1", database="hail")
    assert executed(control) == []


def columns(**checks: Any) -> SQLColumnCheckOperator:
    return SQLColumnCheckOperator(task_id="columns", conn_id=CONN_ID, table="hail", column_mapping=checks)


def test_checks_of_columns() -> None:
    good = columns(
        id={"unique_check": {"equal_to": 0}, "min": {"geq_to": 1}, "max": {"equal_to": 3}},
        size={"null_check": {"equal_to": 1}, "max": {"leq_to": 2}},
        state={"distinct_check": {"equal_to": 2}},
    )
    good.execute({})
    with pytest.raises(AirflowException, match="Test failed"):
        columns(size={"null_check": {"equal_to": 0}}).execute({})


def test_the_other_checks() -> None:
    SQLCheckOperator(task_id="check", conn_id=CONN_ID, sql="SELECT COUNT(*) FROM hail").execute({})
    with pytest.raises(AirflowException, match="Test failed"):
        SQLCheckOperator(task_id="check", conn_id=CONN_ID, sql="SELECT 0").execute({})
    threshold = {"task_id": "threshold", "conn_id": CONN_ID, "sql": "SELECT MAX(size) FROM hail"}
    SQLThresholdCheckOperator(min_threshold=1, max_threshold="SELECT 2.5", **threshold).execute({})
    with pytest.raises(AirflowException, match="is not within thresholds"):
        SQLThresholdCheckOperator(min_threshold=3, max_threshold=4, **threshold).execute({})


@pytest.mark.parametrize(
    ("sql", "followed"),
    [
        ("SELECT COUNT(*) FROM hail", "yes"),
        ("SELECT COUNT(*) FROM hail WHERE id > 99", "no"),
        ("SELECT 'true'", "yes"),
        ("SELECT 'f'", "no"),
    ],
)
def test_a_branch(sql: str, followed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    branch = BranchSQLOperator(
        task_id="branch", conn_id=CONN_ID, sql=sql, follow_task_ids_if_true=["yes"], follow_task_ids_if_false=["no"]
    )
    context: Any = {"ti": None}
    chosen: list[Any] = []
    # What Airflow does with the answer needs its database.
    monkeypatch.setattr(branch, "skip_all_except", lambda ti, branch_task_ids: chosen.append(branch_task_ids))
    branch.execute(context)
    assert chosen == [[followed]]


def test_the_sensor() -> None:
    def poke(sql: str, **arguments: Any) -> bool:
        return SqlSensor(task_id="sensor", conn_id=CONN_ID, sql=sql, **arguments).poke({})

    assert poke("SELECT COUNT(*) FROM hail")
    assert not poke("SELECT COUNT(*) FROM hail WHERE id > 99")
    assert not poke("SELECT id FROM hail WHERE id > 99")
    assert poke("SELECT id FROM hail WHERE id = %(id)s", parameters={"id": 3}, success=lambda cell: cell == 3)
    assert poke("SELECT 1", hook_params={"runtime": "small"})
    with pytest.raises(AirflowException, match="No rows returned"):
        poke("SELECT id FROM hail WHERE id > 99", fail_on_empty=True)


def test_a_sensor_that_pokes_often_shares_one_session(control: SqlControl) -> None:
    sensor = SqlSensor(task_id="sensor", conn_id=CONN_ID, sql="SELECT 0")
    assert [sensor.poke({}) for _ in range(3)] == [False, False, False]
    sessions = {entry["session_id"] for entry in control.requests("executeSql")}
    assert len(sessions) == 1


def test_a_sensor_holds_no_connection_between_pokes_and_goes_on_in_another_session(control: SqlControl) -> None:
    sensor = SqlSensor(task_id="sensor", conn_id=CONN_ID, sql="SELECT 0", hook_params={"session_key": "hail"})
    for _ in range(2):
        assert not sensor.poke({})
        (session,) = (one for one in control.sql_sessions() if one["status"] == "READY")
        assert session["apiPayload"]["shutdownAfterInactiveSeconds"] == 300
        wait_for(lambda: not any(one["connections"] for one in control.sql_sessions()), what="the connections' end")
        control.end_sql_session(session["id"])
    assert len({entry["session_id"] for entry in control.requests("executeSql")}) == 2


def test_the_trigger() -> None:
    async def events() -> Any:
        trigger: Any = SQLExecuteQueryTrigger("SELECT id FROM hail", CONN_ID)
        return [event.payload async for event in trigger.run()]

    (payload,) = asyncio.run(events())
    if AIRFLOW >= (3, 2):
        assert payload == {"status": "success", "results": [(1,), (2,), (3,)]}
    else:
        # It calls the hook in the event loop.
        assert "GenericTransfer(page_size=...) below Airflow 3.2" in payload["message"]
