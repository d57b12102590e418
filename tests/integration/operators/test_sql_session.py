"""How the SQL operator gets its session, against the local server: waits, quota, and kills meanwhile."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock

import pytest

from airflow_provider_wherobots.compat import AirflowFailException
from airflow_provider_wherobots.exceptions import (
    WherobotsExecutionTimeoutException,
    WherobotsQuotaException,
    WherobotsSqlSessionException,
    WherobotsTaskKilledException,
    WherobotsUnavailableException,
)
from airflow_provider_wherobots.flows import quota
from airflow_provider_wherobots.flows.sql import session as session_flows
from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator
from airflow_provider_wherobots.triggers import guarded
from tests.integration import sql_support
from tests.integration.calls import (
    RaisedInHandlerError,
    interrupt_first,
    kill_while_reading,
    once_answered,
    timeouts_of,
)
from tests.integration.operators.sql_tasks import run_to_end
from tests.integration.signals import signal_when
from tests.integration.sql_support import set_connection
from tests.integration.support import TaskInstance, context, deferral_of, next_try, resume, trigger_of
from tests.support.sql_control import SqlControl
from tests.support.waiting import wait_for
from wherobots_local import LocalServer

Make = Callable[..., WherobotsSqlOperator]
NO_ROOM = {"errors": [{"code": "INSUFFICIENT_QUOTA_ERROR", "message": "no more sessions"}], "requestId": "req-1"}

server, control = sql_support.server, sql_support.control


@pytest.fixture
def make(server: LocalServer, control: SqlControl, monkeypatch: pytest.MonkeyPatch) -> Make:
    set_connection(monkeypatch, server)
    return lambda sql="SELECT 1", **arguments: WherobotsSqlOperator(
        **{"task_id": "task", "sql": sql, "deferrable": False, **arguments}
    )


@pytest.fixture
def short_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait for quota is deferred at once, and short."""
    monkeypatch.setattr(quota, "FIRST_QUOTA_RETRY_SECONDS", 0.1)
    monkeypatch.setattr(quota, "HOLD_SECONDS", 0.0)


def refuse(control: SqlControl, times: int | None = None) -> None:
    control.add_fault("createSqlSession", {"type": "status", "status": 403, "body": NO_ROOM}, times=times)


def deletes(control: SqlControl) -> int:
    return len(control.requests("deleteSqlSession"))


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [
        ({}, None),
        ({"session_key": "ours"}, 300),
        ({"session_key": "ours", "shutdown_after_inactive_seconds": 700}, 700),
    ],
)
def test_a_session_with_a_key_ends_five_minutes_after_its_last_client(
    make: Make, control: SqlControl, arguments: dict[str, Any], seconds: int | None
) -> None:
    make(**arguments).execute(context(TaskInstance()))
    assert control.sql_sessions()[-1]["apiPayload"]["shutdownAfterInactiveSeconds"] == seconds


def test_an_invisible_session_is_stopped(make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_flows, "REFUSED_SECONDS", 0.0)
    control.add_fault("getSqlSession", {"type": "status", "status": 403}, times=2)
    with pytest.raises(WherobotsUnavailableException):
        make(force_new=True).execute(context(TaskInstance(2, max_tries=1)))
    assert deletes(control) == 1


def test_a_new_session_that_cannot_be_looked_at_once_is_left_to_the_trigger(make: Make, control: SqlControl) -> None:
    control.add_fault("getSqlSession", {"type": "status", "status": 403}, times=2)
    _, triggers = run_to_end(make(deferrable=True), TaskInstance())
    assert triggers == ["session"]


def test_a_key_that_is_refused_for_a_moment_delays_the_session(make: Make, control: SqlControl) -> None:
    control.add_fault("createSqlSession", {"type": "status", "status": 401}, times=1)
    control.add_fault("openSqlSocket", {"type": "status", "status": 401}, times=1)
    rows, _ = run_to_end(make(), TaskInstance())
    assert len(rows) == 1


def test_a_key_that_stays_refused_keeps_the_retries(make: Make, control: SqlControl) -> None:
    control.add_fault("createSqlSession", {"type": "status", "status": 401})
    with pytest.raises(WherobotsUnavailableException, match="There is no SQL session: connection '") as caught:
        make(max_outage_seconds=1).execute(context(TaskInstance()))
    assert not isinstance(caught.value, AirflowFailException)
    assert str(caught.value).endswith(". Check the API key in the connection. Each retry reads it again")


