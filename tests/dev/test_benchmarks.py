"""The benchmark measures what it says: all sides do the same work, and the table tells what was missed."""

import json
import sqlite3
import time
from collections import Counter
from dataclasses import asdict, replace
from inspect import signature
from pathlib import Path
from xml.etree import ElementTree

import pytest

from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from benchmarks import figures
from benchmarks.chart import chart
from benchmarks.measuring import OFFICIAL, Sample, Side, measure, service
from benchmarks.page import FOLDER, write_page
from benchmarks.report import Report, ratio
from benchmarks.rows import Number, Reach, Row
from benchmarks.scale import FULL, QUICK, Load
from benchmarks.tasks.figures import cases_of, offsets, rows_of
from benchmarks.tasks.running import BARE, Case, Ended, calls_by_run, check_lines
from benchmarks.tasks.states import RunningTimes
from dev.places import TREE

pytestmark = pytest.mark.once

TINY = replace(QUICK, name="tiny", lines=2_000, latencies=(0.0, 0.03))


def number(median: float, spread: float = 0.0, times: int = 3) -> Number:
    return Number(median, spread, times)


ROWS = [
    Row("calls", "µs", number(110.0, 0.1), Reach(1.25, "limit"), number(100.0), "bare GET"),
    Row("lag", "ms", number(30.0), Reach(20.0)),
    Row("import", "ms", number(69.4, times=1), Reach(0.1, "official"), official=number(380.0, times=1)),
]


@pytest.mark.slow
def test_all_lines_are_written_by_both_sides() -> None:
    rows = figures.lines(TINY)
    assert [(row.unit, str(row.reach)) for row in rows] == [("1/s", "≥ 0.85x limit"), ("1/s", "≥ 0.8x limit")]
    assert all(row.ours.median > 0 and row.to_limit for row in rows)


@pytest.mark.slow
def test_both_sides_follow_runs() -> None:
    with service("--events", "2") as url:
        load = json.dumps(asdict(Load(3, pause=2.0, settle=3.0, seconds=4.2, at_once=True)))
        options = ("--url", url, "--logs", "busy", "--load", load)
        sides = [Side(name, ("benchmarks.sides.followers", name, *options)) for name in ("bare", "ours")]
        samples = measure(sides, 1)
    # Two polls or three of each run, and a page of its log each time.
    assert all(12 <= sample.number("calls").median <= 18 for sample in samples.values())


def test_the_error_that_ends_a_side_is_shown() -> None:
    load = json.dumps(asdict(Load(3, pause=1.0, settle=1.0, seconds=1.0, at_once=True)))
    options = ("--url", "http://127.0.0.1:1", "--load", load)
    with pytest.raises(RuntimeError, match="only 0 calls were made while 3 runs started"):
        measure([Side("ours", ("benchmarks.sides.followers", "ours", *options))], 1)


def test_a_side_that_does_less_work_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    unequal = {"bare": Sample({"calls": [100.0]}), "ours": Sample({"calls": [80.0]})}
    monkeypatch.setattr(figures, "measure", lambda sides, times: unequal)
    with pytest.raises(RuntimeError, match="not the same work"):
        figures.followers(TINY)


def test_a_side_that_makes_fewer_tasks_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="not the same work: tasks is not 100"):
        figures.same_work({"ours": Sample({"tasks": [100.0]}), "official": Sample({"tasks": [99.0]})}, "tasks", 100)


def test_a_side_that_fails_is_an_error_with_its_output() -> None:
    with pytest.raises(RuntimeError, match=r"broken, benchmarks\.sides\.no_such_program: exit code 1\n.*No module"):
        measure([Side("broken", ("benchmarks.sides.no_such_program",))], 1)


def test_one_side_is_measured_in_a_fresh_process() -> None:
    found = measure([Side("ours", ("benchmarks.sides.importing", "ours"))], 1)["ours"]
    assert found.number("operators").median == 1
    assert found.number("modules").median > 0


def test_a_file_of_a_hundred_tasks_is_parsed() -> None:
    sides = [Side(name, ("benchmarks.sides.parsing", name)) for name in ("bare", "plain", "ours")]
    figures.same_work(measure(sides, 1), "tasks", 100)


def test_the_plain_operator_has_our_arguments() -> None:
    # It needs Airflow 3, and this module is read on 2.11 too.
    from benchmarks.sides.plain_operator import PlainOperator

    ours, plain = (list(signature(one.__init__).parameters) for one in (WherobotsRunOperator, PlainOperator))
    assert plain == ours
    assert PlainOperator.template_fields == WherobotsRunOperator.template_fields


def test_the_official_provider_is_the_locked_one() -> None:
    assert f"\nairflow-providers-wherobots=={OFFICIAL} " in (TREE / "requirements" / "official.txt").read_text()


def test_a_number_is_a_median_with_half_the_distance_of_its_extremes() -> None:
    assert [str(Number.of(values)) for values in ([90.0, 100.0, 120.0], [1.234], [0.125, 0.125], [17.0])] == [
        "100 ±15%",
        "1.2",
        "0.12 ±0%",
        "17",
    ]


def test_a_bound_on_a_side_that_was_not_measured_is_not_reached() -> None:
    assert not Row("import", "ms", number(1.0), Reach(0.1, "official")).is_reached


def test_the_table_says_what_is_missed() -> None:
    table = Report({}, ROWS).table().splitlines()
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]] == [
        ["calls (µs)", "110 ±5%", "100 ±0%", "1.10x", "", "", "≤ 1.25x limit", ""],
        ["lag (ms)", "30 ±0%", "", "", "", "", "≤ 20", "missed"],
        ["import (ms)", "69.4", "", "", "380", "0.18x", "≤ 0.1x official", "missed"],
    ]


