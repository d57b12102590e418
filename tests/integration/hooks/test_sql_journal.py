"""A hook's writes over several tries: a worker dies, and the retry asks before it executes a write again."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError, Event
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_wherobots import task_memory
from airflow_provider_wherobots.compat import AirflowFailException, AirflowTaskTimeout
from airflow_provider_wherobots.exceptions import (
    WherobotsArgumentException,
    WherobotsSqlOutcomeUnknownException,
    WherobotsSqlStatementFailedException,
    WherobotsTaskKilledException,
    WherobotsUnavailableException,
)
from airflow_provider_wherobots.flows.sql.journal import Writes
from airflow_provider_wherobots.hooks.sql import WherobotsSqlHook
from tests.integration import sql_support
from tests.integration.signals import signal_when
from tests.integration.sql_support import executed, set_connection
from tests.integration.support import StateStore, TaskInstance, context, next_try
from tests.support.sql_control import SqlControl
from wherobots_local import LocalServer

INSERT, UPDATE = "INSERT INTO t VALUES (1)", "UPDATE t SET a = 2"
SELECT = "SELECT 7 AS n"

server, control = sql_support.server, sql_support.control


class WorkerDiesError(BaseException):
    """The process was killed: nothing can be done any more."""


@pytest.fixture
def begin(server: LocalServer, control: SqlControl, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Begins a try in this process."""
    set_connection(monkeypatch, server)

    def as_in(ti: TaskInstance, task: Any = None) -> None:
        found = {**context(ti), "task": task or SimpleNamespace(retries=1)}
        monkeypatch.setattr(task_memory, "current_context", lambda: found)

    yield as_in
    monkeypatch.setattr(task_memory, "_writes_of_hooks", None)


