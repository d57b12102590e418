"""The benchmark measures what it says: both sides do the same work, and the table tells what was missed."""

import pytest

from benchmarks import figures
from benchmarks.figures import Row, Scale
from benchmarks.measuring import Sample, Side, measure
from benchmarks.report import table

pytestmark = pytest.mark.once

TINY = Scale(times=1, seconds=1.0, many=3, lines=2_000)


@pytest.mark.slow
def test_all_lines_are_written_by_both_sides() -> None:
    rows = figures.lines(TINY)
    assert [(row.unit, row.reach) for row in rows] == [("1/s", "≥ 0.85x"), ("1/s", "≥ 0.8x")]
    assert all(row.ours[0] > 0 and row.ratio for row in rows)


def test_a_side_that_does_less_work_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    unequal = {"bare": Sample({"calls": [100.0]}), "ours": Sample({"calls": [80.0]})}
    monkeypatch.setattr(figures, "measure", lambda sides, times: unequal)
    with pytest.raises(RuntimeError, match="not the same work"):
        figures.followers(TINY)


def test_a_side_that_fails_is_an_error_with_its_output() -> None:
    with pytest.raises(RuntimeError, match=r"broken, benchmarks\.sides\.no_such_program: exit code 1\n.*No module"):
        measure([Side("broken", ("benchmarks.sides.no_such_program",))], 1)


def test_the_table_says_what_is_missed() -> None:
    rows = [
        Row("calls", "µs", (110.0, 0.1), ("bare", 100.0, 0.0), 1.1, "≤ 1.25x", True),
        Row("lag", "ms", (30.0, 0.0), None, None, "≤ 20 ms", False),
    ]
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in table(rows).splitlines()[2:]] == [
        ["calls", "µs", "110 ±5%", "bare", "100 ±0%", "1.10x", "≤ 1.25x", ""],
        ["lag", "ms", "30.0 ±0%", "", "", "", "≤ 20 ms", "missed"],
    ]
