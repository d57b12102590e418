"""SQL tasks on a real Airflow: each statement is executed once, whatever dies meanwhile."""

import signal
from collections.abc import Iterator

import pytest

from tests.e2e.sql_case import KINDS, LITERAL, SIGNATURE, Kind, SqlCase
from tests.e2e.world import KEY_STEM, World, moment
from wherobots_local.control.client import ControlClient

pytestmark = pytest.mark.e2e

GRACE_SECONDS = 600
"""Longer than the service's two minutes, in which a triggerer may not be back on a busy machine."""
HANDED_OVER = "is followed by the triggerer (the task is deferred)"
TAKEN_FROM_EARLIER = "was sent by an earlier try, and is not executed again"
UNKNOWN = "Outcome unknown"
REASON = "[TABLE_OR_VIEW_NOT_FOUND] the table e2e.gone cannot be found"


def cases(world: World, way: str, *on_older: Kind) -> list[SqlCase]:
    """One case for each kind of statement; on the older lines, only those named."""
    kinds = KINDS if world.airflow.is_line("3.3") else on_older
    return [SqlCase.of(world, way, kind) for kind in kinds]


@pytest.fixture(scope="module", autouse=True)
def control(world: World) -> Iterator[ControlClient]:
    world.control.behaviour(sql_synthetic=True, sql_orphan_grace_seconds=GRACE_SECONDS)
    for way in ("sql_deferred", "sql_worker_retry_store", "sql_session"):
        world.airflow.api.wait_for_dag(way)
    yield world.control
    world.control.release_sql()
    world.control.clear_sql_answers()
    world.control.behaviour(sql_synthetic=False)


@pytest.fixture(scope="module")
def deferred(world: World) -> list[SqlCase]:
    return [case.begin() for case in cases(world, "sql_deferred", "read")]


@pytest.fixture(scope="module")
def marked(world: World) -> list[SqlCase]:
    return [case.begin() for case in cases(world, "sql_deferred", "write")]


@pytest.fixture(scope="module")
def cleared(world: World) -> SqlCase:
    return SqlCase.of(world, "sql_deferred", "write").begin()


@pytest.fixture(scope="module")
def cleared_alone(world: World) -> list[SqlCase]:
    """Is cleared while no triggerer runs. On Airflow 2.11 a task takes long, and is alone on its worker."""
    return [SqlCase.of(world, "sql_deferred", "write").begin()] if world.airflow.is_airflow_3 else []


@pytest.fixture(scope="module")
def cut(world: World) -> list[SqlCase]:
    return [case.begin() for case in cases(world, "sql_deferred", "store")]


@pytest.fixture(scope="module")
def restarted(world: World) -> list[SqlCase]:
    return [case.begin() for case in cases(world, "sql_deferred", "write")]


@pytest.fixture(scope="module")
def late(world: World) -> SqlCase:
    return SqlCase.of(world, "sql_deadline", "write").begin()


@pytest.fixture(scope="module")
def short(world: World) -> list[SqlCase]:
    return [case.begin(held=False) for case in cases(world, "sql_worker", "read")]


@pytest.fixture(scope="module")
def in_session(world: World) -> SqlCase:
    case = SqlCase(world, "sql_session", f"sql_session-{next(world.numbers)}", "read")
    if not world.airflow.is_line("3.3"):
        return case.begin(held=False, error=REASON)
    world.control.behaviour(sql_start_delay_seconds=20)
    case.begin(held=False, error=REASON).wait_for_task("deferred", task_id="start")
    world.control.behaviour(sql_start_delay_seconds=0)
    return case


@pytest.fixture(scope="module", autouse=True)
def all_begun(
    control: ControlClient,
    in_session: SqlCase,
    short: list[SqlCase],
    late: SqlCase,
    deferred: list[SqlCase],
    marked: list[SqlCase],
    cleared: SqlCase,
    cut: list[SqlCase],
    restarted: list[SqlCase],
    cleared_alone: list[SqlCase],
) -> None:
    """Side by side: most of each case is waiting."""


def test_a_short_statement_ends_on_the_worker(short: list[SqlCase]) -> None:
    for case in short:
        log = case.end("success")
        case.check_result(log)
        assert case.counts() == (1, 0)
        assert len(case.sockets()) == 1
        assert HANDED_OVER not in log


def test_a_long_statement_is_handed_to_the_triggerer(deferred: list[SqlCase]) -> None:
    for case in deferred:
        case.wait_until_followed()
        assert case.states() == ["running"]
        case.release()
    for case in deferred:
        log = case.end("success")
        case.check_result(log)
        assert log.count(HANDED_OVER) == 1, log
        assert case.counts() == (1, 0)


def test_marked_failed_while_deferred(marked: list[SqlCase]) -> None:
    for case in marked:
        case.wait_until_followed().mark("failed")
    for case in marked:
        case.wait_for_states("cancelled")
        assert case.counts() == (1, 1)
        assert case.task()["state"] == "failed"
        case.check_secrets(case.log())


