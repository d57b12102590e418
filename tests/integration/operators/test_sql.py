"""The SQL operator against the local server, whose sessions have the synthetic engine."""

import asyncio
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, Mock

import pandas  # noqa: F401 - the server's first result would import it, for longer than some limits here
import pytest
from airflow.exceptions import TaskDeferralError, TaskDeferred
from airflow.providers.common.sql.hooks.handlers import fetch_all_handler

from airflow_provider_wherobots import words
from airflow_provider_wherobots.compat import (
    AirflowException,
    AirflowFailException,
    AirflowOptionalProviderFeatureException,
)
from airflow_provider_wherobots.dbapi import connection as dbapi_connection
from airflow_provider_wherobots.exceptions import (
    WherobotsArgumentException,
    WherobotsException,
    WherobotsExecutionTimeoutException,
    WherobotsSqlException,
    WherobotsSqlOutcomeUnknownException,
    WherobotsSqlSessionException,
    WherobotsSqlStatementCancelledException,
    WherobotsSqlStatementFailedException,
    WherobotsTaskKilledException,
    WherobotsUnavailableException,
)
from airflow_provider_wherobots.flows.sql import statement as cancel
from airflow_provider_wherobots.flows.sql import statement as connection
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.statement import last_word_after_cancel
from airflow_provider_wherobots.hooks.sql import WherobotsSqlHook
from airflow_provider_wherobots.io.base import Io
from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator
from airflow_provider_wherobots.runs.memory import Journal
from airflow_provider_wherobots.sql import results
from airflow_provider_wherobots.sql import results as requirements
from airflow_provider_wherobots.tasks import sql_attempt
from airflow_provider_wherobots.triggers import sql_statement
from local_server.tests.sql_support import SqlSocket
from tests.integration import sql_support
from tests.integration.calls import RaisedInHandlerError, interrupt_first_read
from tests.integration.operators.sql_tasks import run_to_end, statement_deferral_of
from tests.integration.signals import signal_when
from tests.integration.sql_support import API_KEY, executed, is_running, set_connection
from tests.integration.support import Said, TaskInstance, context, deferral_of, events_of, next_try, resume, trigger_of
from tests.support.sql_control import SqlControl
from tests.support.waiting import wait_for
from wherobots_local import LocalServer
from wherobots_local.sql.executions import Executions

try:
    from airflow.sdk import DAG
    from airflow.sdk import task as task_decorator
except ImportError:  # 2.11
    from airflow import DAG
    from airflow.decorators import task as task_decorator  # type: ignore[no-redef, attr-defined]

Make = Callable[..., WherobotsSqlOperator]
Follow = Callable[[TaskInstance], TaskInstance]
INSERT = "INSERT INTO a.b.c VALUES (1)"


