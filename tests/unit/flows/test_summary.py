import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    NotFoundError,
    ResponseLostError,
    ServerError,
    UnreadableResponseError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.runs.models import Run, RunMetrics
from airflow_provider_wherobots.flows.follow import METRICS_SECONDS, add_metrics
from airflow_provider_wherobots.runs.summary import RunSummary
from tests.unit.api import shapes
from tests.unit.flows.script import START, Script, always, answers

FULL = Run.from_json(shapes.RUN_2026)
LITTLE = Run.from_json({"id": "r1", "status": "COMPLETED"})
BILLED = RunMetrics({"COST_USD": 1.239, "CONSUMED_SPATIAL_UNITS": 0.25, "CPU_UTILIZATION_PERCENT": 70.0})


def test_the_summary_says_how_long_where_on_what_and_at_what_cost() -> None:
    assert RunSummary.of_run(FULL, "https://spark/").measured(BILLED).describe() == (
        "Run 0s3wureoxx7aw3 FAILED: queued for 3 minutes, ran for 1 minute, region aws-us-west-2, runtime tiny, "
        "version 2.1.0, cost 1.24 USD, spatial units 0.25"
    )


def test_as_data_it_has_every_key_always() -> None:
    assert RunSummary.of_run(FULL, "https://spark/").measured(BILLED).to_json() == {
        "run_id": "0s3wureoxx7aw3",
        "name": "hail_stats_20260721",
        "status": "FAILED",
        "region": "aws-us-west-2",
        "runtime": "tiny",
        "version": "2.1.0",
        "create_time": "2026-07-21T08:00:00.123456+00:00",
        "start_time": "2026-07-21T08:03:00+00:00",
        "complete_time": "2026-07-21T08:04:00+00:00",
        "queued_seconds": 179.877,
        "starting_seconds": None,
        "ran_seconds": 60.0,
        "cost_usd": 1.239,
        "spatial_units": 0.25,
        "spark_ui_url": "https://spark/",
        "log_lateness_seconds": None,
        "log_seconds": None,
        "cause": None,
        "cpu_percent": None,
        "memory_percent": None,
    }
    little = RunSummary.of_run(LITTLE).to_json()
    assert list(little) == list(RunSummary.of_run(FULL).to_json())
    assert {key for key, value in little.items() if value is not None} == {"run_id", "name", "status"}


def test_the_summary_of_a_run_of_which_little_is_known() -> None:
    assert RunSummary.of_run(LITTLE).describe() == "Run r1 COMPLETED"
    assert RunSummary.of_run(Run("r1", "", "")) == RunSummary("r1", "", "")
    nulls = dict.fromkeys(shapes.RUN_2026) | {"id": "r1", "status": "FAILED"}
    assert RunSummary.of_run(Run.from_json(nulls)).describe() == "Run r1 FAILED"


@pytest.mark.parametrize(
    ("amount", "words"), [(0, "0"), (0.0042, "0.0042"), (0.25, "0.25"), (1, "1.00"), (1234.567, "1234.57")]
)
def test_small_amounts_are_not_rounded_away(amount: float, words: str) -> None:
    metrics = RunMetrics({"COST_USD": amount, "CONSUMED_SPATIAL_UNITS": amount})
    said = RunSummary.of_run(LITTLE).measured(metrics).describe()
    assert said == f"Run r1 COMPLETED: cost {words} USD, spatial units {words}"


@pytest.mark.parametrize("value", [None, "1.5", True, float("nan"), float("inf"), 1e15, 10**400, [1]])
def test_what_is_no_amount_is_left_out(value: Any) -> None:
    summary = RunSummary.of_run(LITTLE).measured(RunMetrics({"COST_USD": value}))
    assert summary.cost_usd is None
    json.dumps(summary.to_json(), allow_nan=False)


@given(st.text(min_size=1), st.text(), st.text(), st.text())
def test_whatever_the_service_calls_things_it_is_one_line_and_json(name: str, region: str, one: str, two: str) -> None:
    document = {
        "id": "r1",
        "status": "FAILED",
        "name": name,
        "kubeApp": {"regionName": region, "appMeta": {"resolved_version": one}},
        "payload": {"runtime": two},
    }
    summary = RunSummary.of_run(Run.from_json(document))
    assert len(summary.describe().splitlines()) == 1
    assert len(summary.describe()) < 1_000
    assert json.loads(json.dumps(summary.to_json()))["run_id"] == "r1"


def test_the_metrics_are_asked_for_once_and_shortly() -> None:
    script = Script(answers(BILLED))
    summary = script.run(add_metrics, RunSummary.of_run(FULL, "https://spark/"))
    assert (summary.cost_usd, summary.spatial_units, summary.spark_ui_url) == (1.239, 0.25, "https://spark/")
    (sent,) = script.sent
    assert (sent.call.operation, sent.timeout) == ("getJobRunMetrics", METRICS_SECONDS)


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError("getJobRunMetrics", 401),
        NotFoundError("getJobRunMetrics", 404),
        ServerError("getJobRunMetrics", 503),
        ResponseLostError("getJobRunMetrics", "reset"),
        UnreadableResponseError("getJobRunMetrics", 200, b"[]", "x"),
    ],
)
def test_metrics_that_cannot_be_had_are_left_out_without_a_word(error: WherobotsApiError) -> None:
    script = Script(always(error), reload=lambda: True)
    assert script.run(add_metrics, RunSummary.of_run(FULL)) == RunSummary.of_run(FULL)
    assert (len(script.sent), script.notes, script.sleeps, script.reloads) == (1, [], [], 0)


@pytest.mark.parametrize(("left", "asked"), [(-100.0, 0), (METRICS_SECONDS - 1, 0), (METRICS_SECONDS, 1)])
def test_where_the_deadline_is_near_they_are_not_asked_for(left: float, asked: int) -> None:
    script = Script(always(BILLED))
    script.run(add_metrics, RunSummary.of_run(FULL), START + left)
    assert len(script.sent) == asked
