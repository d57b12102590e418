"""A run's log over the local server, under every reading of the cursor: accounted for line by line."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.transports.aiohttp import AiohttpTransport
from airflow_provider_wherobots.api.transports.session_pool import shared_sessions
from airflow_provider_wherobots.drivers.base import Outlets
from airflow_provider_wherobots.drivers.event_loop import AsyncDriver
from airflow_provider_wherobots.flows.effects import Reloaded, attempt
from airflow_provider_wherobots.flows.follow import FollowOptions, follow_run
from airflow_provider_wherobots.logs.records import LogRecord
from airflow_provider_wherobots.runs.outcome import Ending
from tests.support.log_account import account, clean, numbered
from wherobots_local import LocalServer
from wherobots_local.control.client import ControlClient

KEY = "log-key"
T0 = 1_790_000_000_000_000_000
PER_TIME = 5
LONG = 200_000
LATE_SECONDS = 0.6
LATE = 20
BURST = {"null": 20_000, "equal": 3_000, "absent": 3_000, "end": 3_000}
CURSORS = ("nanoseconds", "nanoseconds-int", "offset", "opaque")
Mode = tuple[str, str, str]
MODES: tuple[Mode, ...] = (
    *((cursor, "next", caught_up) for cursor, caught_up in product(CURSORS, ("null", "equal", "absent"))),
    *(("nanoseconds", boundary, caught_up) for boundary, caught_up in product(("after", "last"), ("end", "null"))),
)
JOB = f"""
import sys, time
time.sleep(4)
for number in range(int(sys.argv[1]), int(sys.argv[1]) + {LATE}):
    print(f"line {{number:06d}} of the log", flush=True)
"""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Mode, LocalServer]]:
    """One for each mode: all of them are followed at the same time."""
    servers: dict[Mode, LocalServer] = {}
    with ExitStack() as stack:
        for mode in MODES:
            root: Path = tmp_path_factory.mktemp("root")
            (root / "jobs").mkdir()
            (root / "jobs" / "late.py").write_text(JOB)
            servers[mode] = stack.enter_context(LocalServer(root, api_key=KEY))
        yield servers


async def follow(
    server: LocalServer, cursor: str, boundary: str, caught_up: str
) -> tuple[Ending, list[LogRecord], list[str]]:
    control = ControlClient(server.url, KEY)
    await asyncio.to_thread(
        control.behaviour,
        log_cursor=cursor,
        log_boundary=boundary,
        log_next_page_when_caught_up=caught_up,
        log_delay_seconds=LATE_SECONDS,
    )
    burst = BURST[caught_up]
    records: list[LogRecord] = []
    notes: list[str] = []

    async def reload() -> Reloaded:
        return Reloaded(False, "")

    async with shared_sessions(server.url) as sessions:
        driver = AsyncDriver(
            AiohttpTransport(Endpoint(server.url, KEY), sessions),
            Outlets(lambda level, text: notes.append(text), records.append, reload),
        )
        body = {"name": "a_logged_run", "runPython": {"uri": "s3://jobs/late.py", "args": [str(burst)]}}
        run = await driver.run(attempt(calls.create_run(body)))
        lines: list[dict[str, Any]] = [
            {"timestamp": T0 + n // PER_TIME * 1000, "raw": numbered(n)} for n in range(burst)
        ]
        # Five times as long as it may be, and with a time that a page of its neighbours has too.
        lines.insert(7, {"timestamp": T0 + 1000, "raw": "".join(f"{n:06d} " for n in range(LONG // 7 + 1))})
        await asyncio.to_thread(control.insert_logs, run.id, lines)
        options = FollowOptions(run.id, started_at=run.create_time.timestamp() if run.create_time else 0.0)
        outcome = await driver.run(follow_run(options))
    return outcome.ending, records, notes


@pytest.mark.slow
def test_every_line_is_forwarded_once_and_in_order_in_every_mode(
    servers: dict[Mode, LocalServer],
) -> None:
    async def follow_all() -> list[tuple[Ending, list[LogRecord], list[str]]]:
        return await asyncio.gather(*(follow(servers[mode], *mode) for mode in MODES))

    for mode, (ending, records, notes) in zip(MODES, asyncio.run(follow_all()), strict=True):
        assert ending is Ending.COMPLETED, (mode, notes)
        lines = BURST[mode[2]] + LATE
        assert account(lines, (record.text for record in records)) == clean(lines), mode
        long = "".join(record.text for record in records if "of the log" not in record.text)
        assert long == "".join(f"{n:06d} " for n in range(LONG // 7 + 1)), mode
        assert len(records) == lines + LONG // 10_000 + 1, mode
        assert [record.time_ns for record in records if numbered(12) in record.text] == [T0 + 12 // PER_TIME * 1000]