@pytest.fixture(autouse=True)
def soon_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that has ended refuses connections, for a minute until that is believed."""
    monkeypatch.setattr(connection, "REFUSED_SECONDS", 0.5)


server, control = sql_support.server, sql_support.control


@pytest.fixture
def conn_id(server: LocalServer, control: SqlControl, monkeypatch: pytest.MonkeyPatch) -> str:
    return set_connection(monkeypatch, server, conn_type="wherobots")


@pytest.fixture
def make(conn_id: str) -> Make:
    def operator(sql: Any = "SELECT 7 AS n", **arguments: Any) -> WherobotsSqlOperator:
        return WherobotsSqlOperator(**{"task_id": "task", "sql": sql, "deferrable": False, **arguments})

    return operator


@pytest.fixture
def hand_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_attempt, "HAND_OVER_SECONDS", 0.2)


def run_warm(task: WherobotsSqlOperator, ti: TaskInstance) -> tuple[Any, list[str]]:
    """Run a task, and leave out the wait for its session, which may be ready at once."""
    result, triggers = run_to_end(task, ti)
    return result, [name for name in triggers if name != "session"]


def has_listener(control: SqlControl) -> bool:
    """Whether anybody follows the last statement."""
    return bool(control.sql_sessions()[-1]["executions"][-1]["has_listener"])


def cancels(control: SqlControl) -> int:
    return len([entry for entry in control.requests("cancelExecution") if entry["effective"]])


def document(ti: TaskInstance) -> Any:
    """What the task remembers."""
    return json.loads(ti.store["wherobots"])


def written(ti: TaskInstance) -> list[str]:
    """What the task remembers of its writes, in order."""
    journal = document(ti)["journal"]
    return [*["succeeded"] * Journal.from_json(journal).count, *["sent"] * bool(journal["sent"])]


def wait_until_it_runs(control: SqlControl) -> None:
    wait_for(lambda: is_running(control), what="a statement to run")


# What is returned


def test_a_select_returns_a_data_frame(make: Make, control: SqlControl) -> None:
    ti = TaskInstance()
    frame = make().execute(context(ti))
    assert frame.to_dict("list") == {"n": [7]}
    assert executed(control) == ["SELECT 7 AS n"]
    session_id = control.sql_sessions()[-1]["id"]
    assert ti.xcoms["session_id"] == session_id
    assert ti.xcoms["session_url"].endswith("/workloads")
    assert [link.name for link in make().operator_extra_links] == ["Wherobots SQL sessions"], "the page lists all"
    summary = ti.xcoms["sql_summary"]
    assert (summary["state"], summary["rows"], summary["statements"]) == ("succeeded", 1, 1)
    assert summary["execution_id"] == ti.xcoms["execution_id"] == control.requests("executeSql")[0]["execution_id"]
    assert written(ti) == []


def test_a_result_is_fetched_only_of_what_has_one(make: Make, control: SqlControl) -> None:
    statement = "CREATE OR REPLACE TABLE a.b.c AS SELECT 1"
    assert make(statement).execute(context(TaskInstance())) is None
    assert make([statement]).execute(context(TaskInstance())) == [None]
    described = make(statement, handler=lambda cursor: (cursor.description, cursor.fetchall()))
    assert described.execute(context(TaskInstance())) == (None, [])
    assert executed(control) == [statement] * 3
    assert control.requests("retrieveResults") == []


def test_a_read_without_a_result_is_no_success(make: Make) -> None:
    with pytest.raises(WherobotsSqlException, match="the session has sent no result"):
        make("SELECT * FROM nobody.has.answered").execute(context(TaskInstance()))


def test_a_result_that_may_be_cut_can_fail(make: Make) -> None:
    with pytest.raises(WherobotsSqlException, match="the result has exactly 1,000 rows"):
        make("SELECT ROWS 1500", on_truncated="fail").execute(context(TaskInstance()))
    assert len(make("SELECT ROWS 1500").execute(context(TaskInstance()))) == 1000


def test_without_xcom_the_statement_is_executed_to_its_end_and_nothing_fetched(make: Make, control: SqlControl) -> None:
    assert make("SLEEP 1", do_xcom_push=False).execute(context(TaskInstance())) is None
    assert control.sql_sessions()[-1]["executions"][0]["state"] == "succeeded"
    assert control.requests("cancelExecution") == []


def test_too_large_a_result_fails_for_good(make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "MAX_RESULT_BYTES", 1000)
    with pytest.raises(WherobotsSqlException, match=r"is larger than .* GiB.*WherobotsSqlOperator\(store=") as caught:
        make("SELECT ROWS 1500", retries=3).execute(context(TaskInstance()))
    assert isinstance(caught.value, AirflowFailException)
    assert executed(control) == ["SELECT ROWS 1500"]


def test_results_of_a_list_and_of_a_split_string(make: Make) -> None:
    ti = TaskInstance()
    both = make(["SELECT 1 AS a", "SELECT 2 AS b"]).execute(context(ti))
    assert [frame.to_dict("list") for frame in both] == [{"a": [1]}, {"b": [2]}]
    text = "SELECT 1 AS a; SELECT 2 AS b;"
    last = make(text, split_statements=True).execute(context(ti))
    assert last.to_dict("list") == {"b": [2]}
    both = make(text, split_statements=True, return_last=False).execute(context(ti))
    assert [frame.to_dict("list") for frame in both] == [{"a": [1]}, {"b": [2]}]


def test_records_are_a_dict_per_row(make: Make) -> None:
    records = make(["SELECT 7 AS n", "CREATE TABLE t (a INT)", "SELECT ROWS 2"], handler="records")
    two = [{"id": 0, "name": "row 0"}, {"id": 1, "name": "row 1"}]
    assert records.execute(context(TaskInstance())) == [[{"n": 7}], None, two]


def test_a_handler_gets_a_cursor_and_an_output_processor_its_result(make: Make) -> None:
    assert make(handler=fetch_all_handler).execute(context(TaskInstance())) == [(7,)]
    described = make(
        handler=fetch_all_handler, output_processor=lambda results, descriptions: [(results[0], descriptions[0][0][0])]
    ).execute(context(TaskInstance()))
    assert described == ([(7,)], "n")


def test_parameters_are_literals_and_not_logged(make: Make, control: SqlControl, said: Said) -> None:
    make("SELECT 7 AS n -- %(x)s\n WHERE %(x)s", parameters={"x": "o'secret"}, do_xcom_push=False).execute(
        context(TaskInstance())
    )
    assert executed(control) == ["SELECT 7 AS n -- %(x)s\n WHERE 'o\\'secret'"]
    assert "secret" not in said()


class Runtime(Enum):
    TINY = "tiny"


def test_an_enumeration_counts_by_its_value(make: Make, control: SqlControl) -> None:
    make(runtime=Runtime.TINY).execute(context(TaskInstance()))
    assert control.sql_sessions()[-1]["apiPayload"]["runtimeId"] == "tiny"


def test_database_has_no_effect_and_that_is_said(make: Make, said: Said) -> None:
    make(database="db").execute(context(TaskInstance()))
    assert "database='db' has no effect" in said()


def test_what_is_not_installed_is_told_when_the_dag_is_parsed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "find_spec", lambda name: None if name == "pandas" else name)
    with pytest.raises(AirflowOptionalProviderFeatureException) as caught:
        make()
    assert (
        str(caught.value) == "task: SQL needs pandas: install the extra sql of airflow-provider-wherobots, "
        "from where you got the provider"
    )
    for arguments in (
        {"handler": "records"},
        {"handler": fetch_all_handler},
        {"do_xcom_push": False},
        {"store": {"format": "csv"}},
    ):
        make(**arguments)
    monkeypatch.setattr(requirements, "find_spec", lambda name: None)
    with pytest.raises(AirflowOptionalProviderFeatureException, match=r"needs pyarrow and cbor2 and pandas: install"):
        make()


# Stored results


def test_a_stored_result_returns_its_address(make: Make, server: LocalServer, said: Said) -> None:
    ti = TaskInstance()
    address = make("SELECT ROWS 1500", store={"format": "csv", "single": True}).execute(context(ti))
    assert address.startswith("s3://")
    assert address.endswith(".csv")
    size = ti.xcoms["sql_summary"]["stored_bytes"]
    assert size > 1500
    assert f"The result is stored at {address} ({words.size(size)})" in said()
    stored = Path(server.root) / address.removeprefix("s3://")
    assert len(stored.read_text().splitlines()) == 1501


def test_only_the_last_result_is_stored(make: Make, control: SqlControl) -> None:
    address = make(["CREATE TEMPORARY VIEW v AS SELECT 1", "SELECT ROWS 2"], store={"format": "parquet"}).execute(
        context(TaskInstance())
    )
    assert address.startswith("s3://")
    assert control.requests("retrieveResults") == []


def test_an_empty_result_is_not_stored_and_that_is_said(make: Make, said: Said) -> None:
    assert make("SELECT ROWS 0", store={"format": "csv"}).execute(context(TaskInstance())) is None
    assert "The result has no rows, so nothing was stored: the task returns None" in said()


def test_a_presigned_url_is_masked(make: Make, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    masked: list[str] = []
    monkeypatch.setattr(sql_attempt, "mask_secret", masked.append)
    store = {"format": "csv", "single": True, "generate_presigned_url": True}
    address = make("SELECT ROWS 2", store=store).execute(context(TaskInstance()))
    assert address.startswith("http")
    assert masked == [address]
    text = said()
    assert address not in text
    assert re.search(r"The result is stored \(\d+ \w+\); its presigned URL is what the task returns", text)


# Arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"store": {"format": "orc"}}, r"store\['format'\]='orc': must be parquet, csv or geojson"),
        ({"store": {"format": "csv"}, "handler": fetch_all_handler}, "no handler"),
        ({"geometry": "twkb"}, "geometry='twkb'"),
        ({"session_type": "shared"}, "session_type='shared': must be multi or single"),
        ({"on_truncated": "stop"}, "on_truncated='stop': must be warn or fail"),
        ({"session_wait_timeout": 0}, "session_wait_timeout=0"),
        ({"deferrable": "no"}, "deferrable='no'"),
        ({"handler": "fetch"}, "handler='fetch'"),
    ],
)
def test_a_wrong_argument_fails_the_parsing(make: Make, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(WherobotsArgumentException, match=message) as caught:
        make(**arguments)
    assert str(caught.value).startswith("task: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sql": 7}, "is of type int"),
        ({"sql": "SELECT %(a)s", "parameters": {"b": 1}}, "is not in parameters"),
        ({"session_id": ""}, "session_id='': the task that should have started the SQL session has returned no id"),
        ({"session_id": "None"}, "session_id='None': the task that should have started .* has returned no id"),
        ({"session_id": ".."}, r"session_id='\.\.': must be the id of a SQL session"),
        ({"region": " "}, "region=' '"),
    ],
)
def test_a_wrong_value_sends_nothing(make: Make, control: SqlControl, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(WherobotsArgumentException, match=message) as caught:
        make(**arguments).execute(context(TaskInstance()))
    assert isinstance(caught.value, AirflowFailException)
    assert control.requests() == []


@pytest.mark.parametrize("parameters", ["{{ params.values }}", "{{ 1 }}", "mm=40"])
def test_parameters_that_are_not_the_text_of_a_dict_fail_the_parsing(make: Make, parameters: str) -> None:
    with pytest.raises(WherobotsArgumentException, match=r"^task: parameters: must be a dict, a list or a tuple"):
        make(parameters=parameters).resolve_template_files()


def test_what_the_official_operator_does_not_take_is_an_error(make: Make) -> None:
    # 2.11 has an error of its own for an unknown argument.
    with pytest.raises((TypeError, AirflowException), match=r"(?s)Invalid arguments.*'cursor'"):
        make(cursor="x")


# Deferral


def test_a_task_defers_while_its_session_starts(make: Make, control: SqlControl) -> None:
    control.behaviour(sql_start_delay_seconds=1.5)
    frame, triggers = run_to_end(make(deferrable=True), TaskInstance())
    assert frame.to_dict("list") == {"n": [7]}
    assert triggers == ["session"]
    assert len(control.requests("createSqlSession")) == 1


def test_a_short_statement_in_a_warm_session_does_not_defer(make: Make) -> None:
    make().execute(context(TaskInstance()))
    frame, triggers = run_to_end(make(deferrable=True), TaskInstance())
    assert (frame.to_dict("list"), triggers) == ({"n": [7]}, [])


@pytest.mark.usefixtures("hand_over_at_once")
def test_the_triggerer_follows_and_a_worker_fetches_the_result(make: Make, control: SqlControl) -> None:
    ti = TaskInstance()
    frame, triggers = run_warm(make("SELECT SLEEP 2", deferrable=True, execution_timeout=timedelta(hours=1)), ti)
    assert (frame.to_dict("list"), triggers) == ({"slept": [2.0]}, ["statement"])
    assert executed(control) == ["SELECT SLEEP 2"]
    assert control.requests("cancelExecution") == []
    assert ti.xcoms["sql_summary"]["seconds"] >= 2


@pytest.mark.usefixtures("hand_over_at_once")
@pytest.mark.parametrize("clean_close", ["orphans", "cancels"])
def test_a_hand_over_and_a_triggerer_that_stops_do_not_end_the_statement(
    make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch, clean_close: str
) -> None:
    monkeypatch.setattr(
        "airflow_provider_wherobots.triggers.guarded.get_task_state", AsyncMock(return_value="deferred")
    )
    control.behaviour(sql_clean_close=clean_close)
    control.answer_sql(INSERT, held=True)
    task, ti = make(INSERT, deferrable=True), TaskInstance()
    deferred = statement_deferral_of(task, ti)

    async def follow_and_stop() -> None:
        following = asyncio.create_task(anext(trigger_of(deferred).run()))
        attached_or_ended = lambda: has_listener(control) or not is_running(control)  # noqa: E731
        await asyncio.to_thread(wait_for, attached_or_ended, what="the triggerer to attach")
        following.cancel()
        await asyncio.wait([following])

    asyncio.run(follow_and_stop())
    wait_for(lambda: not has_listener(control), what="the connection to end")
    control.release_sql()
    assert resume(task, ti, deferred, events_of(trigger_of(deferred))) is None
    assert (written(ti), executed(control), cancels(control)) == (["succeeded"], [INSERT], 0)


@pytest.mark.usefixtures("hand_over_at_once")
@pytest.mark.parametrize(("sql", "seconds"), [("SELECT SLEEP 2", 600), (INSERT, 86_400)])
def test_a_forgotten_write_is_waited_for_longer(make: Make, control: SqlControl, sql: str, seconds: int) -> None:
    control.answer_sql("INSERT", seconds=2)
    trigger = trigger_of(statement_deferral_of(make(sql, deferrable=True), TaskInstance()))
    assert trigger.options.forgotten_seconds == seconds


@pytest.mark.usefixtures("hand_over_at_once")
def test_a_task_resumes_from_the_event_alone_as_in_dag_test(make: Make, control: SqlControl) -> None:
    control.behaviour(sql_start_delay_seconds=1)
    control.answer_sql("INSERT", seconds=1)
    statements = ["INSERT INTO a.b.c VALUES (1)", "INSERT INTO a.b.c VALUES (2)", "SELECT 3"]
    task, ti, methods = make(statements, deferrable=True), TaskInstance(), []
    deferred = deferral_of(task, ti)
    while True:
        methods.append(deferred.method_name)
        event = events_of(trigger_of(deferred))
        try:
            *nothing, frame = getattr(task, deferred.method_name)(context(ti), event)
            break
        except TaskDeferred as again:
            deferred = again
    assert methods == ["execute_complete"] * 3
    assert (nothing, len(frame)) == ([None, None], 1)
    assert executed(control) == statements


@pytest.mark.usefixtures("hand_over_at_once")
def test_a_process_that_holds_results_stays_on_the_worker(make: Make) -> None:
    both, triggers = run_warm(make(["SELECT 1", "SELECT SLEEP 1"], deferrable=True), TaskInstance())
    assert (len(both), triggers) == (2, [])


@pytest.mark.usefixtures("hand_over_at_once")
def test_a_presigned_url_is_in_no_event(make: Make) -> None:
    store = {"format": "csv", "single": True, "generate_presigned_url": True}
    task, ti = make("SELECT SLEEP 1", deferrable=True, store=store), TaskInstance()
    deferred = statement_deferral_of(task, ti)
    event = events_of(trigger_of(deferred))
    assert (event["state"], event["result_uri"]) == ("succeeded", None)
    assert resume(task, ti, deferred, event).startswith("http")


@pytest.mark.usefixtures("hand_over_at_once")
def test_a_stored_result_of_a_deferred_task_returns_its_address(make: Make) -> None:
    address, triggers = run_warm(make("SELECT SLEEP 1", deferrable=True, store={"format": "csv"}), TaskInstance())
    assert address.startswith("s3://")
    assert triggers == ["statement"]


@pytest.mark.usefixtures("hand_over_at_once")
def test_a_deferral_carries_no_secret_and_no_sql(make: Make, server: LocalServer) -> None:
    deferred = statement_deferral_of(make("SELECT SLEEP 1", deferrable=True), TaskInstance())
    carried = str(deferred.trigger.serialize()) + str(deferred.kwargs)
    assert server.api_key not in carried
    assert "SLEEP" not in carried


# How it fails


def test_a_failed_statement_says_why(make: Make) -> None:
    ti = TaskInstance()
    with pytest.raises(WherobotsSqlStatementFailedException, match=r"1 of 1 \(FAIL .*no such table") as caught:
        make("FAIL no such table").execute(context(ti))
    assert not isinstance(caught.value, AirflowFailException), "it may be retried"
    assert ti.xcoms["sql_summary"]["state"] == "failed"
    assert written(ti) == []


@contextmanager
def cancelled_elsewhere(control: SqlControl) -> Iterator[None]:
    """Cancel the statement that is executed here as somebody else would."""

    def cancel_elsewhere() -> None:
        wait_until_it_runs(control)
        (entry,) = control.requests("executeSql")
        session = control.sql_session(entry["session_id"])
        with SqlSocket(session["appMeta"]["url"], headers={"X-API-Key": API_KEY}) as socket:
            socket.send("cancel", entry["execution_id"])
            wait_for(lambda: not is_running(control), what="the cancel")

    elsewhere = threading.Thread(target=cancel_elsewhere)
    elsewhere.start()
    yield
    elsewhere.join()


def test_the_execution_timeout_cancels_the_statement(make: Make, control: SqlControl) -> None:
    ti = TaskInstance()
    with pytest.raises(WherobotsExecutionTimeoutException, match=r"execution_timeout \(15 seconds\).*cancelled"):
        make("INSERT INTO t HOLD", execution_timeout=timedelta(seconds=15)).execute(
            hold(control, context(ti), "INSERT INTO t HOLD")
        )
    assert cancels(control) == 1
    assert written(ti) == [], "its cancel was confirmed: a retry may execute it"


def hold(control: SqlControl, given: Any, statement: str) -> Any:
    control.answer_sql(statement, held=True)
    return given


@pytest.mark.usefixtures("hand_over_at_once")
def test_the_execution_timeout_holds_while_the_task_is_deferred(make: Make, control: SqlControl) -> None:
    task, ti = make("HOLD", deferrable=True, execution_timeout=timedelta(seconds=15)), TaskInstance()
    deferred = statement_deferral_of(task, ti)
    assert deferred.timeout is not None
    event = events_of(trigger_of(deferred))
    with pytest.raises(WherobotsExecutionTimeoutException):
        resume(task, ti, deferred, event)
    assert cancels(control) == 1


def test_a_session_that_fails_is_told(make: Make, control: SqlControl) -> None:
    control.behaviour(sql_start_delay_seconds=60)
    task, ti = make(deferrable=True), TaskInstance()
    deferred = deferral_of(task, ti)
    assert deferred.timeout is not None
    assert deferred.timeout > timedelta(minutes=15), "session_wait_timeout"
    control.end_sql_session(ti.xcoms["session_id"], status="DEPLOY_FAILED", message="no capacity")
    event = events_of(trigger_of(deferred))
    with pytest.raises(WherobotsSqlSessionException, match=r"DEPLOY_FAILED.*no capacity") as caught:
        resume(task, ti, deferred, event)
    assert not isinstance(caught.value, AirflowFailException)


def test_an_unknown_outcome_of_what_may_be_executed_again_is_retried(make: Make, control: SqlControl) -> None:
    control.answer_sql("SELECT 'held'", held=True)

    def end() -> None:
        wait_until_it_runs(control)
        control.end_sql_session(control.sql_sessions()[-1]["id"])

    elsewhere = threading.Thread(target=end)
    elsewhere.start()
    with pytest.raises(
        WherobotsSqlOutcomeUnknownException, match=r"Outcome unknown.*A retry of the task executes"
    ) as caught:
        make("SELECT 'held'", max_outage_seconds=3).execute(context(TaskInstance()))
    elsewhere.join()
    assert "may have taken effect" not in str(caught.value)
    assert not isinstance(caught.value, AirflowFailException)


# Kills


def test_a_kill_on_the_worker_cancels_the_statement(make: Make, control: SqlControl) -> None:
    task, ti = make("HOLD"), TaskInstance()

    kill = signal_when(lambda: is_running(control), lambda *_: task.on_kill())
    with kill, pytest.raises(WherobotsTaskKilledException):
        task.execute(context(ti))
    assert cancels(control) == 1
    assert control.sql_sessions()[-1]["executions"][0]["state"] == "cancelled"
    assert written(ti) == [], "the session has confirmed the cancel"


def test_a_kill_after_the_end_of_a_write_remembers_that_it_has_succeeded(make: Make, control: SqlControl) -> None:
    control.answer_sql(INSERT, held=True)
    task, ti = make(INSERT), TaskInstance()

    def end_and_kill(*_: Any) -> None:
        control.release_sql()
        wait_for(lambda: not is_running(control), what="the end")
        task.on_kill()

    with signal_when(lambda: is_running(control), end_and_kill), pytest.raises(WherobotsTaskKilledException):
        task.execute(context(ti))
    assert written(ti) == ["succeeded"]


def test_airflows_own_timeout_cancels_the_statement(make: Make, control: SqlControl) -> None:
    """It interrupts the task with an exception, and calls on_kill after that."""
    task = make("HOLD")
    with signal_when(lambda: is_running(control), die), pytest.raises(WorkerDiesError):
        task.execute(context(TaskInstance()))
    task.on_kill()
    assert cancels(control) == 1


def test_a_kill_after_the_connection_was_lost_records_no_outcome(make: Make, control: SqlControl) -> None:
    """The session may have cancelled the statement before, as one of a lost connection."""
    task, ti = make("HOLD"), TaskInstance()

    def has_lost_its_connection() -> bool:
        if is_running(control) and not control.requests("retrieveResults"):
            control.drop_sql_connections(ti.xcoms["session_id"])
        return bool(control.requests("retrieveResults"))

    kill = signal_when(has_lost_its_connection, lambda *_: task.on_kill())
    with kill, pytest.raises(WherobotsTaskKilledException):
        task.execute(context(ti))
    assert control.sql_sessions()[-1]["executions"][0]["state"] == "cancelled"
    assert written(ti) == ["sent"]


@pytest.mark.usefixtures("prompt_kills")
def test_a_kill_ends_in_time(make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch) -> None:
    task, allowed = make("HOLD"), []

    def note_and_cancel(io: Io, execution_id: str, budget_seconds: float, *given: Any, **more: Any) -> Any:
        allowed.append(budget_seconds)
        return last_word_after_cancel(io, execution_id, budget_seconds, *given, **more)

    monkeypatch.setattr(dbapi_connection, "last_word_after_cancel", note_and_cancel)
    # The cancel has no effect.
    monkeypatch.setattr(Executions, "cancel", lambda *_: False)
    kill = signal_when(lambda: is_running(control), lambda *_: task.on_kill())
    with kill, pytest.raises(WherobotsTaskKilledException):
        task.execute(context(TaskInstance()))
    assert len(control.requests("cancelExecution")) > 1
    assert cancels(control) == 0
    # Airflow leaves the process five seconds.
    assert sum(allowed) < 5.0


def test_a_kill_before_it_is_sent(make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch) -> None:
    task = make()
    monkeypatch.setattr(sql_attempt.SqlAttempt, "push_address", lambda *_: task.on_kill())
    with pytest.raises(WherobotsTaskKilledException):
        task.execute(context(TaskInstance()))
    assert executed(control) == []


@pytest.mark.usefixtures("hand_over_at_once")
def test_a_kill_on_resuming_says_nothing(make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch) -> None:
    task, ti = make("HOLD", deferrable=True), TaskInstance()
    deferred = statement_deferral_of(task, ti)
    event = StatementOutcome(StatementState.RUNNING, ti.xcoms["execution_id"], "it failed").to_event()
    resumed = make("HOLD")
    ready = sql_attempt.SqlAttempt.await_session

    def get_ready_and_kill(*given: Any) -> Any:
        session = ready(*given)
        resumed.on_kill()
        return session

    monkeypatch.setattr(sql_attempt.SqlAttempt, "await_session", get_ready_and_kill)
    with pytest.raises(WherobotsTaskKilledException) as caught:
        resume(resumed, ti, deferred, event)
    assert not isinstance(caught.value, AirflowFailException), "a retry asks what became of it"
    assert not is_running(control)


@pytest.mark.usefixtures("hand_over_at_once")
@pytest.mark.parametrize("moment", ["it reads its connection", "the session is ready"])
def test_a_kill_of_2_11_before_a_resumed_task_follows_the_statement_cancels_it(
    make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    ti, task = TaskInstance(), make("HOLD", deferrable=True)
    statement_deferral_of(make("HOLD", deferrable=True), ti)
    ready = sql_attempt.SqlAttempt.await_session

    def kill(*given: Any) -> Any:
        ready(*given)
        task.on_kill()
        raise RaisedInHandlerError

    if moment == "it reads its connection":
        interrupt_first_read(task, task.on_kill, monkeypatch)
    else:
        monkeypatch.setattr(sql_attempt.SqlAttempt, "await_session", kill)
    with pytest.raises(RaisedInHandlerError):
        task.resume_execution("__fail__", {"error": "Trigger failure"}, context(ti))
    assert not is_running(control)


@pytest.mark.usefixtures("hand_over_at_once")
def test_a_kill_on_resuming_says_that_a_statement_could_not_be_cancelled(
    make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    ti, task = TaskInstance(), make("HOLD", deferrable=True)
    statement_deferral_of(make("HOLD", deferrable=True), ti)

    def kill(*_: Any) -> None:
        control.add_fault("getSqlSession", {"type": "status", "status": 503})
        task.on_kill()

    monkeypatch.setattr(sql_attempt.SqlAttempt, "await_session", kill)
    with pytest.raises(WherobotsTaskKilledException):
        task.resume_execution("__fail__", {"error": "Trigger failure"}, context(ti))
    assert f"Statement {ti.xcoms['execution_id']} was not cancelled (" in said()


@pytest.mark.usefixtures("hand_over_at_once")
@pytest.mark.parametrize(("retries", "runs"), [(0, False), (1, True)])
def test_a_foreign_error_on_resuming_leaves_no_statement_without_a_retry(
    make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch, retries: int, runs: bool
) -> None:
    arguments: dict[str, Any] = {"deferrable": True, "retries": retries}
    ti, task = TaskInstance(max_tries=retries), make("HOLD", **arguments)
    statement_deferral_of(make("HOLD", **arguments), ti)
    monkeypatch.setattr(sql_attempt.SqlAttempt, "await_session", Mock(side_effect=OSError("No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        task.resume_execution("__fail__", {"error": "Trigger failure"}, context(ti))
    assert is_running(control) is runs


@pytest.mark.usefixtures("hand_over_at_once")
def test_a_connection_that_cannot_be_read_does_not_hide_a_kill(
    make: Make, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    ti, task = TaskInstance(), make("HOLD", deferrable=True)
    statement_deferral_of(make("HOLD", deferrable=True), ti)
    interrupt_first_read(task, task.on_kill, monkeypatch, then=ConnectionError("the backend is away"))
    with pytest.raises(RaisedInHandlerError):
        task.resume_execution("__fail__", {"error": "Trigger failure"}, context(ti))
    statement = f"Statement {ti.xcoms['execution_id']} was not cancelled"
    assert f"{statement}: ConnectionError: the backend is away" in said()


def test_a_kill_of_2_11_just_after_the_response_stops_the_tasks_own_session(
    make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make("SELECT 1", force_new=True)

    def be_killed(*_: Any, **__: Any) -> None:
        task.on_kill()
        raise RaisedInHandlerError

    monkeypatch.setattr(sql_attempt.SqlAttempt, "_own", be_killed)
    with pytest.raises(RaisedInHandlerError):
        task.execute(context(TaskInstance()))
    assert len(control.requests("deleteSqlSession")) == 1


@pytest.mark.usefixtures("hand_over_at_once")
@pytest.mark.parametrize(("state", "expected"), [("failed", 1), ("deferred", 0)])
def test_a_kill_while_deferred_cancels_the_statement_and_a_restart_does_not(
    make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch, state: str, expected: int
) -> None:
    monkeypatch.setattr("airflow_provider_wherobots.triggers.guarded.get_task_state", AsyncMock(return_value=state))
    trigger = trigger_of(statement_deferral_of(make("HOLD", deferrable=True), TaskInstance()))
    asyncio.run(trigger.on_kill())
    assert cancels(control) == expected


@pytest.mark.usefixtures("hand_over_at_once")
@pytest.mark.parametrize(
    ("store", "number"), [({}, 1), (None, 1), (None, 2)], ids=["remembers", "does not", "a retry on 3.0"]
)
def test_after_a_failed_trigger_the_worker_goes_on(make: Make, control: SqlControl, store: Any, number: int) -> None:
    """On Airflow 3.0 a retry is given the failure of the try before."""
    control.answer_sql(INSERT, held=True)
    task, ti = make([INSERT, "SELECT 1"], deferrable=True), TaskInstance(store=store)
    statement_deferral_of(task, ti)
    ti.try_number = number
    threading.Timer(0.5, control.release_sql).start()
    nothing, frame = task.resume_execution("__fail__", {"error": "Trigger failure"}, context(ti))
    assert (nothing, len(frame)) == (None, 1)
    assert executed(control) == [INSERT, "SELECT 1"]
    assert control.requests("cancelExecution") == []


@pytest.mark.usefixtures("hand_over_at_once")
@pytest.mark.parametrize(
    ("state", "error", "words", "known"),
    [
        ("running", WherobotsSqlOutcomeUnknownException, "its session cannot be reached", "sent"),
        ("succeeded", WherobotsUnavailableException, "it succeeded, but its result was not fetched", "succeeded"),
    ],
)
def test_a_session_that_has_ended_before_the_task_resumes_leaves_no_wrong_outcome(
    make: Make, control: SqlControl, state: str, error: type[Exception], words: str, known: str
) -> None:
    control.answer_sql("CALL", held=True)
    task, ti = make("CALL c.system.f()", deferrable=True), TaskInstance()
    deferred = statement_deferral_of(task, ti)
    control.end_sql_session(session_id := ti.xcoms["session_id"])
    event = StatementOutcome(StatementState(state), ti.xcoms["execution_id"], "it failed").to_event()
    with pytest.raises(error, match=f"{words}: SQL session {session_id} is DESTROYED"):
        resume(task, ti, deferred, event)
    assert written(ti) == [known]


@pytest.mark.usefixtures("hand_over_at_once")
def test_after_a_failed_trigger_a_statement_that_is_late_is_cancelled(make: Make, control: SqlControl) -> None:
    task, ti = make("INSERT INTO t HOLD", deferrable=True, execution_timeout=timedelta(hours=1)), TaskInstance()
    control.answer_sql("INSERT INTO t HOLD", held=True)
    statement_deferral_of(task, ti)
    ti.start_date -= timedelta(hours=1)
    with pytest.raises(WherobotsExecutionTimeoutException):
        task.resume_execution("__fail__", {"error": "Trigger timeout"}, context(ti))
    assert cancels(control) == 1


@pytest.mark.usefixtures("hand_over_at_once")
@pytest.mark.parametrize("edited", [["SELECT 1", "INSERT"], ["INSERT", "SELECT 1", "SELECT 2"], "INSERT"])
def test_edited_statements_are_not_executed_after_a_deferral(make: Make, control: SqlControl, edited: Any) -> None:
    control.answer_sql("INSERT", seconds=1)
    ti = TaskInstance()
    deferred = statement_deferral_of(make(["INSERT", "SELECT 1"], deferrable=True), ti)
    event = events_of(trigger_of(deferred))
    with pytest.raises(WherobotsArgumentException, match="since the task was deferred") as caught:
        resume(make(edited, deferrable=True), ti, deferred, event)
    assert isinstance(caught.value, AirflowFailException)
    assert executed(control) == ["INSERT"]
    assert written(ti) == ["sent"]


@pytest.mark.usefixtures("hand_over_at_once")
def test_a_deferred_statement_that_renders_differently_counts_as_it_is(make: Make, control: SqlControl) -> None:
    ti = TaskInstance()
    deferred = statement_deferral_of(make(["SELECT SLEEP 1", "SELECT 1"], deferrable=True), ti)
    _, frame = resume(make(["SELECT SLEEP 2", "SELECT 2"]), ti, deferred, events_of(trigger_of(deferred)))
    assert executed(control) == ["SELECT SLEEP 1", "SELECT 2"]
    assert len(frame) == 1


# Retries


def without_memory(ti: TaskInstance) -> TaskInstance:
    """The next try, as it is below Airflow 3.3."""
    return next_try(ti, store=None)


EACH_WAY = pytest.mark.parametrize("follow", [next_try, without_memory], ids=["remembers", "does not"])


class WorkerDiesError(BaseException):
    """What no code of ours handles."""


def die(*_: Any) -> None:
    raise WorkerDiesError


def leave_behind(make: Make, control: SqlControl, sql: Any, *, retries: int = 1, **arguments: Any) -> TaskInstance:
    """Let a worker die while it executes a statement that does not end by itself: nobody cancels it."""
    ti = TaskInstance(max_tries=retries)
    with signal_when(lambda: is_running(control), die), pytest.raises(WorkerDiesError):
        make(sql, retries=retries, **arguments).execute(context(ti))
    assert control.requests("cancelExecution") == []
    return ti


def test_a_retry_of_a_cleared_task_repeats_its_write_after_a_death(make: Make, control: SqlControl) -> None:
    """A clear of a task that has succeeded may begin with the same number of a try."""
    task, ti = make(INSERT, retries=1), TaskInstance(max_tries=1)
    task.execute(context(ti))
    control.add_fault("createSqlSession", {"type": "slow", "seconds": 1}, times=1)

    requested = len(control.requests("createSqlSession"))
    dies = signal_when(lambda: len(control.requests("createSqlSession")) > requested, die)
    with dies, pytest.raises(WorkerDiesError):
        task.execute(context(ti))
    assert make(INSERT, retries=1).execute(context(next_try(ti))) is None
    assert executed(control) == [INSERT, INSERT]


def test_a_retry_of_a_try_that_died_before_it_began_executes_its_write(make: Make, control: SqlControl) -> None:
    retry = TaskInstance(2, max_tries=1, task=SimpleNamespace(retries=1))
    assert make(INSERT, retries=1).execute(context(retry)) is None
    assert executed(control) == [INSERT]


def test_a_retry_follows_a_statement_that_still_runs(make: Make, control: SqlControl) -> None:
    control.answer_sql(INSERT, held=True)
    ti = leave_behind(make, control, INSERT)
    assert written(ti) == ["sent"]
    threading.Timer(1, control.release_sql).start()
    assert make(INSERT, retries=1).execute(context(next_try(ti))) is None
    assert executed(control) == [INSERT]


@pytest.mark.usefixtures("hand_over_at_once")
def test_a_task_that_an_earlier_state_has_deferred_is_resumed(make: Make, control: SqlControl) -> None:
    control.answer_sql(INSERT, seconds=1)
    ti, task = TaskInstance(), make([INSERT, "SELECT 8 AS n"], deferrable=True)
    deferred = statement_deferral_of(task, ti)
    _, now = deferred.trigger.serialize()
    before = {name: now[name] for name in ("wherobots_conn_id", "execution_id", "follow", "tells_address")}
    event = events_of(sql_statement.WherobotsSqlStatementTrigger(**{**before, "stops_session": False}))
    assert resume(task, ti, deferred, event)[-1].to_dict("list") == {"n": [8]}
    assert executed(control) == [INSERT, "SELECT 8 AS n"]


def test_a_retry_after_an_upgrade_follows_what_an_earlier_state_has_listed(make: Make, control: SqlControl) -> None:
    both = ["INSERT INTO a VALUES (1)", INSERT]
    control.answer_sql(INSERT, held=True)
    ti = leave_behind(make, control, both)
    sent = control.requests("executeSql")
    memory = json.loads(ti.store["wherobots"])
    del memory["journal"], memory["writes_left"], memory["has_ended_writes"]
    memory["statements"] = [
        {
            "position": position,
            "execution_id": entry["execution_id"],
            "session_id": entry["session_id"],
            "outcome": outcome,
            "digest": hashlib.sha256(f"{entry['statement']}\x1f".encode()).hexdigest()[:12],
        }
        for position, (entry, outcome) in enumerate(zip(sent, ("succeeded", ""), strict=True))
    ]
    ti.store["wherobots"] = json.dumps(memory)
    threading.Timer(1, control.release_sql).start()
    make(both, retries=1).execute(context(next_try(ti)))
    assert executed(control) == both


@pytest.mark.usefixtures("hand_over_at_once")
def test_a_deferrable_retry_that_finds_its_statement_running_frees_its_worker(make: Make, control: SqlControl) -> None:
    control.answer_sql(INSERT, held=True)
    second = next_try(leave_behind(make, control, INSERT))
    task = make([INSERT, "SELECT 8 AS n"], retries=1, deferrable=True)
    deferred = statement_deferral_of(task, second)
    control.release_sql()
    value = resume(task, second, deferred, events_of(trigger_of(deferred)))
    assert value[-1].to_dict("list") == {"n": [8]}
    assert executed(control) == [INSERT, "SELECT 8 AS n"]


def test_a_retry_that_follows_a_statement_cancels_it_at_its_timeout(make: Make, control: SqlControl) -> None:
    control.answer_sql(INSERT, held=True)
    second = next_try(leave_behind(make, control, INSERT))
    second.start_date -= timedelta(hours=1)
    with pytest.raises(WherobotsExecutionTimeoutException):
        make(INSERT, retries=1, execution_timeout=timedelta(hours=1)).execute(context(second))
    assert cancels(control) == 1


@pytest.mark.usefixtures("hand_over_at_once")
@pytest.mark.parametrize("store", [{}, None], ids=["remembers", "does not"])
def test_a_try_that_is_started_again_does_not_repeat_its_write(make: Make, control: SqlControl, store: Any) -> None:
    """Its DAG file was missing when a worker resumed it."""
    control.behaviour(sql_used_execution_id="refused")
    control.answer_sql(INSERT, held=True)
    ti, statements = TaskInstance(store=store), ["USE a.b", INSERT]
    deferred = statement_deferral_of(make(statements, deferrable=True, retries=1), ti)
    control.release_sql()
    events_of(trigger_of(deferred))
    ti._ti_context_from_server = SimpleNamespace(task_reschedule_count=1)
    run_to_end(make(statements, deferrable=True, retries=1), ti)
    assert executed(control) == ["USE a.b", INSERT, "USE a.b"]


@pytest.mark.usefixtures("hand_over_at_once")
def test_a_clear_while_a_worker_resumes_executes_the_statement_again(make: Make, control: SqlControl) -> None:
    control.answer_sql(INSERT, held=True)
    ti = TaskInstance()
    deferred = statement_deferral_of(make(INSERT, deferrable=True, retries=1), ti)
    control.release_sql()
    event = events_of(trigger_of(deferred))
    cleared = next_try(ti, max_tries=2)
    control.answer_sql(INSERT)
    resume(make(INSERT, deferrable=True, retries=1), cleared, deferred, event)
    assert executed(control) == [INSERT, INSERT]


@EACH_WAY
def test_a_retry_repeats_no_write(make: Make, control: SqlControl, follow: Follow, said: Said) -> None:
    control.answer_sql(INSERT, held=True)
    ti = leave_behind(make, control, INSERT)
    control.release_sql()
    wait_for(
        lambda: control.sql_sessions()[-1]["executions"][0]["state"] == "succeeded", what="the statement to succeed"
    )
    assert make(INSERT, retries=1).execute(context(follow(ti))) is None
    assert executed(control) == [INSERT]
    assert "succeeded in an earlier attempt; not executing it again" in said()


@pytest.mark.parametrize("error", ["", "once"], ids=["succeeded", "failed"])
def test_what_a_retry_learned_of_a_write_the_next_knows(make: Make, control: SqlControl, error: str) -> None:
    failing = "FAIL no such table"
    control.answer_sql(INSERT, held=True, error=error)
    first = leave_behind(make, control, [INSERT, failing], retries=3)
    control.release_sql()
    wait_for(lambda: not is_running(control), what="the statement's end")
    control.answer_sql(INSERT)
    second = next_try(first)
    with pytest.raises(WherobotsSqlStatementFailedException, match="2 of 2"):
        make([INSERT, failing], retries=3).execute(context(second))
    control.end_sql_session(first.xcoms["session_id"])
    make([INSERT, "SELECT 1"], retries=3).execute(context(next_try(second)))
    assert executed(control) == [*[INSERT] * (2 if error else 1), failing, "SELECT 1"]


@pytest.mark.parametrize("own", [{}, {"force_new": True}], ids=["shared", "own"])
def test_a_retry_repeats_failures_and_settings(make: Make, control: SqlControl, own: dict[str, Any]) -> None:
    update = "UPDATE a.b.c SET x = 1"
    ti, statements = TaskInstance(), ["USE a.b", INSERT, update, "SELECT 3"]
    control.answer_sql(update, error="once")
    with pytest.raises(WherobotsSqlStatementFailedException, match="once"):
        make(statements, retries=1, **own).execute(context(ti))
    control.end_sql_session(ti.xcoms["session_id"])
    control.clear_sql_answers()
    sent = executed(control)
    *_, frame = make(statements, retries=1, **own).execute(context(next_try(ti)))
    assert len(frame) == 1
    assert executed(control) == [*sent, "USE a.b", update, "SELECT 3"]


def test_a_called_procedure_is_not_called_again_but_its_result_fetched(make: Make, control: SqlControl) -> None:
    control.answer_sql("CALL", {"rewritten": [3]})
    ti = TaskInstance()
    raised: list[bool] = []

    def fail_once(cursor: Any) -> Any:
        if not raised:
            raised.append(True)
            raise LookupError("once")
        return cursor.fetchall()

    with pytest.raises(LookupError):
        make("CALL c.system.f()", handler=fail_once, retries=1).execute(context(ti))
    assert make("CALL c.system.f()", handler=fail_once, retries=1).execute(context(next_try(ti))) == [(3,)]
    assert executed(control) == ["CALL c.system.f()"]


@pytest.mark.parametrize("presigned", [False, True])
def test_a_procedure_that_has_stored_its_result_returns_the_address_after_a_retry_too(
    make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch, presigned: bool
) -> None:
    ti, first = call_that_stored(make, control, monkeypatch, presigned)
    address = make(CALL, store=stored(presigned), retries=1).execute(context(next_try(ti)))
    assert address.partition("?")[0] == first["address"].partition("?")[0]
    assert ti.xcoms["sql_summary"]["stored_bytes"] == first["stored_bytes"] > 0
    assert executed(control) == [CALL]


def test_a_procedure_whose_session_has_ended_is_not_said_to_have_no_rows(
    make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    ti, _ = call_that_stored(make, control, monkeypatch, presigned=False)
    control.end_sql_session(ti.xcoms["session_id"])
    says = "^The last statement has succeeded and its result is stored, but the session no longer knows where$"
    with pytest.raises(WherobotsSqlException, match=says):
        make(CALL, store=stored(False), retries=1).execute(context(next_try(ti)))
    assert "no rows" not in said()
    assert executed(control) == [CALL]


CALL = "CALL c.system.f()"


def stored(presigned: bool) -> dict[str, Any]:
    return {"format": "parquet", "single": True, "generate_presigned_url": presigned}


def call_that_stored(
    make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch, presigned: bool
) -> tuple[TaskInstance, dict[str, Any]]:
    """A try whose procedure has stored its result, and that has failed after that."""
    ti = TaskInstance()
    first: dict[str, Any] = {}
    control.answer_sql("CALL", {"rewritten": [3]})

    def fail(task: WherobotsSqlOperator, attempt: sql_attempt.SqlAttempt) -> None:
        assert attempt.last is not None
        first.update(address=attempt.last.result_uri, stored_bytes=ti.xcoms["sql_summary"]["stored_bytes"])
        raise LookupError("once")

    with monkeypatch.context() as patched:
        patched.setattr(WherobotsSqlOperator, "_value", fail)
        with pytest.raises(LookupError):
            make(CALL, store=stored(presigned), retries=1).execute(context(ti))
    return ti, first


@EACH_WAY
@pytest.mark.parametrize("what", ["evicted", "session gone"])
def test_an_unknown_write_is_not_repeated(make: Make, control: SqlControl, follow: Follow, what: str) -> None:
    control.answer_sql(INSERT, held=True)
    ti = leave_behind(make, control, INSERT)
    if what == "evicted":
        control.evict_sql_execution(ti.xcoms["session_id"], ti.xcoms["execution_id"])
    else:
        control.end_sql_session(ti.xcoms["session_id"])
    second = follow(ti)
    with pytest.raises(
        WherobotsSqlOutcomeUnknownException, match=r"^Check whether statement 1 of 1 .* took effect. Then mark"
    ) as caught:
        make(INSERT, retries=1).execute(context(second))
    told = str(caught.value)
    assert "Outcome unknown: an earlier attempt has sent it, or may have" in told
    assert f"Execution {ti.xcoms['execution_id']} in SQL session" in told
    assert isinstance(caught.value, AirflowFailException), "no retry follows"
    assert second.xcoms["sql_summary"]["state"] == "unknown"
    assert executed(control) == [INSERT]


def test_a_write_whose_commit_is_unknown_is_not_repeated(make: Make, control: SqlControl) -> None:
    control.answer_sql(INSERT, error="org.apache.iceberg.exceptions.CommitStateUnknownException: no response")
    ti = TaskInstance()
    with pytest.raises(WherobotsSqlOutcomeUnknownException, match="its commit failed, and may have taken effect"):
        make(INSERT, retries=1).execute(context(ti))
    control.answer_sql(INSERT)
    with pytest.raises(WherobotsSqlOutcomeUnknownException, match="an earlier attempt has sent it") as caught:
        make(INSERT, retries=1).execute(context(next_try(ti)))
    assert isinstance(caught.value, AirflowFailException), "no retry follows"
    assert executed(control) == [INSERT]


def test_without_memory_a_retry_asks_about_each_earlier_try(make: Make, control: SqlControl) -> None:
    first = TaskInstance(max_tries=2, store=None)
    control.answer_sql(INSERT, error="once")
    with pytest.raises(WherobotsSqlStatementFailedException):
        make(INSERT, retries=2).execute(context(first))
    control.answer_sql(INSERT)
    second = next_try(first)
    assert make(INSERT, retries=2).execute(context(second)) is None, "the session knows that it has failed"
    assert make(INSERT, retries=2).execute(context(next_try(second))) is None
    assert executed(control) == [INSERT] * 2


def test_a_statement_is_asked_about_in_the_session_that_has_executed_it(make: Make, control: SqlControl) -> None:
    control.answer_sql(INSERT, held=True)
    ti = leave_behind(make, control, INSERT, session_key="one")
    control.release_sql()
    second = next_try(ti)
    assert make([INSERT, "SELECT 1"], session_key="other", retries=1).execute(context(second))[0] is None
    assert second.xcoms["session_id"] != ti.xcoms["session_id"]
    assert [entry["session_id"] for entry in control.requests("executeSql")] == [
        ti.xcoms["session_id"],
        second.xcoms["session_id"],
    ]


def test_operators_that_a_function_executes_are_an_error_and_send_nothing(make: Make, control: SqlControl) -> None:
    @task_decorator
    def load() -> None:
        for number in (1, 2):
            make(INSERT, task_id=f"insert_{number}").execute(context(ti))

    ti = TaskInstance(task_id="load")
    with pytest.raises(WherobotsArgumentException, match=r"insert_1: .*task of its own.*WherobotsSqlHook"):
        load.function()
    assert control.requests() == []


def test_with_airflow_tasks_test_a_write_is_executed_each_time(make: Make, control: SqlControl) -> None:
    control.behaviour(sql_used_execution_id="refused")
    ti = TaskInstance()
    for _ in range(3):
        make(INSERT).execute(context(ti))
    assert executed(control) == [INSERT] * 3


def test_a_retry_that_is_given_the_deferral_of_the_try_before_repeats_no_write(
    make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow 3.0 does that. That try has executed more after its deferral."""
    statements = ["INSERT 1", "INSERT 2", "INSERT 3", "SELECT"]
    task, first = make(statements, deferrable=True, retries=1), TaskInstance(store=None)
    control.answer_sql("INSERT 3", error="once")
    control.answer_sql("INSERT 1", seconds=1)
    with monkeypatch.context() as patch:
        patch.setattr(sql_attempt, "HAND_OVER_SECONDS", 0.1)
        deferred = statement_deferral_of(task, first)
    event = events_of(trigger_of(deferred))
    for ti in (first, next_try(first)):
        with pytest.raises(WherobotsSqlStatementFailedException, match="once"):
            resume(task, ti, deferred, event)
    assert executed(control) == ["INSERT 1", "INSERT 2", "INSERT 3", "INSERT 3"]


