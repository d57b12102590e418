"""The operator and its trigger against the local server, without an Airflow around them."""

import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from airflow.exceptions import TaskDeferred

from airflow_provider_wherobots.compat import AirflowFailException
from airflow_provider_wherobots.exceptions import (
    WherobotsArgumentException,
    WherobotsExecutionTimeoutException,
    WherobotsRequestException,
    WherobotsRunCancelledException,
    WherobotsRunFailedException,
    WherobotsTaskKilledException,
    WherobotsUnavailableException,
)
from airflow_provider_wherobots.links.run import WherobotsSparkUiLink, xcom_keys
from airflow_provider_wherobots.local.control.client import ControlClient
from airflow_provider_wherobots.logs.records import LogRecord
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from tests.integration.conftest import set_connection
from tests.integration.support import TaskInstance, context, follow, run_to_end

TALK = {"uri": "s3://jobs/talk.py", "args": [3]}


def test_a_deferred_run_ends_with_its_id_and_its_lines(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient
) -> None:
    task, ti = operator(), TaskInstance()
    with pytest.raises(TaskDeferred) as caught:
        task.execute(context(ti))
    run_id = ti.xcoms["run_id"]
    assert ti.xcoms["run_url"].endswith(f"/runs/{run_id}")
    event = follow(caught.value)
    deferred = caught.value
    assert task.execute_complete(context(ti), event, **(deferred.kwargs or {})) == run_id
    counts = control.counts()
    assert (counts["creates_received"], counts["creates_effective"], counts["cancels_received"]) == (1, 1, 0)
    assert control.requests("listJobRuns") == [], "a first, undisturbed try makes no extra call"


def test_a_worker_run_goes_through_the_same_flow(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient
) -> None:
    ti = TaskInstance()
    assert operator(deferrable=False).execute(context(ti)) == ti.xcoms["run_id"]


def test_without_waiting_the_id_comes_at_once(operator: Callable[..., WherobotsRunOperator]) -> None:
    ti = TaskInstance()
    task = operator(run_python={"uri": "s3://jobs/wait.py", "args": ["60"]}, wait_for_completion=False)
    assert task.execute(context(ti)) == ti.xcoms["run_id"]
    task.hook.cancel_run(ti.xcoms["run_id"])


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_failed_run_fails_with_its_reason_and_log_tail_and_may_retry(
    operator: Callable[..., WherobotsRunOperator], deferrable: bool
) -> None:
    task, ti = operator(run_python={"uri": "s3://jobs/fail.py"}, deferrable=deferrable), TaskInstance()
    with pytest.raises(WherobotsRunFailedException, match="no such country: Atlantis") as caught:
        run_to_end(task, ti)
    assert "Traceback (most recent call last)" in str(caught.value)
    assert ti.xcoms["run_url"] in str(caught.value)
    assert not isinstance(caught.value, AirflowFailException)


def test_a_run_cancelled_on_the_service_is_not_retried(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient
) -> None:
    task, ti = operator(run_python={"uri": "s3://jobs/wait.py", "args": ["60"]}), TaskInstance()
    with pytest.raises(TaskDeferred) as caught:
        task.execute(context(ti))
    task.hook.cancel_run(ti.xcoms["run_id"])
    with pytest.raises(WherobotsRunCancelledException) as cancelled:
        task.execute_complete(context(ti), follow(caught.value), **(caught.value.kwargs or {}))
    assert isinstance(cancelled.value, AirflowFailException)


def test_a_retry_re_attaches_to_the_active_run(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient
) -> None:
    first, second = TaskInstance(), TaskInstance(try_number=2)
    arguments = {"run_python": {"uri": "s3://jobs/wait.py", "args": ["60"]}, "name": "re-attach-test", "retries": 1}
    for ti in (first, second):
        with pytest.raises(TaskDeferred):
            operator(**arguments).execute(context(ti))
        control.patch_run(ti.xcoms["run_id"], kubeApp={"spark_ui_url": "https://spark.example.com/"})
    assert first.xcoms["run_id"] == second.xcoms["run_id"]
    assert "spark_ui_url" not in first.xcoms
    assert second.xcoms["spark_ui_url"] == "https://spark.example.com/"
    assert control.counts()["creates_received"] == 1
    operator().hook.cancel_run(first.xcoms["run_id"])


