"""SQL tasks on a real Airflow: each statement is executed once, whatever dies meanwhile."""

import signal

import pytest

from tests.e2e.conftest import GRACE_SECONDS
from tests.e2e.sql_case import HANDED_OVER, KINDS, Kind, SqlCase
from tests.e2e.world import World
from tests.support.airflow_api import Json
from tests.support.waiting import wait_for

TAKEN_FROM_EARLIER = "succeeded in an earlier attempt; not executing it again"
UNKNOWN = "Outcome unknown"
REASON = "[TABLE_OR_VIEW_NOT_FOUND] the table e2e.gone cannot be found"


def cases(world: World, way: str, *on_older: Kind) -> list[SqlCase]:
    """One case for each kind of statement; on the older lines, only those named."""
    kinds = KINDS if world.remembers else on_older
    return [SqlCase.of(world, way, kind) for kind in kinds]


def test_a_short_statement_ends_on_the_worker(world: World) -> None:
    for case in [case.begin(held=False) for case in cases(world, "sql_worker", "read")]:
        log = case.end("success")
        case.check_result(log)
        assert case.counts() == (1, 0)
        assert len(case.sockets()) == 1
        assert HANDED_OVER not in log


def test_a_long_statement_is_handed_to_the_triggerer_and_its_connection_is_cut(world: World) -> None:
    deferred = [case.begin() for case in cases(world, "sql_deferred", "read", "store")]
    for case in deferred:
        case.wait_until_followed()
        assert case.states() == ["running"]
        case.cut()
    for case in deferred:
        case.wait_until_listened(3).release()
    for case in deferred:
        log = case.end("success")
        case.check_result(log)
        assert log.count(HANDED_OVER) == 1, log
        assert case.counts() == (1, 0)


def test_marked_failed_while_deferred(world: World) -> None:
    marked = [case.begin() for case in cases(world, "sql_deferred", "write")]
    for case in marked:
        case.wait_until_followed().mark("failed")
    for case in marked:
        case.check_marked_failed()


def test_marked_failed_on_a_worker(world: World) -> None:
    marked = [case.begin() for case in cases(world, "sql_worker", "write")]
    for case in marked:
        case.wait_until_executed().mark("failed")
    for case in marked:
        case.check_marked_failed()


def test_cleared_while_deferred_the_new_try_executes_again(world: World) -> None:
    cleared = SqlCase.of(world, "sql_deferred", "write").begin()
    cleared.wait_until_followed().clear()
    cleared.check_executed_again()


def test_execution_timeout_while_deferred(world: World) -> None:
    late = SqlCase.of(world, "sql_deadline", "write").begin()
    log = late.end("failed")
    assert HANDED_OVER in log
    assert "execution_timeout" in log
    assert late.states() == ["cancelled"]
    assert late.counts() == (1, 1)


def test_the_connection_is_cut_before_the_statement_is_answered(world: World) -> None:
    on_worker = cases(world, "sql_worker", "write")
    for case in on_worker:
        world.control.lose_sql_connection_after(case.sql)
        case.begin()
    for case in on_worker:
        case.wait_until_executed().wait_until_listened().release()
    for case in on_worker:
        case.check_result(case.end("success"))
        assert case.counts() == (1, 0)
        assert len(case.sockets()) == 2


def test_a_worker_is_killed_and_the_retry_follows_on(world: World) -> None:
    killed = [case.begin() for case in cases(world, "sql_worker_retry", "write")]
    for case in killed:
        case.wait_until_executed()
        world.airflow.kill_task(case.way, case.dag_run, "run")
    for case in killed:
        # A read is executed again. A write is followed.
        (case.wait_until_listened() if case.kind == "write" else case.wait_until_executed(2)).release()
    for case in killed:
        log = case.end("success", try_number=2)
        case.check_result(log)
        assert (TAKEN_FROM_EARLIER in log) == (case.kind == "write")
        assert case.counts()[0] == (1 if case.kind == "write" else 2)


def test_a_worker_is_killed_and_the_session_cancels_before_the_retry(world: World) -> None:
    """A read is executed again. Of a write nobody can say whether it has taken effect."""
    killed = [case.begin() for case in cases(world, "sql_worker_retry", "write")]
    for case in killed:
        case.wait_until_executed()
    world.control.behaviour(sql_orphan_grace_seconds=0)
    for case in killed:
        world.airflow.kill_task(case.way, case.dag_run, "run")
        case.wait_for_states("cancelled")
    world.control.behaviour(sql_orphan_grace_seconds=GRACE_SECONDS)
    for case in killed:
        if case.kind == "write":
            log = case.end("failed", try_number=2)
            assert UNKNOWN in log
            assert case.counts() == (1, 0)
            continue
        case.wait_until_executed(2).release()
        case.check_result(case.end("success", try_number=2))
        assert case.states() == ["cancelled", "succeeded"]
        assert case.counts() == (2, 0)


