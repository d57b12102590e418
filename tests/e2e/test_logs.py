"""The run's log in the task log as Airflow's REST API serves it: all of it, once, in true order, with its own times."""

import re
from datetime import datetime

import pytest

from tests.e2e.world import PER_TIME, STEP_NS, World, next_second, numbered_lines
from tests.support.log_account import account, clean, numbered
from tests.support.waiting import wait_for

BURST = 5_000
LONG = 200_000
RUNS_LINE = "the run is done"


def times(log: list[str]) -> dict[str, datetime]:
    """Each line's time in the task log, by its text."""
    found = (re.match(r"\[([^\]]+)\].*(line \d{6} of the log)", text) for text in log)
    return {match[2]: datetime.fromisoformat(match[1]) for match in found if match}


def test_a_burst_of_lines_arrives_whole_once_and_in_order_with_its_own_times(world: World) -> None:
    case = world.case("deferred").begin().wait_until_followed("deferred")
    (run,) = case.runs()
    wait_for(lambda: "the run has started" in case.log(), what="the run's first line in the task log")
    start = next_second()
    world.control.insert_logs(run["id"], numbered_lines(0, BURST, start))
    last = {"timestamp": numbered_lines(BURST, 1, start)[0]["timestamp"] + STEP_NS, "raw": "x" * LONG}
    fatal = {"timestamp": last["timestamp"] + 1, "raw": "26/11/25 08:00:08 FATAL Main: the end"}
    world.control.insert_logs(run["id"], [last, fatal])
    # Inserted late, before lines that have been shown; but near the end, as Airflow 3 sorts some thousand lines only.
    wait_for(lambda: numbered(BURST - 1) in case.log(), what="the burst in the task log")
    late = {"timestamp": numbered_lines(BURST - 500, 1, start)[0]["timestamp"] - 1, "raw": "a late line"}
    world.control.insert_logs(run["id"], [late])
    case.release()
    log = case.end("success").splitlines()
    assert account(BURST, log) == clean(BURST)
    assert sum(text.count("x" * 1000) for text in log) == LONG // 1000
    (level,) = (text for text in log if "FATAL Main" in text)
    assert "CRITICAL" in level
    (place,) = (n for n, text in enumerate(log) if "a late line" in text)
    assert numbered(BURST - 501) in log[place - 1]
    assert numbered(BURST - 500) in log[place + 1]
    shown = times(log)
    for number in (0, 1, 1_234, 4_321, BURST - 1):
        ahead = shown[numbered(number)] - start
        assert abs(ahead.total_seconds() - number // PER_TIME * STEP_NS / 1e9) < 0.001


@pytest.mark.parametrize("copies", [False, True])
def test_where_the_triggers_part_of_the_log_is_lost_a_setting_copies_the_runs_log(world: World, copies: bool) -> None:
    if world.airflow.is_series("2.11"):
        pytest.skip("On 2.11 a log is lost by a handler, not by a remote log")
    case = world.case(f"dropped_{copies}").begin().wait_until_followed("deferred")
    (run,) = case.runs()
    case.release()
    log = case.end("success")
    assert "Following run" not in log, log
    assert log.count(RUNS_LINE) == copies, log
    assert log.count(f"Copied the log of run {run['id']}") == copies, log
