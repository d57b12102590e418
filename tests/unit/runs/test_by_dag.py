from typing import Any

import pytest

from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.runs.run_name import Identity, default_run_name, durable_run_name
from airflow_provider_wherobots.runs.summary import PARENT_JOB, ROOT_JOB, RunSummary, dag_of, totals_by_dag

IDENTITY = Identity("3f9a02", "c41d77e8")


def run(name: str, status: str = "COMPLETED", message: str | None = None, **payload: Any) -> Run:
    return Run.from_json(
        {"id": name, "name": name, "status": status, "kubeApp": {"message": message}, "payload": payload}
    )


@pytest.mark.parametrize(
    ("found", "dag"),
    [
        (run(durable_run_name(default_run_name("nightly", "tiles.hail"), IDENTITY)), "nightly"),
        (run(durable_run_name(default_run_name("a", "b"), IDENTITY)), "a"),
        (run("nightly.hail"), "nightly"),
        (run(durable_run_name(default_run_name("airflow", "clean_up"), IDENTITY)), "airflow"),
        (run(durable_run_name("hail_stats", IDENTITY)), "hail_stats"),
        (run("hail", environment={"sparkConfigs": {ROOT_JOB: "night.ly", PARENT_JOB: "night.ly.hail"}}), "night.ly"),
        (run("hail", environment={"sparkConfigs": {ROOT_JOB: "starts", PARENT_JOB: "nightly.hail"}}), "nightly"),
        (run("nightly.hail", environment=None), "nightly"),
    ],
)
def test_the_dag_of_a_run(found: Run, dag: str) -> None:
    assert dag_of(found) == dag


def test_the_totals_of_each_dag() -> None:
    def ran(found: Run, seconds: float | None, cost: float | None) -> tuple[Run, RunSummary]:
        return found, RunSummary(found.id, found.name, found.status, ran_seconds=seconds, cost_usd=cost)

    rows = totals_by_dag(
        [
            ran(run("cheap.a"), 1800, 0.5),
            ran(run("dear.a"), 3_600_010, 2.004),
            ran(run("dear.b", "FAILED", "The process exited with code 1: MemoryError"), 1800, 1.25),
            ran(run("dear.b", "FAILED", "The process exited with code 1: MemoryError"), None, None),
            ran(run("dear.b", "FAILED", "no idea"), 0, 0),
            ran(run("dear.b", "TIMED_OUT"), 0, 0),
            ran(run("dear.b", "CANCELLED"), 0, 0),
        ]
    )
    # As it is in a table.
    assert str(rows[0]["failures"]).startswith("{'out of memory': 2")
    failures = {"out of memory": 2, "unknown": 1, "timeout_seconds": 1}
    assert rows == [
        {"dag": "dear", "runs": 6, "hours": 1000.5, "cost_usd": 3.25, "without_cost": 1, "failures": failures},
        {"dag": "cheap", "runs": 1, "hours": 0.5, "cost_usd": 0.5, "without_cost": 0, "failures": {}},
    ]