@pytest.mark.parametrize("remembers", [True, False], ids=["session_remembers", "session_forgets"])
@pytest.mark.parametrize("has_ended", [False, True], ids=["while_it_runs", "after_its_end"])
def test_a_worker_is_killed_and_its_write_is_executed_once(world: World, remembers: bool, has_ended: bool) -> None:
    case = SqlCase.of(world, "sql_worker_retry", "write").begin().wait_until_executed()
    if has_ended:
        # The worker must not hear of the end.
        case.kill_worker(signal.SIGSTOP)
        case.release()
        case.wait_for_states("succeeded")
    if not remembers:
        case.forget()
    case.kill_worker()
    if not remembers:
        log = case.end("failed", try_number=2)
        assert UNKNOWN in log
        assert case.sent()[0]["execution_id"] in log
        assert case.sent()[0]["session_id"] in log
        assert len(case.sent()) == 1
        return
    if not has_ended:
        case.wait_until_listened().release()
    log = case.end("success", try_number=2)
    assert TAKEN_FROM_EARLIER in log
    assert case.counts() == (1, 0)


@pytest.mark.parametrize("remembers", [True, False], ids=["session_remembers", "session_forgets"])
def test_a_worker_is_killed_after_the_first_of_two_writes(world: World, remembers: bool) -> None:
    """From Airflow 3.3 on the task remembers that the first one has succeeded. Below, only the session may know."""
    case = SqlCase.of(world, "sql_two_writes", "write").begin().wait_until_executed()

    def first_writes() -> list[Json]:
        return [one for one in world.control.requests("executeSql") if f"before {case.dag_run}" in one["statement"]]

    (first,) = first_writes()
    if not remembers:
        world.control.evict_sql_execution(first["session_id"], first["execution_id"])
    case.kill_worker()
    if remembers or world.remembers:
        case.wait_until_listened().release()
        assert TAKEN_FROM_EARLIER in case.end("success", try_number=2)
    else:
        assert UNKNOWN in case.end("failed", try_number=2)
        case.release()
    assert len(first_writes()) == 1
    assert case.counts() == (1, 0)


@pytest.mark.parametrize("killed", ["before_the_first", "in_the_first", "between", "after_the_second"])
def test_a_worker_is_killed_around_two_writes_and_each_is_executed_once(world: World, killed: str) -> None:
    """The test above kills it in the second one."""
    case, control = SqlCase.of(world, "sql_two_writes", "write"), world.control
    first = f"before {case.dag_run}"

    def sent(text: str) -> list[Json]:
        return [one for one in control.requests("executeSql") if text in one["statement"]]

    def has_succeeded(text: str) -> bool:
        executions = [shown for session in control.sql_sessions() for shown in session["executions"]]
        return any(text in shown["statement"] and shown["state"] == "succeeded" for shown in executions)

    if killed == "before_the_first":
        control.add_fault("openSqlSocket", {"type": "status", "status": 503})
    control.answer_sql(first, held=killed in ("in_the_first", "between"))
    case.begin()
    reached = {
        "before_the_first": lambda: [one for one in control.requests("openSqlSocket") if one["status"] == 503],
        "after_the_second": case.sent,
    }
    wait_for(reached.get(killed, lambda: sent(first)), what="the worker to come so far")
    if ended := {"between": first, "after_the_second": case.sql}.get(killed):
        # The worker must not hear of the end.
        case.kill_worker(signal.SIGSTOP)
        control.release_sql(ended)
        wait_for(lambda: has_succeeded(ended), what="the write to end")
    case.kill_worker()
    control.clear_faults()
    control.release_sql(first)
    # A later one is not held any more.
    control.answer_sql(case.sql)
    case.release()
    if world.remembers:
        case.end("success", try_number=2)
    else:
        # No retry knows below Airflow 3.3 that a write was not sent. It may fail, and executes nothing twice.
        case.wait_for_task("success", "failed")
    executions = [len([one for one in sent(text) if one["effective"]]) for text in (first, case.sql)]
    assert executions == [1, 1] if case.task()["state"] == "success" else max(executions) <= 1


def test_a_session_is_started_by_a_setup_task_and_stopped_after_a_failed_task(world: World) -> None:
    case, api = SqlCase(world, "sql_session", world.new_name("sql_session"), "read"), world.airflow.api
    case.begin(held=False, error=REASON)
    log = case.end("failed")
    assert f"Statement 1 of 1 (SELECT ?, ?) failed: {REASON}" in log
    case.wait_for_task("success", task_id="stop")
    assert case.counts() == (1, 0)
    session_id = api.xcom(case.way, case.dag_run, "start")
    asked, stopped = (
        [entry for entry in world.control.requests(operation) if entry["session_id"] == session_id]
        for operation in ("createSqlSession", "deleteSqlSession")
    )
    assert [entry["effective"] for entry in (*asked, *stopped)] == [True, True]
    assert case.sent()[0]["session_id"] == session_id
    assert world.control.sql_session(session_id)["status"] == "DESTROYED"
    assert api.wait_for_run(case.way, case.dag_run) == "failed"