@pytest.mark.parametrize("hold_seconds", [0.0, 180.0])
def test_a_full_organization_is_waited_for_and_a_long_wait_is_deferred(
    make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch, short_quota: None, hold_seconds: float
) -> None:
    monkeypatch.setattr(quota, "HOLD_SECONDS", hold_seconds)
    refuse(control, times=2)
    rows, triggers = run_to_end(make(deferrable=True), TaskInstance())
    assert len(rows) == 1
    assert triggers[:2].count("WherobotsQuotaTrigger") == (0 if hold_seconds else 2)
    assert len(control.requests("createSqlSession")) == 3


def test_a_retry_still_knows_after_its_wait_that_the_try_before_has_sent_nothing(
    make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch, short_quota: None
) -> None:
    refuse(control, times=2)
    tasks, ti = [], TaskInstance()
    for limit in ("0", "60"):
        monkeypatch.setenv("AIRFLOW__WHEROBOTS__MAX_QUOTA_WAIT_SECONDS", limit)
        tasks.append(make("INSERT", deferrable=True, retries=1))
    with pytest.raises(WherobotsQuotaException):
        tasks[0].execute(context(ti))
    _, triggers = run_to_end(tasks[1], next_try(ti))
    assert triggers[0] == "WherobotsQuotaTrigger"
    assert sql_support.executed(control) == ["INSERT"]


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize(
    ("store", "sql", "sessions"),
    [(None, "INSERT", 2), (None, "SELECT 1", 1), ({}, "INSERT", 1)],
    ids=["below Airflow 3.3", "that only reads", "from Airflow 3.3"],
)
def test_another_session_is_requested_where_no_retry_could_know_that_nothing_was_sent(
    make: Make, control: SqlControl, store: Any, sql: str, sessions: int, deferrable: bool
) -> None:
    control.behaviour(sql_start_delay_seconds=60)

    def end_the_first() -> None:
        wait_for(lambda: control.requests("getSqlSession"), what="the wait for the session")
        control.behaviour(sql_start_delay_seconds=0)
        control.end_sql_session(control.sql_sessions()[-1]["id"])

    ending = threading.Thread(target=end_the_first)
    ending.start()
    expected = contextlib.nullcontext() if sessions > 1 else pytest.raises(WherobotsSqlSessionException)
    with expected:
        run_to_end(make(sql, deferrable=deferrable, retries=1), TaskInstance(store=store))
    ending.join()
    assert len(control.requests("createSqlSession")) == sessions
    assert sql_support.executed(control) == ["INSERT"] * (sessions - 1)


def test_a_session_that_never_starts_is_not_requested_for_ever(make: Make, control: SqlControl) -> None:
    ended = {"id": "s1", "status": "INIT_FAILED", "message": "no node"}
    control.add_fault("getSqlSession", {"type": "status", "status": 200, "body": ended})
    with pytest.raises(WherobotsSqlSessionException, match="INIT_FAILED: no node"):
        make("INSERT", retries=1).execute(context(TaskInstance(store=None)))
    assert len(control.requests("createSqlSession")) == 3


def test_a_wait_for_quota_has_one_limit_for_all_its_deferrals(
    make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch, short_quota: None
) -> None:
    monkeypatch.setenv("AIRFLOW__WHEROBOTS__MAX_QUOTA_WAIT_SECONDS", "1")
    refuse(control)
    with pytest.raises(WherobotsQuotaException):
        run_to_end(make(deferrable=True), TaskInstance())
    assert len(control.requests("createSqlSession")) > 1


