"""Airflow itself harms deferred tasks: a run is followed or cancelled, never doubled, else ``orphans`` lists it."""

import signal

import psutil
import pytest

from tests.e2e.world import TASK, Case, World
from tests.support.waiting import wait_for

pytestmark = pytest.mark.alone

CLEAN_UP = "from airflow.models.trigger import Trigger; Trigger.clean_unused()"
"""The command of ``docs/production.md``."""


@pytest.mark.slow
def test_a_task_is_renamed_while_it_is_deferred_and_no_triggerer_is_alive(world: World) -> None:
    """On 3.3 no triggerer starts after this: the trigger of the removed task is still there, and fails them all."""
    airflow = world.airflow
    if not airflow.is_from("3.3"):
        pytest.skip("not tried on this Airflow, whose triggerer starts")
    renamed = world.case("renamed").begin().wait_until_followed("deferred")
    other = world.case("deferred").begin().wait_until_followed("deferred")
    airflow.kill_component("triggerer")
    rename(renamed, to="renamed")
    # By now the scheduler has removed the task with the old name.
    renamed.wait_for_statuses("RUNNING", "RUNNING")
    polls = len(other.requests("getJobRun"))
    airflow.start_component("triggerer")
    wait_for(
        lambda: len(other.requests("getJobRun")) > polls or not airflow.is_running("triggerer"),
        what="the triggerer to follow the runs, or to end",
    )
    if not airflow.is_running("triggerer"):
        assert "TaskNotFound" in airflow.output("triggerer").read_text()
        airflow.run_python("-c", CLEAN_UP)
        airflow.start_component("triggerer")
    other.follow_on()
    left, of_new_name = (run["id"] for run in renamed.runs())
    verdicts = {row["id"]: row["verdict"] for row in world.orphans()}
    assert (verdicts[left], verdicts[of_new_name]) == ("orphan", "in use")

    rename(renamed, to=TASK)
    # Now a triggerer is alive, and cancels. The task that is back follows its run again, on a worker.
    renamed.wait_for_statuses("RUNNING", "CANCELLED")
    renamed.release()
    renamed.end("success", try_number=2)
    assert renamed.counts() == (2, 1)


@pytest.mark.slow
def test_a_triggerers_event_loop_hangs(world: World) -> None:
    """From 3.2.2 on its heartbeat stops then, and another one takes its triggers. When it is back, it harms nothing."""
    airflow = world.airflow
    if not airflow.is_from("3.3"):
        pytest.skip("the heartbeat of this Airflow goes on, so no other triggerer takes the triggers")
    airflow.kill_component("triggerer", signal.SIGTERM)
    airflow.start_component("triggerer", env={"AIRFLOW__TRIGGERER__RUNNER_HEALTH_CHECK_THRESHOLD": "5"})
    case = world.case("deferred").begin().wait_until_followed("deferred")
    polls = len(case.requests("getJobRun"))
    runners = psutil.Process(airflow.pid("triggerer")).children(recursive=True)
    for runner in runners:
        runner.suspend()
    airflow.start_component("triggerer", 2, env={"AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15"})
    try:
        case.wait_until_followed("deferred", requests=polls + 1)
        for runner in runners:
            runner.resume()
        # Longer than the old trigger needs to be cancelled.
        case.wait_until_followed("deferred", requests=len(case.requests("getJobRun")) + 2)
        case.follow_on()
    finally:
        airflow.kill_component("triggerer", signal.SIGTERM, 2)


def rename(case: Case, to: str) -> None:
    """Give the DAG's task another id, as an edit of its file does."""
    airflow = case.world.airflow
    (airflow.home / "renamed_task_id").write_text(to)
    token = airflow.api.request("GET", f"dags/{case.way}")["file_token"]
    airflow.api.request("PUT", f"parseDagFile/{token}")
    wait_for(
        lambda: airflow.api.request("GET", f"dags/{case.way}/tasks")["tasks"][0]["task_id"] == to,
        what=f"the task to be named {to}",
    )
