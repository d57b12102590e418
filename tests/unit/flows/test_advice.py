from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_wherobots.api.errors import NotFoundError, RateLimitedError, ServerError
from airflow_provider_wherobots.api.runs.models import Run, RunMetrics
from airflow_provider_wherobots.flows.advice import advise, read_summaries, task_of
from airflow_provider_wherobots.flows.summary import RunSummary
from airflow_provider_wherobots.flows.usage import Usage
from tests.unit.flows.script import Script, answers

SUFFIX = "-0123456789abcd"
FIRST = datetime(2026, 11, 1, 8, tzinfo=UTC)


def usage(cpu: float, memory: float) -> Usage:
    return {"cpu": {"median": cpu / 2, "peak": cpu}, "memory": {"median": memory / 2, "peak": memory}}


LITTLE, HALF, FULL = usage(20.0, 30.0), usage(50.0, 60.0), usage(70.0, 95.0)


def runs(
    *usages: Usage | None, name: str = "hail.stats", runtime: str | None = "small", **fields: Any
) -> list[RunSummary]:
    """One completed run a day for each usage."""
    given = {"queued_seconds": 60.0, "ran_seconds": 600.0, "cost_usd": 2.0, **fields}
    return [
        RunSummary(
            f"r{day}",
            f"{name}{SUFFIX}",
            "COMPLETED",
            runtime=runtime,
            create_time=(FIRST + timedelta(days=day)).isoformat(),
            usage=one,
            **given,
        )
        for day, one in enumerate(usages)
    ]


def test_a_row_sums_up_the_runs_of_a_task() -> None:
    (row,) = advise(runs(LITTLE, usage(10.0, 32.0), *[LITTLE] * 3, None))
    assert row == {
        "task": "hail.stats",
        "runtime": "small",
        "runs": 6,
        "measured": 5,
        "usage": {"cpu": {"median": 10.0, "peak": 20.0}, "memory": {"median": 15.0, "peak": 32.0}},
        "queued_seconds": 60.0,
        "ran_seconds": 600.0,
        "drift_percent": None,
        "usd_per_day": 2.0,
        "advice": "all 5 runs stayed below 33%: try tiny",
    }


def test_medians_are_rounded_and_unknown_times_are_left_out() -> None:
    (row,) = advise(runs(usage(20.52, 30.0), queued_seconds=60.26, ran_seconds=600.26))
    assert (row["queued_seconds"], row["ran_seconds"], row["usage"]["cpu"]["median"]) == (60.3, 600.3, 10.3)
    (row,) = advise(runs(HALF, queued_seconds=None, ran_seconds=None))
    assert (row["queued_seconds"], row["ran_seconds"]) == (None, None)


@pytest.mark.parametrize(
    ("usages", "advice"),
    [
        ([LITTLE] * 4, None),
        ([LITTLE] * 4 + [None] * 4, None),
        ([LITTLE] * 9 + [HALF], None),
        ([FULL] * 4, None),
        ([FULL] * 3 + [HALF] * 3, "3 of 6 runs reached 90%: try medium"),
        ([FULL] * 2 + [HALF] * 3, None),
    ],
)
def test_advice_needs_five_measured_runs(usages: list[Usage | None], advice: str | None) -> None:
    (row,) = advise(runs(*usages))
    assert row["advice"] == advice


@pytest.mark.parametrize(
    ("runtime", "little", "full"),
    [
        ("micro", None, "5 of 5 runs reached 90%: try tiny"),
        ("4x-large", "all 5 runs stayed below 33%: try 2x-large", "5 of 5 runs reached 90%"),
        ("huge", None, "5 of 5 runs reached 90%"),
        (None, None, "5 of 5 runs reached 90%"),
    ],
)
def test_only_a_known_runtime_is_advised(runtime: str | None, little: str | None, full: str | None) -> None:
    assert advise(runs(*[LITTLE] * 5, runtime=runtime))[0]["advice"] == little
    assert advise(runs(*[FULL] * 5, runtime=runtime))[0]["advice"] == full


