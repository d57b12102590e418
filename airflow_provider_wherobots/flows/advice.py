"""What the completed runs of each task used and cost, and which runtime to try.

One run may have been an exception, so advice needs several runs of a task on the same runtime.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC
from statistics import mean, median
from typing import Any

from airflow_provider_wherobots.api.errors import NotFoundError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import Run, parse_time
from airflow_provider_wherobots.api.runs.runtimes import next_sizes
from airflow_provider_wherobots.flows.effects import Flow
from airflow_provider_wherobots.flows.retry import send
from airflow_provider_wherobots.flows.run_name import HASH_CHARS
from airflow_provider_wherobots.flows.summary import RunSummary
from airflow_provider_wherobots.flows.usage import (
    LIMIT_PERCENT,
    LITTLE_PERCENT,
    QUEUED_SECONDS,
    SERIES,
    Usage,
    is_little,
    is_mostly_queued,
    parts_at_limit,
)

MIN_RUNS = 5
"""How many runs an advice needs."""
DRIFT_RUNS = 2 * MIN_RUNS
EXPLANATION = (
    "cpu, memory: the median of the runs, and the highest peak, in percent of the runtime.",
    f"Smaller runtime: CPU and memory stayed below {LITTLE_PERCENT:g}% in every measured run. Larger runtime: a memory "
    f"peak or a CPU median of {LIMIT_PERCENT:g}% or more in half of them. Both need {MIN_RUNS} measured runs.",
    f"Queue: half of at least {MIN_RUNS} runs were queued for longer than they ran, and for {QUEUED_SECONDS:g} s.",
    "Drift: the median of ran_seconds in the later half of the runs against the earlier half. It needs "
    f"{DRIFT_RUNS} runs.",
)
_SUFFIX = re.compile(rf"-[0-9a-f]{{{HASH_CHARS}}}$")
_DATE = re.compile(r"\d{4}-?\d\d-?\d\d(T\d+)?")


def read_summaries(runs: Iterable[Run], max_outage_seconds: float) -> Flow[list[RunSummary]]:
    """Read the metrics of runs, one call after the other. A run that the service has forgotten has none."""
    summaries = []
    for run in runs:
        summary = RunSummary.of_run(run)
        with suppress(NotFoundError):
            summary = summary.measured((yield from send(calls.get_run_metrics(run.id), max_outage_seconds)))
        summaries.append(summary)
    return summaries


def task_of(name: str) -> str:
    """The part of a name that the runs of a task share: without the task instance's suffix, and with * for a date."""
    return _DATE.sub("*", _SUFFIX.sub("", name))


def advise(summaries: Iterable[RunSummary]) -> list[dict[str, Any]]:
    """One row for each task and runtime, the most expensive first. The runs come oldest first."""
    groups = defaultdict(list)
    for summary in summaries:
        groups[task_of(summary.name), summary.runtime].append(summary)
    rows = [{"task": task, "runtime": runtime, **_row(runtime, runs)} for (task, runtime), runs in groups.items()]
    return sorted(rows, key=lambda row: -(row["usd_per_day"] or 0.0))


def _row(runtime: str | None, runs: Sequence[RunSummary]) -> dict[str, Any]:
    usages = [run.usage for run in runs if run.usage is not None]
    ran = [run.ran_seconds for run in runs if run.ran_seconds is not None]
    queued = [run.queued_seconds for run in runs if run.queued_seconds is not None]
    return {
        "runs": len(runs),
        "measured": len(usages),
        "usage": _combined(usages),
        "queued_seconds": round(median(queued), 1) if queued else None,
        "ran_seconds": round(median(ran), 1) if ran else None,
        "drift_percent": _drift(ran),
        "usd_per_day": _cost_per_day(runs),
        "advice": _advice(runtime, runs, usages),
    }


def _combined(usages: Sequence[Usage]) -> Usage:
    """The median of the medians, and the highest peak, of what any run measured."""
    found = {name: [usage[name] for usage in usages if name in usage] for name in SERIES}
    return {
        name: {"median": round(median(one["median"] for one in values), 1), "peak": max(one["peak"] for one in values)}
        for name, values in found.items()
        if values
    }


def _drift(ran_seconds: Sequence[float]) -> float | None:
    """By how many percent the later half of the runs took longer than the earlier half."""
    half = len(ran_seconds) // 2
    if len(ran_seconds) < DRIFT_RUNS or not (before := median(ran_seconds[:half])):
        return None
    return round(100 * (median(ran_seconds[-half:]) / before - 1), 1)


def _cost_per_day(runs: Sequence[RunSummary]) -> float | None:
    """The cost of the runs, divided by the days from the first run to the last, both included."""
    costs = [run.cost_usd for run in runs if run.cost_usd is not None]
    days = [moment.astimezone(UTC).date() for run in runs if (moment := parse_time(run.create_time))]
    if not costs or not days:
        return None
    # The cost of some runs may not be known yet.
    return round(mean(costs) * len(runs) / ((max(days) - min(days)).days + 1), 4)


def _advice(runtime: str | None, runs: Sequence[RunSummary], usages: Sequence[Usage]) -> str | None:
    smaller, larger = next_sizes(runtime)
    texts = []
    measured = len(usages)
    at_limit = sum(bool(parts_at_limit(usage)) for usage in usages)
    if measured >= MIN_RUNS and 2 * at_limit >= measured:
        proposal = f": try {larger}" if larger else ""
        texts.append(f"{at_limit} of {measured} runs reached {LIMIT_PERCENT:g}%{proposal}")
    if measured >= MIN_RUNS and smaller and all(is_little(usage, runtime) for usage in usages):
        texts.append(f"all {measured} runs stayed below {LITTLE_PERCENT:g}%: try {smaller}")
    queued = sum(is_mostly_queued(run.queued_seconds, run.ran_seconds) for run in runs)
    if len(runs) >= MIN_RUNS and 2 * queued >= len(runs):
        texts.append(f"{queued} of {len(runs)} runs were queued for longer than they ran")
    return "; ".join(texts) or None
