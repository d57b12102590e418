"""A session that executes more statements at once than it remembers."""

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_wherobots.exceptions import WherobotsException
from airflow_provider_wherobots.hooks.sql import WherobotsSqlHook
from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator
from airflow_provider_wherobots.tasks import sql_attempt
from tests.integration import sql_support
from tests.integration.operators.sql_tasks import statement_deferral_of
from tests.integration.sql_support import executed
from tests.integration.support import TaskInstance, context, events_of, resume, trigger_of
from tests.support.sql_control import SqlControl
from wherobots_local import LocalServer
from wherobots_local.api.requests import ExecuteMessage
from wherobots_local.sql.executions import Executions, SqlListener

Execute = Callable[[str], Any]


server, control = sql_support.server, sql_support.control


@pytest.fixture(autouse=True)
def connection(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    sql_support.set_connection(monkeypatch, server)


def on_operator(sql: str) -> Any:
    return WherobotsSqlOperator(task_id="task", sql=sql, deferrable=False).execute(context(TaskInstance()))


def on_hook(sql: str) -> Any:
    return WherobotsSqlHook().get_records(sql)


def forget(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Let the server forget the next statements as soon as they begin."""
    execute, left = Executions.execute, iter(range(times))

    def execute_and_forget(self: Executions, request: ExecuteMessage, listener: SqlListener) -> bool:
        done = execute(self, request, listener)
        if next(left, None) is not None:
            self.evict(request.execution_id)
        return done

    monkeypatch.setattr(Executions, "execute", execute_and_forget)


@pytest.mark.parametrize("execute", [on_operator, on_hook])
def test_a_forgotten_read_is_repeated(control: SqlControl, execute: Execute, monkeypatch: pytest.MonkeyPatch) -> None:
    forget(monkeypatch, times=1)
    assert len(execute("SELECT 1")) == 1
    assert executed(control) == ["SELECT 1"] * 2


@pytest.mark.parametrize("execute", [on_operator, on_hook])
@pytest.mark.parametrize(("statement", "times"), [("SELECT 1", 2), ("CALL c.system.f()", 1)])
def test_a_read_is_executed_twice_at_most_and_a_procedure_called_once(
    control: SqlControl, execute: Execute, statement: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget(monkeypatch, times=times)
    with pytest.raises(WherobotsException, match="it succeeded, but its result could not be fetched"):
        execute(statement)
    assert executed(control) == [statement] * times


@pytest.mark.parametrize("execute", [on_operator, on_hook])
@pytest.mark.parametrize("statement", ["INSERT INTO t VALUES (1)", "CREATE OR REPLACE TABLE t AS SELECT 1"])
def test_a_write_that_is_forgotten_at_once_has_succeeded(
    control: SqlControl, execute: Execute, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget(monkeypatch, times=1)
    assert execute(statement) is None
    assert executed(control) == [statement]


def test_a_result_that_is_forgotten_during_a_deferral(control: SqlControl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_attempt, "HAND_OVER_SECONDS", 0.1)
    control.answer_sql("slow", {"one": [1]}, seconds=1.0)
    task, ti = WherobotsSqlOperator(task_id="task", sql="SELECT slow", deferrable=True), TaskInstance()
    deferred = statement_deferral_of(task, ti)
    event = events_of(trigger_of(deferred))
    monkeypatch.setattr(sql_attempt, "HAND_OVER_SECONDS", 30.0)
    control.evict_sql_execution(ti.xcoms["session_id"], event["execution_id"])
    assert len(resume(task, ti, deferred, event)) == 1
    assert executed(control) == ["SELECT slow"] * 2
