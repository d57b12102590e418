"""A run's summary: how long it waited and ran, where, on which runtime, what it used and cost. As text, as data, and as
measurements for Airflow's metrics, as docs/monitoring.md describes them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Any

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.endpoint import is_web_address
from airflow_provider_wherobots.api.runs.models import FAILED, TIMED_OUT, Run, RunMetrics, number, parse_time
from airflow_provider_wherobots.logs.causes import LastErrors
from airflow_provider_wherobots.runs.outcome import Ending, Outcome
from airflow_provider_wherobots.runs.run_name import MIN_NAME_CHARS, SUFFIX_CHARS, Identity

COST = "COST_USD"
SPATIAL_UNITS = "CONSUMED_SPATIAL_UNITS"


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The summary of a run. What the service did not report is None.

    :param run_id: its id.
    :param name: its name as created.
    :param status: its status.
    :param region: the compute region it ran in.
    :param runtime: id of its runtime.
    :param version: the Wherobots version it ran on: the resolved one, else the requested one.
    :param create_time: when it was created, ISO 8601.
    :param start_time: when it began to run, ISO 8601.
    :param complete_time: when it ended, ISO 8601.
    :param queued_seconds: seconds from its creation until it began to run.
    :param starting_seconds: how many of these its application took to start; None if no poll saw it start.
    :param ran_seconds: seconds from then until it ended.
    :param cost_usd: what it cost, in US dollars, as far as it was billed by then.
    :param spatial_units: the spatial units it consumed, as far as they were billed by then.
    :param spark_ui_url: the last known address of its Spark UI.
    :param cpu_percent: the highest share of the CPU that it used.
    :param memory_percent: the highest share of the memory that it used.
    :param log_lateness_seconds: how late a line of its log came, at least, in seconds; None if that was not measured.
    :param log_seconds: seconds from its end until its log was read to the end; None if it was not read.
    :param cause: why it failed, in short.
    """

    run_id: str
    name: str
    status: str
    region: str | None = None
    runtime: str | None = None
    version: str | None = None
    create_time: str | None = None
    start_time: str | None = None
    complete_time: str | None = None
    queued_seconds: float | None = None
    starting_seconds: float | None = None
    ran_seconds: float | None = None
    cost_usd: float | None = None
    spatial_units: float | None = None
    spark_ui_url: str | None = None
    cpu_percent: float | None = None
    memory_percent: float | None = None
    log_lateness_seconds: float | None = None
    log_seconds: float | None = None
    cause: str | None = None

    @classmethod
    def of_run(cls, run: Run, spark_ui_url: str | None = None) -> RunSummary:
        """The summary of a run, without its metrics."""
        created, started, completed = run.create_time, run.start_time, run.complete_time
        return cls(
            run_id=run.id,
            name=_text(run.name) or "",
            status=_text(run.status) or "",
            region=_text(run.kube_app.region),
            runtime=_text(run.payload.get("runtime")),
            version=_text(run.kube_app.resolved_version) or _text(run.payload.get("version")),
            create_time=created.isoformat() if created else None,
            start_time=started.isoformat() if started else None,
            complete_time=completed.isoformat() if completed else None,
            queued_seconds=_seconds(created, started),
            ran_seconds=_seconds(started, completed),
            spark_ui_url=spark_ui_url,
        )

    def measured(self, metrics: RunMetrics) -> RunSummary:
        """The summary with the run's metrics."""
        started, completed = parse_time(self.start_time), parse_time(self.complete_time)
        cpu = memory = None
        if started and completed:
            cpu, memory = (peak(metrics, key, started.timestamp(), completed.timestamp()) for key in (CPU, MEMORY))
        return replace(
            self,
            cost_usd=number(metrics.instant_metrics.get(COST)),
            spatial_units=number(metrics.instant_metrics.get(SPATIAL_UNITS)),
            cpu_percent=cpu,
            memory_percent=memory,
        )

    def to_json(self) -> dict[str, Any]:
        """The summary as a JSON-able dict, with every key."""
        return asdict(self)

    def describe(self) -> str:
        """The summary in one line; unknown values are left out."""
        details = words.labelled(
            ("queued for", None if self.queued_seconds is None else words.duration(self.queued_seconds)),
            ("ran for", None if self.ran_seconds is None else words.duration(self.ran_seconds)),
            ("region", self.region),
            ("runtime", self.runtime),
            ("version", self.version),
            ("cost", None if self.cost_usd is None else f"{_short(self.cost_usd)} USD"),
            ("spatial units", None if self.spatial_units is None else _short(self.spatial_units)),
            ("CPU up to", None if self.cpu_percent is None else f"{self.cpu_percent:g}%"),
            ("memory up to", None if self.memory_percent is None else f"{self.memory_percent:g}%"),
        )
        return f"Run {self.run_id} {self.status}" + (f": {details}" if details else "")


def spark_ui_url(run: Run) -> str | None:
    """The address of a run's Spark UI, if it has one that is a web address."""
    url = run.kube_app.spark_ui_url
    return url if url is not None and is_web_address(url) else None


def _text(value: Any) -> str | None:
    # In one line.
    return words.short(" ".join(value.split())) or None if isinstance(value, str) else None


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return max(0.0, round((end - start).total_seconds(), 3)) if start and end else None


def _short(amount: float) -> str:
    return f"{amount:.2f}" if abs(amount) >= 1 else f"{amount:.4g}"


CPU = "CPU_UTILIZATION_PERCENT"
MEMORY = "MEMORY_UTILIZATION_PERCENT"
MIN_POINTS = 10
MAX_GAP = 0.2
"""How much of the run's time may lie between two points, before the first or after the last."""


def peak(metrics: RunMetrics, key: str, start: float, end: float) -> float | None:
    """The highest value of a series, in percent. None if the series does not cover the run, which ran from one moment
    to another, in epoch seconds.
    """
    points = [(moment, value) for moment, value in metrics.series(key) if start <= moment <= end]
    moments = [start, *(moment for moment, _ in points), end]
    longest_gap = max(after - before for before, after in pairwise(moments))
    if len(points) < MIN_POINTS or longest_gap > MAX_GAP * (end - start):
        return None
    return round(max(value for _, value in points), 1)


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
    cause = LastErrors().probable_cause(run.reason or "")
    return cause.name if cause else "unknown"


QUEUED = "wherobots.run.queued"
RAN = "wherobots.run.ran"
COST_USD = "wherobots.run.cost_usd"
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
            (Kind.GAUGE, COST_USD, summary.get("cost_usd")),
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
