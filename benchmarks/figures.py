"""The figures: what is measured, against what, and how far we want to get."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.measuring import Sample, Side, measure, service

SAME_WORK = 0.9
"""A side that does less than this share of the other's work was not measured fairly."""


@dataclass(frozen=True)
class Row:
    """One figure.

    :param name: what it is.
    :param unit: its unit.
    :param ours: the median of ours, and its spread.
    :param limit: what it is compared with, and the median and spread of that; None where there is only a bound.
    :param ratio: ours in units of the limit; None where there is only a bound.
    :param reach: the bound, as it is written in the table.
    :param is_reached: whether the bound is kept.
    """

    name: str
    unit: str
    ours: tuple[float, float]
    limit: tuple[str, float, float] | None
    ratio: float | None
    reach: str
    is_reached: bool


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    :param times: measurements of each side.
    :param seconds: how long followers are measured.
    :param many: runs of one triggerer.
    :param lines: lines of a long log.
    """

    times: int
    seconds: float
    many: int
    lines: int


QUICK = Scale(times=1, seconds=5.0, many=1000, lines=50_000)
FULL = Scale(times=3, seconds=15.0, many=5000, lines=100_000)


def followers(scale: Scale) -> list[Row]:
    """CPU for each call, memory for each run, and how late the event loop is."""
    bare = "aiohttp GET and json.loads"
    rows = []
    for runs in (50, scale.many):
        for logs, what, reach in (("none", "status only", 1.25), ("quiet", "status and log", 1.35)):
            samples = _followers(scale, runs, logs)
            name = f"CPU for each call, {runs:,} runs, {what}"
            rows.append(_ratio(name, "µs", samples, "cpu_us_per_call", bare, at_most=reach))
    samples = _followers(scale, scale.many, "busy", "--at-once")
    for name, measured, bound in (
        ("event loop late, p99", "lag_p99_ms", 20.0),
        ("event loop late while they start, most", "start_lag_max_ms", 100.0),
    ):
        rows.append(_bound(f"{name}, {scale.many:,} runs", "ms", samples, measured, bound))
    for events in (2, 50):
        samples = _followers(scale, scale.many, "quiet", events=events)
        name = f"memory for each of {scale.many:,} runs, {events} events in a response"
        rows.append(_ratio(name, "KiB", samples, "memory_kib_per_run", bare, at_most=1.3))
    return rows


def lines(scale: Scale) -> list[Row]:
    """Lines of the run's log forwarded in a second."""
    rows = []
    for latency, reach in ((0.0, 0.85), (0.03, 0.80)):
        count = ("--lines", str(scale.lines))
        with service(*count, "--latency", str(latency)) as url:
            sides = [
                Side("bare", ("benchmarks.sides.lines", "bare", *count)),
                Side("ours", ("benchmarks.sides.lines", "ours", "--url", url, *count)),
            ]
            samples = measure(sides, scale.times)
        if any(value != scale.lines for sample in samples.values() for value in sample.values["lines"]):
            raise RuntimeError(f"not all of {scale.lines} lines were written: {samples}")
        name = f"lines forwarded in a second, {latency * 1e3:.0f} ms to an answer"
        rows.append(_ratio(name, "1/s", samples, "lines_per_second", "log.info with the same lines", at_least=reach))
    return rows


def parsing(scale: Scale) -> list[Row]:
    """What a DAG file with the operator costs."""
    sides = [Side(name, ("benchmarks.sides.parsing", name)) for name in ("bare", "ours")]
    samples = measure(sides, scale.times + 2)
    return [_ratio("100 tasks of a DAG file", "ms", samples, "milliseconds", "100 EmptyOperators", at_most=1.2)]


FIGURES: dict[str, Callable[[Scale], list[Row]]] = {"followers": followers, "lines": lines, "parsing": parsing}


def _followers(scale: Scale, runs: int, logs: str, *more: str, events: int = 2) -> dict[str, Sample]:
    with service("--events", str(events)) as url:
        options = ("--url", url, "--runs", str(runs), "--logs", logs, "--seconds", str(scale.seconds), *more)
        sides = [Side(name, ("benchmarks.sides.followers", name, *options)) for name in ("bare", "ours")]
        samples = measure(sides, scale.times)
    calls = [sample.median("calls") for sample in samples.values()]
    if min(calls) < SAME_WORK * max(calls):
        raise RuntimeError(f"the sides made {calls} calls, which is not the same work")
    return samples


def _ratio(
    name: str,
    unit: str,
    samples: dict[str, Sample],
    measured: str,
    limit: str,
    *,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Row:
    ours, bare = samples["ours"], samples["bare"]
    ratio = ours.median(measured) / bare.median(measured)
    reach = f"≤ {at_most:g}x" if at_most is not None else f"≥ {at_least:g}x"
    return Row(
        name,
        unit,
        (ours.median(measured), ours.spread(measured)),
        (limit, bare.median(measured), bare.spread(measured)),
        ratio,
        reach,
        ratio <= at_most if at_most is not None else ratio >= (at_least or 0.0),
    )


def _bound(name: str, unit: str, samples: dict[str, Sample], measured: str, at_most: float) -> Row:
    ours = samples["ours"]
    median = ours.median(measured)
    return Row(name, unit, (median, ours.spread(measured)), None, None, f"≤ {at_most:g} {unit}", median <= at_most)
