"""The tests on every Airflow line and Python, some side by side, and a table of what came of it.

``python -m dev.matrix --help`` tells the options; ``make matrix`` makes the environments first.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dev.environments import NAMES, Environment, environment
from dev.matrix_result import Result, failures, read_report, skips, table
from dev.processes import CHECKOUT

FOLDER = CHECKOUT / "build" / "matrix"
NEWEST = "3.3"
VERSIONS = (
    "import sys, importlib.metadata as m; print(m.version('apache-airflow'), '.'.join(map(str, sys.version_info[:3])))"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the matrix.

    :param arguments: command line arguments. Default: those of this process.
    :returns: 0 when every environment ran and passed. In CI (variable CI set) a missing one is a failure.
    """
    parser = argparse.ArgumentParser(prog="python -m dev.matrix", description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=2, help="how many environments side by side (default 2)")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=NAMES, default=NAMES, help=", ".join(NAMES))
    parser.add_argument("pytest", nargs="*", metavar="-- PYTEST ARGUMENT", help="more arguments for pytest")
    given = parser.parse_args(arguments)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(given.jobs) as pool:
        results = list(pool.map(lambda name: _run(environment(name), given.pytest), given.only))
    told = table(results)
    (FOLDER / "table.md").write_text(told)
    print(f"\n{told}\n{skips(results)}\nReports and output: {FOLDER.relative_to(CHECKOUT)}")
    return 0 if all(result.good or (result.left_out and not os.environ.get("CI")) for result in results) else 1


def _run(place: Environment, more: Sequence[str]) -> Result:
    if not place.exists:
        print(f"Airflow {place.name}: LEFT OUT: {place.missing}", flush=True)
        return Result(place.name, left_out=place.missing)
    airflow, python = subprocess.check_output([place.python, "-c", VERSIONS], text=True).split()
    report, output = FOLDER / f"{place.name}.xml", FOLDER / f"{place.name}.log"
    report.unlink(missing_ok=True)
    marks = "not e2e" if place.name == NEWEST else "not e2e and not once"
    begun = time.monotonic()
    with output.open("wb") as sink:
        code = subprocess.run(
            [place.python, "-m", "pytest", "-m", marks, f"--junitxml={report}", "-p", "no:cacheprovider", *more],
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    seconds = time.monotonic() - begun
    result = read_report(report, name=place.name, airflow=airflow, python=python, code=code, seconds=seconds)
    print(result.line, flush=True)
    if not result.good:
        print(failures(report) or _tail(output), flush=True)
    return result


def _tail(output: Path, lines: int = 40) -> str:
    return "\n".join(output.read_text(errors="replace").splitlines()[-lines:])


if __name__ == "__main__":
    sys.exit(main())