class Broken(dict[str, str]):
    """A store that cannot be written."""

    def __setitem__(self, key: str, value: str) -> None:
        raise ConnectionError("the API server is away")


class Unreadable(dict[str, str]):
    """A store that cannot be read for a time."""

    def __contains__(self, key: object) -> bool:
        raise ConnectionError("the API server is away")


def test_while_the_store_cannot_be_read_only_the_session_knows(make: Make, control: SqlControl) -> None:
    control.answer_sql(INSERT, held=True)
    first = leave_behind(make, control, INSERT)
    control.release_sql()
    second = next_try(first, store=Unreadable(first.store))
    assert make(INSERT, retries=1).execute(context(second)) is None, "the session knows that it has succeeded"
    control.answer_sql(INSERT)
    unsent = next_try(TaskInstance(max_tries=2), store=Unreadable())
    with pytest.raises(WherobotsSqlOutcomeUnknownException, match="A retry looks again") as caught:
        make(INSERT, retries=2).execute(context(unsent))
    assert not isinstance(caught.value, AirflowFailException)
    assert len(make("SELECT 1", retries=2).execute(context(unsent))) == 1
    assert make(INSERT, retries=2).execute(context(next_try(unsent, store={}))) is None
    assert executed(control) == [INSERT, "SELECT 1", INSERT]


