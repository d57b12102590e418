"""``python -m benchmarks``: measures, and prints the table."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import FIGURES, FULL, QUICK
from benchmarks.report import as_json, table


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure.

    :param arguments: command line arguments. Default: those of this process.
    :returns: 0. A figure that is missed is said in the table; a side that fails or does less work is an error.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="measure less, in about six minutes")
    parser.add_argument("--only", nargs="+", choices=list(FIGURES), default=list(FIGURES), help=", ".join(FIGURES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(arguments)
    rows = []
    for name in given.only:
        print(f"Measuring {name} ...", file=sys.stderr, flush=True)
        rows += FIGURES[name](QUICK if given.quick else FULL)
    print(table(rows))
    if given.json:
        given.json.write_text(as_json(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
