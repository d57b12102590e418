"""The operators that start and stop a SQL session, against the local server."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock

import pytest

from airflow_provider_wherobots.compat import AirflowException
from airflow_provider_wherobots.exceptions import (
    WherobotsArgumentException,
    WherobotsExecutionTimeoutException,
    WherobotsQuotaException,
    WherobotsRequestException,
    WherobotsSqlSessionException,
    WherobotsTaskKilledException,
    WherobotsUnavailableException,
)
from airflow_provider_wherobots.flows import quota
from airflow_provider_wherobots.flows.sql import session as session_flows
from airflow_provider_wherobots.hooks.sql import WherobotsSqlHook
from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator
from airflow_provider_wherobots.operators.sql_session import (
    WherobotsSqlSessionStartOperator,
    WherobotsSqlSessionStopOperator,
)
from airflow_provider_wherobots.triggers import guarded
from tests.integration import sql_support
from tests.integration.calls import once_answered, timeouts_of
from tests.integration.operators.sql_tasks import run_to_end
from tests.integration.signals import signal_when
from tests.integration.sql_support import set_connection
from tests.integration.support import TaskInstance, context, deferral_of, next_try, trigger_of
from wherobots_local import ControlClient, LocalServer

try:
    from airflow.sdk import DAG
except ImportError:  # 2.11
    from airflow import DAG

Start = Callable[..., WherobotsSqlSessionStartOperator]


server, control = sql_support.server, sql_support.control


@pytest.fixture
def start(server: LocalServer, control: ControlClient, monkeypatch: pytest.MonkeyPatch) -> Start:
    set_connection(monkeypatch, server)
    return lambda **arguments: WherobotsSqlSessionStartOperator(
        **{"task_id": "start", "deferrable": False, **arguments}
    )


def stop(session_id: Any) -> None:
    WherobotsSqlSessionStopOperator(task_id="stop", session_id=session_id).execute(context(TaskInstance()))


def deletes(control: ControlClient) -> int:
    return len(control.requests("deleteSqlSession"))


def is_alive(control: ControlClient, session_id: str) -> bool:
    return not control.sql_session(session_id)["status"].startswith("DESTROY")


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_session_is_started_used_and_stopped(start: Start, control: ControlClient, deferrable: bool) -> None:
    control.behaviour(sql_start_delay_seconds=1.5)
    ti = TaskInstance(task_id="start")
    session_id, triggers = run_to_end(start(deferrable=deferrable, runtime="tiny"), ti)
    assert triggers == (["WherobotsSqlSessionTrigger"] if deferrable else [])
    assert ti.xcoms["session_id"] == session_id
    sent = control.sql_session(session_id)["apiPayload"]
    assert (sent["runtimeId"], sent["sessionKey"]) == ("tiny", ti.xcoms["session_key"])
    used = TaskInstance()
    task = WherobotsSqlOperator(task_id="task", sql="SELECT 1", session_id=session_id, deferrable=False)
    assert len(task.execute(context(used))) == 1
    assert used.xcoms["session_id"] == session_id
    stop(session_id)
    assert not is_alive(control, session_id)
    assert len(control.requests("createSqlSession")) == 1


def test_a_retry_gets_the_same_session_and_another_dag_run_another(start: Start, control: ControlClient) -> None:
    first = start().execute(context(TaskInstance(task_id="start")))
    assert start().execute(context(TaskInstance(try_number=2, task_id="start"))) == first
    other: Any = TaskInstance(task_id="start")
    other.run_id = "manual__2"
    assert start().execute(context(other)) != first


def test_tasks_find_the_session_by_its_key(start: Start, control: ControlClient) -> None:
    ti = TaskInstance(task_id="start")
    session_id = start(session_key="ours").execute(context(ti))
    assert ti.xcoms["session_key"] == "ours"
    used = TaskInstance()
    WherobotsSqlOperator(task_id="t", sql="SELECT 1", session_key="ours", deferrable=False).execute(context(used))
    assert used.xcoms["session_id"] == session_id


def test_without_a_key_the_session_is_that_of_clients_that_cannot_send_one(
    start: Start, control: ControlClient
) -> None:
    ti = TaskInstance(task_id="start")
    session_id = start(session_key="", shutdown_after_inactive_seconds=901).execute(context(ti))
    assert control.sql_session(session_id)["apiPayload"]["sessionKey"] is None
    assert not ti.xcoms["session_key"]
    other = WherobotsSqlHook(shutdown_after_inactive_seconds=901)
    other.get_first("SELECT 1")
    assert other.session is not None
    assert other.session.id == session_id


def test_a_key_that_renders_to_nothing_shares_no_session(start: Start, control: ControlClient) -> None:
    task = start(session_key="{{ key }}")
    task.render_template_fields(context(TaskInstance()) | {"key": ""})
    with pytest.raises(WherobotsArgumentException, match="session_key='': must not be empty once it is rendered"):
        task.execute(context(TaskInstance(task_id="start")))
    assert control.requests("createSqlSession") == []


def test_both_operators_ask_for_how_long_a_session_lives_without_clients(start: Start, control: ControlClient) -> None:
    start(shutdown_after_inactive_seconds=600).execute(context(TaskInstance(task_id="start")))
    WherobotsSqlOperator(
        task_id="task", sql="SELECT 1", session_key="ours", deferrable=False, shutdown_after_inactive_seconds=700
    ).execute(context(TaskInstance()))
    asked = [session["apiPayload"]["shutdownAfterInactiveSeconds"] for session in control.sql_sessions()[-2:]]
    assert asked == [600, 700]


@pytest.mark.parametrize("session_id", [None, "", "None"])
def test_a_stop_without_a_session_is_fine(start: Start, control: ControlClient, session_id: Any) -> None:
    stop(session_id)
    assert control.requests() == []


def test_a_stop_that_fails_is_told_and_may_be_retried(
    start: Start, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = start().execute(context(TaskInstance()))
    monkeypatch.setattr(session_flows, "FIRST_LOOK_SECONDS", 1000.0)
    control.add_fault("deleteSqlSession", {"type": "status", "status": 503})
    with pytest.raises(WherobotsUnavailableException, match="could not be stopped"):
        stop(session_id)


@pytest.mark.parametrize("session_id", [["a"], "..", " "])
def test_a_stop_with_something_else_sends_nothing(start: Start, control: ControlClient, session_id: Any) -> None:
    with pytest.raises(WherobotsArgumentException, match=re.escape(f"session_id={session_id!r}")):
        stop(session_id)
    assert control.requests() == []


@pytest.mark.parametrize(("arguments", "stopped"), [({}, 1), ({"session_key": "shared"}, 0), ({"session_key": ""}, 0)])
def test_a_session_that_is_not_ready_in_time_is_stopped_unless_others_may_use_it(
    start: Start, control: ControlClient, arguments: dict[str, Any], stopped: int
) -> None:
    control.behaviour(sql_start_delay_seconds=60)
    with pytest.raises(WherobotsSqlSessionException, match="session_wait_timeout=1"):
        start(session_wait_timeout=1, **arguments).execute(context(TaskInstance(2)))
    assert deletes(control) == stopped


def test_a_session_that_cannot_be_looked_at_is_stopped(
    start: Start, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_wherobots.flows.sql.session.REFUSED_SECONDS", 0.0)
    control.add_fault("getSqlSession", {"type": "status", "status": 403}, times=2)
    with pytest.raises(WherobotsRequestException):
        start(deferrable=False).execute(context(TaskInstance()))
    assert deletes(control) == 1


def test_a_new_session_that_cannot_be_looked_at_once_is_left_to_the_trigger(
    start: Start, control: ControlClient
) -> None:
    control.add_fault("getSqlSession", {"type": "status", "status": 403}, times=2)
    _, triggers = run_to_end(start(deferrable=True), TaskInstance(task_id="start"))
    assert triggers == ["WherobotsSqlSessionTrigger"]


NO_ROOM = {"errors": [{"code": "INSUFFICIENT_QUOTA_ERROR", "message": "no more sessions"}], "requestId": "req-1"}


@pytest.mark.parametrize("hold_seconds", [0.0, 180.0])
def test_a_full_organization_is_waited_for_and_a_long_wait_is_deferred(
    start: Start, control: ControlClient, monkeypatch: pytest.MonkeyPatch, hold_seconds: float
) -> None:
    monkeypatch.setattr(quota, "FIRST_QUOTA_RETRY_SECONDS", 0.1)
    monkeypatch.setattr(quota, "HOLD_SECONDS", hold_seconds)
    control.add_fault("createSqlSession", {"type": "status", "status": 403, "body": NO_ROOM}, times=2)
    session_id, triggers = run_to_end(start(deferrable=True), TaskInstance(task_id="start"))
    assert triggers == ([] if hold_seconds else ["WherobotsQuotaTrigger"] * 2)
    assert is_alive(control, session_id)
    assert len(control.requests("createSqlSession")) == 3


def test_a_statement_waits_for_quota_too(start: Start, control: ControlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "FIRST_QUOTA_RETRY_SECONDS", 0.1)
    monkeypatch.setattr(quota, "HOLD_SECONDS", 0.0)
    control.add_fault("createSqlSession", {"type": "status", "status": 403, "body": NO_ROOM}, times=1)
    rows, triggers = run_to_end(WherobotsSqlOperator(task_id="task", sql="SELECT 1", deferrable=True), TaskInstance())
    assert (len(rows), triggers[0]) == (1, "WherobotsQuotaTrigger")


def test_a_retry_still_knows_after_its_wait_that_the_try_before_has_sent_nothing(
    start: Start, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "FIRST_QUOTA_RETRY_SECONDS", 0.1)
    monkeypatch.setattr(quota, "HOLD_SECONDS", 0.0)
    control.add_fault("createSqlSession", {"type": "status", "status": 403, "body": NO_ROOM}, times=2)
    tasks, ti = [], TaskInstance()
    for limit in ("0", "60"):
        monkeypatch.setenv("AIRFLOW__WHEROBOTS__MAX_QUOTA_WAIT_SECONDS", limit)
        tasks.append(WherobotsSqlOperator(task_id="task", sql="INSERT", deferrable=True, retries=1))
    with pytest.raises(WherobotsQuotaException):
        tasks[0].execute(context(ti))
    _, triggers = run_to_end(tasks[1], next_try(ti))
    assert triggers[0] == "WherobotsQuotaTrigger"
    assert sql_support.executed(control) == ["INSERT"]


def test_a_wait_for_quota_has_one_limit_for_all_its_deferrals(
    start: Start, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "FIRST_QUOTA_RETRY_SECONDS", 0.1)
    monkeypatch.setattr(quota, "HOLD_SECONDS", 0.0)
    monkeypatch.setenv("AIRFLOW__WHEROBOTS__MAX_QUOTA_WAIT_SECONDS", "1")
    control.add_fault("createSqlSession", {"type": "status", "status": 403, "body": NO_ROOM})
    with pytest.raises(WherobotsQuotaException):
        run_to_end(WherobotsSqlOperator(task_id="task", sql="SELECT 1", deferrable=True), TaskInstance())
    assert len(control.requests("createSqlSession")) > 1


@pytest.mark.parametrize("of_statement", [False, True])
def test_a_full_organization_at_the_execution_timeout_is_a_timeout(
    start: Start, control: ControlClient, of_statement: bool
) -> None:
    control.add_fault("createSqlSession", {"type": "status", "status": 403, "body": NO_ROOM})
    limit = timedelta(seconds=5)
    task: Any = start(execution_timeout=limit)
    if of_statement:
        task = WherobotsSqlOperator(task_id="task", sql="SELECT 1", deferrable=False, execution_timeout=limit)
    with pytest.raises(WherobotsExecutionTimeoutException, match=r"execution_timeout is 5 seconds: .*no more sessions"):
        task.execute(context(TaskInstance()))


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_named_session_that_is_unknown_is_told_at_once(
    start: Start, control: ControlClient, monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    monkeypatch.setattr(session_flows, "FIRST_LOOK_SECONDS", 0.1)
    task = WherobotsSqlOperator(task_id="task", sql="SELECT 1", session_id="gone", deferrable=deferrable)
    with pytest.raises(WherobotsSqlSessionException, match="does not know SQL session gone"):
        run_to_end(task, TaskInstance())
    # On the worker twice; else there once, in the trigger twice, and on the worker twice again.
    assert len(control.requests("getSqlSession")) == (5 if deferrable else 2)


@pytest.mark.parametrize("arguments", [{}, {"session_key": ""}])
def test_a_shared_session_of_a_full_organization_is_not_taken(
    start: Start, control: ControlClient, arguments: dict[str, Any]
) -> None:
    other = start(session_key="other").execute(context(TaskInstance()))
    control.behaviour(sql_max_sessions=1)
    with pytest.raises(WherobotsQuotaException, match="which others use"):
        start(**arguments).execute(context(TaskInstance(task_id="start")))
    assert is_alive(control, other)


def alive(control: ControlClient) -> list[str]:
    return [one["id"] for one in control.sql_sessions() if is_alive(control, one["id"])]


def test_a_kill_on_the_worker_stops_the_session(
    start: Start, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    control.behaviour(sql_start_delay_seconds=60)
    task = start()
    monkeypatch.setattr(time, "sleep", lambda seconds: task.on_kill())
    with pytest.raises(WherobotsTaskKilledException):
        task.execute(context(TaskInstance()))
    assert deletes(control) == 1


def kill_before_the_response(task: WherobotsSqlSessionStartOperator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill a task once the service has handled its request for a session, and the worker knows nothing of it."""
    left = ["createSqlSession"]

    def kill(operation: str) -> None:
        if operation in left:
            left.remove(operation)
            task.on_kill()

    once_answered(kill, monkeypatch)