def test_a_write_that_cannot_be_remembered_is_not_sent(make: Make, control: SqlControl) -> None:
    with pytest.raises(WherobotsUnavailableException, match=r"stored first: .*API server is away") as caught:
        make(INSERT).execute(context(TaskInstance(store=Broken())))
    assert not isinstance(caught.value, AirflowFailException)
    assert executed(control) == []
    assert len(make().execute(context(TaskInstance(store=Broken())))) == 1, "a read need not be remembered"


# Sessions of a task's own

OWN = pytest.mark.parametrize("own", [{"force_new": True}, {"session_type": "single"}], ids=["new", "single"])


def is_stopped(control: SqlControl, ti: TaskInstance) -> bool:
    status: str = control.sql_session(ti.xcoms["session_id"])["status"]
    return status.startswith("DESTROY")


@OWN
@pytest.mark.parametrize(("statement", "number"), [("SELECT 1", 1), ("FAIL no such table", 2)])
def test_a_session_of_its_own_ends_with_the_task(
    make: Make, control: SqlControl, own: dict[str, Any], statement: str, number: int
) -> None:
    ti = TaskInstance(number)
    with suppress(WherobotsSqlStatementFailedException):
        make(statement, **own).execute(context(ti))
    assert is_stopped(control, ti)


@OWN
def test_a_retry_uses_the_session_that_its_task_has_made(make: Make, control: SqlControl, own: dict[str, Any]) -> None:
    """One of the type single is not found again, so it ends with its try."""
    first = TaskInstance()
    with pytest.raises(WherobotsSqlStatementFailedException):
        make("FAIL no such table", **own).execute(context(first))
    second = next_try(first)
    make(**own).execute(context(second))
    is_same = "force_new" in own
    assert (second.xcoms["session_id"] == first.xcoms["session_id"]) is is_same
    assert is_stopped(control, first)
    assert is_stopped(control, second)