def test_after_a_clear_the_run_of_the_try_before_is_cancelled_and_replaced(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient
) -> None:
    # Cleared at its first try, a task with one retry may try until 2 + 1.
    first, cleared = TaskInstance(), TaskInstance(try_number=2, max_tries=2)
    arguments = {"run_python": {"uri": "s3://jobs/wait.py", "args": ["60"]}, "name": "clear-test", "retries": 1}
    for ti in (first, cleared):
        with pytest.raises(TaskDeferred):
            operator(**arguments).execute(context(ti))
    assert first.xcoms["run_id"] != cleared.xcoms["run_id"]
    counts = control.counts()
    assert (counts["creates_effective"], counts["cancels_effective"]) == (2, 1)
    operator().hook.cancel_run(cleared.xcoms["run_id"])


def test_a_re_attached_run_that_falls_to_the_earlier_cancel_is_replaced_once(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient
) -> None:
    control.behaviour(cancel_delay_seconds=3)
    arguments = {"run_python": {"uri": "s3://jobs/wait.py", "args": ["5"]}, "name": "replace-test", "retries": 1}
    first, second = TaskInstance(), TaskInstance(try_number=2)
    try:
        with pytest.raises(TaskDeferred):
            operator(**arguments).execute(context(first))
        operator().hook.cancel_run(first.xcoms["run_id"])
        task = operator(**arguments, deferrable=False)
        assert task.execute(context(second)) != first.xcoms["run_id"]
    finally:
        control.behaviour(cancel_delay_seconds=0.5)
    assert control.counts()["creates_effective"] == 2


def test_the_deadline_cancels_and_fails_as_timed_out(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient
) -> None:
    ti = TaskInstance()
    task = operator(run_python={"uri": "s3://jobs/wait.py", "args": ["60"]}, execution_timeout=timedelta(seconds=5))
    with pytest.raises(TaskDeferred) as caught:
        task.execute(context(ti))
    assert control.requests("createJobRun")[0]["name"].startswith("dag.task-")
    event = follow(caught.value)
    with pytest.raises(WherobotsExecutionTimeoutException, match="execution_timeout") as timed_out:
        task.execute_complete(context(ti), event, **(caught.value.kwargs or {}))
    assert "reached: the limit is 5 seconds (5 s); the run was cancelled\nRun: http" in str(timed_out.value)
    assert str(timed_out.value).endswith("\nThe end of its log:\nstarted")
    assert ti.xcoms["run_summary"]["run_id"] == ti.xcoms["run_id"]
    assert control.counts()["cancels_effective"] == 1
    assert task.hook.get_run(ti.xcoms["run_id"]).payload["timeoutSeconds"] == 5


@pytest.mark.parametrize("seconds", [0, 60])
def test_after_a_failed_trigger_an_active_run_is_cancelled_and_an_ended_one_counts(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient, seconds: int
) -> None:
    task, ti = operator(run_python={"uri": "s3://jobs/wait.py", "args": [seconds]}), TaskInstance()
    with pytest.raises(TaskDeferred) as caught:
        task.execute(context(ti))
    if seconds:
        with pytest.raises(Exception, match="Trigger"):
            task.resume_execution("__fail__", {"error": "Trigger failure"}, context(ti))
        assert control.counts()["cancels_effective"] == 1
    else:
        follow(caught.value)
        assert task.resume_execution("__fail__", {"error": "Trigger timeout"}, context(ti)) == ti.xcoms["run_id"]
        assert control.counts()["cancels_received"] == 0