def test_ratios_have_two_digits_that_count() -> None:
    assert [ratio(value) for value in (None, 0.0217, 0.1, 1.0, 12.3)] == ["", "0.022x", "0.10x", "1.00x", "12x"]


def test_a_report_is_read_as_it_was_written() -> None:
    report = Report.of("quick", ROWS)
    assert Report.from_json(report.to_json()) == report
    assert "in the quick form, with Airflow " in report.describe()


def test_the_chart_has_a_bar_for_each_side_and_the_longest_fills_it() -> None:
    svg = ElementTree.fromstring(chart(ROWS))  # noqa: S314
    bars = [float(bar.attrib["width"]) for bar in svg.iter("{http://www.w3.org/2000/svg}rect")][3:]
    texts = [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert bars == [500.0, 454.5, 91.3, 500.0]
    assert "calls (µs)" in texts
    assert "ours is 0.18x" in texts
    # A figure without another side is in the table only.
    assert "lag (ms)" not in texts


def test_the_page_includes_what_the_benchmark_writes(tmp_path: Path) -> None:
    write_page(Report.of("full", ROWS), tmp_path)
    written = {path.name for path in tmp_path.iterdir()}
    page = (TREE / "docs" / "performance.md").read_text()
    assert written == {path.name for path in FOLDER.iterdir()} == {"figures.json", "table.md", "chart.svg"}
    assert all(f"performance/{name}" in page for name in written)


def test_the_page_shows_what_was_measured(tmp_path: Path) -> None:
    write_page(Report.from_json((FOLDER / "figures.json").read_text()), tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        path.name: path.read_text() for path in FOLDER.iterdir()
    }


def test_the_sides_of_a_length_are_started_in_turns_the_longest_first() -> None:
    cases = cases_of(FULL)
    assert [case.seconds for case in cases] == sorted((case.seconds for case in cases), reverse=True)
    assert [case.dag_id for case in cases[:5]] == ["official-log", "official-status", "ours-log", "ours-status", BARE]
    assert {case.more_seconds for case in cases if case.seconds == 60} == {0, 7, 13}
    assert set(Counter(replace(case, more_seconds=0) for case in cases).values()) == {FULL.times}
    assert {case.dag_id for case in cases_of(QUICK)} == {BARE, "ours-log", "ours-status", "official-status"}


def test_the_rows_of_tasks_have_ours_the_limit_and_the_official_provider() -> None:
    costs = {BARE: (1.0, 0.5, 0), "ours-log": (4.0, 1.5, 20), "ours-status": (3.0, 1.5, 9)}
    costs["official-status"] = (15.0, 31.0, 4)
    rows = rows_of(TINY, [Ended(Case(dag_id, 10), *cost) for dag_id, cost in costs.items()])
    shown = {row.name: (row.ours.median, row.limit and row.limit.median, row.official) for row in rows}
    assert shown == {
        "run's end to task's end, 10 s, log forwarded": (4.0, 1.0, None),
        "run's end to task's end, 10 s, status only": (3.0, 1.0, number(15.0, times=1)),
        "a worker held, run of 10 s, log forwarded": (1.5, 0.5, None),
        "a worker held, run of 10 s, status only": (1.5, 0.5, number(31.0, times=1)),
        "API calls, run of 10 s, log forwarded": (20, None, None),
        "API calls, run of 10 s, status only": (9, None, number(4, times=1)),
    }
    assert all(row.is_reached for row in rows)


def test_runs_of_one_length_are_one_figure_however_much_longer_they_are() -> None:
    ended = [
        Ended(Case(dag_id, 10, more_seconds=more), 1.0 + more, 1.0, 5)
        for dag_id in (BARE, "ours-log", "ours-status")
        for more in offsets(10, 3)
    ]
    assert rows_of(TINY, ended)[0].ours == Number.of([1.0, 4.0, 8.0])


def test_calls_are_counted_by_run_and_one_about_none_is_an_error() -> None:
    journal = [{"run_id": "a"}, {"run_id": "b"}, {"run_id": "a"}]
    assert calls_by_run(journal) == {"a": 2, "b": 1}
    with pytest.raises(RuntimeError, match="about no run"):
        calls_by_run([*journal, {"run_id": None}])


@pytest.mark.parametrize(
    ("log", "said"), [("bench line 0;", "1 are missing"), ("bench line 0; bench line 1;bench line 0;", "1 doubled")]
)
def test_a_log_that_misses_a_line_or_has_one_twice_is_an_error(log: str, said: str) -> None:
    check_lines("run", "bench line 0;\nbench line 1;", 2)
    with pytest.raises(RuntimeError, match=said):
        check_lines("run", log, 2)


def test_only_the_time_in_the_state_running_counts(tmp_path: Path) -> None:
    database = tmp_path / "airflow.db"
    with sqlite3.connect(database, isolation_level=None) as connection:
        connection.execute("CREATE TABLE task_instance (dag_id TEXT, run_id TEXT, state TEXT)")
        connection.execute("INSERT INTO task_instance VALUES ('ours', 'a', 'running'), ('ours', 'b', 'deferred')")
        with RunningTimes(database) as running:
            deadline = time.monotonic() + 30
            while not running.of("ours", "a") and time.monotonic() < deadline:
                time.sleep(0.02)
        assert running.of("ours", "a") > 0
        assert running.of("ours", "b") == 0


def test_a_database_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with RunningTimes(tmp_path / "none.db") as running:
        pass
    with pytest.raises(RuntimeError, match="not watched to the end"):
        running.of("ours", "a")