@OWN
def test_a_session_of_its_own_ends_by_itself(make: Make, control: SqlControl, own: dict[str, Any]) -> None:
    for _ in range(2):
        ti = TaskInstance()
        make(**own).execute(context(ti))
    first, second = (session["apiPayload"] for session in control.sql_sessions()[-2:])
    assert first["sessionKey"] == second["sessionKey"], "the same task instance"
    assert str(first["sessionKey"]).startswith("dag.task-")
    assert first["shutdownAfterInactiveSeconds"] == 300
    make(**own, shutdown_after_inactive_seconds=900).execute(context(TaskInstance()))
    assert control.sql_sessions()[-1]["apiPayload"]["shutdownAfterInactiveSeconds"] == 900


def test_a_session_that_others_share_is_left_alone(make: Make, control: SqlControl, said: Said) -> None:
    control.behaviour(sql_session_key=False)
    others = WherobotsSqlHook(shutdown_after_inactive_seconds=300).start_session()
    for statement in ("SELECT 1", "FAIL no such table"):
        ti = TaskInstance()
        with suppress(WherobotsException):
            make(statement, force_new=True).execute(context(ti))
        assert ti.xcoms["session_id"] == others
    control.answer_sql(INSERT, held=True)
    task = make(INSERT, force_new=True)
    kill = signal_when(lambda: is_running(control), lambda *_: task.on_kill())
    with kill, pytest.raises(WherobotsTaskKilledException):
        task.execute(context(TaskInstance()))
    assert control.sql_session(others)["status"] == "READY"
    assert control.requests("deleteSqlSession") == []
    assert "does not show that only this task uses it" in said()


