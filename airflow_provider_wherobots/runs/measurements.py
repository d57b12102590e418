"""Measurements of runs and SQL statements for Airflow's metrics, as docs/monitoring.md describes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from airflow_provider_wherobots.api.runs.models import Run
from airflow_provider_wherobots.runs.outcome import Ending, Outcome
from airflow_provider_wherobots.runs.summary import RunSummary

QUEUED = "wherobots.run.queued"
RAN = "wherobots.run.ran"
COST = "wherobots.run.cost_usd"
REATTACHED = "wherobots.run.reattached"
OUTAGE = "wherobots.run.outage"
STATEMENT = "wherobots.sql.statement"

MAX_TAG_CHARS = 64
_NOT_IN_A_TAG = re.compile(r"[^A-Za-z0-9_.-]")


class Kind(StrEnum):
    """The kinds of metric that StatsD has."""

    COUNTER = "counter"
    GAUGE = "gauge"
    TIMING = "timing"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One value of a metric. A timing is in seconds. Each tag has few values, so no tag is an id."""

    kind: Kind
    name: str
    value: float
    tags: Mapping[str, str]


def of_end(outcome: Outcome, task_tags: Mapping[str, str], *, cancelled_at_deadline: bool) -> list[Measurement]:
    """Measure a run whose task ends. Times and costs are measured once for each run, so they are left out if the task
    leaves the run active: a later try may see its end.
    """
    summary = outcome.summary or {}
    tags = {**task_tags, **_run_tags(summary.get("region"), summary.get("runtime"), outcome.status)}
    values = [(Kind.TIMING, OUTAGE, outcome.outage_seconds or None)]
    stays_active = outcome.ending is Ending.GAVE_UP or (outcome.ending is Ending.DEADLINE and not cancelled_at_deadline)
    if not stays_active:
        values += [
            (Kind.TIMING, QUEUED, summary.get("queued_seconds")),
            (Kind.TIMING, RAN, summary.get("ran_seconds")),
            (Kind.GAUGE, COST, summary.get("cost_usd")),
        ]
    return [Measurement(kind, name, value, tags) for kind, name, value in values if value is not None]


def of_reattachment(run: Run, task_tags: Mapping[str, str]) -> list[Measurement]:
    summary = RunSummary.of_run(run)
    tags = {**task_tags, **_run_tags(summary.region, summary.runtime, summary.status)}
    return [Measurement(Kind.COUNTER, REATTACHED, 1, tags)]


def of_statement(seconds: float, state: str, region: str | None, task_tags: Mapping[str, str]) -> list[Measurement]:
    """Measure a SQL statement that a try has executed. The timing counts the statements too."""
    return [Measurement(Kind.TIMING, STATEMENT, seconds, {**task_tags, **_run_tags(region, None, state)})]


def _run_tags(region: Any, runtime: Any, status: Any) -> dict[str, str]:
    """The tags of a run or a statement, without characters that have a meaning in StatsD's formats."""
    given = {"region": region, "runtime": runtime, "status": status}
    return {
        name: _NOT_IN_A_TAG.sub("_", value[:MAX_TAG_CHARS])
        for name, value in given.items()
        if isinstance(value, str) and value
    }
