"""The metrics of a run as a StatsD server receives them: datagrams on a real socket, sent by Airflow's own client."""

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_wherobots.compat import AIRFLOW, get_stats
from airflow_provider_wherobots.exceptions import WherobotsRunFailedException
from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from tests.integration.support import Operator, TaskInstance, context, deferral_of, follow, next_try, run_to_end
from tests.support.statsd_server import StatsdServer, parsed

WHERE = "dag_id=dag,task_id=task,region=aws-us-west-2,runtime=tiny"


@pytest.fixture
def statsd(monkeypatch: pytest.MonkeyPatch) -> Iterator[StatsdServer]:
    """A StatsD server, and Airflow set up to send to it, with tags, as it sets itself up when a task starts."""
    server = StatsdServer()
    for name, value in server.settings.items():
        monkeypatch.setenv(name, value)
    stats = get_stats()
    if AIRFLOW < (3, 2):
        client = importlib.import_module("airflow.metrics.statsd_logger").get_statsd_logger(stats)
        monkeypatch.setattr(stats, "instance", client)
        monkeypatch.setattr(stats, "_instance_pid", os.getpid(), raising=False)
        yield server
    else:
        utils = importlib.import_module("airflow.sdk.observability.metrics.stats_utils")
        nothing = importlib.import_module("airflow.sdk._shared.observability.metrics.base_stats_logger").NoStatsLogger
        if AIRFLOW == (3, 2):
            stats.initialize(factory=utils.get_stats_factory(stats))
            yield server
            stats.initialize(factory=nothing)
        else:
            stats.initialize(factory=utils.get_stats_factory(), export_legacy_names=True)
            yield server
            stats.initialize(factory=nothing, export_legacy_names=True)
    server.close()


@pytest.fixture
def task(operator: Operator) -> Operator:
    def make(**arguments: Any) -> WherobotsRunOperator:
        return operator(**{"runtime": "tiny", "region": "aws-us-west-2", "polling_interval": 2, **arguments})

    return make


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize(("script", "status"), [("talk.py", "COMPLETED"), ("fail.py", "FAILED")])
def test_the_end_of_a_run_is_measured_once(
    task: Operator, statsd: StatsdServer, deferrable: bool, script: str, status: str
) -> None:
    ti = TaskInstance()
    with suppress(WherobotsRunFailedException):
        run_to_end(task(run_python={"uri": f"s3://jobs/{script}", "args": [1]}, deferrable=deferrable), ti)
    sent, summary = parsed(statsd.received()), ti.xcoms["run_summary"]
    tags = f"{WHERE},status={status}"
    assert sent == {
        "queued": (tags, pytest.approx(1000 * summary["queued_seconds"]), "ms"),
        "ran": (tags, pytest.approx(1000 * summary["ran_seconds"]), "ms"),
        "cost_usd": (tags, summary["cost_usd"], "g"),
    }


def test_a_retry_that_re_attaches_measures_the_end(task: Operator, statsd: StatsdServer, tmp_path: Path) -> None:
    over = tmp_path / "over"
    run_python = {"uri": "s3://jobs/until.py", "args": [str(over)]}
    first = TaskInstance(max_tries=2)
    deferral_of(task(run_python=run_python), first)
    assert statsd.received() == []
    again = next_try(first)
    retry = task(run_python=run_python, retries=2)
    deferred = deferral_of(retry, again)
    over.touch()
    tags, value, kind = parsed(statsd.received())["reattached"]
    assert (value, kind) == (1, "c")
    assert tags.startswith(f"{WHERE},status=")
    retry.execute_complete(context(again), follow(deferred), **(deferred.kwargs or {}))
    assert parsed(statsd.received()).keys() == {"queued", "ran", "cost_usd"}


def test_metrics_that_cannot_be_sent_fail_no_task(
    task: Operator, monkeypatch: pytest.MonkeyPatch, times_said: Callable[[str], int]
) -> None:
    def refuse(*arguments: Any, **more: Any) -> None:
        raise OSError("no route to statsd.example.com")

    for method in ("incr", "gauge", "timing"):
        monkeypatch.setattr(get_stats(), method, refuse, raising=False)
    ti = TaskInstance()
    assert run_to_end(task(), ti) == ti.xcoms["run_id"]
    assert times_said("The task's metrics could not be sent: OSError: no route to statsd.example.com") == 1
