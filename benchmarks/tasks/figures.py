"""The figures of real tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from benchmarks.rows import Number, Reach, Row
from benchmarks.scale import Scale
from benchmarks.tasks.running import BARE, QUIET_LINES, Case, Ended, run

LIMIT = "a deferred task whose trigger fires when the run ends"
KINDS = (("log", "log forwarded"), ("status", "status only"))
WORKER_SECONDS = 2.0
CALLS = {"log": 25.0, "status": 14.0}
OFFICIAL_PAUSE = 20
"""Seconds between two polls of the official provider, by default."""
LATE_SECONDS = {"log": {10: 13.0, 60: 13.0, 600: 13.0}, "status": {10: 5.0, 60: 6.0, 600: 7.0}}
"""By what is forwarded, and the length of the run."""


def tasks(scale: Scale) -> list[Row]:
    """How late tasks end, how long they hold a worker slot, how many calls they make."""
    return rows_of(scale, run(cases_of(scale), scale.gap))


def cases_of(scale: Scale) -> list[Case]:
    """The tasks that are run, in the order in which they are started: the longest first, the sides in turns."""
    sides = ["official-status", "ours-log", "ours-status", BARE]
    if scale.official_log:
        sides.insert(0, "official-log")
    cases = [
        Case(dag_id, seconds, more_seconds=more)
        for seconds in sorted(scale.lengths, reverse=True)
        for more in offsets(seconds, scale.times)
        for dag_id in sides
    ]
    if scale.task_lines:
        talking = ["ours-log", "official-log"] if scale.official_log else ["ours-log"]
        seconds = min(scale.lengths)
        cases += [
            Case(dag_id, seconds, scale.task_lines, more)
            for more in offsets(seconds, scale.times)
            for dag_id in talking
        ]
    return cases


def offsets(seconds: int, times: int) -> list[int]:
    """How many seconds longer than stated each run is, evenly spread over the official provider's polling interval.

    :param seconds: about how long the runs are; none becomes twice as long.
    """
    return [round(number * min(seconds, OFFICIAL_PAUSE) / times) for number in range(times)]


def rows_of(scale: Scale, ended: Sequence[Ended]) -> list[Row]:
    """The figures."""
    by_case: defaultdict[Case, list[Ended]] = defaultdict(list)
    for one in ended:
        by_case[replace(one.case, more_seconds=0)].append(one)

    def number(dag_id: str, seconds: int, lines: int, cost: Callable[[Ended], float]) -> Number | None:
        values = [cost(one) for one in by_case[Case(dag_id, seconds, lines)]]
        return Number.of(values) if values else None

    def row(
        name: str,
        unit: str,
        kind: str,
        seconds: int,
        bound: float,
        cost: Callable[[Ended], float],
        lines: int = QUIET_LINES,
        has_limit: bool = True,
    ) -> Row:
        ours = number(f"ours-{kind}", seconds, lines, cost)
        limit = number(BARE, seconds, QUIET_LINES, cost) if has_limit else None
        if ours is None:
            raise RuntimeError(f"nothing was measured for {name}")
        return Row(
            name,
            unit,
            ours,
            Reach(bound),
            limit,
            LIMIT if limit else "",
            number(f"official-{kind}", seconds, lines, cost),
        )

    def late(one: Ended) -> float:
        return one.late_seconds

    rows = [
        row(f"run's end to task's end, {seconds} s, {what}", "s", kind, seconds, LATE_SECONDS[kind][seconds], late)
        for kind, what in KINDS
        for seconds in sorted(scale.lengths)
    ]
    shortest, counted = min(scale.lengths), scale.counted_length
    if scale.task_lines:
        name = f"run's end to task's end, {shortest} s, {scale.task_lines:,} lines forwarded"
        rows.append(row(name, "s", "log", shortest, LATE_SECONDS["log"][shortest], late, scale.task_lines))
    for kind, what in KINDS:
        name = f"a worker held, run of {counted} s, {what}"
        rows.append(row(name, "s", kind, counted, WORKER_SECONDS, lambda one: one.worker_seconds))
    for kind, what in KINDS:
        name = f"API calls, run of {counted} s, {what}"
        rows.append(row(name, "", kind, counted, CALLS[kind], lambda one: one.calls, has_limit=False))
    return rows