def test_a_request_for_its_own_session_that_fails_is_the_tasks_failure(make: Make, control: SqlControl) -> None:
    control.add_fault("createSqlSession", {"type": "status", "status": 403})
    with pytest.raises(WherobotsUnavailableException, match="There is no SQL session"):
        make(force_new=True, max_outage_seconds=0).execute(context(TaskInstance()))
    assert control.requests("deleteSqlSession") == []


@pytest.mark.parametrize("fault", [{"type": "lose_answer"}, {"type": "slow", "seconds": 1}], ids=["lost", "slow"])
def test_a_kill_during_the_request_stops_its_session(make: Make, control: SqlControl, fault: dict[str, Any]) -> None:
    """On Airflow 3 the interrupted code goes on after the kill, and gets the session."""
    control.add_fault("createSqlSession", fault, times=1)
    task = make(INSERT, force_new=True)
    kill = signal_when(lambda: control.requests("createSqlSession"), lambda *_: task.on_kill())
    with kill, pytest.raises(WherobotsException):
        task.execute(context(TaskInstance()))
    assert [session["status"][:7] for session in control.sql_sessions()] == ["DESTROY"]
    assert executed(control) == []


@pytest.mark.usefixtures("hand_over_at_once")
@pytest.mark.parametrize(("seconds", "is_handed_over"), [(119, False), (120, True)])
def test_a_session_that_ends_too_soon_keeps_the_worker(make: Make, seconds: int, is_handed_over: bool) -> None:
    task = make("SLEEP 1", deferrable=True, shutdown_after_inactive_seconds=seconds)
    _, triggers = run_warm(task, TaskInstance())
    assert triggers == ["statement"] * is_handed_over


