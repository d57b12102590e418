"""Run the tests on every Airflow version and Python, some side by side, and print a table and a verdict.

``python -m dev.matrix --help`` lists the options; ``make matrix`` creates the environments first.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dev.environments import END_TO_END, NAMES, SERVERS, environment
from dev.matrix_jobs import NEWEST, Job, Part, Share, jobs
from dev.matrix_result import Result, details, read_report, skips, table, verdict
from dev.places import CHECKOUT, TREE

ALL = (*NAMES, *SERVERS)
FOLDER = CHECKOUT / "build" / "matrix"
VERSIONS = (
    "import sys, importlib.metadata as m; names = {d.name for d in m.distributions()};"
    "print(m.version('apache-airflow') if 'apache-airflow' in names else '-', '.'.join(map(str, sys.version_info[:3])))"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the matrix.

    :param arguments: command line arguments. Default: those of this process.
    :returns: 0 if the tests passed in every environment that this machine has, else 1. In CI (variable CI set) a
        missing environment is a failure.
    """
    parser = argparse.ArgumentParser(prog="python -m dev.matrix", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=3, help="how many jobs side by side (default 3)")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=ALL, default=ALL, help=", ".join(ALL))
    parser.add_argument(
        "--end-to-end",
        action="store_true",
        help=f"also start a real Airflow of each of {', '.join(END_TO_END)}, all at once: most of it is waiting",
    )
    parser.add_argument(
        "--share",
        type=Share,
        choices=list(Share),
        default=Share.BOTH,
        metavar="SHARE",
        help="first: Airflow 2.11 and 3.3, 3.3 end to end, and the local server; second: the rest; both (default)",
    )
    parser.add_argument("pytest", nargs="*", metavar="-- PYTEST ARGUMENT", help="more arguments for pytest")
    given = parser.parse_args(arguments)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(given.jobs) as some, ThreadPoolExecutor(len(END_TO_END)) as at_once:
        chosen = jobs(given.only, given.end_to_end, given.share)
        pools = {job: at_once if job.part is Part.END_TO_END else some for job in chosen}
        print(_free(), flush=True)
        begun = [(job, pool.submit(_run, job, given.pytest)) for job, pool in pools.items()]
        done = {job: future.result() for job, future in begun}
    # In the order of the environments, and of the parts.
    parts = list(Part)
    order = sorted(done, key=lambda job: (ALL.index(job.place.name), parts.index(job.part)))
    results = [done[job] for job in order]
    text = table(results)
    (FOLDER / "table.md").write_text(text)
    print(f"\n{text}\n{skips(results)}\nReports and output: {FOLDER.relative_to(CHECKOUT)}\n{verdict(results)}")
    return 0 if all(result.good or (result.left_out and not os.environ.get("CI")) for result in results) else 1


def _run(job: Job, more: Sequence[str]) -> Result:
    place = job.place
    if not place.exists:
        print(f"{place.name}: LEFT OUT: {place.missing}", flush=True)
        return Result(place.name, job.part.value, left_out=place.missing)
    airflow, python = subprocess.check_output([place.python, "-c", VERSIONS], text=True).split()
    report, output = FOLDER / f"{job.name}.xml", FOLDER / f"{job.name}.log"
    report.unlink(missing_ok=True)
    begun = time.monotonic()
    print(f"Airflow {airflow}, Python {python}, {job.part.value}: begun", flush=True)
    with output.open("wb") as sink:
        code = subprocess.run(
            job.command(environment(NEWEST), report, more),
            cwd=TREE,
            env={**job.variables, **os.environ},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    result = read_report(
        report,
        Result(place.name, job.part.value, airflow, python, code=code, seconds=time.monotonic() - begun),
    )
    print(result.line, flush=True)
    if not result.good:
        print(f"{details(report) or _tail(output)}\n{_free()}", flush=True)
    return result


def _free() -> str:
    """What is left of the disks that the tests write to."""
    places = {"the checkout": FOLDER, "temporary files": Path(tempfile.gettempdir())}
    left = (f"{shutil.disk_usage(path).free / 1e9:.1f} GB for {name}" for name, path in places.items())
    return f"Free: {', '.join(left)}."


def _tail(output: Path, lines: int = 40) -> str:
    return "\n".join(output.read_text(errors="replace").splitlines()[-lines:])


if __name__ == "__main__":
    sys.exit(main())
