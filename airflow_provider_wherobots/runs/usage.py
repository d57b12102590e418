"""How much of its runtime a run used.

The Runs API publishes neither how often it measures, nor how late a value arrives. So a series counts only if it covers
the run.
"""

from __future__ import annotations

from itertools import pairwise

from airflow_provider_wherobots.api.runs.models import RunMetrics
from airflow_provider_wherobots.api.runs.runtimes import next_smaller

CPU = "CPU_UTILIZATION_PERCENT"
MEMORY = "MEMORY_UTILIZATION_PERCENT"
LITTLE_PERCENT = 33.0
"""A run that always stays below this share of its CPU and of its memory may fit on a smaller runtime."""
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


def smaller_runtime(runtime: str | None, cpu_percent: float | None, memory_percent: float | None) -> str | None:
    """The next smaller runtime, if the run used little of its CPU and of its memory.

    None for a runtime with a GPU, which may be what the run needs.
    """
    if runtime is None or runtime.endswith("gpu") or cpu_percent is None or memory_percent is None:
        return None
    return next_smaller(runtime) if max(cpu_percent, memory_percent) < LITTLE_PERCENT else None