@pytest.mark.parametrize(
    "names", [("try-{{ ti.try_number }}-of-it", "try-1-of-it", "try-2-of-it"), (None, None, "edited-name")]
)
def test_a_retry_re_attaches_to_its_run_although_the_users_part_of_the_name_changed(
    operator: Callable[..., WherobotsRunOperator],
    control: ControlClient,
    said: Callable[[], str],
    names: tuple[str | None, str | None, str | None],
) -> None:
    given, *rendered = names
    arguments = {"run_python": {"uri": "s3://jobs/wait.py", "args": ["60"]}, "name": given, "retries": 1}
    tries = TaskInstance(task_id=rendered[1]), TaskInstance(try_number=2, task_id=rendered[1])
    for ti, name in zip(tries, rendered, strict=True):
        task = operator(**arguments)
        task.name = name
        with pytest.raises(TaskDeferred):
            task.execute(context(ti))
    assert tries[0].xcoms["run_id"] == tries[1].xcoms["run_id"]
    assert control.counts()["creates_received"] == 1
    assert "differs from what would be created now in name;" in said()
    operator().hook.cancel_run(tries[0].xcoms["run_id"])


def test_a_kill_before_the_connection_is_read_neither_reads_it_nor_loses_the_run(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, ti = operator(run_python={"uri": "s3://jobs/wait.py", "args": ["60"]}), TaskInstance()
    with pytest.raises(TaskDeferred):
        first.execute(context(ti))
    task = operator(run_python={"uri": "s3://jobs/wait.py", "args": ["60"]})
    get_connection, reads = task.hook.get_connection, []

    def be_killed_while_reading(conn_id: str) -> Any:
        reads.append(conn_id)
        task.on_kill()
        return get_connection(conn_id)

    monkeypatch.setattr(task.hook, "get_connection", be_killed_while_reading)
    with pytest.raises(WherobotsTaskKilledException):
        task.resume_execution("__fail__", {"error": "Trigger failure"}, context(ti))
    assert len(reads) == 1, "the kill read the connection inside the signal handler"
    assert control.counts()["cancels_effective"] == 1


def test_a_kill_cancels_the_run_and_stops_the_flow_for_good(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = operator(run_python={"uri": "s3://jobs/wait.py", "args": ["60"]}, deferrable=False)
    # As a signal handler would: on top of the flow, in the middle of its sleep.
    monkeypatch.setattr(time, "sleep", lambda seconds: task.on_kill())
    with pytest.raises(WherobotsTaskKilledException):
        task.execute(context(TaskInstance()))
    counts = control.counts()
    assert (counts["creates_received"], counts["cancels_received"], counts["cancels_effective"]) == (1, 1, 1)


def test_a_kill_while_the_create_call_is_under_way_finds_the_run_by_its_name(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_wherobots.api.transports.requests import RequestsTransport

    task = operator(run_python={"uri": "s3://jobs/wait.py", "args": ["60"]}, deferrable=False, name="kill-in-post")
    send = RequestsTransport.send

    def send_and_be_killed(self: RequestsTransport, call: Any, *timeouts: float) -> Any:
        answer = send(self, call, *timeouts)
        if call.operation == "createJobRun":
            task.on_kill()
        return answer

    monkeypatch.setattr(RequestsTransport, "send", send_and_be_killed)
    with pytest.raises(WherobotsTaskKilledException):
        task.execute(context(TaskInstance()))
    counts = control.counts()
    assert (counts["creates_effective"], counts["cancels_received"], counts["cancels_effective"]) == (1, 1, 1)


def test_cancel_on_kill_false_leaves_the_run_alone(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = operator(run_python={"uri": "s3://jobs/wait.py", "args": ["3"]}, deferrable=False, cancel_on_kill=False)
    monkeypatch.setattr(time, "sleep", lambda seconds: task.on_kill())
    with pytest.raises(WherobotsTaskKilledException):
        task.execute(context(TaskInstance()))
    assert control.counts()["cancels_received"] == 0


def test_a_refused_create_fails_without_retry(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient
) -> None:
    with pytest.raises(WherobotsRequestException, match=r"422.*runtime") as caught:
        operator(runtime="no-such-runtime").execute(context(TaskInstance()))
    assert isinstance(caught.value, AirflowFailException)
    assert control.counts()["creates_effective"] == 0


def test_an_outage_beyond_the_limit_may_retry(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient
) -> None:
    control.add_fault("createJobRun", {"type": "status", "status": 429, "headers": {"Retry-After": "0.2"}})
    with pytest.raises(WherobotsUnavailableException, match="429") as caught:
        operator(max_outage_seconds=1).execute(context(TaskInstance()))
    assert not isinstance(caught.value, AirflowFailException)
    assert str(caught.value).endswith(
        ". No run was created: given up after 1 second of failures (max_outage_seconds=1)"
    )
    assert control.counts()["creates_effective"] == 0


def test_a_refused_key_names_its_connection_on_the_worker_and_in_the_trigger(
    operator: Callable[..., WherobotsRunOperator], server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, ti, words = operator(), TaskInstance(), "connection 'wherobots_default': the API key is refused"
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context(ti))
    set_connection(monkeypatch, conn_type="wherobots", host=server.url, password="another-key")
    event = follow(deferred.value)
    with pytest.raises(WherobotsUnavailableException, match=words) as in_the_trigger:
        task.execute_complete(context(ti), event, **(deferred.value.kwargs or {}))
    with pytest.raises(WherobotsRequestException, match=words) as on_the_worker:
        operator().execute(context(TaskInstance()))
    for caught in (in_the_trigger, on_the_worker):
        assert "header" not in str(caught.value), "the service's advice is for API clients"
        assert "another-key" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"run_python": None}, "run_python, run_jar: exactly one must be given, not neither"),
        ({"run_jar": {"uri": "s3://b/x.jar"}}, "run_python, run_jar: exactly one must be given, not both"),
        ({"run_python": {"args": []}}, r"run_python\['uri'\]: is missing"),
        ({"run_python": {"uri": "s3://b/x.py", "args": "--date"}}, r"run_python\['args'\]='--date': must be a list"),
        ({"run_python": {"uri": "s3://b/x.py", "arg": []}}, "run_python: unknown key 'arg'"),
        ({"name": "short"}, "name='short': must be 8 to 255"),
        ({"name": "has spaces in it"}, "must be 8 to 255"),
        ({"timeout_seconds": 0}, "timeout_seconds=0: must be a whole number above 0"),
        ({"polling_interval": -1}, "^task: polling_interval=-1: must be a finite number of seconds, above 0$"),
        ({"environment": {"dependencies": [{"filePath": "s3://b/x.tar"}]}}, "must end in one of .jar"),
        ({"environment": {"sparkConfigs": {"a": ["b"]}}}, r"environment\['sparkConfigs'\]\['a'\]"),
    ],
)
def test_a_wrong_argument_is_told_when_the_dag_is_parsed(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(WherobotsArgumentException, match=words):
        WherobotsRunOperator(**{"task_id": "task", "run_python": TALK, **arguments})


def test_what_is_a_template_is_checked_once_it_is_rendered(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient
) -> None:
    task = operator(
        name="{{ short }}", timeout_seconds="{{ n }}", run_python={"uri": "s3://b/{{ x }}", "args": ["{{ y }}"]}
    )
    task.name = "short"
    with pytest.raises(WherobotsArgumentException, match="name='short'"):
        task.execute(context(TaskInstance()))
    assert control.counts()["creates_received"] == 0


def test_an_unknown_argument_is_named() -> None:
    with pytest.raises(Exception, match="runtim"):
        WherobotsRunOperator(task_id="task", run_python=TALK, runtim="tiny")


def test_a_trigger_carries_no_secret(operator: Callable[..., WherobotsRunOperator], server: Any) -> None:
    with pytest.raises(TaskDeferred) as caught:
        operator().execute(context(TaskInstance()))
    assert server.api_key not in str(caught.value.trigger.serialize()) + str(caught.value.kwargs)


def test_each_line_is_written_once_in_order_under_its_own_time(
    operator: Callable[..., WherobotsRunOperator], monkeypatch: pytest.MonkeyPatch
) -> None:
    import airflow_provider_wherobots.hooks.wherobots as hook

    written: list[LogRecord] = []
    monkeypatch.setattr(hook, "write_record", lambda logger, record: written.append(record))
    operator(deferrable=False).execute(context(TaskInstance()))
    assert [record.text for record in written] == [f"line {number:05d}" for number in range(3)]
    times = [record.time_ns for record in written if record.time_ns is not None]
    assert len(times) == 3
    assert times == sorted(times)


def test_a_connection_that_cannot_be_read_loses_sight_of_the_run_but_leaves_it_alone(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, ti = operator(run_python={"uri": "s3://jobs/wait.py", "args": ["60"]}), TaskInstance()
    with pytest.raises(TaskDeferred) as caught:
        task.execute(context(ti))
    monkeypatch.setattr("airflow_provider_wherobots.hooks.wherobots.CONNECTION_DELAYS", (0.0,))
    monkeypatch.delenv("AIRFLOW_CONN_WHEROBOTS_DEFAULT")
    event = follow(caught.value)
    with pytest.raises(WherobotsUnavailableException, match=r"can no longer be followed\. It goes on"):
        task.execute_complete(context(ti), event, **(caught.value.kwargs or {}))
    assert control.counts()["cancels_received"] == 0
    task.hook.cancel_run(ti.xcoms["run_id"])


def test_a_run_that_its_own_timeout_cancelled_is_not_taken_for_one_that_somebody_cancelled(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient
) -> None:
    task, ti = operator(run_python={"uri": "s3://jobs/wait.py", "args": ["60"]}), TaskInstance()
    with pytest.raises(TaskDeferred) as caught:
        task.execute(context(ti))
    task.hook.cancel_run(ti.xcoms["run_id"])
    follow(caught.value)
    with pytest.raises(Exception, match="Trigger timeout") as failed:
        task.resume_execution("__fail__", {"error": "Trigger timeout"}, context(ti))
    assert not isinstance(failed.value, AirflowFailException)


@pytest.mark.parametrize(("script", "status"), [("talk.py", "COMPLETED"), ("fail.py", "FAILED")])
@pytest.mark.parametrize("deferrable", [True, False])
def test_the_end_is_summed_up_in_one_xcom_before_the_task_ends(
    operator: Callable[..., WherobotsRunOperator],
    control: ControlClient,
    deferrable: bool,
    script: str,
    status: str,
) -> None:
    run_python = {"uri": f"s3://jobs/{script}", "args": [3]}
    task, ti = operator(run_python=run_python, deferrable=deferrable, runtime="tiny", name="summed-up"), TaskInstance()
    with suppress(WherobotsRunFailedException):
        run_to_end(task, ti)
    summary = ti.xcoms["run_summary"]
    assert (summary["run_id"], summary["status"], summary["runtime"]) == (ti.xcoms["run_id"], status, "tiny")
    assert summary["name"].startswith("summed-up-")
    assert summary["ran_seconds"] >= 0
    assert summary["queued_seconds"] >= 0
    assert (summary["cost_usd"], summary["spatial_units"], summary["spark_ui_url"]) == (0.0, 0.0, None)
    assert json.loads(json.dumps(summary)) == summary
    assert len(control.requests("getJobRunMetrics")) == 1


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """What was logged: Airflow 3 writes to stdout, 2.11 through logging."""
    caplog.set_level(logging.INFO)
    return lambda: caplog.text + "".join(capfd.readouterr())


def test_metrics_that_cannot_be_had_change_nothing(
    operator: Callable[..., WherobotsRunOperator], control: ControlClient, said: Callable[[], str]
) -> None:
    control.add_fault("getJobRunMetrics", {"type": "status", "status": 404})
    ti = TaskInstance()
    assert run_to_end(operator(), ti) == ti.xcoms["run_id"]
    assert (ti.xcoms["run_summary"]["status"], ti.xcoms["run_summary"]["cost_usd"]) == ("COMPLETED", None)
    text = said()
    assert f"Run {ti.xcoms['run_id']} COMPLETED: queued for " in text
    assert "getJobRunMetrics" not in text
    assert "cost" not in text


def test_an_event_of_before_the_upgrade_ends_the_task_as_before(operator: Callable[..., WherobotsRunOperator]) -> None:
    event = {"ending": "completed", "run_id": "r1", "status": "COMPLETED", "reason": "", "log_tail": "", "ended_at": 1}
    ti = TaskInstance()
    assert operator().execute_complete(context(ti), event) == "r1"
    assert ti.xcoms == {}


def test_an_xcom_that_cannot_be_pushed_at_the_end_does_not_hide_why_the_run_failed(
    operator: Callable[..., WherobotsRunOperator],
) -> None:
    class Deaf(TaskInstance):
        def xcom_push(self, key: str, value: Any) -> None:
            if key == "run_summary":
                raise RuntimeError("the API server is away")
            super().xcom_push(key, value)

    with pytest.raises(WherobotsRunFailedException, match="no such country"):
        run_to_end(operator(run_python={"uri": "s3://jobs/fail.py"}), Deaf())


@pytest.mark.parametrize("deferrable", [True, False])
def test_the_spark_ui_is_known_while_the_run_goes_on_and_after_it(
    operator: Callable[..., WherobotsRunOperator],
    control: ControlClient,
    monkeypatch: pytest.MonkeyPatch,
    deferrable: bool,
) -> None:
    url = "https://spark.example.com/app-1"
    seen: dict[str, str] = {}

    async def push_xcom(task_instance: Any, key: str, value: str) -> None:
        seen[key] = value

    class Watching(TaskInstance):
        def xcom_push(self, key: str, value: Any) -> None:
            super().xcom_push(key, value)
            if key == "run_id":
                control.patch_run(value, kubeApp={"spark_ui_url": url})
            elif key == "run_summary" and not deferrable:
                seen.update(self.xcoms)

    monkeypatch.setattr("airflow_provider_wherobots.triggers.run.push_xcom", push_xcom)
    ti = Watching()
    run_to_end(operator(deferrable=deferrable), ti)
    # Airflow 3 looks for links under keys of its own.
    keys = set(xcom_keys(WherobotsSparkUiLink(), "spark_ui_url"))
    assert {key: value for key, value in seen.items() if key in keys} == dict.fromkeys(keys, url)
    assert {key: value for key, value in ti.xcoms.items() if key in keys} == dict.fromkeys(keys, url)
    assert ti.xcoms["run_summary"]["spark_ui_url"] == url


def test_the_consoles_address_follows_the_connections_template(
    operator: Callable[..., WherobotsRunOperator], server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = json.dumps({"console_url_template": "https://console.example.com/jobs/{run_id}"})
    set_connection(monkeypatch, conn_type="wherobots", host=server.url, password=server.api_key, extra=extra)
    ti = TaskInstance()
    operator(wait_for_completion=False).execute(context(ti))
    assert ti.xcoms["run_url"] == f"https://console.example.com/jobs/{ti.xcoms['run_id']}"


def test_the_deferral_says_which_run_it_follows_and_how(
    operator: Callable[..., WherobotsRunOperator], said: Callable[[], str]
) -> None:
    ti = TaskInstance()
    with pytest.raises(TaskDeferred):
        operator(polling_interval=20, execution_timeout=timedelta(hours=1)).execute(context(ti))
    run_id = ti.xcoms["run_id"]
    text = said()
    assert f"Run {run_id} is followed by the triggerer, the task is deferred: polled every 2 s" in text
    assert "slowing to every 20 s; its log is forwarded; the deadline is " in text
    assert ti.xcoms["run_url"] in text


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (True, 30.0, 600.0)),
        ({"default_deferrable": "False", "polling_interval": "12.5", "max_outage_seconds": "60"}, (False, 12.5, 60.0)),
    ],
)
def test_the_deployment_sets_defaults_and_a_task_wins_over_them(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, str], expected: tuple[bool, float, float]
) -> None:
    for name, value in options.items():
        monkeypatch.setenv(f"AIRFLOW__WHEROBOTS__{name.upper()}", value)
    task = WherobotsRunOperator(task_id="task", run_python=TALK)
    assert (task.deferrable, task.polling_interval, task.max_outage_seconds) == expected
    own = WherobotsRunOperator(
        task_id="task", run_python=TALK, deferrable=True, polling_interval=5, max_outage_seconds=0
    )
    assert (own.deferrable, own.polling_interval, own.max_outage_seconds) == (True, 5, 0)


def test_a_wrong_default_of_the_deployment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WHEROBOTS__POLLING_INTERVAL", "-1")
    with pytest.raises(WherobotsArgumentException, match=r"^task: \[wherobots\] polling_interval=-1.0: must be a"):
        WherobotsRunOperator(task_id="task", run_python=TALK)
    monkeypatch.setenv("AIRFLOW__WHEROBOTS__POLLING_INTERVAL", "often")
    with pytest.raises(Exception, match="polling_interval"):
        WherobotsRunOperator(task_id="task", run_python=TALK)
