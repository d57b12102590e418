"""What a real Airflow tells about a run: its metrics to a StatsD server, its lineage to OpenLineage."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import requests

from dev.airflow_api import Json
from dev.airflow_instance import AirflowInstance
from dev.environments import Environment
from dev.waiting import wait_for
from tests.e2e.world import CONN_ID
from tests.statsd_server import StatsdServer, parsed
from wherobots_local import LocalServer

pytestmark = pytest.mark.e2e

HERE = Path(__file__).parent
DAG, DAG_RUN = "observed", "observed-1"
WAYS = ("deferred", "worker")
KEY = "observed-key-1"


@dataclass(frozen=True)
class Observed:
    """A DAG run after its end.

    :param metrics: the provider's metrics, as they were received.
    :param lineage: the events that Airflow's OpenLineage provider has written.
    """

    airflow: AirflowInstance
    server: LocalServer
    metrics: list[str]
    lineage: list[Json]

    def run_of(self, way: str) -> Json:
        """The service's run of a task."""
        answer = requests.get(
            f"{self.server.url}/runs", params={"name": f"observed-{way}-*"}, headers={"X-API-Key": KEY}, timeout=60
        )
        answer.raise_for_status()
        (run,) = answer.json()["items"]
        found: Json = run
        return found


@pytest.fixture(scope="module")
def observed(airflow_environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    root, events = tmp_path_factory.mktemp("storage"), tmp_path_factory.mktemp("lineage") / "events.jsonl"
    shutil.copytree(HERE / "jobs", root / "jobs")
    statsd, metrics, is_over = StatsdServer(), list[str](), Event()

    def listen() -> None:
        while not is_over.is_set():
            metrics.extend(statsd.received())

    instance = AirflowInstance(
        tmp_path_factory.mktemp(f"airflow-{airflow_environment.line}"),
        python=airflow_environment.python,
        dags_folder=HERE / "observed",
        env={
            **statsd.settings,
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
                {"type": "file", "log_file_path": str(events), "append": True}
            ),
            "AIRFLOW__OPENLINEAGE__SPARK_INJECT_PARENT_JOB_INFO": "True",
        },
        progress=print,
    )
    listener = Thread(target=listen)
    listener.start()
    try:
        with LocalServer(root, api_key=KEY) as server, instance:
            instance.api.set_connection(CONN_ID, "wherobots", host=server.url, password=KEY)
            instance.api.wait_for_dag(DAG)
            instance.api.trigger_dag(DAG, {}, DAG_RUN)
            for way in WAYS:
                instance.api.wait_for_task(DAG, DAG_RUN, way, "success", timeout=300)
            found = Observed(instance, server, metrics, [])
            wait_for(lambda: len(metrics) >= 3 * len(WAYS), timeout=20, what="the metrics to be sent")
            found.lineage.extend(map(json.loads, events.read_text().splitlines()))
            yield found
    finally:
        is_over.set()
        listener.join()
        statsd.close()


@pytest.mark.parametrize("way", WAYS)
def test_the_end_is_measured_once_with_its_tags(observed: Observed, way: str) -> None:
    tags = f"dag_id={DAG},task_id={way},region=aws-us-west-2,runtime=tiny,status=COMPLETED"
    sent = parsed([line for line in observed.metrics if f"task_id={way}," in line])
    summary = observed.airflow.api.xcom(DAG, DAG_RUN, way, "run_summary")
    assert summary is not None
    assert sent == {
        "queued": (tags, pytest.approx(1000 * summary["queued_seconds"]), "ms"),
        "ran": (tags, pytest.approx(1000 * summary["ran_seconds"]), "ms"),
        "cost_usd": (tags, summary["cost_usd"], "g"),
    }


@pytest.mark.parametrize("way", WAYS)
def test_the_run_hangs_below_the_task_that_airflow_reports(observed: Observed, way: str) -> None:
    configs: dict[str, Any] = observed.run_of(way)["payload"]["environment"]["sparkConfigs"]
    begun = [
        event for event in observed.lineage if event["eventType"] == "START" and event["job"]["name"] == f"{DAG}.{way}"
    ]
    assert configs["spark.openlineage.parentRunId"] in {event["run"]["runId"] for event in begun}
    assert configs["spark.openlineage.parentJobName"] == f"{DAG}.{way}"
    assert configs["spark.openlineage.parentJobNamespace"] == begun[0]["job"]["namespace"]
    dag_run = begun[0]["run"]["facets"]["parent"]["run"]["runId"]
    assert configs["spark.openlineage.rootParentRunId"] == dag_run


@pytest.mark.parametrize("way", WAYS)
def test_airflows_page_of_rendered_templates_shows_it(observed: Observed, way: str) -> None:
    shown = observed.airflow.api.task_instance(DAG, DAG_RUN, way)["rendered_fields"]["payload"]
    assert shown["environment"].items() <= observed.run_of(way)["payload"]["environment"].items()
    assert shown["environment"]["sparkConfigs"]["spark.openlineage.parentJobName"] == f"{DAG}.{way}"
