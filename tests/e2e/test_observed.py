"""What a real Airflow tells about a run: its metrics to a StatsD server, its lineage to OpenLineage."""

import json
from typing import Any

import pytest

from tests.e2e.world import DagCase, World
from tests.support.airflow_api import Json
from tests.support.statsd_server import parsed
from tests.support.waiting import wait_for

DAG = "observed"


def test_a_runs_metrics_and_its_place_in_the_lineage_are_told_outside(world: World) -> None:
    case, api = world.case(DAG), world.airflow.api
    # Airflow's own operators find their hook by the type of the connection.
    api.set_connection(f"{world.conn_id}_sql", "wherobots_sql", host=world.server.url, password=world.api_key)
    case.begin()
    case.wait_until_deferred(task_id="deferred")
    case.release()
    for way in ("deferred", "worker"):
        case.wait_for_task("success", task_id=way)
        (run,) = [found for found in case.runs() if f"-{way}-" in found["name"]]
        its_end_is_measured_once(case, way)
        it_hangs_below_its_task(case, way, run)
    for way in ("sql", "airflows_sql"):
        case.wait_for_task("success", task_id=way)
        its_tables_are_told_without_a_query(case, way)


def its_end_is_measured_once(case: DagCase, way: str) -> None:
    tags = f"dag_id={DAG},task_id={way},region=aws-us-west-2,runtime=tiny,status=COMPLETED"
    path = case.world.folder / "metrics"

    def look() -> list[str]:
        return [line for line in path.read_text().splitlines() if f"dag_id={DAG},task_id={way}," in line]

    wait_for(lambda: len(look()) >= 3, what="the metrics to be sent", detail=path.read_text)
    summary = case.world.airflow.api.xcom(DAG, case.dag_run, way, "run_summary")
    assert summary is not None
    assert parsed(look()) == {
        "queued": (tags, pytest.approx(1000 * summary["queued_seconds"]), "ms"),
        "ran": (tags, pytest.approx(1000 * summary["ran_seconds"]), "ms"),
        "cost_usd": (tags, summary["cost_usd"], "g"),
    }


def it_hangs_below_its_task(case: DagCase, way: str, run: Json) -> None:
    configs: dict[str, Any] = run["payload"]["environment"]["sparkConfigs"]
    name = f"{DAG}.{way}"
    events = map(json.loads, (case.world.folder / "lineage").read_text().splitlines())
    begun = [event for event in events if event["eventType"] == "START" and event["job"]["name"] == name]
    assert configs["spark.openlineage.parentRunId"] in {event["run"]["runId"] for event in begun}
    assert configs["spark.openlineage.parentJobName"] == name
    assert configs["spark.openlineage.parentJobNamespace"] == begun[0]["job"]["namespace"]
    dag_run = begun[0]["run"]["facets"]["parent"]["run"]["runId"]
    assert configs["spark.openlineage.rootParentRunId"] == dag_run


def its_tables_are_told_without_a_query(case: DagCase, way: str) -> None:
    def look() -> list[Json]:
        events = map(json.loads, (case.world.folder / "lineage").read_text().splitlines())
        return [one for one in events if one["job"]["name"] == f"{DAG}.{way}" and one["eventType"] == "COMPLETE"]

    wait_for(look, what="the event of the task's end")
    (told,) = look()
    # The OpenLineage provider of Airflow 3.0's constraint file, 2.6.1, only reports the tables of our own operator.
    tables = way == "sql" or not case.world.airflow.is_series("3.0")
    read, written = [("wherobots", "spark_catalog.e2e.original")], [("wherobots", "org_catalog.e2e.copy")]
    assert [(one["namespace"], one["name"]) for one in told["inputs"]] == (read if tables else [])
    assert [(one["namespace"], one["name"]) for one in told["outputs"]] == (written if tables else [])
    assert ("a-literal" in told["job"]["facets"]["sql"]["query"]) == (way == "airflows_sql")
    sent = [entry["statement"] for entry in case.world.control.requests("executeSql")]
    assert not [statement for statement in sent if "information_schema" in statement]
