"""The lines of a long log written into the task log: by the trigger, and by a bare loop that already has the lines.

Prints for each how many lines were written, and how many per second. Both write the log several times, in turns and in
one process, because the speed of a machine changes between two processes by more than they differ. The fastest time of
each counts, because other work of the machine only makes it slower. A short log is written first, because a triggerer
has long loaded its modules.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.service import SHORT_LINES, line
from benchmarks.sides.triggerer import log_as_a_triggerer_does, trigger_of

TIMES = 5


def write_bare(count: int) -> float:
    """Write the lines with their times, as they are.

    :returns: seconds it took.
    """
    from airflow_provider_wherobots.triggers.run import WherobotsRunTrigger

    log = WherobotsRunTrigger("wherobots_default", {"run_id": "long", "started_at": 0.0}).log
    lines = [
        (one["raw"], f"2026-01-01T00:00:00.{number % 10**6:06d}Z") for number in range(count) for one in [line(number)]
    ]
    begun = time.perf_counter()
    for text, moment in lines:
        log.info(text, timestamp=moment)
    return time.perf_counter() - begun


def forward(url: str, run_id: str) -> float:
    """Follow a run that has ended.

    :returns: seconds it took, from the start of the trigger to its event.
    """
    os.environ["AIRFLOW_CONN_WHEROBOTS_DEFAULT"] = json.dumps({"conn_type": "wherobots", "host": url, "password": "k"})

    async def run() -> float:
        # Not measured: the wait for late lines.
        trigger = trigger_of(run_id, 0, True, 5.0, wait=0.0)
        begun = time.perf_counter()
        async for event in trigger.run():
            if event.payload["status"] != "COMPLETED":
                raise RuntimeError(f"the run was not followed to its end: {event}")
        return time.perf_counter() - begun

    return asyncio.run(run())


def count_lines(path: Path, start: int) -> int:
    """Count the lines of the run's log in a file."""
    with path.open("rb") as file:
        file.seek(start)
        return sum(b"TaskSetManager" in one for one in file)


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sides.lines")
    parser.add_argument("--url", required=True)
    parser.add_argument("--lines", type=int, default=100_000)
    given = parser.parse_args()
    sides: dict[str, Callable[[str, int], float]] = {
        "bare": lambda run_id, count: write_bare(count),
        "ours": lambda run_id, count: forward(given.url, run_id),
    }
    written: dict[str, list[int]] = {side: [] for side in sides}
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.jsonl"
        log_as_a_triggerer_does(path)
        for write in sides.values():
            write("short", SHORT_LINES)
        for _ in range(TIMES):
            for side, write in sides.items():
                before = path.stat().st_size
                seconds[side].append(write("long", given.lines))
                written[side].append(count_lines(path, before))
    # Too few or too many of one write are not made up for by another.
    result = {f"{side}_lines": max(written[side], key=lambda count: abs(count - given.lines)) for side in sides}
    rates = {f"{side}_lines_per_second": given.lines / min(seconds[side]) for side in sides}
    json.dump({**result, **rates}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
