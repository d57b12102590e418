"""The main job on a real Airflow: a run from a DAG, its lines in the task log, its end as the task's."""

import pytest

from dev.waiting import wait_for
from tests.e2e.conftest import TASK, World

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("way", ["deferred", "worker"])
def test_a_run_succeeds_with_each_line_once_in_the_task_log(world: World, way: str) -> None:
    dag_run = world.begin(way, "talk.py", 50)
    log = world.end(way, dag_run, "success")
    (run,) = world.runs()
    assert [log.count(f"line {number:05d} of the run") for number in range(50)] == [1] * 50, log
    api = world.airflow.api
    assert api.xcom(way, dag_run, TASK, "run_id") == run["id"]
    assert api.xcom(way, dag_run, TASK) == run["id"]
    assert api.links(way, dag_run, TASK) == {"Wherobots run": f"{world.server.url}/runs/{run['id']}", "Spark UI": None}
    summary = api.xcom(way, dag_run, TASK, "run_summary")
    assert summary is not None
    assert (summary["run_id"], summary["status"], summary["cost_usd"]) == (run["id"], "COMPLETED", 0.0)
    assert log.count(f"Run {run['id']} COMPLETED: queued for ") == 1, log
    assert world.counts() == (1, 0)


def test_the_links_and_the_payload_are_there_while_the_task_is_deferred(world: World) -> None:
    dag_run = world.begin("deferred", "wait.py", 15, state="deferred")
    (run,) = world.runs()
    expected = {"Wherobots run": f"{world.server.url}/runs/{run['id']}", "Spark UI": "https://spark.example.com/app-1"}
    world.control.patch_run(run["id"], kubeApp={"spark_ui_url": expected["Spark UI"]})
    api = world.airflow.api
    wait_for(
        lambda: api.links("deferred", dag_run, TASK) == expected,
        timeout=60,
        what="the links to be there",
        detail=lambda: world.log("deferred", dag_run),
    )
    instance = api.task_instance("deferred", dag_run, TASK)
    assert instance["state"] == "deferred"
    shown = instance["rendered_fields"]["payload"]
    assert (shown["name"], shown["runPython"]) == (run["name"], run["payload"]["runPython"])
    log = world.end("deferred", dag_run, "success")
    assert api.links("deferred", dag_run, TASK) == expected
    assert api.xcom("deferred", dag_run, TASK, "spark_ui_url") == expected["Spark UI"]
    assert log.count(f"Spark UI: {expected['Spark UI']}") == 1, log
    assert f"Run {run['id']} is followed by the triggerer" in log


@pytest.mark.parametrize("way", ["deferred", "worker"])
def test_a_failed_run_fails_the_task_with_its_reason(world: World, way: str) -> None:
    dag_run = world.begin(way, "talk.py", 2, code=3)
    log = world.end(way, dag_run, "failed")
    (run,) = world.runs()
    assert f"Run {run['id']} failed (FAILED)" in log
    assert "ValueError: the job ends with code 3 on purpose" in log
    summary = world.airflow.api.xcom(way, dag_run, TASK, "run_summary")
    assert summary is not None
    assert (summary["run_id"], summary["status"]) == (run["id"], "FAILED")
    assert world.counts() == (1, 0)
