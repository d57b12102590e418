"""The main job on a real Airflow: a run from a DAG, its lines in the task log, its end as the task's."""

import pytest

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
    assert api.links(way, dag_run, TASK)["Wherobots run"].endswith(f"/runs/{run['id']}")
    assert world.counts() == (1, 0)


def test_the_link_is_there_while_the_task_is_deferred(world: World) -> None:
    dag_run = world.begin("deferred", "wait.py", 8, state="deferred")
    (run,) = world.runs()
    links = world.airflow.api.links("deferred", dag_run, TASK)
    assert (links["Wherobots run"] or "").endswith(f"/runs/{run['id']}")
    world.end("deferred", dag_run, "success")


@pytest.mark.parametrize("way", ["deferred", "worker"])
def test_a_failed_run_fails_the_task_with_its_reason(world: World, way: str) -> None:
    dag_run = world.begin(way, "talk.py", 2, code=3)
    log = world.end(way, dag_run, "failed")
    (run,) = world.runs()
    assert f"Run {run['id']} failed (FAILED)" in log
    assert "ValueError: the job ends with code 3 on purpose" in log
    assert world.counts() == (1, 0)
