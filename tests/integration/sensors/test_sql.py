"""The sensor on a query, against the local server."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_wherobots.compat import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)
from airflow_provider_wherobots.exceptions import (
    WherobotsArgumentException,
    WherobotsSqlException,
    WherobotsSqlSessionException,
    WherobotsSqlStatementFailedException,
    WherobotsTaskKilledException,
)
from airflow_provider_wherobots.sensors import sql as sensor_module
from airflow_provider_wherobots.sensors.sql import WherobotsSqlSensor
from tests.integration import sql_support
from tests.integration.signals import signal_when
from tests.integration.sql_support import executed, is_running, set_connection
from tests.integration.support import TaskInstance, context, deferral_of, resume
from wherobots_local import ControlClient, LocalServer

try:
    from airflow.sdk import DAG
except ImportError:  # 2.11
    from airflow import DAG

QUERY = "SELECT count(*) FROM arrivals"

Make = Callable[..., WherobotsSqlSensor]


server, control = sql_support.server, sql_support.control


@pytest.fixture(autouse=True)
def connection(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    set_connection(monkeypatch, server)


@pytest.fixture
def make(control: ControlClient) -> Make:
    return lambda **arguments: WherobotsSqlSensor(**{"task_id": "wait", "sql": QUERY, **arguments})


def arrive(control: ControlClient, *counts: Any) -> None:
    control.answer_sql("arrivals", {"count": list(counts)})


def connections(control: ControlClient) -> int:
    return sum(session["connections"] for session in control.sql_sessions())


def test_it_is_deferred_between_two_pokes_and_holds_no_connection(make: Make, control: ControlClient) -> None:
    arrive(control, 0)
    ti, task = TaskInstance(task_id="wait"), make(poke_interval=600)
    before = datetime.now(UTC)
    deferred = deferral_of(task, ti)
    path, kwargs = deferred.trigger.serialize()
    assert path.endswith(".temporal.DateTimeTrigger")
    assert timedelta(seconds=600) <= kwargs["moment"] - before < timedelta(seconds=660)
    assert connections(control) == 0
    deferral_of(make(poke_interval=600), ti, deferred, kwargs["moment"])
    arrive(control, 3)
    assert resume(make(poke_interval=600), ti, deferred, kwargs["moment"]) is None
    assert executed(control) == [QUERY] * 3
    assert len(control.requests("createSqlSession")) == 3


def test_its_session_is_an_xcom_and_has_a_link(make: Make, control: ControlClient) -> None:
    arrive(control, 0)
    ti = TaskInstance(task_id="wait")
    deferral_of(make(runtime="tiny"), ti)
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
    with pytest.raises(AirflowSkipException):
        make(never_fail=True, **arguments).execute(context(TaskInstance()))


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


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"success": "yes"}, "success='yes': must be a function"),
        ({"failure": 1}, "failure=1: must be a function"),
        ({"selector": None}, "selector=None: must be a function"),
        ({"deferrable": "yes"}, "deferrable='yes': must be True or False"),
        ({"wherobots_conn_id": ""}, "wherobots_conn_id=''"),
    ],
)
def test_a_wrong_argument_is_refused_when_the_dag_is_parsed(make: Make, arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(WherobotsArgumentException, match=re.escape(told)):
        make(**arguments)


def test_a_session_that_starts_holds_no_worker(
    make: Make, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensor_module, "READY_SECONDS", 0.1)
    control.behaviour(sql_start_delay_seconds=60)
    before = datetime.now(UTC)
    deferred = deferral_of(make(poke_interval=3_600), TaskInstance())
    # Not after an hour: it would have ended by then.
    assert deferred.trigger.serialize()[1]["moment"] - before < timedelta(seconds=90)
    assert executed(control) == []


def test_a_session_that_is_not_ready_in_time_fails_a_sensor_that_stays_on_its_worker(
    make: Make, control: ControlClient
) -> None:
    control.behaviour(sql_start_delay_seconds=60)
    task = make(deferrable=False)
    task.session_wait_timeout = 0.1
    with pytest.raises(WherobotsSqlSessionException, match="session_wait_timeout"):
        task.execute(context(TaskInstance()))


def test_a_query_that_fails_fails_the_task(make: Make, control: ControlClient) -> None:
    control.answer_sql("arrivals", error="[TABLE_OR_VIEW_NOT_FOUND] arrivals")
    with pytest.raises(WherobotsSqlStatementFailedException, match="TABLE_OR_VIEW_NOT_FOUND"):
        make().execute(context(TaskInstance()))
    deferral_of(make(silent_fail=True), TaskInstance())


@pytest.mark.parametrize(("soft_fail", "kind"), [(False, AirflowSensorTimeout), (True, AirflowSkipException)])
def test_its_timeout_counts_from_the_start_of_the_try(
    make: Make, control: ControlClient, soft_fail: bool, kind: type[Exception]
) -> None:
    arrive(control, 0)
    ti = TaskInstance(task_id="wait")
    task = make(timeout=3_600, soft_fail=soft_fail)
    deferred = deferral_of(task, ti)
    ti.start_date -= timedelta(seconds=3_601)
    with pytest.raises(kind):
        task.resume_execution(deferred.method_name, {"event": None}, context(ti))


def test_the_pause_grows_with_exponential_backoff(make: Make, control: ControlClient) -> None:
    arrive(control, 0)
    ti, before = TaskInstance(task_id="wait"), datetime.now(UTC)
    task = make(poke_interval=10, exponential_backoff=True, timeout=100_000)
    deferred = deferral_of(task, ti)
    for _ in range(5):
        deferred = deferral_of(task, ti, deferred, None)
    assert deferred.trigger.serialize()[1]["moment"] - before > timedelta(seconds=100)


def test_it_is_polled_no_sooner_than_airflow_can_tell_its_pokes_apart(make: Make, control: ControlClient) -> None:
    """With exponential_backoff Airflow's pauses begin below poke_interval. After a thousand pokes they overflow."""
    arrive(control, 0)
    ti, before = TaskInstance(task_id="wait"), datetime.now(UTC)
    task = make(poke_interval=10, exponential_backoff=True, max_wait=60, timeout=100_000)
    deferred = deferral_of(task, ti)
    assert deferred.trigger.serialize()[1]["moment"] - before >= timedelta(seconds=10)
    deferred.kwargs["pokes"] = 2_000
    deferral_of(task, ti, deferred, None)


