"""Running the sides of a comparison: each in a fresh process, in turns, several times; medians and spread."""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from dev.processes import CHECKOUT


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    :param name: ``ours``, ``bare`` or ``official``.
    :param command: module and arguments of the program that measures once.
    :param python: the interpreter. Default this one.
    """

    name: str
    command: Sequence[str]
    python: str = sys.executable


@dataclass(frozen=True)
class Sample:
    """What the measurements of one side came to.

    :param values: by the name of what was measured, one value a measurement.
    """

    values: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        """The median of what was measured.

        :param name: what was measured.
        """
        return statistics.median(self.values[name])

    def spread(self, name: str) -> float:
        """The distance between the lowest and the highest value, as a share of the median.

        :param name: what was measured.
        """
        values, median = self.values[name], self.median(name)
        return (max(values) - min(values)) / median if median else 0.0


def measure(sides: Sequence[Side], times: int) -> dict[str, Sample]:
    """Measure all sides in turns, so that a slow phase of the machine affects each of them.

    :param sides: the sides.
    :param times: how often each is measured.
    :returns: the samples, by the side's name.
    """
    found: dict[str, dict[str, list[float]]] = {side.name: {} for side in sides}
    for _ in range(times):
        for side in sides:
            for name, value in _run(side).items():
                found[side.name].setdefault(name, []).append(value)
    return {name: Sample(values) for name, values in found.items()}


def _run(side: Side) -> dict[str, float]:
    done = subprocess.run([side.python, "-m", *side.command], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{side.name}, {' '.join(side.command)}: exit code {done.returncode}\n{done.stderr[-3000:]}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


@contextmanager
def service(*arguments: str) -> Iterator[str]:
    """The canned service, in a process of its own.

    :param arguments: its options.
    :returns: its address.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.service", *arguments],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            port = process.stdout.readline().strip() if process.stdout else ""
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