def test_a_kill_before_the_response_stops_the_session(
    start: Start, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no id yet, but the same request gives the same session."""
    control.behaviour(sql_start_delay_seconds=60)
    task = start()
    kill_before_the_response(task, monkeypatch)
    with pytest.raises(WherobotsTaskKilledException):
        task.execute(context(TaskInstance()))
    assert [len(control.requests(name)) for name in ("createSqlSession", "deleteSqlSession")] == [2, 1]
    assert alive(control) == []


def test_a_kill_before_the_request_sends_nothing(start: Start, control: ControlClient) -> None:
    task = start()
    task.on_kill()
    with pytest.raises(WherobotsTaskKilledException):
        task.execute(context(TaskInstance()))
    assert control.requests() == []


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize("key", ["session_id", "session_key"])
def test_a_kill_while_an_xcom_is_pushed_stops_the_session(
    start: Start, control: ControlClient, key: str, deferrable: bool
) -> None:
    class Killed(TaskInstance):
        def xcom_push(self, key: str, value: Any) -> None:
            super().xcom_push(key, value)
            if key == key_of_kill:
                task.on_kill()

    key_of_kill, task = key, start(deferrable=deferrable)
    control.behaviour(sql_start_delay_seconds=60)
    with pytest.raises(WherobotsTaskKilledException):
        task.execute(context(Killed()))
    assert deletes(control) == 1
    assert alive(control) == []


def test_a_kill_stops_no_session_that_others_may_use(
    start: Start, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = start(session_key="shared")
    kill_before_the_response(task, monkeypatch)
    with pytest.raises(WherobotsTaskKilledException):
        task.execute(context(TaskInstance()))
    assert deletes(control) == 0


@pytest.mark.usefixtures("prompt_kills")
def test_a_kill_ends_in_the_time_that_airflow_leaves_though_the_stop_is_not_answered(
    start: Start, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    control.behaviour(sql_start_delay_seconds=60)
    control.add_fault("deleteSqlSession", {"type": "hang", "seconds": 3_600})
    task, allowed = start(), timeouts_of("deleteSqlSession", monkeypatch)
    kill = signal_when(lambda: control.requests("getSqlSession"), lambda *_: task.on_kill())
    with kill, pytest.raises(WherobotsTaskKilledException):
        task.execute(context(TaskInstance()))
    assert deletes(control) == len(allowed) >= 1
    # Airflow leaves the process five seconds.
    assert sum(allowed) < 5.0


@pytest.mark.parametrize(
    ("arguments", "state", "stopped"),
    [
        ({}, "failed", 1),
        ({}, "deferred", 0),
        ({}, "running", 0),
        ({}, None, 0),
        ({"session_key": "shared"}, "failed", 0),
    ],
)
def test_a_kill_while_deferred_stops_the_session(
    start: Start,
    control: ControlClient,
    monkeypatch: pytest.MonkeyPatch,
    arguments: dict[str, Any],
    state: str | None,
    stopped: int,
) -> None:
    monkeypatch.setattr(guarded, "get_task_state", AsyncMock(return_value=state))
    control.behaviour(sql_start_delay_seconds=60)
    trigger = trigger_of(deferral_of(start(deferrable=True, **arguments), TaskInstance()))
    asyncio.run(trigger.on_kill())
    assert deletes(control) == stopped


def test_a_failed_trigger_stops_the_session_if_no_retry_uses_it(start: Start, control: ControlClient) -> None:
    control.behaviour(sql_start_delay_seconds=60)
    task, ti = start(deferrable=True), TaskInstance()
    deferral_of(task, ti)
    with pytest.raises(AirflowException, match="Trigger timeout"):
        task.resume_execution("__fail__", {"error": "Trigger timeout"}, context(ti))
    assert deletes(control) == 0
    ti.max_tries = 0
    with pytest.raises(AirflowException, match="Trigger timeout"):
        task.resume_execution("__fail__", {"error": "Trigger timeout"}, context(ti))
    assert deletes(control) == 1


def test_they_are_a_setup_and_its_teardown() -> None:

    with DAG("dag", schedule=None):
        begin = WherobotsSqlSessionStartOperator(task_id="start")
        end = WherobotsSqlSessionStopOperator(task_id="stop", session_id=begin.output)
        query = WherobotsSqlOperator(task_id="query", sql="SELECT 1", session_id=begin.output)
        begin >> query >> end.as_teardown(setups=begin)
    assert begin.is_setup
    assert end.is_teardown
    assert end.upstream_task_ids == {"start", "query"}
