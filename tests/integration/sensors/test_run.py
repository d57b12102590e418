"""The sensor and its triggers against the local server, without an Airflow around them."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest
from airflow.exceptions import TaskDeferralError

from airflow_provider_wherobots.compat import (
    AIRFLOW,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
)
from airflow_provider_wherobots.exceptions import (
    WherobotsArgumentException,
    WherobotsExecutionTimeoutException,
    WherobotsRequestException,
    WherobotsRunCancelledException,
    WherobotsRunFailedException,
    WherobotsRunTimedOutException,
    WherobotsTaskKilledException,
    WherobotsUnavailableException,
)
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from airflow_provider_wherobots.sensors.run import WherobotsRunSensor
from airflow_provider_wherobots.tasks import sensor_try
from airflow_provider_wherobots.tasks.sensor_try import SensorTry
from airflow_provider_wherobots.triggers.named_run import WherobotsNamedRunTrigger
from tests.integration import support
from tests.integration.conftest import set_connection
from tests.integration.support import TaskInstance, context, deferral_of, follow, next_try, run_to_end, trigger_of
from tests.support.waiting import wait_for
from wherobots_local.control.client import ControlClient

NAME = "nightly-hail-stats"
DURABLE = f"{NAME}-0123456789abcd"
Make = Callable[..., WherobotsRunSensor]


@pytest.fixture
def sensor(conn_id: str) -> Make:
    def make(**arguments: Any) -> WherobotsRunSensor:
        return WherobotsRunSensor(
            **{
                "task_id": "task",
                "wherobots_conn_id": conn_id,
                "wait_post_run_logs_timeout_seconds": 1,
                "polling_interval": 2,
                **arguments,
            }
        )

    return make


@pytest.fixture
def times_said(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Callable[..., list[int]]:
    """How often each text was logged. 2.11 writes its log to more than one place."""
    caplog.set_level(logging.INFO)

    def count(*texts: str) -> list[int]:
        places = (caplog.text, *capfd.readouterr())
        return [max(place.count(text) for place in places) for text in texts]

    return count


def started_run(control: ControlClient, name: str = DURABLE) -> str:
    """A run that is RUNNING until a test ends it."""
    run_id: str = control.create_run(name)["id"]
    control.patch_run(run_id, status="RUNNING")
    return run_id


def end(control: ControlClient, run_id: str, status: str = "COMPLETED", **details: Any) -> None:
    control.patch_run(run_id, status=status, completed=True, **details)


def is_final(error: BaseException) -> bool:
    return isinstance(error, AirflowFailException | AirflowSensorTimeout)


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize("poll_logs", [True, False])
def test_a_run_that_an_operator_did_not_wait_for_is_waited_for(
    operator: Callable[..., WherobotsRunOperator],
    sensor: Make,
    control: ControlClient,
    times_said: Callable[..., list[int]],
    deferrable: bool,
    poll_logs: bool,
) -> None:
    started = TaskInstance()
    run_id = operator(wait_for_completion=False).execute(context(started))
    ti = TaskInstance(task_id="wait")
    assert run_to_end(sensor(run_id=run_id, deferrable=deferrable, poll_logs=poll_logs), ti) == run_id
    assert ti.xcoms["run_id"] == run_id
    assert ti.xcoms["run_url"] == started.xcoms["run_url"]
    assert (ti.xcoms["run_summary"]["run_id"], ti.xcoms["run_summary"]["status"]) == (run_id, "COMPLETED")
    assert times_said(f"Run {run_id} COMPLETED: queued for ", "line 00002") == [1, poll_logs]
    counts = control.counts()
    assert (counts["creates_received"], counts["cancels_received"]) == (1, 0)


def test_a_run_that_appears_later_is_found_by_the_trigger_and_announced_while_it_runs(
    sensor: Make, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed: list[tuple[str, str]] = []

    async def push(task_instance: Any, key: str, value: str) -> None:
        pushed.append((key, value))
        if key == "run_url":
            end(control, value.rpartition("/")[2])

    monkeypatch.setattr("airflow_provider_wherobots.triggers.run.push_text", push)
    ti, task = TaskInstance(), sensor(run_name=f"{NAME}-later")
    deferred = deferral_of(task, ti)
    assert "run_id" not in ti.xcoms
    run_id = started_run(control, f"{NAME}-later")
    event = follow(deferred)
    assert [key for key, _ in pushed if not key.startswith("_link_")] == ["run_id", "run_url"]
    assert pushed[0] == ("run_id", run_id)
    assert task.execute_complete(context(ti), event) == run_id
    # The worker pushes what the trigger may have failed to push.
    assert (ti.xcoms["run_id"], ti.xcoms["run_url"]) == (run_id, dict(pushed)["run_url"])
    assert ti.xcoms["run_summary"]["status"] == "COMPLETED"


def test_a_trigger_that_is_restarted_keeps_the_run_that_it_has_published(
    sensor: Make, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{NAME}-restarted"
    task = sensor(run_name=name)
    deferred = deferral_of(task, TaskInstance())
    first, second = started_run(control, name), started_run(control, name)
    end(control, first)
    end(control, second, "FAILED")
    pull = AsyncMock(return_value=first)
    monkeypatch.setattr("airflow_provider_wherobots.triggers.named_run.pull_text", pull)
    assert follow(deferred)["run_id"] == first
    assert [call.args[1] for call in pull.await_args_list] == ["run_id"]


@pytest.mark.parametrize("published", [None, "", {"an": "id"}, RuntimeError("no answer")])
def test_a_trigger_that_has_published_no_run_takes_the_newest(
    sensor: Make, control: ControlClient, monkeypatch: pytest.MonkeyPatch, published: Any
) -> None:
    name = f"{NAME}-newest-{type(published).__name__}"
    deferred = deferral_of(sensor(run_name=name), TaskInstance())
    run_id = started_run(control, name)
    end(control, run_id)
    pull = AsyncMock(side_effect=[published])
    monkeypatch.setattr("airflow_provider_wherobots.triggers.named_run.pull_text", pull)
    assert follow(deferred)["run_id"] == run_id
    pull.assert_awaited_once()


def test_a_run_that_has_ended_is_not_deferred_for(sensor: Make, control: ControlClient) -> None:
    run_id = started_run(control)
    end(control, run_id)
    assert sensor(run_id=run_id).execute(context(TaskInstance())) == run_id
    assert sensor(run_name=NAME).execute(context(TaskInstance())) == run_id


def test_runs_of_before_the_dag_run_was_due_do_not_count_unless_asked(
    sensor: Make, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{NAME}-before"
    run_id = started_run(control, name)
    end(control, run_id)
    later = datetime.now(UTC) + timedelta(seconds=90)
    # A DAG run of Airflow 3, of 2.11, and of 2.11 by hand, whose data interval lies before it.
    for dag_run in (
        SimpleNamespace(run_after=later, logical_date=None, start_date=None),
        SimpleNamespace(data_interval_end=later, logical_date=later - timedelta(days=1), start_date=None),
        SimpleNamespace(data_interval_end=later - timedelta(days=1), logical_date=later, start_date=None),
    ):
        of_this_run: Any = {"ti": TaskInstance(), "dag_run": dag_run}
        with pytest.raises(AirflowSensorTimeout, match=f"No run named '{name}' created since .* timeout"):
            sensor(run_name=name, timeout=0, deferrable=False).execute(of_this_run)
        for moment in (later - timedelta(hours=1), (later - timedelta(hours=1)).isoformat(), "2026-01-01 00:00:00"):
            task = sensor(run_name=name, created_after=moment, timeout=0, deferrable=False)
            assert task.execute(of_this_run) == run_id


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("FAILED", WherobotsRunFailedException),
        ("TIMED_OUT", WherobotsRunTimedOutException),
        ("CANCELLED", WherobotsRunCancelledException),
    ],
)
def test_a_run_that_does_not_complete_fails_the_task_as_the_operator_fails(
    sensor: Make, control: ControlClient, deferrable: bool, status: str, kind: type[Exception]
) -> None:
    run_id, ti = started_run(control), TaskInstance()
    task = sensor(run_id=run_id, deferrable=deferrable)
    if deferrable:
        deferred = deferral_of(task, ti)
    end(control, run_id, status, kubeApp={"message": "no more nodes"})
    finish = partial(task.execute_complete, event=follow(deferred)) if deferrable else task.execute
    with pytest.raises(kind, match=rf"Run {run_id} .*: no more nodes\nRun: http") as failed:
        finish(context(ti))
    assert is_final(failed.value), "the status of a run is final, so a retry cannot help"
    assert ti.xcoms["run_summary"]["status"] == status


def test_by_name_a_retry_may_find_a_newer_run(sensor: Make, control: ControlClient) -> None:
    name = f"{NAME}-again"
    end(control, started_run(control, name), "FAILED")
    with pytest.raises(WherobotsRunFailedException) as failed:
        sensor(run_name=name).execute(context(TaskInstance()))
    assert not is_final(failed.value)
    run_id = started_run(control, name)
    end(control, run_id)
    assert sensor(run_name=name).execute(context(TaskInstance(try_number=2))) == run_id


@pytest.mark.parametrize(
    ("deferrable", "by_name", "cancels"),
    [(True, False, True), (True, True, False), (False, False, False), (False, True, True)],
)
def test_its_timeout_is_the_one_of_a_sensor_and_cancels_only_if_asked(
    sensor: Make, control: ControlClient, deferrable: bool, by_name: bool, cancels: bool
) -> None:
    run_id, ti = started_run(control), TaskInstance()
    which = {"run_name": NAME} if by_name else {"run_id": run_id}
    words = f"Run {run_id} was still RUNNING when the task's timeout was reached: the limit is 3 seconds"
    with pytest.raises(AirflowSensorTimeout, match=words) as timed_out:
        run_to_end(sensor(**which, deferrable=deferrable, timeout=3, cancel_on_kill=cancels), ti)
    assert ("the run was left alone (cancel_on_kill=False)" in str(timed_out.value)) is not cancels
    assert control.counts()["cancels_effective"] == cancels
    assert ti.xcoms["run_summary"]["run_id"] == run_id


def test_the_shorter_limit_counts_and_an_execution_timeout_may_retry(sensor: Make, control: ControlClient) -> None:
    arguments = {"run_id": started_run(control), "execution_timeout": timedelta(seconds=5)}
    with pytest.raises(WherobotsExecutionTimeoutException, match="task's execution_timeout was reached") as failed:
        run_to_end(sensor(**arguments), TaskInstance())
    assert not is_final(failed.value)
    with pytest.raises(AirflowSensorTimeout, match="task's timeout was reached"):
        run_to_end(sensor(**arguments, timeout=3), TaskInstance())
    assert control.counts()["cancels_received"] == 0


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize("flag", ["soft_fail", "never_fail"])
def test_where_it_would_fail_it_is_skipped_if_asked(
    sensor: Make, control: ControlClient, times_said: Callable[..., list[int]], deferrable: bool, flag: str
) -> None:
    run_id = started_run(control)
    with pytest.raises(AirflowSkipException, match=f"{flag}=True: Run {run_id} was still RUNNING"):
        run_to_end(sensor(run_id=run_id, deferrable=deferrable, timeout=3, **{flag: True}), TaskInstance())
    end(control, run_id, "FAILED")
    with pytest.raises(AirflowSkipException, match=f"{flag}=True: Run {run_id} failed .FAILED."):
        run_to_end(sensor(run_id=run_id, deferrable=deferrable, **{flag: True}), TaskInstance())
    assert times_said(f"Skipping the task ({flag}=True): Run {run_id}") == [2]


@pytest.mark.parametrize("flag", ["soft_fail", "never_fail"])
@pytest.mark.parametrize(
    "way",
    [
        {},
        {"deferrable": False},
        pytest.param(
            {"deferrable": False, "mode": "reschedule"},
            marks=pytest.mark.skipif(AIRFLOW < (3, 0), reason="this Airflow reads the first poke from its database"),
        ),
    ],
)
def test_a_wrong_connection_and_a_kill_fail_it_nevertheless(
    sensor: Make, control: ControlClient, monkeypatch: pytest.MonkeyPatch, way: dict[str, Any], flag: str
) -> None:
    killed = sensor(run_id=started_run(control), **way, **{flag: True})
    killed.on_kill()
    ti = TaskInstance(get_first_reschedule_date=lambda context: None)
    with pytest.raises(WherobotsTaskKilledException):
        killed.execute(context(ti))
    connection = {"conn_type": "wherobots", "host": "http://example.com", "password": "a-key"}
    monkeypatch.setenv("AIRFLOW_CONN_WHEROBOTS_DEFAULT", json.dumps(connection))
    with pytest.raises(WherobotsArgumentException, match=r"host='http://example\.com'"):
        sensor(run_id="r1", **way, **{flag: True}).execute(context(ti))


@pytest.mark.parametrize("cancels", [True, False])
@pytest.mark.parametrize("is_named", [False, True])
def test_a_kill_while_deferred_cancels_only_if_asked(
    sensor: Make, control: ControlClient, monkeypatch: pytest.MonkeyPatch, is_named: bool, cancels: bool
) -> None:
    async def push_text(task_instance: Any, key: str, value: str) -> None:
        pass

    monkeypatch.setattr("airflow_provider_wherobots.triggers.guarded.get_task_state", AsyncMock(return_value="failed"))
    monkeypatch.setattr("airflow_provider_wherobots.triggers.run.push_text", push_text)
    name = f"{NAME}-killed-{is_named}-{cancels}"
    which = {"run_name": name} if is_named else {"run_id": started_run(control, name)}
    task = sensor(**which, cancel_on_kill=cancels)
    trigger = trigger_of(deferral_of(task, TaskInstance()))
    run_id = started_run(control, name) if is_named else which["run_id"]
    control.clear_requests()
    asyncio.run(followed_and_killed(trigger, control))
    assert [entry["run_id"] for entry in control.requests("cancelJobRun") if entry["effective"]] == [run_id] * cancels


async def followed_and_killed(trigger: Any, control: ControlClient) -> None:
    following = asyncio.ensure_future(anext(trigger.run()))
    await asyncio.to_thread(wait_for, lambda: control.requests("getJobRun"), what="the trigger to find its run")
    await trigger.on_kill()
    following.cancel()
    await asyncio.wait({following})


def test_after_a_failed_trigger_an_ended_run_counts_and_an_active_one_is_left_alone(
    sensor: Make, control: ControlClient
) -> None:
    run_id, ti = started_run(control), TaskInstance()
    task = sensor(run_id=run_id)
    deferral_of(task, ti)
    with pytest.raises(
        AirflowSensorTimeout, match=f"timeout was reached: the triggerer did not end the wait for run {run_id}"
    ):
        task.resume_execution("__fail__", {"error": "Trigger timeout"}, context(ti))
    with pytest.raises(TaskDeferralError, match="Trigger failure") as failed:
        task.resume_execution("__fail__", {"error": "Trigger failure"}, context(ti))
    assert not is_final(failed.value)
    end(control, run_id)
    assert task.resume_execution("__fail__", {"error": "Trigger timeout"}, context(ti)) == run_id
    assert control.counts()["cancels_received"] == 0


@pytest.mark.parametrize(("cancels", "error"), [(True, AirflowSensorTimeout), (False, WherobotsRunCancelledException)])
def test_a_run_that_its_trigger_has_cancelled_at_a_timeout_is_not_the_cause(
    sensor: Make, control: ControlClient, cancels: bool, error: type[Exception]
) -> None:
    run_id, ti = started_run(control), TaskInstance()
    task = sensor(run_id=run_id, cancel_on_kill=cancels)
    deferral_of(task, ti)
    end(control, run_id, "CANCELLED")
    with pytest.raises(error):
        task.resume_execution("__fail__", {"error": "Trigger timeout"}, context(ti))


def test_after_a_failed_trigger_that_had_found_no_run(sensor: Make) -> None:
    task = sensor(run_name="no-such-run")
    with pytest.raises(AirflowSensorTimeout, match="not end the wait for run named 'no-such-run'"):
        task.resume_execution("__fail__", {"error": "Trigger timeout"}, context(TaskInstance()))
    soft = sensor(run_name="no-such-run", soft_fail=True)
    with pytest.raises(AirflowSkipException, match=r"soft_fail=True: .*Trigger failure"):
        soft.resume_execution("__fail__", {"error": "Trigger failure"}, context(TaskInstance()))


def test_airflow_resumes_it_with_the_outcome(sensor: Make, control: ControlClient) -> None:
    run_id, ti = started_run(control), TaskInstance()
    task = sensor(run_id=run_id)
    deferred = deferral_of(task, ti)
    end(control, run_id)
    arguments = {**(deferred.kwargs or {}), "event": follow(deferred), "of_a_later_version": 1}
    assert task.resume_execution(deferred.method_name, arguments, context(ti)) == run_id


only_3 = pytest.mark.skipif(AIRFLOW < (3, 0), reason="2.11 resumes only the try that has deferred")


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param({"event": {}, "try_number": 1}, marks=only_3, id="a retry"),
        pytest.param({}, id="missing in its DAG while it was deferred"),
    ],
)
def test_a_try_that_is_resumed_without_its_own_event_starts_over(
    sensor: Make, control: ControlClient, stored: dict[str, Any]
) -> None:
    run_id = started_run(control)
    end(control, run_id)
    ti = TaskInstance(try_number=2)
    assert sensor(run_id=run_id).resume_execution("execute_complete", stored, context(ti)) == run_id
    assert ti.xcoms["run_id"] == run_id


@only_3
def test_a_resumed_retry_that_pokes_again_and_again_counts_from_its_own_start(
    sensor: Make, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BaseSensorOperator, "execute", lambda task, context: task.poke(context))
    run_id = started_run(control)
    ti = TaskInstance(try_number=2)
    ti.start_date = datetime.now(UTC) - timedelta(hours=1)
    task = sensor(run_id=run_id, deferrable=False, mode="reschedule", execution_timeout=timedelta(minutes=5))
    deadlines = []

    def check_once(this_try: SensorTry) -> tuple[bool, None]:
        deadlines.append(this_try._options().deadline)
        return False, None

    monkeypatch.setattr(SensorTry, "check_once", check_once)
    task.resume_execution("execute_complete", {"event": {}, "try_number": 1}, context(ti))
    assert [deadline is not None and deadline > time.time() for deadline in deadlines] == [True]


@pytest.mark.parametrize("arguments", [{"polling_interval": 2}, {"poke_interval": 2}], ids=str)
def test_a_rescheduled_sensor_comes_back_no_sooner_than_airflow_can_tell_its_pokes_apart(
    sensor: Make, arguments: dict[str, Any]
) -> None:
    rescheduled = sensor(run_name=NAME, deferrable=False, mode="reschedule", **arguments)
    assert rescheduled._get_next_poke_interval(0.0, lambda: 0.0, 1) == 10.0
    waiting = sensor(run_name=NAME, deferrable=False, **arguments)
    assert waiting.poke_interval == 2.0


def test_without_deferral_the_worker_waits_for_a_run_of_that_name(
    sensor: Make, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, sleep = f"{NAME}-not-yet", time.sleep

    def start(seconds: float) -> None:
        monkeypatch.setattr(time, "sleep", sleep)
        end(control, started_run(control, name))

    monkeypatch.setattr(time, "sleep", start)
    assert sensor(run_name=name, deferrable=False).execute(context(TaskInstance())) == control.runs()[-1]["id"]


def test_a_rescheduled_sensor_looks_for_its_run_once_in_each_poke(sensor: Make, control: ControlClient) -> None:
    ti = TaskInstance()
    task = sensor(run_name=f"{NAME}-poked", deferrable=False, mode="reschedule", poll_logs=True)
    assert not task.poke(context(ti)).is_done
    run_id = started_run(control, f"{NAME}-poked")
    assert not task.poke(context(ti)).is_done
    assert ti.xcoms["run_id"] == run_id
    end(control, run_id)
    found = task.poke(context(ti))
    assert (found.is_done, found.xcom_value) == (True, run_id)
    failed = started_run(control, f"{NAME}-poked")
    end(control, failed, "FAILED")
    with pytest.raises(WherobotsRunFailedException):
        task.poke(context(ti))


def next_poke(task: WherobotsRunSensor, ti: Any) -> Any:
    """A poke in a process of its own: Airflow has deleted the XComs."""
    ti.xcoms.clear()
    return task.poke(context(ti))


@pytest.mark.parametrize("by_name", [True, False])
def test_a_rescheduled_sensor_tolerates_failed_pokes_one_at_a_time_and_fails_when_they_last_too_long(
    sensor: Make, control: ControlClient, monkeypatch: pytest.MonkeyPatch, by_name: bool
) -> None:
    name = f"{NAME}-looked-for"
    run_id, operation = started_run(control, name), "listJobRuns" if by_name else "getJobRun"
    which = {"run_name": name} if by_name else {"run_id": run_id}
    task, ti = sensor(**which, deferrable=False, mode="reschedule"), TaskInstance()
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("a poke does not wait"))
    control.add_fault(operation, {"type": "status", "status": 503}, times=2)
    assert not next_poke(task, ti).is_done
    assert not next_poke(task, ti).is_done
    assert "run_id" not in ti.xcoms
    assert not next_poke(task, ti).is_done
    assert ti.xcoms["run_id"] == run_id
    assert len(control.requests(operation)) == 3
    control.add_fault(operation, {"type": "status", "status": 503})
    assert not next_poke(task, ti).is_done
    since = vars(sensor_try)["failing_since"]
    # The time of the driver goes on.
    monkeypatch.setattr(sensor_try, "failing_since", lambda *which: (since(*which) or 0.0) - 590)
    assert not next_poke(task, ti).is_done
    words = r"given up after 10 minutes of failures \(max_outage_seconds=600\)"
    with pytest.raises(WherobotsUnavailableException, match=words) as failed:
        next_poke(task, ti)
    assert not is_final(failed.value)


def test_what_a_rescheduled_sensor_keeps_is_of_its_try_and_ends_with_a_success() -> None:
    ti = TaskInstance()
    for since in (None, 7.0, 7.0, None):
        sensor_try.keep_failing_since(context(ti), since)
        assert sensor_try.failing_since(context(ti)) == since
    sensor_try.keep_failing_since(context(ti), 8.0)
    assert sensor_try.failing_since(context(next_try(ti))) is None
    without = TaskInstance(store=None)
    sensor_try.keep_failing_since(context(without), 8.0)
    assert sensor_try.failing_since(context(without)) is None


def test_no_xcom_is_asked_for_before_there_is_one(sensor: Make, control: ControlClient) -> None:
    class Silent(TaskInstance):
        def xcom_pull(self, task_ids: str, key: str, map_indexes: int) -> Any:
            pytest.fail("Airflow 3 logs an error for an XCom that is not there")

    run_id = started_run(control)
    for arguments in ({"run_id": run_id}, {"run_name": NAME}):
        deferral_of(sensor(**arguments), Silent())
        assert not sensor(**arguments, deferrable=False, mode="reschedule").poke(context(Silent())).is_done
    end(control, run_id)
    assert sensor(run_id=run_id, deferrable=False).execute(context(Silent())) == run_id


@pytest.mark.parametrize("cancels", [True, False])
def test_a_kill_before_the_deferral_cancels_the_run_only_if_asked(
    sensor: Make, control: ControlClient, monkeypatch: pytest.MonkeyPatch, cancels: bool
) -> None:
    task, ti = sensor(run_id=started_run(control), cancel_on_kill=cancels), TaskInstance()
    monkeypatch.setattr(ti, "xcom_push", lambda key, value: task.on_kill() if key == "run_id" else None)
    with pytest.raises(WherobotsTaskKilledException):
        task.execute(context(ti))
    assert control.counts()["cancels_effective"] == cancels


def test_a_run_that_is_not_there_fails_without_a_retry(sensor: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_wherobots.flows.named_run.APPEARANCE_SECONDS", 1.0)
    with pytest.raises(WherobotsRequestException, match=r"Run no-such-run: .*404") as failed:
        sensor(run_id="no-such-run").execute(context(TaskInstance()))
    assert is_final(failed.value)


def test_a_refused_key_names_its_connection(sensor: Make, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_wherobots.flows.named_run.REFUSED_SECONDS", 0.0)
    words = "connection 'wherobots_default': the API key is refused"
    by_id, by_name = sensor(run_id="r1"), sensor(run_name=NAME)
    set_connection(monkeypatch, conn_type="wherobots", host=server.url, password="another-key")
    for task, kind in ((by_id, WherobotsRequestException), (by_name, WherobotsUnavailableException)):
        with pytest.raises(kind, match=words) as failed:
            task.execute(context(TaskInstance()))
        assert "another-key" not in str(failed.value)


def test_an_outage_when_it_starts_is_left_to_the_trigger(sensor: Make, control: ControlClient) -> None:
    control.add_fault("listJobRuns", {"type": "status", "status": 503}, times=1)
    deferral_of(sensor(run_name=NAME), TaskInstance())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "task: run_id=None, run_name=None: exactly one must be given"),
        ({"run_id": "r", "run_name": NAME}, "exactly one must be given"),
        ({"run_id": ""}, "run_id='': must be the id of a run"),
        ({"run_id": "a b"}, "run_id='a b': must be the id of a run"),
        ({"run_id": 7}, "run_id=7: must be the id of a run"),
        ({"run_name": "short"}, "run_name='short': must be 8 to 255 characters"),
        ({"run_name": "nightly-*"}, r"run_name='nightly-\*': must be 8 to 255 characters"),
        ({"run_name": NAME, "created_after": "soon"}, "created_after='soon': must be a datetime, or ISO 8601 text"),
        ({"run_name": NAME, "created_after": 7}, "created_after=7: must be a datetime"),
        ({"run_id": "r", "poll_logs": "no"}, "poll_logs='no': must be True or False"),
        ({"run_id": "r", "cancel_on_kill": None}, "cancel_on_kill=None: must be True or False"),
        ({"run_id": "r", "polling_interval": 0}, "polling_interval=0: must be a finite number of seconds, 2 or more"),
        ({"run_id": "r", "max_outage_seconds": -1}, "max_outage_seconds=-1: must be a finite number of seconds"),
    ],
)
def test_a_wrong_argument_is_named_before_anything_is_sent(sensor: Make, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(WherobotsArgumentException, match=words):
        sensor(**arguments)


@pytest.mark.parametrize("rendered", [None, "None", "", "two words"])
def test_a_template_that_renders_to_no_id_fails_without_a_retry_even_if_soft(
    sensor: Make, control: ControlClient, rendered: Any
) -> None:
    task = sensor(run_id="{{ ti.xcom_pull('start') }}", soft_fail=True)
    task.run_id = rendered
    with pytest.raises(WherobotsArgumentException, match="run_id=") as failed:
        task.execute(context(TaskInstance()))
    assert is_final(failed.value)
    assert control.requests() == []


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [
        ({}, 30.0),
        ({"polling_interval": 7}, 7.0),
        ({"poke_interval": 9}, 9.0),
        ({"poke_interval": timedelta(minutes=2)}, 120.0),
        ({"poke_interval": 0}, 2.0),
        ({"default_args": {"poke_interval": 11}}, 11.0),
    ],
)
def test_the_interval_has_the_name_of_the_operators_and_that_of_sensors(
    conn_id: str, arguments: dict[str, Any], seconds: float
) -> None:
    assert WherobotsRunSensor(task_id="task", run_id="r", **arguments).polling_interval == seconds


def test_a_trigger_carries_names_and_numbers_and_ignores_what_later_versions_add(sensor: Make, server: Any) -> None:
    deferred = deferral_of(sensor(run_name="no-such-run", timeout=60), TaskInstance())
    path, kwargs = deferred.trigger.serialize()
    assert path == "airflow_provider_wherobots.triggers.named_run.WherobotsNamedRunTrigger"
    assert server.api_key not in str(kwargs)
    again = WherobotsNamedRunTrigger(**json.loads(json.dumps({**kwargs, "of_a_later_version": 1})))
    assert again.serialize() == (path, kwargs)
    assert timedelta(seconds=170) < deferred.timeout <= timedelta(seconds=180)
    assert again.named.created_after == support.dag_run_start.timestamp() - 60
