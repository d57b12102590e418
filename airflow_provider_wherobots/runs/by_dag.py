"""Totals of runs by the DAG that they belong to: how many, how long, what they cost, and why some failed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from airflow_provider_wherobots.api.runs.models import FAILED, TIMED_OUT, Run
from airflow_provider_wherobots.flows.summary import RunSummary
from airflow_provider_wherobots.logs.causes import LastErrors
from airflow_provider_wherobots.runs.run_name import MIN_NAME_CHARS, SUFFIX_CHARS, Identity

ROOT_JOB, PARENT_JOB = "spark.openlineage.rootParentJobName", "spark.openlineage.parentJobName"
"""The properties in which OpenLineage names the DAG and the task. The root of a triggered DAG run is another DAG."""


def dag_of(run: Run) -> str:
    """The id of a run's DAG, if OpenLineage or the default name tells it; else what its name has before a dot."""
    configs = (run.payload.get("environment") or {}).get("sparkConfigs") or {}
    root, parent = configs.get(ROOT_JOB), configs.get(PARENT_JOB)
    if isinstance(parent, str):
        return str(root) if root and parent.startswith(f"{root}.") else parent.partition(".")[0]
    name = run.name[:-SUFFIX_CHARS] if Identity.in_name(run.name) else run.name
    # A default name that was too short begins with "airflow.".
    short = name.removeprefix("airflow.")
    return (short if len(short) < MIN_NAME_CHARS else name).partition(".")[0]


def totals_by_dag(runs: Iterable[tuple[Run, RunSummary]]) -> list[dict[str, Any]]:
    """A row for each DAG, the most expensive first. Runs without a known cost are counted in ``without_cost``."""
    rows: dict[str, dict[str, Any]] = {}
    for run, summary in runs:
        dag = dag_of(run)
        none = {"dag": dag, "runs": 0, "hours": 0.0, "cost_usd": 0.0, "without_cost": 0, "failures": Counter()}
        row = rows.setdefault(dag, none)
        row["runs"] += 1
        row["hours"] += (summary.ran_seconds or 0.0) / 3600
        row["cost_usd"] += summary.cost_usd or 0.0
        row["without_cost"] += summary.cost_usd is None
        if run.status in (FAILED, TIMED_OUT):
            row["failures"][_failure(run)] += 1
    for row in rows.values():
        row.update(hours=round(row["hours"], 2), cost_usd=round(row["cost_usd"], 2), failures=dict(row["failures"]))
    return sorted(rows.values(), key=lambda row: (-row["cost_usd"], row["dag"]))


def _failure(run: Run) -> str:
    if run.has_timed_out:
        return "timeout_seconds"
    # The log is not read.
    named = re.match(r"Probable cause: (.*?) \(", LastErrors().probable_cause(run.reason or ""))
    return named[1] if named else "unknown"
