"""How much of its runtime a run used, and what is worth a line at the end of the task log.

The Runs API publishes neither the sizes of runtimes, nor how often it measures, nor how late a value arrives. So
a series counts only if it covers the run, and if its values can be nothing but percentages. Otherwise nothing is
reported. For one run only facts are stated, next to the threshold that makes them worth a line.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from statistics import median
from typing import TypeAlias

from airflow_provider_wherobots.api.runs.models import RunMetrics
from airflow_provider_wherobots.api.runs.runtimes import next_sizes
from airflow_provider_wherobots.flows import words

Usage: TypeAlias = Mapping[str, Mapping[str, float]]
"""``median`` and ``peak`` in percent, for ``cpu`` and ``memory``, and for ``gpu`` and ``gpu_memory`` if measured."""

SERIES = {
    "cpu": "CPU_UTILIZATION_PERCENT",
    "memory": "MEMORY_UTILIZATION_PERCENT",
    "gpu": "GPU_UTILIZATION_PERCENT",
    "gpu_memory": "GPU_MEMORY_UTILIZATION_PERCENT",
}
LABELS = {"cpu": "CPU", "memory": "memory", "gpu": "GPU", "gpu_memory": "GPU memory"}
LITTLE_PERCENT = 33.0
LIMIT_PERCENT = 90.0
QUEUED_SECONDS = 300.0
"""Every run is queued for some minutes while its cluster starts."""
MIN_POINTS = 10
MAX_GAP = 0.2
"""How much of the run's time may lie between two points, before the first or after the last."""


def usage_of(metrics: RunMetrics, start: float, end: float) -> Usage | None:
    """Measure a run that ran from one moment to another, in epoch seconds. None if CPU or memory is not known."""
    usage = {}
    for name, key in SERIES.items():
        if values := _covering(metrics.series(key), start, end):
            usage[name] = {"median": round(median(values), 1), "peak": round(max(values), 1)}
    # A Spark cluster always takes more than 1% of its memory: these would be fractions of 1.
    has_percentages = "memory" in usage and usage["memory"]["peak"] > 1
    return usage if "cpu" in usage and has_percentages else None


def _covering(points: list[tuple[float, float]], start: float, end: float) -> list[float]:
    """The values of a series that covers the run. Empty if it has gaps, or a value that is no percentage."""
    within = [(moment, value) for moment, value in points if start <= moment <= end]
    moments = [start, *(moment for moment, _ in within), end]
    longest_gap = max(after - before for before, after in pairwise(moments))
    values = [value for _, value in within]
    is_whole = len(values) >= MIN_POINTS and longest_gap <= MAX_GAP * (end - start)
    return values if is_whole and all(0 <= value <= 100 for value in values) else []


def parts_at_limit(usage: Usage) -> list[str]:
    """What has reached the limit. Of a CPU that is the median, because every job has moments in which it is busy."""
    parts = []
    for name, values in usage.items():
        measure, percent = ("up to", values["peak"]) if "memory" in name else ("a median of", values["median"])
        if percent >= LIMIT_PERCENT:
            parts.append(f"{measure} {percent:g}% of the {LABELS[name]}")
    return parts


def is_little(usage: Usage, runtime: str | None) -> bool:
    """Whether every peak is below the threshold. On a GPU runtime the GPU must be measured too."""
    is_whole = "gpu" in usage or not (runtime or "").endswith("gpu")
    return is_whole and all(values["peak"] < LITTLE_PERCENT for values in usage.values())


def is_mostly_queued(queued_seconds: float | None, ran_seconds: float | None) -> bool:
    """Whether a run was queued for longer than it ran, and for longer than a cluster takes to start."""
    return bool(queued_seconds and ran_seconds and queued_seconds > ran_seconds and queued_seconds >= QUEUED_SECONDS)


def describe_usage(usage: Usage, runtime: str | None, *, completed: bool) -> str:
    """What is worth a line about the use of the runtime, with the next size. Empty if nothing is."""
    smaller, larger = next_sizes(runtime)
    of_runtime = f"of runtime {runtime}" if runtime else "of its runtime"
    if parts := parts_at_limit(usage):
        text = f"The run used {' and '.join(parts)} {of_runtime} (threshold: {LIMIT_PERCENT:g}%)."
        return f"{text} The next larger runtime is {larger}." if larger else text
    is_smallest = larger is not None and smaller is None
    # What a failed run would have used is unknown.
    if completed and not is_smallest and is_little(usage, runtime):
        peaks = " and ".join(f"{values['peak']:g}% of the {LABELS[name]}" for name, values in usage.items())
        text = f"The run used at most {peaks} {of_runtime} (threshold: {LITTLE_PERCENT:g}%)."
        return f"{text} The next smaller runtime is {smaller}." if smaller else text
    return ""


def describe_queue(queued_seconds: float | None, ran_seconds: float | None) -> str:
    """What is worth a line about the time in the queue. Empty if nothing is."""
    if queued_seconds is None or not is_mostly_queued(queued_seconds, ran_seconds):
        return ""
    queued, threshold = words.duration(queued_seconds), words.duration(QUEUED_SECONDS)
    return f"The run was queued for {queued}, longer than it ran (threshold: {threshold})."
