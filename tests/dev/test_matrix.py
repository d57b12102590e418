"""The matrix tells what happened: passed, failed, skipped and why, and what was left out."""

import ast
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dev.environments import END_TO_END, NAMES, SERVERS, Environment, environment
from dev.matrix_jobs import NEED_NO_AIRFLOW, WITHOUT_AIRFLOW, Job, Part, Share, jobs
from dev.matrix_result import Result, details, read_report, skips, table, verdict
from dev.places import TREE

pytestmark = pytest.mark.once

TESTS = Part.EACH.value
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
IMPORT = """
import pkgutil, sys
for name in sys.argv[1:]:
    pkgutil.resolve_name(name)
print([name for name in sys.modules if name.split(".")[0] == "airflow"])
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
        f"Airflow 3.2.1, Python 3.11.7, {TESTS}: 1 passed, 2 failed, 2 skipped in 61 s (pytest ended with 1)"
    )


def test_failures_are_named_with_what_they_tell(report: Path) -> None:
    assert details(report) == "--- a::bad\nline 1\nassert 1 == 2\n--- a::broken\nno fixture"


@pytest.mark.parametrize("code", [0, 2])
def test_no_report_is_not_good(code: int, tmp_path: Path) -> None:
    assert not read_report(tmp_path / "none.xml", Result("3.2", TESTS, "3.2.1", "3.11.7", code=code)).good


@pytest.mark.parametrize("length", [0, 100])
def test_a_report_that_the_disk_had_no_room_for_is_not_good(length: int, report: Path) -> None:
    report.write_text(REPORT[:length])

    assert (read_report(report, replace(BEGUN, code=0)).good, details(report)) == (False, "")


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
        ["3.2.1", "3.11.7", TESTS, "1", "2", "2", "61"],
        ["3.3.1", "3.11.7", "end to end", "40", "0", "0", "900"],
        ["3.0.6", "3.11.7", TESTS, "0", "0, exit code 3", "0", "0"],
        ["3.3-py3.13", "-", TESTS, "-", "-", "-", "left out: there is no Python 3.13 here"],
    ]


def test_skips_are_told_with_their_reason(report: Path) -> None:
    assert skips([read_report(report, BEGUN)]) == "Skipped (3.2: 1): no b\nSkipped (3.2: 1): no javac"


def test_the_verdict_says_what_passed_what_failed_and_what_was_left_out_and_why(report: Path) -> None:
    good = Result("3.3", TESTS, passed=800, skipped=2)
    ends = Result("3.3", "end to end", passed=40)
    absent = [Result(name, TESTS, left_out="there is no Python 3.13 here") for name in ("3.2-py3.13", "3.3-py3.13")]

    assert verdict([good, ends]) == (
        f"PASSED: 840 tests passed in 2 of 2 runs ({TESTS} on 3.3; end to end on 3.3); "
        "no environment was left out; 2 tests were skipped for the reasons above."
    )
    assert verdict([ends, read_report(report, BEGUN), *absent]) == (
        f"FAILED: 40 tests passed in 1 of 2 runs (end to end on 3.3); failed: {TESTS} on 3.2 "
        "(a::bad (m) on 3.2, a::broken (m) on 3.2); "
        f"left out: {TESTS} on 3.2-py3.13, 3.3-py3.13, because there is no Python 3.13 here; "
        "2 tests were skipped for the reasons above."
    )
    crashed = verdict([ends, BEGUN])
    assert f"failed: {TESTS} on 3.2 (no test was reported); " in crashed
    many = replace(BEGUN, failures=tuple("abcdefg"))
    assert "(a on 3.2, b on 3.2, c on 3.2, d on 3.2, e on 3.2, and 2 more); " in verdict([many])
    assert verdict(absent).startswith("FAILED: 0 tests passed in 0 of 0 runs (none); left out: ")


def job(name: str, part: Part = Part.EACH) -> Job:
    return Job(Environment(name, Path(f"/{name}/python")), part)


def test_end_to_end_tests_run_in_the_newest_environment() -> None:
    newest = job("3.3").place

    assert job("2.11", Part.END_TO_END).command(newest, Path("/r.xml"))[:6] == [
        "/3.3/python", "-m", "pytest", "-m", "e2e", "--airflow"
    ]  # fmt: skip
    assert job("2.11").command(newest, Path("/r.xml"))[0] == "/2.11/python"


def test_properties_are_tried_with_many_examples_where_no_change_waits_for_it() -> None:
    thorough = [job for job in jobs((*NAMES, *SERVERS), end_to_end=True) if not job.variables]

    assert {job.share for job in thorough} == {Share.SECOND}
    assert {job.name for job in thorough} >= {"without-airflow-3.3-py3.13", "local-py3.13"}


def test_the_parts_are_run_on_each_airflow_on_the_newest_and_on_those_that_are_started() -> None:
    all_jobs = jobs((*NAMES, *SERVERS), end_to_end=True)
    where = {part: {job.place.name for job in all_jobs if job.part is part} for part in Part}

    assert where == {
        Part.EACH: set(NAMES),
        Part.WITHOUT_AIRFLOW: {"2.11", "3.0", "3.3", "3.3-py3.13"},
        Part.SERVER: {"local", "local-lowest", "local-py3.13"},
        Part.ONCE: {"3.3"},
        Part.ONCE_SLOW: {"3.3"},
        Part.END_TO_END: set(END_TO_END),
    }
    assert len(all_jobs) == len({job.name for job in all_jobs}) == len(NAMES) + 4 + 3 + 2 + len(END_TO_END)
    assert [job.name for job in jobs(["3.0", "3.1"], end_to_end=False)] == ["without-airflow-3.0", "3.0", "3.1"]


def test_each_job_is_in_one_of_two_shares() -> None:
    names = (*NAMES, *SERVERS)
    first, second = (jobs(names, end_to_end=True, share=share) for share in (Share.FIRST, Share.SECOND))

    assert sorted(job.name for job in (*first, *second)) == sorted(job.name for job in jobs(names, end_to_end=True))
    assert {job.name for job in first} == {
        *("2.11", "3.3", "local"),
        *("without-airflow-3.3", "once-3.3", "e2e-3.3"),
    }


@pytest.mark.parametrize("marks", [(), ("once",), ("e2e",), ("slow",), ("once", "slow")], ids=" ".join)
def test_each_test_is_in_one_part(marks: tuple[str, ...]) -> None:
    has = {mark: mark in marks for mark in ("once", "e2e", "slow")}

    # What pytest takes for marks are Python's own words.
    chosen = [part for part in Part if eval(part.marks, has.copy())]  # noqa: S307
    # The tests of the local server are in a folder of their own.
    chosen.remove(Part.SERVER) if Part.SERVER in chosen else None
    assert chosen in ([Part.EACH, Part.WITHOUT_AIRFLOW], [Part.ONCE], [Part.ONCE_SLOW], [Part.END_TO_END])


def test_what_needs_no_airflow_is_a_part_of_its_own() -> None:
    ignored = [f"--ignore={path}" for path in NEED_NO_AIRFLOW]
    assert job("3.1").selection == ["-m", "not e2e and not once", "tests", *ignored]
    assert job("3.0", Part.WITHOUT_AIRFLOW).selection == ["-m", "not e2e and not once", *NEED_NO_AIRFLOW]
    assert job("3.3", Part.ONCE).selection == ["-m", "once and not slow and not e2e", "tests"]
    assert job("local", Part.SERVER).selection == ["-m", "not e2e", "local_server/tests"]
    assert job("local-lowest", Part.SERVER).selection == ["-m", "not e2e and not once", "local_server/tests"]


@pytest.mark.parametrize("path", NEED_NO_AIRFLOW)
def test_what_needs_no_airflow_tests_nothing_that_imports_it(path: str) -> None:
    place = TREE / path
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    imports = [
        node for file in files for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)
    ]
    # `from package import module` imports the module.
    names = {f"{node.module}.{alias.name}" for node in imports for alias in node.names}
    ours = sorted(name for name in names if name.startswith(("airflow_provider_wherobots.", "airflow.")))
    done = subprocess.run([sys.executable, "-c", IMPORT, *ours], capture_output=True, text=True, cwd=TREE, check=False)

    assert len(ours) > 3
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


@pytest.mark.parametrize("dependency", ["aiohttp", "pendulum", "requests", "urllib3"])
def test_what_needs_no_airflow_runs_with_the_oldest_and_newest_version_of_its_dependencies(dependency: str) -> None:
    versions = {}
    for lock in (TREE / "requirements").glob("airflow-*.txt"):
        (version,) = re.findall(rf"^{dependency}==([\d.]+)", lock.read_text(), re.MULTILINE)
        versions[lock.stem.removeprefix("airflow-")] = tuple(map(int, version.split(".")))
    tried = {versions[environment(name).line] for name in WITHOUT_AIRFLOW}

    assert {min(versions.values()), max(versions.values())} <= tried


def test_what_takes_longest_begins_first() -> None:
    names = [job.name for job in jobs((*NAMES, *SERVERS), end_to_end=True)]

    assert names[:7] == ["e2e-3.3", "e2e-3.0", "e2e-2.11", "3.3", "local", "once-3.3", "once-slow-3.3"]
    assert set(names[11:]) == {*NAMES, *SERVERS} - {"3.3", "local"}


def test_environments_have_their_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT_3_3_PY3_13_PYTHON", "/elsewhere/python")
    monkeypatch.setenv("ENVIRONMENT_3_0_LEFT_OUT", "no old Python here")

    assert environment("3.3-py3.13").python == Path("/elsewhere/python")
    assert environment("3.3-py3.13").line == "3.3"
    assert environment("3.0").missing == "no old Python here"
    assert "make venv-3.2'" in Environment("3.2", Path("none")).missing
    with pytest.raises(ValueError, match=r"no environment '1\.10'"):
        environment("1.10")
    assert set(END_TO_END) <= set(NAMES)
