"""The sensor on a query, against the local server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_wherobots.compat import (
    AirflowFailException,
)
from airflow_provider_wherobots.exceptions import (
    WherobotsArgumentException,
    WherobotsSqlException,
    WherobotsSqlStatementFailedException,
    WherobotsTaskKilledException,
)
from airflow_provider_wherobots.sensors.sql import WherobotsSqlSensor
from tests.integration import sql_support
from tests.integration.signals import signal_when
from tests.integration.sql_support import executed, is_running, set_connection
from tests.integration.support import TaskInstance, context
from wherobots_local import ControlClient, LocalServer

QUERY = "SELECT count(*) FROM arrivals"

Make = Callable[..., WherobotsSqlSensor]


server, control = sql_support.server, sql_support.control


@pytest.fixture(autouse=True)
def connection(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    set_connection(monkeypatch, server)


@pytest.fixture
def make(control: ControlClient) -> Make:
    return lambda **arguments: WherobotsSqlSensor(**{"task_id": "wait", "sql": QUERY, "mode": "poke", **arguments})


def arrive(control: ControlClient, *counts: Any) -> None:
    control.answer_sql("arrivals", {"count": list(counts)})


def test_between_two_pokes_it_holds_neither_a_worker_nor_a_connection(make: Make, control: ControlClient) -> None:
    arrive(control, 0)
    task = WherobotsSqlSensor(task_id="wait", sql=QUERY, poke_interval=1)
    assert (task.reschedule, task.poke_interval) == (True, 10)
    assert not task.poke(context(TaskInstance()))
    assert sum(session["connections"] for session in control.sql_sessions()) == 0
    arrive(control, 3)
    assert task.poke(context(TaskInstance()))
    assert executed(control) == [QUERY] * 2
    assert len(control.requests("createSqlSession")) == 2


def test_its_session_is_an_xcom_and_has_a_link(make: Make, control: ControlClient) -> None:
    arrive(control, 0)
    ti = TaskInstance(task_id="wait")
    make(runtime="tiny").poke(context(ti))
    assert control.sql_session(ti.xcoms["session_id"])["apiPayload"]["runtimeId"] == "tiny"
    assert ti.xcoms["session_url"].endswith("/workloads")


@pytest.mark.parametrize(
    ("arguments", "counts", "is_over"),
    [
        ({}, [0], False),
        ({}, [], False),
        ({}, [1], True),
        ({"success": lambda count: count > 5}, [5], False),
        ({"success": lambda count: count > 5}, [6], True),
        ({"selector": lambda row: len(row), "success": lambda size: size == 1}, [0], True),
        ({"failure": lambda count: count > 9}, [9], True),
    ],
)
def test_the_first_row_decides(
    make: Make, control: ControlClient, arguments: dict[str, Any], counts: list[int], is_over: bool
) -> None:
    arrive(control, *counts)
    assert make(**arguments).poke(context(TaskInstance())) is is_over


@pytest.mark.parametrize(
    ("arguments", "counts", "told"),
    [
        ({"failure": lambda count: count > 9}, [10], r"failure\(value\) is true for 10"),
        ({"fail_on_empty": True}, [], "no row"),
    ],
)
def test_the_first_row_may_fail_the_task(
    make: Make, control: ControlClient, arguments: dict[str, Any], counts: list[int], told: str
) -> None:
    arrive(control, *counts)
    with pytest.raises(WherobotsSqlException, match=told):
        make(**arguments).execute(context(TaskInstance()))


def test_parameters_become_literals_and_no_log_shows_them(
    make: Make, control: ControlClient, capsys: pytest.CaptureFixture[str]
) -> None:
    arrive(control, 1)
    make(sql=f"{QUERY} WHERE name = %(name)s", parameters={"name": "O'Brien"}).execute(context(TaskInstance()))
    assert executed(control) == [f"{QUERY} WHERE name = 'O\\'Brien'"]
    assert "Brien" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("sql", ["INSERT INTO t VALUES (1)", "", ["SELECT 1"]])
def test_a_statement_that_may_not_be_repeated_is_refused(make: Make, control: ControlClient, sql: Any) -> None:
    with pytest.raises(WherobotsArgumentException, match="wait: sql: must be one statement that only reads") as caught:
        make(sql=sql).execute(context(TaskInstance()))
    assert isinstance(caught.value, AirflowFailException)
    assert control.requests() == []


def test_a_wrong_argument_is_refused_when_the_dag_is_parsed(make: Make) -> None:
    with pytest.raises(WherobotsArgumentException, match="wherobots_conn_id=''"):
        make(wherobots_conn_id="")


def test_a_query_that_fails_fails_the_task(make: Make, control: ControlClient) -> None:
    control.answer_sql("arrivals", error="[TABLE_OR_VIEW_NOT_FOUND] arrivals")
    with pytest.raises(WherobotsSqlStatementFailedException, match="TABLE_OR_VIEW_NOT_FOUND"):
        make().execute(context(TaskInstance()))


@pytest.mark.parametrize("session_id", [None, "", "None"])
def test_an_id_that_is_rendered_to_none_starts_no_session(make: Make, control: ControlClient, session_id: Any) -> None:
    task = make(session_id="{{ ti.xcom_pull('start') }}")
    task.session_id = session_id
    with pytest.raises(WherobotsArgumentException, match="has returned no id"):
        task.execute(context(TaskInstance(task_id="wait")))
    assert control.requests("createSqlSession") == []


def test_a_kill_cancels_the_query(make: Make, control: ControlClient) -> None:
    control.answer_sql("arrivals", {"count": [1]}, held=True)
    task = make()
    kill = signal_when(lambda: is_running(control), lambda *_: task.on_kill())
    with kill, pytest.raises(WherobotsTaskKilledException):
        task.execute(context(TaskInstance()))
    assert not is_running(control)
    make().on_kill()
