"""How much of its runtime a run used.

The Runs API publishes neither how often it measures, nor how late a value arrives. So a series counts only if it covers
the run.
"""

from __future__ import annotations

from itertools import pairwise

from airflow_provider_wherobots.api.runs.models import RunMetrics

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
