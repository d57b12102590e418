"""What the tests came to in one environment, and the table of all: pure text and numbers."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree


@dataclass(frozen=True)
class Result:
    """The outcome in one environment.

    :param name: the environment's name.
    :param airflow: the exact Airflow version.
    :param python: the exact Python version.
    :param code: the exit code of pytest.
    :param passed: number of tests that passed; likewise ``failed`` (errors included) and ``skipped``.
    :param seconds: how long it took.
    :param reasons: why tests were skipped, with their number.
    :param left_out: why nothing was run, or empty.
    """

    name: str
    airflow: str = ""
    python: str = ""
    code: int = 0
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)
    left_out: str = ""

    @property
    def good(self) -> bool:
        """Whether tests ran and none failed."""
        return self.code == 0 and self.passed > 0 and not self.failed

    @property
    def line(self) -> str:
        """The outcome in one line."""
        return (
            f"Airflow {self.airflow}, Python {self.python}: {self.passed} passed, {self.failed} failed, "
            f"{self.skipped} skipped in {self.seconds:.0f} s{'' if self.good else f' (pytest ended with {self.code})'}"
        )


def read_report(path: Path, *, name: str, airflow: str, python: str, code: int, seconds: float) -> Result:
    """Make a result of pytest's JUnit report; without a report nothing passed.

    :param path: the report.
    :param name: the environment's name; the other parameters are those of :class:`Result`.
    """
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for case in _cases(path):
        kinds = {child.tag for child in case}
        kind = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        outcomes[kind] += 1
        if kind == "skipped":
            reasons.update(child.get("message", "") for child in case if child.tag == "skipped")
    return Result(
        name, airflow, python, code, outcomes["passed"], outcomes["failed"], outcomes["skipped"], seconds, reasons
    )


def failures(path: Path) -> str:
    """Return the failed tests of a report with the end of what they tell."""
    told = []
    for case in _cases(path):
        for child in case:
            if child.tag in ("failure", "error"):
                text = "\n".join((child.text or "").splitlines()[-25:])
                told.append(f"--- {case.get('classname')}::{case.get('name')}\n{text}")
    return "\n".join(told)


def _cases(path: Path) -> Iterable[ElementTree.Element]:
    # Our own pytest wrote it.
    return ElementTree.parse(path).iter("testcase") if path.exists() else ()  # noqa: S314


def table(results: Sequence[Result]) -> str:
    """Return the results as a Markdown table."""
    rows = [("Airflow", "Python", "passed", "failed", "skipped", "seconds")]
    rows += [
        (result.name.partition("-")[0], "-", "-", "-", "-", f"left out: {result.left_out}")
        if result.left_out
        else (
            result.airflow,
            result.python,
            str(result.passed),
            str(result.failed) if result.passed or result.failed else f"all (exit code {result.code})",
            str(result.skipped),
            f"{result.seconds:.0f}",
        )
        for result in results
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


def skips(results: Sequence[Result]) -> str:
    """Return why tests were skipped, one reason a line, with the environments."""
    where: dict[str, list[str]] = {}
    for result in results:
        for reason, number in result.reasons.items():
            where.setdefault(reason, []).append(f"{result.name}: {number}")
    return "\n".join(f"Skipped ({', '.join(places)}): {reason}" for reason, places in sorted(where.items()))
