"""``python -m benchmarks``: measures, and prints the table."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import FIGURES
from benchmarks.measuring import official_python
from benchmarks.report import Report, write_page_files
from benchmarks.scale import FULL, QUICK


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="measure less, in two to three minutes")
    parser.add_argument("--only", nargs="+", choices=list(FIGURES), default=list(FIGURES), help=", ".join(FIGURES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file too")
    parser.add_argument("--docs", action="store_true", help="write the files that benchmarks/FIGURES.md shows")
    parser.add_argument(
        "--from", dest="earlier", type=Path, metavar="FILE", help="read this JSON file and measure nothing"
    )
    given = parser.parse_args(arguments)
    report = Report.from_json(given.earlier.read_text()) if given.earlier else _measure(given.only, given.quick)
    print(report.describe(), report.table(), sep="\n\n", end="")
    if given.json:
        given.json.write_text(report.to_json())
    if given.docs:
        write_page_files(report)
    return 0


def _measure(names: Sequence[str], is_quick: bool) -> Report:
    official_python()
    scale = QUICK if is_quick else FULL
    rows = []
    for name in names:
        begun = time.monotonic()
        print(f"Measuring {name} ...", end=" ", file=sys.stderr, flush=True)
        rows += FIGURES[name](scale)
        print(f"{time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    return Report.of(scale.name, rows)


if __name__ == "__main__":
    sys.exit(main())
