"""The figures as a table, as JSON, and as the files that ``FIGURES.md`` shows."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.measuring import OFFICIAL
from benchmarks.rows import Number, Row, ratio
from tests.support.places import CHECKOUT

PAGE_FILES = CHECKOUT / "benchmarks" / "results"

HEADS = ("figure", "ours", "limit", "ratio", f"official {OFFICIAL}", "ratio", "to reach", "")


@dataclass(frozen=True)
class Report:
    """The figures, and how they were measured."""

    setting: dict[str, str]
    rows: Sequence[Row]

    @classmethod
    def of(cls, form: str, rows: Sequence[Row]) -> Report:
        """A report of figures that were measured now, on this machine."""
        return cls(
            {
                "form": form,
                "day": datetime.now(UTC).date().isoformat(),
                "airflow": version("apache-airflow"),
                "official": OFFICIAL,
                "python": platform.python_version(),
                "cpus": str(os.cpu_count()),
                "system": f"{platform.system()} {platform.machine()}",
            },
            rows,
        )

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Read what :meth:`to_json` wrote."""
        read = json.loads(text)
        return cls(read["setting"], [Row.from_json(row) for row in read["figures"]])

    def to_json(self) -> str:
        """The report as JSON."""
        document = {"setting": self.setting, "figures": [row.to_json() for row in self.rows]}
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    def describe(self) -> str:
        """When and with what it was measured, in a sentence."""
        return (
            "Measured on {day} in the {form} form, with Airflow {airflow} and Python {python}, on {cpus} CPUs "
            "({system})."
        ).format(**self.setting)

    def table(self) -> str:
        """The figures as a Markdown table."""
        cells = [HEADS, *map(_cells, self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in cells
        ]
        rule = f"|{'|'.join('-' * (width + 2) for width in widths)}|"
        return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


def write_page_files(report: Report, folder: Path = PAGE_FILES) -> None:
    """Write table and JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "figures.json").write_text(report.to_json())
    (folder / "table.md").write_text(f"{report.describe()}\n\n{report.table()}")


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.title,
        str(row.ours),
        _text(row.limit),
        ratio(row.to_limit),
        _text(row.official),
        ratio(row.to_official),
        str(row.reach),
        "" if row.is_reached else "missed",
    )


def _text(number: Number | None) -> str:
    return "" if number is None else str(number)
