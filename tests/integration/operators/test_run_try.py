"""One run per task: the operator and its trigger against the local server, and the run of the try before."""

import traceback
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from airflow.exceptions import TaskDeferred

from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.compat import RETRY_RESUMES_DEFERRAL
from airflow_provider_wherobots.exceptions import (
    WherobotsRequestException,
    WherobotsRunCancelledException,
    WherobotsUnavailableException,
)
from airflow_provider_wherobots.flows.follow import FollowOptions
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from airflow_provider_wherobots.runs.outcome import Ending, Outcome
from airflow_provider_wherobots.task_memory import TaskMemory
from airflow_provider_wherobots.tasks.run_attempt import RunAttempt
from tests.integration import support
from tests.integration.support import WAIT, Operator, Said, TaskInstance, context, deferral_of, follow, next_try
from tests.support.waiting import wait_for
from wherobots_local.control.client import ControlClient

TALK = {"uri": "s3://jobs/talk.py", "args": [3]}


def test_a_retry_re_attaches(operator: Operator, control: ControlClient) -> None:
    first = TaskInstance()
    second = next_try(first)
    arguments = {"run_python": WAIT, "name": "re-attach-test", "retries": 1}
    for ti in (first, second):
        deferred = deferral_of(operator(**arguments), ti)
        assert deferred.trigger.options.is_new is (ti is first)
        control.patch_run(ti.xcoms["run_id"], kubeApp={"spark_ui_url": "https://spark.example.com/"})
    assert first.xcoms["run_id"] == second.xcoms["run_id"]
    assert "spark_ui_url" not in first.xcoms
    assert second.xcoms["spark_ui_url"] == "https://spark.example.com/"
    assert control.counts()["creates_received"] == 1


