"""Running the sides of a comparison: each in a fresh process, in turns, several times."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rows import Number
from tests.support.places import CHECKOUT, TREE

OFFICIAL = "1.8.1"
"""The version of the official provider, as in ``requirements/tools.txt``."""


def official_python() -> Path:
    """The interpreter of the environment that has the official provider, this one and an Airflow."""
    python = CHECKOUT / ".tox" / "official-airflow3.3" / "bin" / "python"
    if not python.exists():
        raise RuntimeError(f"no official provider at {python}: run 'tox run -e official-airflow3.3'")
    return python


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    :param command: module and arguments of the program that measures once.
    """

    name: str
    command: Sequence[str]
    python: str = sys.executable


@dataclass(frozen=True)
class Sample:
    """The results of the measurements of one side.

    :param values: by the name of what was measured, one value for each measurement.
    """

    values: Mapping[str, Sequence[float]]

    def number(self, name: str) -> Number:
        """The median and the spread of what was measured."""
        return Number.of(self.values[name])


def measure(sides: Sequence[Side], times: int) -> dict[str, Sample]:
    """Measure all sides in turns, so that a slow phase of the machine affects each of them."""
    found: dict[str, dict[str, list[float]]] = {side.name: {} for side in sides}
    for _ in range(times):
        for side in sides:
            for name, value in _run(side).items():
                found[side.name].setdefault(name, []).append(value)
    return {name: Sample(values) for name, values in found.items()}


def _run(side: Side) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="airflow-home-") as home:
        # No airflow.cfg of this machine is read.
        env = {**os.environ, "AIRFLOW_HOME": home, "PYTHONPATH": str(TREE)}
        command = [side.python, "-m", *side.command]
        done = subprocess.run(command, cwd=TREE, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{side.name}, {' '.join(side.command)}: exit code {done.returncode}\n{done.stderr[-3000:]}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


@contextmanager
def service(*arguments: str) -> Iterator[str]:
    """The service with prepared responses, in its own process."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.service", *arguments],
        cwd=TREE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            port = process.stdout.readline().strip() if process.stdout else ""
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
