"""Sensors on a real Airflow: they wait for a run that nothing in Airflow has started, follow it, and leave it alone."""

from typing import Any

from tests.e2e.world import DagCase, World
from tests.support.waiting import wait_for

DAG = "sensors"
WAITING = {"deferred": "deferred", "marked": "deferred", "rescheduled": "up_for_reschedule", "worker": "running"}
ON_A_WORKER = "Deferred. Polling run "
"""What a worker says when it defers."""


def test_sensors_wait_for_a_run_follow_it_and_leave_it_alone(world: World) -> None:
    api, control = world.airflow.api, world.control
    world.connect("wherobots_sensors")
    run = control.create_run("started-elsewhere")
    control.patch_run(run["id"], status="RUNNING")
    url = f"{world.server.url}/runs/{run['id']}"
    dag_run = api.trigger_dag(DAG, {"run_id": run["id"]})

    def task(task_id: str) -> dict[str, Any]:
        return dict(api.task_instance(DAG, dag_run, task_id))

    for task_id, state in WAITING.items():
        api.wait_for_task(DAG, dag_run, task_id, state)

    # A timeout fails the task without a retry, or skips it.
    for task_id, state, words in (
        ("late", "failed", "was still RUNNING when the task's timeout was reached: the limit is 40 seconds"),
        ("late_on_worker", "failed", "exceeds the specified timeout of 10.0"),
        ("skipped", "skipped", "was still RUNNING when the task's timeout was reached: the limit is 40 seconds"),
    ):
        assert api.wait_for_task(DAG, dag_run, task_id, state)["try_number"] == 1
        log = api.task_log(DAG, dag_run, task_id).text
        assert words in log, log

    for task_id in ("deferred", "marked"):
        wait_for(
            lambda task_id=task_id: api.links(DAG, dag_run, task_id)["Wherobots run"] == url,  # type: ignore[misc]
            what=f"the link of {task_id} while it is deferred",
        )
        assert api.xcom(DAG, dag_run, task_id, "run_id") == run["id"]
        assert task(task_id)["state"] == "deferred"

    api.set_task_state(DAG, dag_run, "marked", "failed")
    api.wait_for_task(DAG, dag_run, "marked", "failed")

    control.insert_logs(run["id"], [{"raw": "the one line of the run"}])
    control.patch_run(run["id"], status="COMPLETED", completed=True)
    end, logs = f"Run {run['id']} COMPLETED: ", []
    for task_id in WAITING.keys() - {"marked"}:
        ended = api.wait_for_task(DAG, dag_run, task_id, "success")
        assert api.xcom(DAG, dag_run, task_id) == run["id"]
        assert api.links(DAG, dag_run, task_id)["Wherobots run"] == url
        log = api.task_log(DAG, dag_run, task_id, ended["try_number"]).text
        logs.append(log)
        assert log.count(end) <= 1, log
        assert log.count("the one line of the run") == (task_id != "rescheduled"), log
        assert (ON_A_WORKER in log) == (task_id == "deferred"), log
        assert "cannot be called outside" not in log
        assert world.api_key not in log
    assert world.times_said(end, "\n".join(logs)) == len(logs), logs
    cancels = [entry for entry in control.requests("cancelJobRun") if entry["run_id"] == run["id"]]
    assert cancels == [], "a sensor cancels nothing unless asked"


def test_a_sensor_takes_its_run_from_another_task(world: World) -> None:
    api, control = world.airflow.api, world.control
    run = control.create_run("of-another-task")
    world.connect("wherobots_sensor_by_id")
    dag_run = api.trigger_dag("sensor_by_id", {"run_id": run["id"]})
    DagCase(world, "sensor_by_id", dag_run).wait_until_deferred(task_id="by_id")
    url = f"{world.server.url}/runs/{run['id']}"
    wait_for(lambda: api.links("sensor_by_id", dag_run, "by_id")["Wherobots run"] == url, what="the link")
    control.patch_run(run["id"], status="FAILED", completed=True, kubeApp={"message": "no more nodes"})
    api.wait_for_task("sensor_by_id", dag_run, "by_id", "failed")
    log = api.task_log("sensor_by_id", dag_run, "by_id").text
    assert f"Run {run['id']} failed (FAILED): no more nodes" in log
    assert ON_A_WORKER in log, log
    assert world.api_key not in log
