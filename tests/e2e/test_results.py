"""A run's result reaches XCom and the event of the task's asset, once, whichever triggerer has read it."""

import signal

import pytest

from dev.waiting import wait_for
from tests.e2e.world import World

pytestmark = pytest.mark.e2e

RESULT = {"rows": 3, "text": "xü" * 20_000}
"""What ``jobs/returns.py`` prints."""


def test_a_triggerer_is_killed_between_the_result_and_the_runs_end(world: World) -> None:
    case = world.case("returns").begin("returns.py").wait_until_followed("deferred")
    # The triggerer that is killed has read the line.
    wait_for(lambda: "airflow-result:" in case.log(), timeout=60, what="the line in the task log")
    world.airflow.kill_component("triggerer", signal.SIGKILL)
    assert case.xcom("result") is None
    world.airflow.start_component("triggerer")
    read = len(case.requests("getJobRunLogs"))
    wait_for(lambda: len(case.requests("getJobRunLogs")) > read, timeout=120, what="the log to be read again")
    case.release()
    log = case.end("success")
    assert case.counts() == (1, 0)
    assert case.xcom("result") == RESULT
    assert case.xcom() == RESULT
    assert log.count("bytes of JSON (XCom 'result')") == 1, "it is pushed once"
    assert log.count("airflow-result:") == 1, "its line is shown once"

    is_2 = world.airflow.is_line("2.11")
    events = world.airflow.api.request(
        "GET",
        f"{'datasets' if is_2 else 'assets'}/events",
        params={"source_dag_id": case.way, "source_run_id": case.dag_run},
    )
    (event,) = events["dataset_events" if is_2 else "asset_events"]
    assert event["extra"] | {"run_id": case.runs()[0]["id"], "result": RESULT} == event["extra"]
    assert event["extra"]["ran_seconds"] > 0
