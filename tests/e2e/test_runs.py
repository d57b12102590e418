"""The main job on a real Airflow: a run from a DAG, its lines in the task log, its end as the task's."""

import pytest

from tests.e2e.world import World
from tests.support.waiting import wait_for

WAYS = ("deferred", "worker")
SPARK_UI = "https://spark.example.com/app-1"


@pytest.mark.short
@pytest.mark.parametrize("way", WAYS)
def test_a_run_succeeds_with_each_line_once_in_the_task_log(world: World, way: str) -> None:
    case = world.case(way)
    log = case.talk(50, "success")
    (run,) = case.runs()
    assert [log.count(f"line {number:05d} of the run") for number in range(50)] == [1] * 50, log
    assert case.xcom("run_id") == run["id"]
    assert case.xcom() == run["id"]
    assert case.links() == {"Wherobots run": case.run_url(run), "Spark UI": None}
    summary = case.xcom("run_summary")
    assert summary is not None
    assert (summary["run_id"], summary["status"], summary["cost_usd"]) == (run["id"], "COMPLETED", 0.0)
    assert world.times_said(f"Run {run['id']} COMPLETED: queued for ", log) == 1, log
    assert case.counts() == (1, 0)


def test_the_links_and_the_arguments_are_there_while_the_task_is_deferred(world: World) -> None:
    waiting = world.case("deferred").begin().wait_until_followed("deferred")
    (run,) = waiting.runs()
    expected = {"Wherobots run": waiting.run_url(run), "Spark UI": SPARK_UI}
    world.control.patch_run(run["id"], kubeApp={"spark_ui_url": SPARK_UI})
    wait_for(lambda: waiting.links() == expected, what="the links to be there", detail=waiting.log)
    task = waiting.task()
    assert task["state"] == "deferred"
    assert task["rendered_fields"]["run_python"] == run["payload"]["runPython"]
    waiting.release()
    log = waiting.end("success")
    assert waiting.links() == expected
    assert waiting.xcom("spark_ui_url") == SPARK_UI
    assert log.count(f"Spark UI: {SPARK_UI}") == 1, log
    assert f"Deferred. Polling run {run['id']}" in log


@pytest.mark.parametrize("way", WAYS)
def test_a_failed_run_fails_the_task_with_its_reason(world: World, way: str) -> None:
    case = world.case(way)
    log = case.talk(2, "failed", code=3)
    (run,) = case.runs()
    assert f"Run {run['id']} failed (FAILED)" in log
    assert "ValueError: the job ends with code 3 on purpose" in log
    summary = case.xcom("run_summary")
    assert summary is not None
    assert (summary["run_id"], summary["status"]) == (run["id"], "FAILED")
    assert case.counts() == (1, 0)
