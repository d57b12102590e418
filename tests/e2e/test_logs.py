"""The run's log in the task log as Airflow's REST API serves it: all of it, once, in true order, with its own times."""

import re
import signal
from datetime import UTC, datetime
from typing import Any

import pytest

from dev.waiting import wait_for
from tests.e2e.world import World
from tests.log_account import account, clean, numbered

pytestmark = pytest.mark.e2e

BURST = 20_000
PER_TIME = 5
STEP_NS = 2_000_000
LONG = 200_000
START = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


def lines(first: int, count: int) -> list[dict[str, Any]]:
    """Numbered lines, five to each time, half a thousand times a second."""
    start = int(START.timestamp()) * 10**9
    return [{"timestamp": start + n // PER_TIME * STEP_NS, "raw": numbered(n)} for n in range(first, first + count)]


def times(world: World, log: list[str]) -> dict[str, datetime]:
    """Each line's time in the task log, by its text."""
    found = (re.match(r"\[([^\]]+)\].*(line \d{6} of the log)", text) for text in log)
    return {match[2]: datetime.fromisoformat(match[1]) for match in found if match}


def test_a_burst_of_lines_arrives_whole_once_and_in_order_with_its_own_times(world: World) -> None:
    case = world.case("deferred").begin().wait_until_followed("deferred")
    (run,) = case.runs()
    world.control.insert_logs(run["id"], lines(0, BURST))
    last = {"timestamp": lines(BURST, 1)[0]["timestamp"] + STEP_NS, "raw": "x" * LONG}
    fatal = {"timestamp": last["timestamp"] + 1, "raw": "26/11/25 08:00:08 FATAL Main: the end"}
    world.control.insert_logs(run["id"], [last, fatal])
    # Inserted late, before lines that have been shown; but near the end, as Airflow 3 sorts some thousand lines only.
    wait_for(lambda: len(case.requests("getJobRunLogs")) > 25, timeout=60, what="the burst to be read")
    world.control.insert_logs(
        run["id"], [{"timestamp": lines(BURST - 500, 1)[0]["timestamp"] - 1, "raw": "a late line"}]
    )
    case.release()
    log = case.end("success").splitlines()
    assert account(BURST, log) == clean(BURST)
    assert sum(text.count("x" * 1000) for text in log) == LONG // 1000
    (level,) = (text for text in log if "FATAL Main" in text)
    assert "CRITICAL" in level
    (place,) = (n for n, text in enumerate(log) if "a late line" in text)
    assert numbered(BURST - 501) in log[place - 1]
    assert numbered(BURST - 500) in log[place + 1]
    shown = times(world, log)
    for number in (0, 1, 4_999, 12_345, BURST - 1):
        ahead = shown[numbered(number)] - START
        assert abs(ahead.total_seconds() - number // PER_TIME * STEP_NS / 1e9) < 0.001


def test_a_killed_triggerer_neither_loses_nor_doubles_a_line(world: World) -> None:
    case = world.case("deferred").begin().wait_until_followed("deferred")
    (run,) = case.runs()
    world.control.insert_logs(run["id"], lines(0, 1_500))
    wait_for(lambda: len(case.requests("getJobRunLogs")) > 3, timeout=60, what="the lines to be read")
    world.airflow.kill_component("triggerer", signal.SIGKILL)
    world.control.insert_logs(run["id"], lines(1_500, 500))
    world.airflow.start_component("triggerer")
    case.wait_until_followed("deferred", requests=len(case.requests("getJobRun")) + 1)
    case.release()
    log = case.end("success").splitlines()
    assert account(2_000, log) == clean(2_000)
    assert log.count(next(text for text in log if "the run is done" in text)) == 1
    # What the killed one had said itself is shown once as well.
    said = [text for text in log if " is RUNNING" in text]
    assert said
    assert len(set(said)) == len(said)