def test_a_queue_needs_no_metrics() -> None:
    short = runs(*[None] * 3, queued_seconds=600.0, ran_seconds=60.0)
    (row,) = advise([*short, *runs(*[None] * 3)])
    assert row["advice"] == "3 of 6 runs were queued for longer than they ran"
    assert advise([*short, *runs(None)])[0]["advice"] is None
    assert advise([*short, *runs(*[None] * 2)])[0]["advice"] == "3 of 5 runs were queued for longer than they ran"
    assert advise([*short, *runs(*[None] * 4)])[0]["advice"] is None


def test_there_may_be_two_reasons() -> None:
    (row,) = advise(runs(*[FULL] * 5, queued_seconds=900.0))
    assert row["advice"] == "5 of 5 runs reached 90%: try medium; 5 of 5 runs were queued for longer than they ran"


def test_drift_compares_the_halves_of_ten_runs() -> None:
    growing = [replace(run, ran_seconds=600.0 + 10.0 * day) for day, run in enumerate(runs(*[HALF] * 11))]
    assert advise(growing)[0]["drift_percent"] == 9.7
    assert advise(growing[:10])[0]["drift_percent"] == 8.1
    assert advise(growing[:9])[0]["drift_percent"] is None
    assert advise(runs(*[HALF] * 10, ran_seconds=0.0))[0]["drift_percent"] is None


def test_the_cost_per_day_counts_the_days_from_the_first_run_to_the_last() -> None:
    daily = runs(*[None] * 3)
    assert advise(daily)[0]["usd_per_day"] == 2.0
    assert advise([*daily, *daily])[0]["usd_per_day"] == 4.0
    assert advise([daily[0], daily[2]])[0]["usd_per_day"] == 1.3333
    unbilled = [*daily[:2], replace(daily[2], cost_usd=None)]
    assert advise(unbilled)[0]["usd_per_day"] == 2.0
    assert advise(runs(None, cost_usd=None))[0]["usd_per_day"] is None


def test_each_task_and_runtime_has_a_row_and_the_most_expensive_is_first() -> None:
    rows = advise(
        [
            *runs(HALF, name="hail.load", cost_usd=None),
            *runs(HALF, name="hail.stats"),
            *runs(HALF, name="hail.stats", runtime="large", cost_usd=5.0),
        ]
    )
    assert [(row["task"], row["runtime"]) for row in rows] == [
        ("hail.stats", "large"),
        ("hail.stats", "small"),
        ("hail.load", "small"),
    ]


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("hail.stats-0123456789abcd", "hail.stats"),
        ("hail.stats", "hail.stats"),
        ("hail_20261128T080000-0123456789abcd", "hail_*"),
        ("hail.stats.20261128T080000", "hail.stats.*"),
        ("hail-2026-11-28", "hail-*"),
        ("hail_2026", "hail_2026"),
        ("tile_17-0123456789abcd", "tile_17"),
    ],
)
def test_the_runs_of_a_task_have_one_name(name: str, task: str) -> None:
    assert task_of(name) == task


def test_the_metrics_of_each_run_are_requested_once_and_a_forgotten_run_has_none() -> None:
    script = Script(answers(RunMetrics({"COST_USD": 1.5}), NotFoundError("getJobRunMetrics", 404), RunMetrics({})))
    summaries = script.run(read_summaries([Run(f"r{number}", "name", "COMPLETED") for number in range(3)], 30.0))
    assert [summary.cost_usd for summary in summaries] == [1.5, None, None]
    assert script.operations == ["getJobRunMetrics"] * 3


def test_a_rate_limit_is_waited_for_and_an_outage_ends_the_command() -> None:
    limited = RateLimitedError("getJobRunMetrics", 429, retry_after=7.0)
    script = Script(answers(limited, RunMetrics({"COST_USD": 1.5})))
    (summary,) = script.run(read_summaries([Run("r0", "name", "COMPLETED")], 30.0))
    assert summary.cost_usd == 1.5
    assert script.elapsed >= 7.0
    with pytest.raises(ServerError):
        Script(lambda call, moment: _down()).run(read_summaries([Run("r0", "name", "COMPLETED")], 30.0))


def _down() -> None:
    raise ServerError("getJobRunMetrics", 503)
