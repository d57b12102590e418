"""The matrix tells what happened: passed, failed, skipped and why, and what was left out."""

from dataclasses import replace
from pathlib import Path

import pytest

from dev.environments import END_TO_END, NAMES, Environment, environment
from dev.matrix_jobs import Job
from dev.matrix_result import Result, details, read_report, skips, table, verdict

pytestmark = pytest.mark.once

TESTS = "unit, integration, DAGs"
REPORT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite>
  <testcase classname="a" name="good"/>
  <testcase classname="a" name="bad"><failure message="m">line 1\nassert 1 == 2</failure></testcase>
  <testcase classname="a" name="broken"><error message="m">no fixture</error></testcase>
  <testcase classname="a" name="not_here"><skipped message="no javac"/></testcase>
  <testcase classname="" name="tests.b"><skipped message="collection skipped">('/b.py', 7, 'Skipped: no b')</skipped>\
</testcase>
</testsuite></testsuites>
"""
BEGUN = Result("3.2", TESTS, "3.2.1", "3.11.7", code=1, seconds=61.4)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.xml"
    path.write_text(REPORT)
    return path


def test_a_report_is_counted(report: Path) -> None:
    result = read_report(report, BEGUN)

    assert (result.passed, result.failed, result.skipped) == (1, 2, 2)
    assert not result.good
    assert result.line == (
        "Airflow 3.2.1, Python 3.11.7, unit, integration, DAGs: 1 passed, 2 failed, 2 skipped in 61 s "
        "(pytest ended with 1)"
    )


def test_failures_are_named_with_what_they_tell(report: Path) -> None:
    assert details(report) == "--- a::bad\nline 1\nassert 1 == 2\n--- a::broken\nno fixture"


@pytest.mark.parametrize("code", [0, 2])
def test_no_report_is_not_good(code: int, tmp_path: Path) -> None:
    assert not read_report(tmp_path / "none.xml", Result("3.2", TESTS, "3.2.1", "3.11.7", code=code)).good


def test_the_table_shows_every_environment(report: Path) -> None:
    results = [
        read_report(report, BEGUN),
        Result("3.3", "end to end", "3.3.1", "3.11.7", passed=40, seconds=900),
        Result("3.0", TESTS, "3.0.6", "3.11.7", code=3),
        Result("3.3-py3.13", TESTS, left_out="there is no Python 3.13 here"),
    ]

    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table(results).splitlines()]

    assert rows[0] == ["Airflow", "Python", "tests", "passed", "failed", "skipped", "seconds"]
    assert rows[2:] == [
        ["3.2.1", "3.11.7", "unit, integration, DAGs", "1", "2", "2", "61"],
        ["3.3.1", "3.11.7", "end to end", "40", "0", "0", "900"],
        ["3.0.6", "3.11.7", "unit, integration, DAGs", "0", "0, exit code 3", "0", "0"],
        ["3.3-py3.13", "-", "unit, integration, DAGs", "-", "-", "-", "left out: there is no Python 3.13 here"],
    ]


def test_skips_are_told_with_their_reason(report: Path) -> None:
    assert skips([read_report(report, BEGUN)]) == "Skipped (3.2: 1): no b\nSkipped (3.2: 1): no javac"


def test_the_verdict_says_what_passed_what_failed_and_what_was_left_out_and_why(report: Path) -> None:
    good = Result("3.3", TESTS, passed=800, skipped=2)
    ends = Result("3.3", "end to end", passed=40)
    absent = [Result(name, TESTS, left_out="there is no Python 3.13 here") for name in ("3.2-py3.13", "3.3-py3.13")]

    assert verdict([good, ends]) == (
        "PASSED: 840 tests passed in 2 of 2 runs (unit, integration, DAGs on 3.3; end to end on 3.3); "
        "no environment was left out; 2 tests were skipped for the reasons above."
    )
    assert verdict([ends, read_report(report, BEGUN), *absent]) == (
        "FAILED: 40 tests passed in 1 of 2 runs (end to end on 3.3); failed: unit, integration, DAGs on 3.2 "
        "(a::bad (m) on 3.2, a::broken (m) on 3.2); "
        "left out: unit, integration, DAGs on 3.2-py3.13, 3.3-py3.13, because there is no Python 3.13 here; "
        "2 tests were skipped for the reasons above."
    )
    crashed = verdict([ends, BEGUN])
    assert "failed: unit, integration, DAGs on 3.2 (no test was reported); " in crashed
    many = replace(BEGUN, failures=tuple("abcdefg"))
    assert "(a on 3.2, b on 3.2, c on 3.2, d on 3.2, e on 3.2, and 2 more); " in verdict([many])
    assert verdict(absent).startswith("FAILED: 0 tests passed in 0 of 0 runs (none); left out: ")


def test_end_to_end_tests_run_in_the_newest_environment() -> None:
    newest, oldest = (Environment(name, Path(f"/{name}/python")) for name in ("3.3", "2.11"))

    assert Job(oldest, True).command(newest, Path("/r.xml"))[:6] == [
        "/3.3/python", "-m", "pytest", "-m", "e2e", "--airflow"
    ]  # fmt: skip
    assert Job(oldest, False).command(newest, Path("/r.xml"))[0] == "/2.11/python"


def test_properties_are_tried_with_many_examples_on_the_newest_only() -> None:
    few = {name for name in NAMES if Job(Environment(name, Path("python")), False).variables}

    assert set(NAMES) - few == {"3.3"}


def test_what_tells_nothing_of_an_airflow_runs_on_the_newest_only() -> None:
    marks = {name: Job(Environment(name, Path("python")), False).selection[1] for name in NAMES}

    assert [name for name, mark in marks.items() if "not once" not in mark] == ["3.3"]


def test_unit_tests_run_with_the_oldest_and_newest_dependencies_and_on_each_python() -> None:
    jobs = {name: Job(Environment(name, Path("python")), False) for name in NAMES}
    without = {name for name, job in jobs.items() if "--ignore=tests/unit" in job.selection}

    assert set(NAMES) - without == {"2.11", "3.3", "3.3-py3.13"}
    assert {name for name, job in jobs.items() if job.kind == "integration, DAGs"} == without


def test_environments_have_their_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_3_3_PY3_13_PYTHON", "/elsewhere/python")
    monkeypatch.setenv("AIRFLOW_3_0_LEFT_OUT", "no old Python here")

    assert environment("3.3-py3.13").python == Path("/elsewhere/python")
    assert environment("3.3-py3.13").line == "3.3"
    assert environment("3.0").missing == "no old Python here"
    assert "make venv-3.2'" in Environment("3.2", Path("none")).missing
    with pytest.raises(ValueError, match=r"no environment '1\.10'"):
        environment("1.10")
    assert set(END_TO_END) <= set(NAMES)
