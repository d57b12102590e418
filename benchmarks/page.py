"""The files that the page ``docs/performance.md`` includes."""

from __future__ import annotations

from pathlib import Path

from benchmarks.chart import chart
from benchmarks.report import Report
from tests.support.places import CHECKOUT

FOLDER = CHECKOUT / "docs" / "performance"


def write_page(report: Report, folder: Path = FOLDER) -> None:
    """Write table, chart and JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "figures.json").write_text(report.to_json())
    (folder / "table.md").write_text(f"{report.describe()}\n\n{report.table()}")
    (folder / "chart.svg").write_text(chart(report.rows))