def test_cleared_while_deferred_the_new_try_executes_again(cleared: SqlCase) -> None:
    cleared.wait_until_followed().clear()
    executed_again(cleared)


def executed_again(cleared: SqlCase) -> None:
    cleared.wait_until_executed(2).release()
    cleared.check_result(cleared.end("success", try_number=2))
    assert cleared.states() == ["cancelled", "succeeded"]
    assert cleared.counts() == (2, 1)
    assert moment(cleared.cancels()[0]["time"]) <= moment(cleared.sent()[1]["time"]), "never two at a time"


def test_the_connection_is_cut_while_deferred(cut: list[SqlCase]) -> None:
    for case in cut:
        case.wait_until_followed().cut()
    for case in cut:
        case.wait_until_listened(3).release()
    for case in cut:
        case.check_result(case.end("success"))
        assert case.counts() == (1, 0)


def test_execution_timeout_while_deferred(late: SqlCase) -> None:
    log = late.end("failed")
    assert HANDED_OVER in log
    assert "execution_timeout" in log
    assert late.states() == ["cancelled"]
    assert late.counts() == (1, 1)


def test_a_triggerer_is_killed_and_restarted_within_the_grace(
    world: World, restarted: list[SqlCase], cleared_alone: list[SqlCase]
) -> None:
    """A task that is cleared meanwhile has no trigger that would cancel its statement."""
    before = [len(case.wait_until_followed().sockets()) for case in restarted]
    for case in cleared_alone:
        case.wait_until_followed()
    world.airflow.kill_component("triggerer", signal.SIGKILL)
    for case in cleared_alone:
        case.clear()
        case.wait_until_executed(2)
    world.airflow.start_component("triggerer")
    for case, count in zip(restarted, before, strict=True):
        case.wait_until_listened(count + 1).release()
    for case in restarted:
        case.check_result(case.end("success"))
        assert case.counts() == (1, 0)
    for case in cleared_alone:
        executed_again(case)


def test_marked_failed_on_a_worker(world: World) -> None:
    on_worker = [case.begin() for case in cases(world, "sql_worker", "write")]
    for case in on_worker:
        case.wait_until_executed().mark("failed")
    for case in on_worker:
        case.wait_for_states("cancelled")
        assert case.counts() == (1, 1)
        assert case.task()["state"] == "failed"


def test_the_connection_is_cut_before_the_statement_is_answered(world: World) -> None:
    on_worker = cases(world, "sql_worker", "write")
    for case in on_worker:
        world.control.add_fault("executeSql", "lose_answer", statement=case.sql, times=1)
        case.begin()
    for case in on_worker:
        case.wait_until_executed().wait_until_listened().release()
    for case in on_worker:
        case.check_result(case.end("success"))
        assert case.counts() == (1, 0)
        assert case.sent()[0]["fault"] == "lose_answer"


def test_a_worker_is_killed_and_the_retry_follows_on(world: World) -> None:
    killed = [case.begin() for case in cases(world, "sql_worker_retry", "write")]
    for case in killed:
        case.wait_until_executed()
        world.airflow.kill_task(case.way, case.dag_run, "run")
    for case in killed:
        case.wait_until_listened().release()
    for case in killed:
        log = case.end("success", try_number=2)
        case.check_result(log)
        assert TAKEN_FROM_EARLIER in log
        assert case.counts() == (1, 0)


def test_a_worker_is_killed_and_the_session_cancels_before_the_retry(world: World) -> None:
    """A read is executed again. Of a write nobody can say whether it has taken effect."""
    if not world.airflow.is_line("3.3"):
        pytest.skip("a worker's death takes long on older lines; the retry is that of the test before")
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


def test_a_session_is_stopped_after_a_failed_task(world: World, in_session: SqlCase) -> None:
    case, api = in_session, world.airflow.api
    log = case.end("failed")
    assert f"Statement (SELECT ?, ?) failed: {REASON}" in log
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
    told = api.task_log(case.way, case.dag_run, "start").text
    assert ("The triggerer waits for SQL session" in told) == world.airflow.is_line("3.3"), told


def test_no_log_has_a_secret(world: World) -> None:
    outputs = {path: path.read_bytes() for path in world.airflow.home.rglob("*.log")}
    assert [path for path, content in outputs.items() if KEY_STEM.encode() in content] == []
    # The scheduler of 3.0 writes each DAG run's conf and each XCom to its own output.
    logs = {path: content for path, content in outputs.items() if path.is_relative_to(world.airflow.home / "logs")}
    assert any(b"INSERT INTO e2e.log VALUES (?, ?)" in content for content in logs.values())
    for secret in (LITERAL, SIGNATURE):
        assert [path for path, content in logs.items() if secret.encode() in content] == []
