"""Many runs followed in one event loop, by our triggers or by bare ones with the same delays.

Prints the number of calls, their CPU time, how late the event loop was, and the memory for each run.
"""

import argparse
import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from benchmarks.scale import Load
from benchmarks.sides.bare_trigger import BareTrigger
from benchmarks.sides.triggerer import in_triggerer, log_as_a_triggerer_does, trigger_of

FIRST_SECONDS = 2.0
"""Seconds in which a first run is followed, before memory is measured."""
LAG_INTERVAL_SECONDS = 0.01


class Lag:
    """How late the event loop wakes a task that sleeps for 10 ms each time."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def measure(self) -> None:
        """Measure until cancelled."""
        while True:
            due = time.perf_counter() + LAG_INTERVAL_SECONDS
            await asyncio.sleep(LAG_INTERVAL_SECONDS)
            self.seconds.append(time.perf_counter() - due)

    def take(self) -> list[float]:
        """What was measured since the last time, sorted."""
        taken, self.seconds = sorted(self.seconds), []
        return taken or [0.0]


class Calls:
    """Counts the responses of an ``aiohttp`` session."""

    def __init__(self) -> None:
        self.count = 0

    async def ended(self, *_: object) -> None:
        """Count one."""
        self.count += 1

    def trace(self) -> aiohttp.TraceConfig:
        """The trace configuration that counts the calls of a session."""
        config = aiohttp.TraceConfig()
        config.on_request_end.append(self.ended)
        return config


async def follow(side: str, url: str, load: Load, logs: str) -> dict[str, float]:
    """Follow runs for a time.

    :param load: the runs. If all start at the same time, the event loop is watched. Otherwise nothing else uses the
        CPU.
    """
    runs, at_once = load.runs, load.at_once
    counted, lag, process = Calls(), Lag(), psutil.Process()
    count_calls(counted)
    watch = asyncio.create_task(lag.measure() if at_once else asyncio.sleep(0))
    await asyncio.sleep(0.5)
    lag.take()
    ids = [f"{logs}{number}" for number in range(runs)]
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=64, keepalive_timeout=90),
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        BareTrigger.session = session
        # Modules and threads that the first run needs are no memory of a run: a triggerer has them once.
        first = asyncio.create_task(
            asyncio.sleep(0) if at_once else _first(_trigger(side, url, logs, runs, False, load.pause))
        )
        await asyncio.sleep(0 if at_once else FIRST_SECONDS)
        if not at_once and first.done():
            raise RuntimeError(f"the first run is not followed any longer: {first}")
        gc.collect()
        counted.count, before = 0, process.memory_info().rss
        triggers = [
            _trigger(side, url, run_id, number, logs != "none", load.pause) for number, run_id in enumerate(ids)
        ]
        delays = [0.0 if at_once else load.pause * number / runs for number in range(runs)]
        tasks = []
        for delay, one in zip(delays, triggers, strict=True):
            tasks.append(asyncio.create_task(_after(delay, _first(one))))
            # Airflow starts one trigger in each round of the event loop (`TriggerRunner.create_triggers`).
            await asyncio.sleep(0)
        await asyncio.sleep(load.settle)
        if counted.count < runs:
            raise RuntimeError(f"only {counted.count} calls were made while {runs} runs started")
        starting = lag.take()
        calls, cpu = counted.count, time.process_time()
        await asyncio.sleep(load.seconds)
        calls, cpu, running = counted.count - calls, time.process_time() - cpu, lag.take()
        gc.collect()
        memory = process.memory_info().rss - before
        failed = [task for task in tasks if task.done()]
        for task in (*tasks, first, watch):
            task.cancel()
        await asyncio.gather(*tasks, first, watch, return_exceptions=True)
    if failed:
        raise RuntimeError(f"{len(failed)} of {runs} runs are not followed any longer: {failed[0]}")
    return {
        "calls": calls,
        "cpu_us_per_call": cpu / calls * 1e6,
        "lag_p99_ms": running[int(len(running) * 0.99)] * 1e3,
        "lag_max_ms": running[-1] * 1e3,
        "start_lag_p99_ms": starting[int(len(starting) * 0.99)] * 1e3,
        "start_lag_max_ms": starting[-1] * 1e3,
        "memory_kib_per_run": memory / runs / 1024,
    }


def _trigger(side: str, url: str, run_id: str, number: int, has_logs: bool, pause: float) -> Any:
    if side == "ours":
        return trigger_of(run_id, number, has_logs, pause)
    return in_triggerer(BareTrigger(f"{url}/runs/{run_id}", has_logs, pause), number)


async def _after(delay: float, work: Coroutine[Any, Any, None]) -> None:
    if delay:
        await asyncio.sleep(delay)
    await work


async def _first(trigger: Any) -> None:
    async for event in trigger.run():
        raise RuntimeError(f"an active run was reported as ended: {event}")


def count_calls(counted: Calls) -> None:
    """Count the calls of every session that is opened from now on."""
    original = aiohttp.ClientSession.__init__

    def init(
        session: aiohttp.ClientSession, *, trace_configs: Sequence[aiohttp.TraceConfig] = (), **options: Any
    ) -> None:
        original(session, **options, trace_configs=[*trace_configs, counted.trace()])

    aiohttp.ClientSession.__init__ = init  # type: ignore[assignment, method-assign]


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sides.followers")
    parser.add_argument("side", choices=("bare", "ours"))
    parser.add_argument("--url", required=True)
    parser.add_argument("--logs", choices=("none", "quiet", "busy", "resumed"), default="none")
    parser.add_argument("--load", type=json.loads, required=True, help="fields of benchmarks.scale.Load, as JSON")
    given = parser.parse_args()
    os.environ["AIRFLOW_CONN_WHEROBOTS_DEFAULT"] = json.dumps(
        {"conn_type": "wherobots", "host": given.url, "password": "k"}
    )
    # Both sides in the same process: one that has loaded Airflow, as a triggerer has.
    log_as_a_triggerer_does(Path(os.devnull))
    load = Load(**given.load)
    trigger_of("none", 0, False, load.pause)
    result = asyncio.run(follow(given.side, given.url, load, given.logs))
    json.dump(result, sys.stdout)
    print()


if __name__ == "__main__":
    main()
