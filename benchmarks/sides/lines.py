"""The lines of a long log written into the task log: by the trigger, or by a bare loop that already has the lines.

Prints the number of lines, and how many were written per second. A short log is written first, because a triggerer has
long loaded its modules. Then the log is written several times, and the fastest counts, because other work of the
machine only makes it slower.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.service import SHORT_LINES, line
from benchmarks.sides.triggerer import log_as_a_triggerer_does, trigger_of

TIMES = 3


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
    from airflow_provider_wherobots.flows import forward_logs

    os.environ["AIRFLOW_CONN_WHEROBOTS_DEFAULT"] = json.dumps({"conn_type": "wherobots", "host": url, "password": "k"})
    # Not measured: the wait for late lines.
    forward_logs.QUIET_LOOKS = (0.0, 0.0, 0.0)

    async def run() -> float:
        trigger = trigger_of(run_id, 0, True, 5.0)
        begun = time.perf_counter()
        async for event in trigger.run():
            if event.payload["status"] != "COMPLETED":
                raise RuntimeError(f"the run was not followed to its end: {event}")
        return time.perf_counter() - begun

    return asyncio.run(run())


def write(given: argparse.Namespace, run_id: str, count: int) -> float:
    """Write the log of a run.

    :returns: seconds it took.
    """
    return write_bare(count) if given.side == "bare" else forward(given.url, run_id)


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sides.lines")
    parser.add_argument("side", choices=("bare", "ours"))
    parser.add_argument("--url", default="")
    parser.add_argument("--lines", type=int, default=100_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.jsonl"
        log_as_a_triggerer_does(path)
        write(given, "short", SHORT_LINES)
        before = path.stat().st_size
        seconds = min(write(given, "long", given.lines) for _ in range(TIMES))
        with path.open("rb") as file:
            file.seek(before)
            written = sum(b"TaskSetManager" in one for one in file) / TIMES
    json.dump({"lines": written, "lines_per_second": written / seconds}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
