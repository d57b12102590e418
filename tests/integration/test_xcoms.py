"""What a task leaves behind, and when."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from airflow_provider_wherobots.exceptions import WherobotsRunFailedException
from airflow_provider_wherobots.links.run import WherobotsSparkUiLink
from tests.integration.conftest import set_connection
from tests.integration.support import Operator, TaskInstance, context, run_to_end
from tests.support.measured_runs import report_usage
from tests.support.waiting import wait_for
from wherobots_local.control.client import ControlClient


@pytest.mark.parametrize(("script", "status"), [("talk.py", "COMPLETED"), ("fail.py", "FAILED")])
@pytest.mark.parametrize("deferrable", [True, False])
def test_the_end_is_summed_up_in_one_xcom_before_the_task_ends(
    operator: Operator, control: ControlClient, deferrable: bool, script: str, status: str
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


@pytest.mark.parametrize("deferrable", [True, False])
def test_the_shares_of_its_runtime_that_a_run_used_are_in_a_line_and_an_xcom(
    operator: Operator, control: ControlClient, times_said: Callable[[str], int], deferrable: bool
) -> None:
    class Ended(TaskInstance):
        def xcom_push(self, key: str, value: Any) -> None:
            super().xcom_push(key, value)
            if key == "run_id":
                wait_for(lambda: control.runs()[-1]["status"] == "COMPLETED", what="the run to end")
                report_usage(control, value, 21.0, 30.0)

    ti = Ended()
    run_to_end(operator(deferrable=deferrable, runtime="small"), ti)
    summary = ti.xcoms["run_summary"]
    assert (summary["cpu_percent"], summary["memory_percent"]) == (21.0, 30.0)
    assert times_said("CPU up to 21%, memory up to 30%") == 1
    assert len(control.requests("getJobRunMetrics")) == 1


def test_an_xcom_that_cannot_be_pushed_at_the_end_does_not_hide_why_the_run_failed(operator: Operator) -> None:
    class Deaf(TaskInstance):
        def xcom_push(self, key: str, value: Any) -> None:
            if key == "run_summary":
                raise RuntimeError("the API server is away")
            super().xcom_push(key, value)

    with pytest.raises(WherobotsRunFailedException, match="no such country"):
        run_to_end(operator(run_python={"uri": "s3://jobs/fail.py"}), Deaf())


@pytest.mark.parametrize("deferrable", [True, False])
def test_the_spark_ui_is_known_while_the_run_goes_on_and_after_it(
    operator: Operator, control: ControlClient, monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    url = "https://spark.example.com/app-1"
    seen: dict[str, str] = {}

    async def push_text(task_instance: Any, key: str, value: str) -> None:
        seen[key] = value

    class Watching(TaskInstance):
        def xcom_push(self, key: str, value: Any) -> None:
            super().xcom_push(key, value)
            if key == "run_id":
                control.patch_run(value, kubeApp={"spark_ui_url": url})
            elif key == "run_summary" and not deferrable:
                seen.update(self.xcoms)

    monkeypatch.setattr("airflow_provider_wherobots.triggers.run.push_text", push_text)
    ti = Watching()
    run_to_end(operator(deferrable=deferrable), ti)
    # Airflow 3 looks for links under keys of its own.
    keys = set(WherobotsSparkUiLink().address_keys)
    assert {key: value for key, value in seen.items() if key in keys} == dict.fromkeys(keys, url)
    assert {key: value for key, value in ti.xcoms.items() if key in keys} == dict.fromkeys(keys, url)
    assert ti.xcoms["run_summary"]["spark_ui_url"] == url


def test_the_consoles_address_has_a_template(operator: Operator, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = json.dumps({"console_url_template": "https://console.example.com/jobs/{run_id}"})
    set_connection(monkeypatch, conn_type="wherobots", host=server.url, password=server.api_key, extra=extra)
    ti = TaskInstance()
    operator(wait_for_completion=False).execute(context(ti))
    assert ti.xcoms["run_url"] == f"https://console.example.com/jobs/{ti.xcoms['run_id']}"