def test_a_try_that_gets_what_another_one_has_stored_starts_over(make: Make, control: ControlClient) -> None:
    """The task was cleared while a worker executed a poke: Airflow keeps its start too."""
    arrive(control, 0)
    ti = TaskInstance(task_id="wait")
    deferred = deferral_of(make(timeout=3_600), ti)
    cleared = TaskInstance(2, task_id="wait")
    cleared.start_date -= timedelta(hours=2)
    again = deferral_of(make(timeout=3_600), cleared, deferred, None)
    assert again.kwargs["pokes"] == 1
    assert deferral_of(make(timeout=3_600), cleared, again, None).kwargs["pokes"] == 2


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_a_sensor_that_was_missing_in_its_dag_while_deferred_does_not_defer_again(
    make: Make, control: ControlClient, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(sensor_module, "RETRY_RESUMES_DEFERRAL", False)
    arrive(control, 1)
    task, ti = make(mode=mode), TaskInstance(2, task_id="wait")
    task.resume_execution("execute_after_pause", {"pokes": 3}, context(ti))
    assert (task.deferrable, task.mode) == (False, "poke")


def test_on_3_0_a_retry_does_not_fail_with_the_failure_of_the_try_before(
    make: Make, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensor_module, "RETRY_RESUMES_DEFERRAL", True)
    arrive(control, 1)
    make().resume_execution("__fail__", {"error": "Trigger failure"}, context(TaskInstance(2, task_id="wait")))
    assert executed(control) == [QUERY]


@pytest.mark.parametrize("flag", ["soft_fail", "never_fail"])
@pytest.mark.parametrize("is_resumed", [False, True])
def test_a_killed_sensor_is_not_skipped(make: Make, control: ControlClient, flag: str, is_resumed: bool) -> None:
    arrive(control, 0)
    task, ti = make(**{flag: True}), TaskInstance(task_id="wait")
    deferred = deferral_of(task, ti)
    control.answer_sql("arrivals", {"count": [1]}, held=True)
    kill = signal_when(lambda: is_running(control), lambda *_: task.on_kill())
    with kill, pytest.raises(WherobotsTaskKilledException):
        resume(task, ti, deferred, None) if is_resumed else task.execute(context(ti))


def test_with_soft_fail_a_query_that_fails_is_retried_in_each_poke(make: Make, control: ControlClient) -> None:
    arrive(control, 0)
    task, ti = make(soft_fail=True), TaskInstance(task_id="wait")
    deferred = deferral_of(task, ti)
    control.answer_sql("arrivals", error="out of memory")
    with pytest.raises(WherobotsSqlStatementFailedException):
        resume(task, ti, deferred, None)


@pytest.mark.parametrize("session_id", [None, "", "None"])
def test_an_id_that_is_rendered_to_none_starts_no_session(make: Make, control: ControlClient, session_id: Any) -> None:
    task = make(session_id="{{ ti.xcom_pull('start') }}")
    task.session_id = session_id
    with pytest.raises(WherobotsArgumentException, match="has returned no id"):
        task.execute(context(TaskInstance(task_id="wait")))
    assert control.requests("createSqlSession") == []


def test_with_reschedule_a_session_that_starts_holds_no_worker_either(
    make: Make, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensor_module, "READY_SECONDS", 0.1)
    control.behaviour(sql_start_delay_seconds=60)
    task = make(deferrable=False, mode="reschedule", poke_interval=3_600)
    assert not task.poke(context(TaskInstance()))
    assert task._get_next_poke_interval(datetime.now(UTC), lambda: 0.0, 1) == sensor_module.STARTING_SECONDS


def test_a_kill_cancels_the_query(make: Make, control: ControlClient) -> None:
    control.answer_sql("arrivals", {"count": [1]}, held=True)
    task = make()
    kill = signal_when(lambda: is_running(control), lambda *_: task.on_kill())
    with kill, pytest.raises(WherobotsTaskKilledException):
        task.execute(context(TaskInstance()))
    assert not is_running(control)
    make().on_kill()


def test_a_parameter_is_never_the_name_of_a_file(make: Make) -> None:
    with DAG("dag", schedule=None):
        sensor = make(sql="SELECT %(name)s", parameters={"name": "x.sql"})
    sensor.resolve_template_files()
    sensor.render_template_fields({})
    assert sensor.parameters == {"name": "x.sql"}
