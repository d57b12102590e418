"""The table and the JSON of the figures."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict

from benchmarks.figures import Row


def table(rows: Sequence[Row]) -> str:
    """The figures as a Markdown table.

    :param rows: the figures.
    """
    cells = [("figure", "unit", "ours", "compared with", "there", "ratio", "reach", ""), *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in cells]
    rule = f"|{'|'.join('-' * (width + 2) for width in widths)}|"
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


def as_json(rows: Sequence[Row]) -> str:
    """The figures as JSON, with the machine they were measured on.

    :param rows: the figures.
    """
    machine = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.platform()}
    return json.dumps({"machine": machine, "figures": [asdict(row) for row in rows]}, indent=2) + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    limit, there = (row.limit[0], _number(*row.limit[1:])) if row.limit else ("", "")
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
    return (row.name, row.unit, _number(*row.ours), limit, there, ratio, row.reach, "" if row.is_reached else "missed")


def _number(median: float, spread: float) -> str:
    return f"{median:,.{0 if median >= 100 else 1}f} ±{spread / 2:.0%}"