def test_a_session_that_others_may_have_does_not_end_with_the_task(make: Make, control: SqlControl) -> None:
    for arguments in ({}, {"force_new": True, "session_key": "ours"}):
        ti = TaskInstance()
        make(**arguments).execute(context(ti))
        assert not is_stopped(control, ti)


def test_a_kill_cancels_the_statement_and_stops_a_session_of_its_own(make: Make, control: SqlControl) -> None:
    control.answer_sql(INSERT, held=True)
    task, ti = make(INSERT, force_new=True), TaskInstance()
    kill = signal_when(lambda: is_running(control), lambda *_: task.on_kill())
    with kill, pytest.raises(WherobotsTaskKilledException):
        task.execute(context(ti))
    assert is_stopped(control, ti)
    assert written(ti) == []


@pytest.mark.usefixtures("hand_over_at_once")
def test_a_session_of_its_own_outlives_a_deferral(make: Make, control: SqlControl) -> None:
    ti, arguments = TaskInstance(), {"deferrable": True, "force_new": True}
    control.answer_sql(INSERT, seconds=1)
    deferred = statement_deferral_of(make(INSERT, **arguments), ti)
    assert not is_stopped(control, ti)
    # Resumed in another process, whose operator knows nothing of the session.
    resume(make(INSERT, **arguments), ti, deferred, events_of(trigger_of(deferred)))
    assert is_stopped(control, ti)
    assert len(control.requests("createSqlSession")) == 1


