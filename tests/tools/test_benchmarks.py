"""The benchmark measures what it claims: all sides do the same work, and the page shows what was measured."""

import json
from dataclasses import asdict, replace
from inspect import signature
from pathlib import Path

import pytest

from airflow_provider_wherobots.operators.run import WherobotsRunOperator
from benchmarks import figures
from benchmarks.measuring import Sample, Side, measure, service
from benchmarks.report import PAGE_FILES, Report, write_page_files
from benchmarks.rows import Number, Reach, Row
from benchmarks.scale import QUICK, Load
from tests.support.places import TREE

TINY = replace(QUICK, name="tiny", lines=2_000, latencies=(0.0, 0.03))


ROWS = [Row("calls", "µs", Number(110.0, 0.1, 3), Reach(1.25, "limit"), Number(100.0, 0.0, 3), "bare GET")]


def test_all_lines_are_written_by_both_sides() -> None:
    rows = figures.lines(TINY)
    assert [(row.unit, str(row.reach)) for row in rows] == [("1/s", "≥ 0.92x limit"), ("1/s", "≥ 0.65x limit")]
    assert all(row.ours.median > 0 and row.to_limit for row in rows)


@pytest.mark.parametrize("logs", ["busy", "resumed"])
def test_both_sides_follow_runs(logs: str) -> None:
    with service("--events", "2") as url:
        load = json.dumps(asdict(Load(3, pause=2.0, settle=3.0, seconds=4.2, at_once=True)))
        options = ("--url", url, "--logs", logs, "--load", load)
        sides = [Side(name, ("benchmarks.sides.followers", name, *options)) for name in ("bare", "ours")]
        samples = measure(sides, 1)
    assert all(sample.number("calls").median > 0 for sample in samples.values())


def test_a_side_that_does_less_work_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    unequal = {"bare": Sample({"calls": [100.0]}), "ours": Sample({"calls": [80.0]})}
    monkeypatch.setattr(figures, "measure", lambda sides, times: unequal)
    with pytest.raises(RuntimeError, match="not the same work"):
        figures.followers(TINY)


def test_the_plain_operator_has_our_arguments() -> None:
    # It needs Airflow 3, and this module is read on 2.11 too.
    from benchmarks.sides.plain_operator import PlainOperator

    ours, plain = (list(signature(one.__init__).parameters) for one in (WherobotsRunOperator, PlainOperator))
    assert plain == ours
    assert PlainOperator.template_fields == WherobotsRunOperator.template_fields


def test_the_page_includes_what_the_benchmark_writes(tmp_path: Path) -> None:
    write_page_files(Report.of("full", ROWS), tmp_path)
    written = {path.name for path in tmp_path.iterdir()}
    page = (TREE / "benchmarks" / "FIGURES.md").read_text()
    assert written == {path.name for path in PAGE_FILES.iterdir()} == {"figures.json", "table.md"}
    assert all(f"results/{name}" in page for name in written)


def test_the_page_shows_what_was_measured(tmp_path: Path) -> None:
    write_page_files(Report.from_json((PAGE_FILES / "figures.json").read_text()), tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        path.name: path.read_text() for path in PAGE_FILES.iterdir()
    }