def test_a_full_organization_at_the_execution_timeout_is_a_timeout(make: Make, control: SqlControl) -> None:
    refuse(control)
    with pytest.raises(WherobotsExecutionTimeoutException, match=r"execution_timeout is 5 seconds: .*no more sessions"):
        make(execution_timeout=timedelta(seconds=5)).execute(context(TaskInstance()))


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_named_session_that_is_unknown_is_told_at_once(
    make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    monkeypatch.setattr(session_flows, "FIRST_LOOK_SECONDS", 0.1)
    with pytest.raises(WherobotsSqlSessionException, match="does not know SQL session gone"):
        run_to_end(make(session_id="gone", deferrable=deferrable), TaskInstance())
    # On the worker twice; else there once, in the trigger twice, and on the worker twice again.
    assert len(control.requests("getSqlSession")) == (5 if deferrable else 2)


def test_a_kill_before_the_request_sends_nothing(make: Make, control: SqlControl) -> None:
    task = make()
    task.on_kill()
    with pytest.raises(WherobotsTaskKilledException):
        task.execute(context(TaskInstance()))
    assert control.requests() == []


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_kill_while_an_xcom_is_pushed_stops_the_session(make: Make, control: SqlControl, deferrable: bool) -> None:
    class Killed(TaskInstance):
        def xcom_push(self, key: str, value: Any) -> None:
            super().xcom_push(key, value)
            if key == "session_id":
                task.on_kill()

    task = make(deferrable=deferrable, force_new=True)
    control.behaviour(sql_start_delay_seconds=60)
    with pytest.raises(WherobotsTaskKilledException):
        task.execute(context(Killed()))
    assert deletes(control) == 1


def test_a_kill_while_a_resumed_try_reads_its_connection_does_not_read_it_in_the_signal_handler(
    make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    control.behaviour(sql_start_delay_seconds=60)
    ti, task = TaskInstance(), make(force_new=True, deferrable=True)
    deferred = deferral_of(make(force_new=True, deferrable=True), ti)
    reads = kill_while_reading(task, monkeypatch)
    with pytest.raises(WherobotsTaskKilledException):
        resume(task, ti, deferred, {"reason": "the trigger has given up"})
    assert len(reads) == 1
    assert deletes(control) == 1


def test_a_kill_though_interrupted_stops_it(make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch) -> None:
    control.behaviour(sql_start_delay_seconds=60)
    task = make(force_new=True)
    interrupt_first("deleteSqlSession", lambda: None, monkeypatch)
    kill = signal_when(lambda: control.requests("getSqlSession"), lambda *_: task.on_kill())
    with kill, pytest.raises(RaisedInHandlerError):
        task.execute(context(TaskInstance()))
    # Airflow calls it at a timeout, once the exception has left the task.
    task.on_kill()
    assert deletes(control) == 1


@pytest.mark.usefixtures("prompt_kills")
@pytest.mark.parametrize("operation", ["createSqlSession", "getSqlSession"])
def test_a_kill_without_an_answer_ends(
    make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    """A kill may come before the task knows the id of its session: the request itself reads the session."""
    control.behaviour(sql_start_delay_seconds=60)
    control.add_fault("deleteSqlSession", {"type": "hang", "seconds": 3_600})
    task, allowed = make(force_new=True), timeouts_of("deleteSqlSession", monkeypatch)
    killed = list[str]()

    def kill_once(answered: str) -> None:
        if answered == operation and not killed:
            killed.append(answered)
            task.on_kill()

    once_answered(kill_once, monkeypatch)
    with pytest.raises(WherobotsTaskKilledException):
        task.execute(context(TaskInstance()))
    assert deletes(control) == len(allowed) >= 1
    # Airflow leaves the process five seconds.
    assert sum(allowed) < 5.0


@pytest.mark.parametrize(
    ("arguments", "state", "stopped"),
    [
        ({"force_new": True}, "failed", 1),
        ({"force_new": True}, "success", 1),
        ({"force_new": True}, "deferred", 0),
        ({"force_new": True}, "running", 0),
        ({"force_new": True}, None, 0),
        ({"session_key": "shared"}, "failed", 0),
    ],
)
def test_a_kill_while_the_triggerer_waits_for_the_session_stops_it_unless_others_may_use_it(
    make: Make,
    control: SqlControl,
    monkeypatch: pytest.MonkeyPatch,
    arguments: dict[str, Any],
    state: str | None,
    stopped: int,
) -> None:
    monkeypatch.setattr(guarded, "get_task_state", AsyncMock(return_value=state))
    control.behaviour(sql_start_delay_seconds=60)
    trigger = trigger_of(deferral_of(make(deferrable=True, **arguments), TaskInstance()))
    asyncio.run(trigger.on_kill())
    assert deletes(control) == stopped
