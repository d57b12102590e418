"""The figures: what is measured, what it is compared with, and the goal."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from subprocess import run

from benchmarks.measuring import Sample, Side, measure, official_python, service
from benchmarks.rows import Reach, Row
from benchmarks.scale import Load, Scale
from benchmarks.sides.parsing import OPERATORS, TASKS
from benchmarks.tasks.figures import tasks
from tests.support.places import TREE

SAME_WORK = 0.9
"""If a side does less than this share of the other's work, the comparison is not fair."""
BARE_CALL = "aiohttp GET and json.loads"
EVENTS, MANY_EVENTS = 2, 50
"""Events of the run in each response: of a usual run, and of a long one."""


def followers(scale: Scale) -> list[Row]:
    """CPU for each call, memory for each run, and how late the event loop is."""
    rows = []
    log_kinds = (("none", "status only", 1.15), ("quiet", "status and log", 1.4))[0 if scale.status_only else 1 :]
    with_log: dict[Load, dict[str, Sample]] = {}
    for load in filter(None, (scale.few, scale.many)):
        for logs, what, at_most in log_kinds:
            with_log[load] = samples = _followers(load, logs, scale.times)
            name = f"CPU for each call, {load.runs:,} runs, {what}"
            rows.append(_against(name, "µs", samples, "cpu_us_per_call", BARE_CALL, at_most=at_most))
    samples = _followers(scale.at_once, "busy", scale.times)
    for name, measured, bound in (
        ("event loop late, p99", "lag_p99_ms", 20.0),
        ("event loop late while they start, most", "start_lag_max_ms", 300.0),
    ):
        ours, bare = (samples[side].number(measured) for side in ("ours", "bare"))
        rows.append(Row(f"{name}, {scale.at_once.runs:,} runs", "ms", ours, Reach(bound), bare, BARE_CALL))
    samples = _followers(scale.resuming, "resumed", scale.times)
    ours, bare = (samples[side].number("start_lag_p99_ms") for side in ("ours", "bare"))
    name = f"event loop late while they resume a log, p99, {scale.resuming.runs:,} runs"
    rows.append(Row(name, "ms", ours, Reach(50.0), bare, BARE_CALL))
    memory = {EVENTS: with_log[scale.many]}
    if scale.many_events:
        memory[MANY_EVENTS] = _followers(scale.many, "quiet", scale.times, MANY_EVENTS)
    for events, samples in memory.items():
        name = f"memory for each of {scale.many.runs:,} runs, {events} events in a response"
        rows.append(_against(name, "KiB", samples, "memory_kib_per_run", BARE_CALL, at_most=1.0))
    return rows


def lines(scale: Scale) -> list[Row]:
    """Lines of the run's log forwarded per second."""
    rows = []
    for latency in scale.latencies:
        count = ("--lines", str(scale.lines))
        with service(*count, "--latency", str(latency)) as url:
            both = measure([Side("both", ("benchmarks.sides.lines", "--url", url, *count))], scale.times)["both"]
        samples = {
            side: Sample({name: both.values[f"{side}_{name}"] for name in ("lines", "lines_per_second")})
            for side in ("bare", "ours")
        }
        same_work(samples, "lines", scale.lines)
        name = f"lines forwarded in a second, {latency * 1e3:.0f} ms to a response"
        rows.append(
            _against(
                name,
                "1/s",
                samples,
                "lines_per_second",
                "log.info with the same lines",
                at_least=0.65 if latency else 0.92,
            )
        )
    return rows


def dag_files(scale: Scale) -> list[Row]:
    """What a DAG file with the operator costs."""
    python = str(official_python())
    # Compiled, as the installed packages are: with PYTHONDONTWRITEBYTECODE each process would compile it again.
    run([python, "-m", "compileall", "-q", "benchmarks"], cwd=TREE, check=True)
    times = 2 * scale.times - 1
    imported = measure(
        [Side(name, ("benchmarks.sides.importing", name), python) for name in ("ours", "official")], times
    )
    same_work(imported, "operators", 1)
    parsed = measure([Side(name, ("benchmarks.sides.parsing", name), python) for name in OPERATORS], times)
    same_work(parsed, "tasks", TASKS)
    beside_plain = {**parsed, "bare": parsed["plain"]}
    file = f"CPU to parse a file of {TASKS} tasks"
    return [
        _against("CPU to import the operator", "ms", imported, "milliseconds", of_official=0.025),
        _against("modules that it imports", "", imported, "modules", of_official=0.5),
        _against(file, "ms", parsed, "milliseconds", f"{TASKS} EmptyOperators", at_most=1.2),
        _against(
            f"{file}; the limit has the same arguments",
            "ms",
            beside_plain,
            "milliseconds",
            f"{TASKS} operators with the same arguments and no code",
            at_most=1.2,
        ),
    ]


FIGURES: dict[str, Callable[[Scale], list[Row]]] = {
    "tasks": tasks,
    "dag-files": dag_files,
    "lines": lines,
    "followers": followers,
}


def same_work(samples: dict[str, Sample], measured: str, expected: float) -> None:
    """Check that each measurement of each side did all of its work."""
    if any(value != expected for sample in samples.values() for value in sample.values[measured]):
        raise RuntimeError(f"not the same work: {measured} is not {expected:g} everywhere: {samples}")


def _followers(load: Load, logs: str, times: int, events: int = EVENTS) -> dict[str, Sample]:
    with service("--events", str(events)) as url:
        options = ("--url", url, "--logs", logs, "--load", json.dumps(asdict(load)))
        sides = [Side(name, ("benchmarks.sides.followers", name, *options)) for name in ("bare", "ours")]
        samples = measure(sides, times)
    calls = [sample.number("calls").median for sample in samples.values()]
    if min(calls) < SAME_WORK * max(calls):
        raise RuntimeError(f"the sides made {calls} calls, which is not the same work")
    return samples


def _against(
    name: str,
    unit: str,
    samples: dict[str, Sample],
    measured: str,
    limit_name: str = "",
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    of_official: float | None = None,
) -> Row:
    if of_official is not None:
        reach = Reach(of_official, "official")
    elif at_least is not None:
        reach = Reach(at_least, "limit", at_least=True)
    else:
        reach = Reach(at_most or 1.0, "limit")
    numbers = {side: sample.number(measured) for side, sample in samples.items()}
    return Row(name, unit, numbers["ours"], reach, numbers.get("bare"), limit_name, numbers.get("official"))
