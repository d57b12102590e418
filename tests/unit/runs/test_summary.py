"""A run in one line, in an XCom, and beside the other runs of its DAG."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.runs.models import Run, RunMetrics
from airflow_provider_wherobots.runs.run_name import Identity, default_run_name, durable_run_name
from airflow_provider_wherobots.runs.summary import CPU, MEMORY, PARENT_JOB, ROOT_JOB, RunSummary, dag_of, totals_by_dag
from tests.unit.api import shapes

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


START, END = 1_784_620_800.0, 1_784_621_400.0
"""2026-07-21 08:00 and 08:10 UTC."""


def points(highest: Any, *, every: float = 30.0, start: float = START, end: float = END) -> list[Any]:
    count = int((end - start) / every)
    values = [10.0] * (count - 1) + [highest]
    return [{"value": value, "timestamp": int(start + every * (n + 1))} for n, value in enumerate(values)]


def metrics(cpu: Any, memory: Any) -> RunMetrics:
    """Metrics with two series: the highest value, or the points themselves."""
    given = {key: points(data) if isinstance(data, float) else data for key, data in ((CPU, cpu), (MEMORY, memory))}
    details = {key: {"metric": {"data": data, "format": "PERCENTAGE"}} for key, data in given.items()}
    return RunMetrics.from_json({"series_metrics": details, "instant_metrics": {}})


def summary(cpu: Any, memory: Any) -> RunSummary:
    document = deepcopy(shapes.RUN_2026)
    document |= {"startTime": "2026-07-21T08:00:00Z", "completeTime": "2026-07-21T08:10:00Z"}
    return RunSummary.of_run(Run.from_json(document)).measured(metrics(cpu, memory))


def test_the_shares_are_in_the_summary_and_in_its_line() -> None:
    found = summary(21.0, 30.04)
    data = json.loads(json.dumps(found.to_json()))
    assert (data["cpu_percent"], data["memory_percent"]) == (21.0, 30.0)
    assert found.describe().endswith(", CPU up to 21%, memory up to 30%")
    assert summary(20.94, 80.5).describe().endswith(", CPU up to 20.9%, memory up to 80.5%")


@pytest.mark.parametrize(
    "series",
    [
        pytest.param([], id="none"),
        pytest.param(None, id="null"),
        pytest.param(points(21.0, every=60.0)[:-1], id="too few points"),
        pytest.param(points(21.0)[:15], id="ends early"),
        pytest.param(points(21.0)[5:], id="begins late"),
        pytest.param(points(21.0)[:7] + points(21.0)[12:], id="has a hole"),
        pytest.param(points(21.0, start=START - 86_400, end=END - 86_400), id="of another day"),
        pytest.param([{**one, "timestamp": one["timestamp"] * 1000} for one in points(21.0)], id="milliseconds"),
        pytest.param([{"value": "12", "timestamp": "1"}, None, 5, {}] * 10, id="not numbers"),
    ],
)
def test_a_series_that_does_not_cover_the_run_does_not_count(series: Any) -> None:
    assert summary(series, 20.0).cpu_percent is None
    assert summary(20.0, series).memory_percent is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["metric", "data", "value", CPU]), inner)
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_response_fails_a_task(document: Any) -> None:
    answer = RunMetrics.from_json({"instant_metrics": document, "series_metrics": document})
    run = Run.from_json(shapes.RUN_2026)
    assert RunSummary.of_run(run).measured(answer).cpu_percent is None