@pytest.mark.usefixtures("hand_over_at_once")
@pytest.mark.parametrize(
    ("state", "has_ended", "is_ended"),
    [
        ("failed", False, True),
        ("deferred", False, False),
        ("failed", True, True),
        ("running", True, False),
        ("running", False, False),
        (None, False, False),
    ],
    ids=["killed", "moved", "killed after its end", "another triggerer's event", "cleared, begun", "cleared"],
)
def test_a_kill_while_deferred_stops_a_session_of_its_own_unless_a_worker_uses_it(
    make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch, state: Any, has_ended: bool, is_ended: bool
) -> None:
    control.answer_sql(INSERT, held=True)
    monkeypatch.setattr("airflow_provider_wherobots.triggers.guarded.get_task_state", AsyncMock(return_value=state))
    ti = TaskInstance()
    trigger = trigger_of(statement_deferral_of(make(INSERT, deferrable=True, force_new=True), ti))
    if has_ended:
        control.release_sql()
        wait_for(lambda: not is_running(control), what="the statement's end")
    asyncio.run(trigger.on_kill())
    assert is_stopped(control, ti) is is_ended


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_session_of_its_own_ends_if_the_wait_for_it_fails(make: Make, control: SqlControl, deferrable: bool) -> None:
    control.behaviour(sql_start_delay_seconds=60)
    task, ti = (
        make(deferrable=deferrable, force_new=True, session_wait_timeout=1 if not deferrable else 900),
        TaskInstance(2),
    )
    if deferrable:
        deferral_of(task, ti)
        with pytest.raises(TaskDeferralError, match="Trigger failure"):
            task.resume_execution("__fail__", {"error": "Trigger failure"}, context(ti))
    else:
        with pytest.raises(WherobotsSqlSessionException):
            task.execute(context(ti))
    assert is_stopped(control, ti)


def test_a_session_of_its_own_ends_with_a_failure_that_is_not_retried(make: Make, control: SqlControl) -> None:
    control.answer_sql(INSERT, held=True)
    ti = TaskInstance(max_tries=2)
    with cancelled_elsewhere(control), pytest.raises(WherobotsSqlStatementCancelledException):
        make(INSERT, retries=2, force_new=True).execute(context(ti))
    assert is_stopped(control, ti)


def test_a_retry_after_the_return_value_could_not_be_pushed_repeats_no_write(make: Make, control: SqlControl) -> None:
    """Airflow pushes it after the task has returned it."""
    ti = TaskInstance()
    make([INSERT, "SELECT 1"], retries=1).execute(context(ti))
    make([INSERT, "SELECT 1"], retries=1).execute(context(next_try(ti)))
    assert executed(control) == [INSERT, "SELECT 1", "SELECT 1"]


def test_a_clear_after_outcome_unknown_executes_everything_again(make: Make, control: SqlControl) -> None:
    """Also if its retries were edited, so that their number does not tell."""
    control.answer_sql(INSERT, held=True)
    first = leave_behind(make, control, INSERT)
    control.end_sql_session(first.xcoms["session_id"])
    control.answer_sql(INSERT)
    second, sent = next_try(first), first.xcoms["execution_id"]
    words = f"{first.xcoms['session_id']} is DESTROYED.*\nExecution {sent} in SQL session {first.xcoms['session_id']}$"
    with pytest.raises(WherobotsSqlOutcomeUnknownException, match=words):
        make(INSERT, retries=1).execute(context(second))
    assert second.xcoms["sql_summary"]["execution_id"] == sent
    assert make(INSERT).execute(context(next_try(second))) is None
    assert executed(control) == [INSERT, INSERT]


def cleared(ti: TaskInstance) -> TaskInstance:
    return next_try(ti, max_tries=2)


def cleared_and_forgotten(ti: TaskInstance) -> TaskInstance:
    """As Airflow 3.4 clears."""
    return next_try(ti, max_tries=2, store={})


def cleared_without_memory(ti: TaskInstance) -> TaskInstance:
    return next_try(ti, max_tries=2, store=None)


EACH_CLEAR = pytest.mark.parametrize("follow", [cleared, cleared_and_forgotten, cleared_without_memory])


@EACH_CLEAR
def test_the_first_try_after_a_clear_executes_again(make: Make, control: SqlControl, follow: Follow) -> None:
    ti = TaskInstance()
    make(INSERT, retries=1).execute(context(ti))
    make(INSERT, retries=1).execute(context(follow(ti)))
    assert executed(control) == [INSERT, INSERT]
    first, second = control.requests("executeSql")
    assert first["execution_id"] != second["execution_id"]


@EACH_CLEAR
def test_after_a_clear_a_running_statement_is_cancelled_first(make: Make, control: SqlControl, follow: Follow) -> None:
    control.answer_sql(INSERT, held=True)
    ti = leave_behind(make, control, INSERT)
    control.answer_sql(INSERT)
    make(INSERT, retries=1).execute(context(follow(ti)))
    told = [entry["operation"] for entry in control.requests() if entry["effective"] and entry["execution_id"]]
    assert told == ["executeSql", "cancelExecution", "executeSql"]
    assert [shown["state"] for shown in control.sql_sessions()[-1]["executions"]] == ["cancelled", "succeeded"]


@pytest.mark.parametrize("has_ended", [False, True], ids=["cancelled", "ended with its session"])
def test_after_a_clear_the_cancel_goes_to_the_first_session(make: Make, control: SqlControl, has_ended: bool) -> None:
    control.answer_sql(INSERT, held=True)
    ti = leave_behind(make, control, INSERT, session_key="one")
    control.answer_sql(INSERT)
    if has_ended:
        control.end_sql_session(ti.xcoms["session_id"])
    make(INSERT, retries=1, session_key="other").execute(context(cleared(ti)))
    assert executed(control) == [INSERT, INSERT]
    assert cancels(control) == (not has_ended)


@EACH_CLEAR
def test_after_a_clear_nothing_is_executed_beside_a_statement_that_cannot_be_cancelled(
    make: Make, control: SqlControl, monkeypatch: pytest.MonkeyPatch, follow: Follow
) -> None:
    control.answer_sql(INSERT, held=True)
    ti = leave_behind(make, control, INSERT)
    control.answer_sql(INSERT)
    # The cancel has no effect.
    monkeypatch.setattr(Executions, "cancel", lambda *_: False)
    monkeypatch.setattr(cancel, "CANCEL_BUDGET_SECONDS", 3)
    first = follow(ti)
    for one in (first, next_try(first)):
        with pytest.raises(WherobotsUnavailableException, match="could not be cancelled, and may still run"):
            make(INSERT, retries=1).execute(context(one))
    assert executed(control) == [INSERT]


# Given sessions, keys and templates


def test_the_values_of_hook_params_are_not_logged(make: Make, said: Said) -> None:
    make(hook_params={"api_key": "hush"}).execute(context(TaskInstance()))
    assert "hook_params (api_key) has no effect" in said()
    assert "hush" not in said()


def test_tasks_share_a_session_by_key_and_use_a_given_one(make: Make, control: SqlControl) -> None:
    ids = []
    for arguments in ({"session_key": "a"}, {"session_key": "a"}, {"session_key": "b"}):
        ti = TaskInstance()
        make(**arguments).execute(context(ti))
        ids.append(ti.xcoms["session_id"])
    assert ids[0] == ids[1] != ids[2]
    ti = TaskInstance()
    make(session_id=ids[2]).execute(context(ti))
    assert ti.xcoms["session_id"] == ids[2]
    assert len(control.requests("createSqlSession")) == 3


def test_if_full_the_named_session_is_used(make: Make, control: SqlControl, said: Said) -> None:
    other, ti = TaskInstance(), TaskInstance()
    make(session_key="other").execute(context(other))
    control.behaviour(sql_max_sessions=1)
    frame = make(session_key="its own").execute(context(ti))
    assert frame.to_dict("list") == {"n": [7]}
    assert ti.xcoms["session_id"] == other.xcoms["session_id"]
    assert "quota" in said()


def test_templates_files_and_mapping(make: Make, control: SqlControl, tmp_path: Path) -> None:

    (tmp_path / "count.sql").write_text("SELECT {{ params.number }} AS n")
    with DAG("dag", schedule=None, template_searchpath=str(tmp_path), params={"number": 9}):
        task = make("count.sql", region="{{ params.region }}", session_key="{{ run_id }}", deferrable=False)
    task.resolve_template_files()
    task.render_template_fields({"params": {"number": 9, "region": "aws-eu-west-1"}, "run_id": "r1"})
    assert (task.sql, task.region, task.session_key) == ("SELECT 9 AS n", "aws-eu-west-1", "r1")
    assert task.execute(context(TaskInstance())).to_dict("list") == {"n": [9]}
    with DAG("mapped", schedule=None):
        WherobotsSqlOperator.partial(task_id="mapped", runtime=Runtime.TINY).expand(sql=["SELECT 1", "SELECT 2"])
