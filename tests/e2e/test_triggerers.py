"""The triggerer ends: runs and statements go on and are followed on, never cancelled, never doubled."""

import signal

import pytest

from tests.e2e.sql_case import KINDS, SqlCase
from tests.e2e.world import Case, World, next_second, numbered_lines
from tests.support.log_account import account, clean
from tests.support.waiting import wait_for

pytestmark = pytest.mark.alone

RESULT = {"rows": 3, "text": "xü" * 20_000}
"""What ``jobs/returns.py`` prints."""


def test_a_triggerer_is_replaced(world: World) -> None:
    """As in a rolling update: a second one is there before the first is told to end."""
    case = world.case("deferred").begin().wait_until_followed("deferred")
    world.airflow.start_component("triggerer", 2)
    world.airflow.kill_component("triggerer", signal.SIGTERM)
    try:
        log = case.follow_on()
    finally:
        world.airflow.start_component("triggerer")
        world.airflow.kill_component("triggerer", signal.SIGTERM, 2)
    assert log.count("the run has started") == 1


@pytest.mark.short
def test_a_triggerer_is_killed(world: World) -> None:
    logged = world.case("deferred").begin()
    returning = world.case("returns").begin("returns.py")
    statements = [SqlCase.of(world, "sql_deferred", kind).begin() for kind in KINDS]
    # It has no trigger that would cancel its statement when it is cleared.
    cleared = SqlCase.of(world, "sql_deferred", "write").begin()
    (run,) = logged.wait_until_followed("deferred").runs()
    wait_for(lambda: "the run has started" in logged.log(), what="the run's first line in the task log")
    start = next_second()
    world.control.insert_logs(run["id"], numbered_lines(0, 1_500, start))
    returning.wait_until_followed("deferred")
    wait_for(lambda: "line 001499 of the log" in logged.log(), what="the lines in the task log")
    wait_for(lambda: "airflow-result:" in returning.log(), what="the result's line in the task log")
    sockets = [len(case.wait_until_followed().sockets()) for case in statements]
    cleared.wait_until_followed()

    world.airflow.kill_component("triggerer", signal.SIGKILL)
    assert returning.xcom("result") is None
    world.control.insert_logs(run["id"], numbered_lines(1_500, 500, start))
    cleared.clear()
    cleared.wait_until_executed(2)
    polls, reads = len(logged.requests("getJobRun")), len(returning.requests("getJobRunLogs"))
    world.airflow.start_component("triggerer")

    logged.wait_until_followed("deferred", requests=polls + 1).release()
    wait_for(lambda: len(returning.requests("getJobRunLogs")) > reads, what="the log to be read again")
    returning.release()
    for case, count in zip(statements, sockets, strict=True):
        case.wait_until_listened(count + 1).release()
    the_log_is_whole(logged)
    the_result_is_pushed_once(returning)
    for case in statements:
        case.check_result(case.end("success"))
        assert case.counts() == (1, 0)
    cleared.check_executed_again()


def the_log_is_whole(case: Case) -> None:
    log = case.end("success").splitlines()
    assert case.counts() == (1, 0)
    assert account(2_000, log) == clean(2_000)
    # What the killed one had said itself is shown once as well.
    said = [text for text in log if " is RUNNING" in text]
    assert said
    assert len(set(said)) == len(said)


def the_result_is_pushed_once(case: Case) -> None:
    """To XCom and to the event of the task's asset, though two triggerers have read it."""
    log = case.end("success")
    assert case.counts() == (1, 0)
    assert case.xcom("result") == RESULT
    assert case.xcom() == RESULT
    assert log.count("bytes of JSON (XCom 'result')") == 1, "it is pushed once"
    assert log.count("airflow-result:") == 1, "its line is shown once"
    airflow = case.world.airflow
    kind = "dataset" if airflow.is_series("2.11") else "asset"
    params = {"source_dag_id": case.way, "source_run_id": case.dag_run}
    (event,) = airflow.api.request("GET", f"{kind}s/events", params=params)[f"{kind}_events"]
    assert event["extra"] | {"run_id": case.runs()[0]["id"], "result": RESULT} == event["extra"]
    assert event["extra"]["ran_seconds"] > 0


@pytest.mark.slow
def test_a_triggerer_is_killed_between_the_cancel_at_the_deadline_and_its_event(world: World) -> None:
    """The next one finds the run CANCELLED. The task has timed out all the same, and is retried."""
    if world.airflow.is_series("2.11"):
        pytest.skip("2.11 itself ends a deferral at execution_timeout")
    case = world.case("deadline_retry").begin()
    case.wait_for_statuses("RUNNING")
    # It is read once the run is cancelled.
    case.fault("getJobRunMetrics", {"type": "hang", "seconds": 600}, times=1)
    wait_for(lambda: case.requests("getJobRunMetrics"), what="the deadline")
    world.airflow.kill_component("triggerer", signal.SIGKILL)
    case.wait_for_statuses("CANCELLED")
    world.airflow.start_component("triggerer")
    case.wait_for_statuses("CANCELLED", "RUNNING")
    assert "was cancelled when the task's execution_timeout was reached" in case.log(1)
    case.release()
    case.wait_for_task("success", "failed")


@pytest.mark.short
def test_a_task_is_cleared_and_deferred_again_before_the_triggerer_notices(world: World) -> None:
    if not (world.airflow.is_series("2.11") or world.airflow.is_from("3.3")):
        pytest.skip("3.0 to 3.2 do not tell a trigger that its task is in another try: the new try re-attaches")
    case = world.case("deferred_retry").begin().wait_until_followed("deferred")
    with world.airflow.frozen("triggerer"):
        case.clear()
        wait_for(
            lambda: (task := case.task())["try_number"] == 2 and task["state"] == "deferred", what="the second try"
        )
        if world.airflow.is_from("3.3"):
            # The try knows that it was cleared.
            case.wait_for_statuses("CANCELLED", "RUNNING")
    case.wait_for_new_run("deferred")
    case.release()
    case.end("success")
    assert case.statuses() == ["CANCELLED", "COMPLETED"]
    assert case.counts() == (2, 1)