@pytest.mark.skipif(RETRY_RESUMES_DEFERRAL, reason="on 3.0 and 3.1.0 it looks like a retry, and defers")
def test_a_task_that_was_missing_in_its_dag_while_deferred_starts_over_on_the_worker(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow resumes it as a new try, without an event."""
    followed = []

    def follow_here(attempt: RunAttempt, options: FollowOptions) -> Outcome:
        followed.append(options.run_id)
        return Outcome(Ending.COMPLETED, options.run_id, "COMPLETED")

    monkeypatch.setattr(RunAttempt, "follow", follow_here)
    first = TaskInstance()
    task = operator(run_python=WAIT, retries=1)
    deferred, restored = deferral_of(task, first), next_try(first)
    task.resume_execution(deferred.method_name, deferred.kwargs, context(restored))
    assert followed == [first.xcoms["run_id"]]
    assert control.counts()["creates_received"] == 1


def test_a_task_that_was_missing_in_its_dag_finds_its_run_after_a_clear_of_the_dag_run(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        RunAttempt, "follow", lambda attempt, options: Outcome(Ending.COMPLETED, options.run_id, "COMPLETED")
    )
    first = TaskInstance()
    task = operator(run_python=WAIT, retries=1)
    deferred = deferral_of(task, first)
    active = first.xcoms["run_id"]
    # The clear gives the DAG run another start, of which a new suffix would be made.
    monkeypatch.setattr(support, "dag_run_start", support.dag_run_start + timedelta(hours=1))
    restored = next_try(first, xcoms=first.xcoms, store=None)
    with pytest.raises(TaskDeferred) if RETRY_RESUMES_DEFERRAL else nullcontext():
        task.resume_execution(deferred.method_name, deferred.kwargs, context(restored))
    assert restored.xcoms["run_id"] == active
    assert control.counts()["creates_received"] == 1


def test_an_ended_run_needs_no_trigger(operator: Operator, control: ControlClient) -> None:
    ti = TaskInstance()
    task = operator(run_python=TALK)
    deferral_of(task, ti)
    wait_for(lambda: task.hook.get_run(ti.xcoms["run_id"]).status == "COMPLETED", what="the run to complete")
    assert operator(run_python=TALK).execute(context(next_try(ti))) == ti.xcoms["run_id"]


@pytest.mark.parametrize(("operation", "status"), [("listJobRuns", 503), ("cancelJobRun", 503), ("cancelJobRun", 403)])
def test_after_a_clear_whose_first_try_could_not_replace_the_run_the_next_one_does(
    operator: Operator,
    control: ControlClient,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    status: int,
) -> None:
    first = TaskInstance()
    task = operator(run_python=WAIT, retries=1, max_outage_seconds=0)
    deferral_of(task, first)
    control.add_fault(operation, {"type": "status", "status": status})
    cleared = next_try(first, max_tries=2)
    with monkeypatch.context() as patch:
        patch.setattr("airflow_provider_wherobots.flows.submit.CANCEL_BUDGET_SECONDS", 0.5)
        with pytest.raises(WherobotsUnavailableException):
            task.execute(context(cleared))
    control.clear_faults()
    second = next_try(cleared, max_tries=2)
    deferral_of(task, second)
    assert second.xcoms["run_id"] != first.xcoms["run_id"]
    assert control.counts()["cancels_effective"] == 1
    with pytest.raises(TaskDeferred):
        task.execute(context(third := next_try(second)))
    assert third.xcoms["run_id"] == second.xcoms["run_id"]


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize("another", [True, False], ids=["by another run", "by a new run"])
def test_a_re_attached_run_that_falls_to_the_earlier_cancel_is_replaced_once(
    operator: Operator,
    control: ControlClient,
    monkeypatch: pytest.MonkeyPatch,
    another: bool,
    deferrable: bool,
) -> None:
    ti = TaskInstance(try_number=2, max_tries=2, store=None)
    task = operator(run_python=WAIT, retries=2, deferrable=deferrable)
    name = task.payload_to_send(context(ti), TaskMemory.begin(context(ti), task.log).now)["name"]
    earlier = control.create_run(name)["id"]
    push, pushed = ti.xcom_push, []

    def push_and_cancel(key: str, value: Any) -> None:
        push(key, value)
        if key == "run_id":
            pushed.append(value)
            assert len(pushed) <= 2, "it is replaced again"
            if another and value == earlier:
                control.create_run(name)
            task.hook.cancel_run(value)

    monkeypatch.setattr(ti, "xcom_push", push_and_cancel)
    with pytest.raises(WherobotsRunCancelledException):
        run_through_deferrals(task, ti)
    assert pushed[0] == earlier
    assert len(pushed) == 2
    assert control.counts()["creates_effective"] == (0 if another else 1)


def run_through_deferrals(task: WherobotsRunOperator, ti: TaskInstance) -> Any:
    """Run a task as Airflow does, through all its deferrals."""
    deferred: TaskDeferred | None = None
    while True:
        try:
            if deferred is None:
                return task.execute(context(ti))
            return task.execute_complete(context(ti), follow(deferred), **(deferred.kwargs or {}))
        except TaskDeferred as again:
            deferred = again


def test_the_text_of_a_refusal_is_printed_once(operator: Operator, control: ControlClient) -> None:
    """Airflow's log shows an exception with its causes."""
    control.add_fault("createJobRun", {"type": "status", "status": 400})
    with pytest.raises(WherobotsRequestException) as refused:
        operator().execute(context(TaskInstance()))
    printed = "".join(traceback.format_exception(refused.value))
    assert "Creating the run failed: 400" in printed
    assert printed.count("Creating the run failed: 400") == 1


def test_a_deferred_run_ends_with_its_id_and_its_lines(operator: Operator, control: ControlClient) -> None:
    task, ti = operator(), TaskInstance()
    deferred = deferral_of(task, ti)
    run_id = ti.xcoms["run_id"]
    assert ti.xcoms["run_url"].endswith(f"/runs/{run_id}")
    event = follow(deferred)
    resumed = operator()
    assert resumed.execute_complete(context(ti), event, **(deferred.kwargs or {})) == run_id
    assert (task.run_id, resumed.run_id) == (run_id, run_id)
    counts = control.counts()
    assert (counts["creates_received"], counts["creates_effective"], counts["cancels_received"]) == (1, 1, 0)
    assert len(control.requests("listJobRuns")) == 1, "each try looks first"


def test_a_worker_run_goes_through_the_same_flow(operator: Operator, control: ControlClient) -> None:
    task, ti = operator(deferrable=False), TaskInstance()
    assert task.run_id is None
    assert task.execute(context(ti)) == task.run_id == ti.xcoms["run_id"]
    assert "run_left_active" not in ti.xcoms


def test_without_waiting_the_id_comes_at_once(operator: Operator) -> None:
    ti = TaskInstance()
    task = operator(run_python=WAIT, wait_for_completion=False)
    assert task.execute(context(ti)) == ti.xcoms["run_id"]
    # By this the command `orphans` knows that the run is meant to go on.
    assert ti.xcoms["run_left_active"] is True


def test_a_trigger_carries_no_secret(operator: Operator, server: Any) -> None:
    deferred = deferral_of(operator(), TaskInstance())
    assert server.api_key not in str(deferred.trigger.serialize()) + str(deferred.kwargs)


def test_the_deferral_says_which_run_it_follows_and_how(operator: Operator, said: Said) -> None:
    ti = TaskInstance()
    deferral_of(operator(polling_interval=20, execution_timeout=timedelta(hours=1)), ti)
    run_id = ti.xcoms["run_id"]
    text = said()
    assert f"Deferred. Polling run {run_id} every 0.15 to 20 s; giving up at " in text
    assert ti.xcoms["run_url"] in text


def test_a_name_from_the_service_is_escaped_and_bounded_in_the_log(operator: Operator, said: Said) -> None:
    operator()._new_attempt(context(TaskInstance())).announce(Run("r1", "name\x07" * 1_000, "PENDING"))
    text = said()
    assert "Run r1 (name\\x07name" in text
    assert len(text) < 1_000