def die_in(control: SqlControl, *statements: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run statements, and let the worker die in the last one. Nobody cancels it."""

    def die(*_: object) -> None:
        raise WorkerDiesError

    def is_running() -> bool:
        found = [one for session in control.sql_sessions() for one in session["executions"]]
        return len(found) == len(statements) and found[-1]["state"] == "running"

    hook = WherobotsSqlHook()
    with monkeypatch.context() as patch:
        patch.setattr("airflow_provider_wherobots.dbapi.connection.Connection.cancel_running", lambda *_: True)
        with signal_when(is_running, die), pytest.raises(WorkerDiesError):
            hook.run(list(statements))


def test_a_retry_executes_no_write_again(
    begin: Callable[..., None], control: SqlControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    control.answer_sql(UPDATE, held=True)
    first = TaskInstance()
    begin(first)
    die_in(control, INSERT, SELECT, UPDATE, monkeypatch=monkeypatch)
    control.release_sql()
    begin(next_try(first))
    hook = WherobotsSqlHook()
    hook.run([INSERT, SELECT])
    hook.run(UPDATE)
    assert executed(control) == [INSERT, SELECT, UPDATE, SELECT]


def test_a_retry_executes_what_has_failed(begin: Callable[..., None], control: SqlControl) -> None:
    control.answer_sql(UPDATE, error="once")
    first = TaskInstance()
    begin(first)
    hook = WherobotsSqlHook()
    with pytest.raises(WherobotsSqlStatementFailedException, match="once"):
        hook.run([INSERT, UPDATE])
    begin(next_try(first))
    control.answer_sql(UPDATE)
    WherobotsSqlHook().run([INSERT, UPDATE])
    assert executed(control) == [INSERT, UPDATE, UPDATE]


def test_after_a_clear_all_is_executed_again(begin: Callable[..., None], control: SqlControl) -> None:
    first = TaskInstance()
    begin(first)
    WherobotsSqlHook().run([INSERT, UPDATE])
    begin(next_try(first, max_tries=2))
    WherobotsSqlHook().run([INSERT, UPDATE])
    assert executed(control) == [INSERT, UPDATE] * 2


@pytest.mark.parametrize("changes", ["forgotten", "edited"])
def test_a_write_whose_end_nobody_knows_is_not_executed(
    begin: Callable[..., None], control: SqlControl, monkeypatch: pytest.MonkeyPatch, changes: str
) -> None:
    control.answer_sql(UPDATE, held=True)
    first = TaskInstance()
    begin(first)
    die_in(control, INSERT, UPDATE, monkeypatch=monkeypatch)
    statement = UPDATE
    if changes == "forgotten":
        for session in control.sql_sessions():
            control.end_sql_session(session["id"])
    else:
        statement = "DELETE FROM t"
    begin(next_try(first))
    with pytest.raises(WherobotsSqlOutcomeUnknownException, match="This attempt has not executed it") as caught:
        WherobotsSqlHook().run([INSERT, statement])
    assert isinstance(caught.value, AirflowFailException)
    assert executed(control) == [INSERT, UPDATE]


def test_a_refused_write_does_not_change_the_one_that_runs(begin: Callable[..., None], control: SqlControl) -> None:
    """A signal handler, or another thread, uses the connection while it executes a write. A handler must not log: it
    may have interrupted a line.
    """
    control.answer_sql(INSERT, held=True)
    first = TaskInstance()
    begin(first)
    with WherobotsSqlHook().get_conn() as connection, connection.cursor() as cursor:

        def execute(*_: Any) -> None:
            with pytest.raises(WherobotsArgumentException, match="each thread needs its own connection"):
                connection.cursor(log_sql=False).execute(UPDATE)
            control.release_sql()

        with signal_when(lambda: sql_support.is_running(control), execute):
            cursor.execute(INSERT)
        cursor.execute(UPDATE)
    begin(next_try(first))
    WherobotsSqlHook().run([INSERT, UPDATE])
    assert executed(control) == [INSERT, UPDATE]


@pytest.mark.parametrize(
    "task", [SimpleNamespace(retries=1, poke_interval=60.0), None], ids=["a sensor", "below Airflow 3.3"]
)
def test_without_a_journal_each_call_executes(begin: Callable[..., None], control: SqlControl, task: Any) -> None:
    first = TaskInstance() if task else TaskInstance(store=None)
    for ti in (first, next_try(first)):
        begin(ti, task)
        WherobotsSqlHook().run(INSERT)
    assert executed(control) == [INSERT] * 2


def test_a_retry_executes_what_a_timeout_has_cancelled(begin: Callable[..., None], control: SqlControl) -> None:
    control.answer_sql(INSERT, held=True)

    def time_out(*_: object) -> None:
        raise AirflowTaskTimeout("Timeout, PID: 7")

    first = TaskInstance()
    begin(first)
    with signal_when(lambda: sql_support.is_running(control), time_out), pytest.raises(AirflowTaskTimeout):
        WherobotsSqlHook().run(INSERT)
    begin(next_try(first))
    control.answer_sql(INSERT)
    WherobotsSqlHook().run(INSERT)
    assert executed(control) == [INSERT] * 2


def test_two_threads_that_execute_the_same_write_execute_it_twice(
    begin: Callable[..., None], control: SqlControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(TaskInstance())
    hook, first_has_number = WherobotsSqlHook(), Event()
    decide, other_is_done = Writes.decide, Event()

    def decide_late(writes: Writes, write: Any) -> Any:
        if not first_has_number.is_set():
            first_has_number.set()
            assert other_is_done.wait(30)
        return decide(writes, write)

    monkeypatch.setattr(Writes, "decide", decide_late)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(hook.run, INSERT)
        assert first_has_number.wait(30)
        hook.run(INSERT)
        other_is_done.set()
        other.result(30)
    assert executed(control) == [INSERT] * 2


def test_threads_share_the_journal(begin: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    begin(TaskInstance())
    both, get = Barrier(2), StateStore.get

    def get_slowly(store: StateStore, key: str) -> Any:
        with suppress(BrokenBarrierError):
            both.wait(1)
        return get(store, key)

    monkeypatch.setattr(StateStore, "get", get_slowly)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(task_memory.writes_of_this_task, [logging.getLogger()] * 2)
    assert first is second


def test_a_write_is_not_sent_while_the_store_cannot_be_read(
    begin: Callable[..., None], control: SqlControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = TaskInstance(max_tries=2)
    begin(first)
    WherobotsSqlHook().run(INSERT)
    second = next_try(first)

    def refuse(*_: object) -> None:
        raise OSError("503")

    begin(second)
    with monkeypatch.context() as patch:
        patch.setattr(StateStore, "get", refuse)
        with pytest.raises(WherobotsUnavailableException, match="The statement was not sent") as caught:
            WherobotsSqlHook().run(INSERT)
    assert not isinstance(caught.value, AirflowFailException)
    begin(next_try(second))
    WherobotsSqlHook().run([INSERT, UPDATE])
    assert executed(control) == [INSERT, UPDATE]


def test_a_retry_executes_what_was_not_sent_because_of_a_kill(
    begin: Callable[..., None], control: SqlControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, put = TaskInstance(), StateStore.set
    begin(first)
    hook = WherobotsSqlHook()

    def put_while_killed(*given: Any) -> None:
        hook.cancel_running()
        put(*given)

    with monkeypatch.context() as patch:
        patch.setattr(StateStore, "set", put_while_killed)
        with pytest.raises(WherobotsTaskKilledException):
            hook.run(INSERT)
    begin(next_try(first))
    WherobotsSqlHook().run(INSERT)
    assert executed(control) == [INSERT]


@pytest.mark.parametrize("later", [UPDATE, INSERT], ids=["another statement", "the same text"])
def test_a_deferral_keeps_the_journal(begin: Callable[..., None], control: SqlControl, later: str) -> None:
    """As ``GenericTransfer(page_size=…)`` does, with a write for each page."""

    def run(ti: TaskInstance, *pages: str) -> None:
        for number, page in enumerate(pages):
            ti._ti_context_from_server = SimpleNamespace(next_method="execute_complete" if number else None)
            begin(ti)
            WherobotsSqlHook().run(page)

    first = TaskInstance()
    run(first, INSERT, later)
    run(next_try(first), INSERT, later, later)
    assert executed(control) == [INSERT, later, later]
