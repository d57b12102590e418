"""The sensor against the local server, without an Airflow around it."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from unittest.mock import AsyncMock

import pytest
from airflow.exceptions import AirflowRescheduleException, TaskDeferralError

from airflow_provider_wherobots.compat import (
    AIRFLOW,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
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
from airflow_provider_wherobots.flows import retry
from airflow_provider_wherobots.sensors.run import WherobotsRunSensor
from tests.integration.conftest import set_connection
from tests.integration.support import (
    Operator,
    TaskInstance,
    context,
    deferral_of,
    follow,
    resume,
    run_to_end,
    trigger_of,
)
from wherobots_local.control.client import ControlClient

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
                "poke_interval": 0.2,
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


def started_run(control: ControlClient) -> str:
    """A run that is RUNNING until a test ends it."""
    run_id: str = control.create_run("nightly-hail-stats")["id"]
    control.patch_run(run_id, status="RUNNING")
    return run_id


def end(control: ControlClient, run_id: str, status: str = "COMPLETED", **details: Any) -> None:
    control.patch_run(run_id, status=status, completed=True, **details)


def is_final(error: BaseException) -> bool:
    return isinstance(error, AirflowFailException | AirflowSensorTimeout)


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize("poll_logs", [True, False])
def test_a_run_that_an_operator_did_not_wait_for_is_waited_for(
    operator: Operator,
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


def test_a_run_that_has_ended_is_not_deferred_for(sensor: Make, control: ControlClient) -> None:
    run_id = started_run(control)
    end(control, run_id)
    assert sensor(run_id=run_id).execute(context(TaskInstance())) == run_id


def test_a_poke_looks_once_and_links_to_the_run_while_it_is_active(
    sensor: Make, control: ControlClient, times_said: Callable[..., list[int]]
) -> None:
    run_id, ti = started_run(control), TaskInstance()
    task = sensor(run_id=run_id, deferrable=False)
    assert [task.poke(context(ti)).is_done for _ in range(3)] == [False] * 3
    assert len(control.requests("getJobRun")) == 3
    assert ti.xcoms["run_id"] == run_id
    assert ti.xcoms["run_url"].endswith(run_id)
    assert times_said(f"Run {run_id} is RUNNING") == [1]
    control.patch_run(run_id, kubeApp={"spark_ui_url": "https://spark.example.com"})
    assert not task.poke(context(ti)).is_done
    assert ti.xcoms["spark_ui_url"] == "https://spark.example.com"
    end(control, run_id)
    found = task.poke(context(ti))
    assert (found.is_done, found.xcom_value) == (True, run_id)


only_3 = pytest.mark.skipif(AIRFLOW < (3, 0), reason="2.11 asks its database when the first poke was")


@only_3
def test_between_two_pokes_airflow_frees_the_worker_if_asked(sensor: Make, control: ControlClient) -> None:
    run_id, began_at = started_run(control), datetime.now(UTC)
    task = sensor(run_id=run_id, deferrable=False, mode="reschedule", poke_interval=60, timeout=3600)
    ti = TaskInstance(get_first_reschedule_date=lambda context: began_at)
    with pytest.raises(AirflowRescheduleException) as freed:
        task.execute(context(ti))
    assert timedelta(seconds=60) <= freed.value.reschedule_date - began_at < timedelta(seconds=120)
    began_at -= timedelta(hours=2)
    with pytest.raises(AirflowSensorTimeout):
        task.execute(context(ti))
    end(control, run_id)
    assert task.execute(context(ti)) == run_id


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
    finish = partial(resume, task, ti, deferred, follow(deferred)) if deferrable else partial(task.execute, context(ti))
    with pytest.raises(kind, match=rf"Run {run_id} .*: no more nodes\nRun: http") as failed:
        finish()
    assert is_final(failed.value), "the status of a run is final, so a retry cannot help"
    assert ti.xcoms["run_summary"]["status"] == status


@pytest.mark.parametrize("cancels", [True, False])
def test_its_timeout_while_deferred_is_that_of_a_sensor(sensor: Make, control: ControlClient, cancels: bool) -> None:
    run_id, ti = started_run(control), TaskInstance()
    words = f"Run {run_id} was still RUNNING when the task's timeout was reached: the limit is 3 seconds"
    with pytest.raises(AirflowSensorTimeout, match=words) as timed_out:
        run_to_end(sensor(run_id=run_id, timeout=3, cancel_on_kill=cancels), ti)
    assert ("the run was left alone (cancel_on_kill=False)" in str(timed_out.value)) is not cancels
    assert control.counts()["cancels_effective"] == cancels
    assert ti.xcoms["run_summary"]["run_id"] == run_id


def test_its_timeout_on_a_worker_is_airflows_own(sensor: Make, control: ControlClient) -> None:
    with pytest.raises(AirflowSensorTimeout, match=r"exceeds the specified timeout of 1\.0"):
        sensor(run_id=started_run(control), deferrable=False, timeout=1).execute(context(TaskInstance()))
    assert control.counts()["cancels_received"] == 0


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
def test_where_it_would_fail_it_is_skipped_if_asked_and_the_log_says_for_what(
    sensor: Make, control: ControlClient, times_said: Callable[..., list[int]], deferrable: bool, flag: str
) -> None:
    run_id, ti = started_run(control), TaskInstance()
    task = sensor(run_id=run_id, deferrable=deferrable, **{flag: True})
    if deferrable:
        deferred = deferral_of(task, ti)
    end(control, run_id, "FAILED", kubeApp={"message": "no more nodes"})
    finish = partial(resume, task, ti, deferred, follow(deferred)) if deferrable else partial(task.execute, context(ti))
    with pytest.raises(AirflowSkipException):
        finish()
    assert times_said(f"Run {run_id} failed (FAILED): no more nodes") == [1]


@pytest.mark.parametrize("cancels", [True, False])
def test_a_kill_while_deferred_cancels_only_if_asked(
    sensor: Make, control: ControlClient, monkeypatch: pytest.MonkeyPatch, cancels: bool
) -> None:
    monkeypatch.setattr("airflow_provider_wherobots.triggers.guarded.get_task_state", AsyncMock(return_value="failed"))
    task = sensor(run_id=started_run(control), cancel_on_kill=cancels)
    asyncio.run(trigger_of(deferral_of(task, TaskInstance())).on_kill())
    assert control.counts()["cancels_effective"] == cancels


@pytest.mark.parametrize("cancels", [True, False])
@pytest.mark.parametrize("deferrable", [True, False])
def test_a_kill_on_a_worker_cancels_only_if_asked(
    sensor: Make, control: ControlClient, monkeypatch: pytest.MonkeyPatch, deferrable: bool, cancels: bool
) -> None:
    task = sensor(run_id=started_run(control), cancel_on_kill=cancels, deferrable=deferrable)
    ti = TaskInstance()
    # In the middle of a poke that defers, or while Airflow sleeps between two pokes.
    monkeypatch.setattr(ti, "xcom_push", lambda key, value: task.on_kill() if deferrable else None)
    monkeypatch.setattr(time, "sleep", lambda seconds: task.on_kill())
    with pytest.raises(WherobotsTaskKilledException):
        task.execute(context(ti))
    assert control.counts()["cancels_effective"] == cancels


def test_after_a_failed_trigger_an_ended_run_counts(sensor: Make, control: ControlClient) -> None:
    run_id, ti = started_run(control), TaskInstance()
    task, fail = sensor(run_id=run_id), "__fail__"
    deferral_of(task, ti)
    words = f"Run {run_id} was still active when the task's timeout was reached: the triggerer did not end the wait"
    with pytest.raises(AirflowSensorTimeout, match=words):
        task.resume_execution(fail, {"error": "Trigger timeout"}, context(ti))
    with pytest.raises(TaskDeferralError, match="Trigger failure") as failed:
        task.resume_execution(fail, {"error": "Trigger failure"}, context(ti))
    assert not is_final(failed.value)
    for flag in ("soft_fail", "never_fail"):
        for error in ("Trigger timeout", "Trigger failure"):
            with pytest.raises(AirflowSkipException):
                sensor(run_id=run_id, **{flag: True}).resume_execution(fail, {"error": error}, context(ti))
    end(control, run_id)
    assert task.resume_execution(fail, {"error": "Trigger timeout"}, context(ti)) == run_id
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


def test_airflow_resumes_it_with_the_outcome(sensor: Make, control: ControlClient) -> None:
    run_id, ti = started_run(control), TaskInstance()
    task = sensor(run_id=run_id)
    deferred = deferral_of(task, ti)
    end(control, run_id)
    arguments = {**(deferred.kwargs or {}), "event": follow(deferred), "of_a_later_version": 1}
    assert task.resume_execution(deferred.method_name, arguments, context(ti)) == run_id


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(
            {"event": {}, "try_number": 1},
            marks=pytest.mark.skipif(AIRFLOW < (3, 0), reason="2.11 resumes only the try that has deferred"),
            id="a retry",
        ),
        pytest.param({}, id="missing in its DAG while it was deferred"),
    ],
)
def test_without_its_event_it_starts_over(sensor: Make, control: ControlClient, stored: dict[str, Any]) -> None:
    run_id = started_run(control)
    end(control, run_id)
    ti = TaskInstance(try_number=2)
    assert sensor(run_id=run_id).resume_execution("execute_complete", stored, context(ti)) == run_id
    assert ti.xcoms["run_id"] == run_id


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_poke_outlasts_an_outage_and_a_run_that_is_not_known_yet(
    sensor: Make, control: ControlClient, monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    run_id = started_run(control)
    end(control, run_id)
    for status in (503, 404, 403):
        control.add_fault("getJobRun", {"type": "status", "status": status}, times=2)
        assert sensor(run_id=run_id, deferrable=deferrable).execute(context(TaskInstance())) == run_id


def test_an_outage_that_lasts_too_long_fails_the_try_and_is_retried(sensor: Make, control: ControlClient) -> None:
    control.add_fault("getJobRun", {"type": "status", "status": 503}, times=2)
    with pytest.raises(WherobotsUnavailableException, match=r"Run r1: .*503") as failed:
        sensor(run_id="r1", max_outage_seconds=0, deferrable=False).execute(context(TaskInstance()))
    assert not is_final(failed.value)


def test_a_run_that_is_not_there_fails_without_a_retry(sensor: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "REFUSED_SECONDS", 0.5)
    with pytest.raises(WherobotsRequestException, match=r"Run no-such-run: .*404") as failed:
        sensor(run_id="no-such-run").execute(context(TaskInstance()))
    assert is_final(failed.value)


def test_a_refused_key_names_its_connection(sensor: Make, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "REFUSED_SECONDS", 0.0)
    task = sensor(run_id="r1")
    set_connection(monkeypatch, conn_type="wherobots", host=server.url, password="another-key")
    with pytest.raises(WherobotsUnavailableException, match="'wherobots_default': the API key is refused") as no:
        task.execute(context(TaskInstance()))
    assert not is_final(no.value)
    assert "another-key" not in str(no.value)


def test_no_xcom_is_asked_for_before_there_is_one(sensor: Make, control: ControlClient) -> None:
    class Silent(TaskInstance):
        def xcom_pull(self, task_ids: str, key: str, map_indexes: int) -> Any:
            pytest.fail("Airflow 3 logs an error for an XCom that is not there")

    run_id = started_run(control)
    deferral_of(sensor(run_id=run_id), Silent())
    end(control, run_id)
    assert sensor(run_id=run_id, deferrable=False).execute(context(Silent())) == run_id


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"run_id": None}, "task: run_id=None: must be the id of a run"),
        ({"run_id": ""}, "run_id='': must be the id of a run"),
        ({"run_id": "a b"}, "run_id='a b': must be the id of a run"),
        ({"run_id": 7}, "run_id=7: must be the id of a run"),
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
def test_a_template_without_an_id_fails_for_good(sensor: Make, control: ControlClient, rendered: Any) -> None:
    task = sensor(run_id="{{ ti.xcom_pull('start') }}")
    task.run_id = rendered
    with pytest.raises(WherobotsArgumentException, match="run_id=") as failed:
        task.execute(context(TaskInstance()))
    assert is_final(failed.value)
    assert control.requests() == []


def test_a_trigger_carries_no_secret_and_airflow_waits_longer_than_it(sensor: Make, control: ControlClient) -> None:
    deferred = deferral_of(sensor(run_id=started_run(control), timeout=60), TaskInstance())
    path, kwargs = deferred.trigger.serialize()
    assert path == "airflow_provider_wherobots.triggers.run.WherobotsRunTrigger"
    assert kwargs["wherobots_conn_id"] == "wherobots_default"
    assert timedelta(seconds=170) < deferred.timeout <= timedelta(seconds=180)
