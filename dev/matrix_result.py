"""The results of the tests in each environment, and the table of all. Does no I/O but reading reports."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.etree import ElementTree

MAX_NAMES = 5
"""Failed tests that the verdict names."""
MAX_MESSAGE = 300
"""Characters of a failed test's message in the verdict."""


@dataclass(frozen=True)
class Result:
    """The outcome of one run of pytest.

    :param name: the environment's name.
    :param kind: which tests, in words.
    :param airflow: the exact Airflow version.
    :param python: the exact Python version.
    :param code: the exit code of pytest.
    :param passed: number of tests that passed.
    :param failed: number of tests that failed, errors included.
    :param skipped: number of tests that were skipped.
    :param seconds: how long it took.
    :param failures: the tests that failed, each with its name and message.
    :param reasons: why tests were skipped, with the number of tests for each reason.
    :param left_out: why nothing was run, or empty.
    """

    name: str
    kind: str
    airflow: str = ""
    python: str = ""
    code: int = 0
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    failures: tuple[str, ...] = ()
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
            f"Airflow {self.airflow}, Python {self.python}, {self.kind}: {self.passed} passed, {self.failed} failed, "
            f"{self.skipped} skipped in {self.seconds:.0f} s{'' if self.good else f' (pytest ended with {self.code})'}"
        )


def read_report(path: Path, begun: Result) -> Result:
    """Complete a result with pytest's JUnit report; without a whole report nothing passed.

    :param path: the report; it may be missing, or cut short because the disk was full.
    :param begun: the result without the numbers of the report.
    """
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    reasons: Counter[str] = Counter()
    for case in _cases(path):
        kinds = {child.tag for child in case}
        kind = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        outcomes[kind] += 1
        if kind == "failed":
            failures.append(f"{_name(case)} ({_message(case)})")
        if kind == "skipped":
            reasons.update(_reason(child) for child in case if child.tag == "skipped")
    return replace(
        begun,
        passed=outcomes["passed"],
        failed=outcomes["failed"],
        skipped=outcomes["skipped"],
        failures=tuple(failures),
        reasons=reasons,
    )


def _reason(skipped: ElementTree.Element) -> str:
    # If a module skips itself, the message is only "collection skipped"; the text ends with the reason.
    reason = (skipped.text or "").rpartition("Skipped: ")[2].rstrip("')")
    return reason if skipped.get("message") == "collection skipped" and reason else skipped.get("message", "")


def details(path: Path) -> str:
    """Return the failed tests of a report, with the last lines of each error."""
    failed = []
    for case in _cases(path):
        for child in case:
            if child.tag in ("failure", "error"):
                text = "\n".join((child.text or "").splitlines()[-25:])
                failed.append(f"--- {_name(case)}\n{text}")
    return "\n".join(failed)


def _name(case: ElementTree.Element) -> str:
    return f"{case.get('classname')}::{case.get('name')}"


def _message(case: ElementTree.Element) -> str:
    messages = [child.get("message", "") for child in case if child.tag in ("failure", "error")]
    return " ".join(" ".join(messages).split())[:MAX_MESSAGE]


def _cases(path: Path) -> Iterable[ElementTree.Element]:
    try:
        # Our own pytest wrote it.
        return ElementTree.parse(path).iter("testcase")  # noqa: S314
    except (FileNotFoundError, ElementTree.ParseError):
        return ()


def table(results: Sequence[Result]) -> str:
    """Return the results as a Markdown table."""
    rows = [("Airflow", "Python", "tests", "passed", "failed", "skipped", "seconds"), *map(_row, results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in rows]
    rule = f"|{'|'.join('-' * (width + 2) for width in widths)}|"
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


def _row(result: Result) -> tuple[str, ...]:
    if result.left_out:
        return (result.name, "-", result.kind, "-", "-", "-", f"left out: {result.left_out}")
    failed = str(result.failed) if result.code in (0, 1) else f"{result.failed}, exit code {result.code}"
    numbers = (str(result.passed), failed, str(result.skipped), f"{result.seconds:.0f}")
    return (result.airflow, result.python, result.kind, *numbers)


def skips(results: Sequence[Result]) -> str:
    """Return why tests were skipped: one line for each reason, with the environments."""
    where: dict[str, list[str]] = {}
    for result in results:
        for reason, number in result.reasons.items():
            where.setdefault(reason, []).append(f"{result.name}: {number}")
    return "\n".join(f"Skipped ({', '.join(places)}): {reason}" for reason, places in sorted(where.items()))


def verdict(results: Sequence[Result]) -> str:
    """Return in one sentence what passed, what failed, and what was left out and why.

    :param results: the results of all environments.
    """
    left_out = [result for result in results if result.left_out]
    ran = [result for result in results if not result.left_out]
    failed = [result for result in ran if not result.good]
    skipped = sum(result.skipped for result in ran)
    good = [result for result in ran if result.good]
    parts = [
        f"{sum(result.passed for result in good)} tests passed in {len(good)} of {len(ran)} runs ({_places(good)})"
    ]
    if failed:
        names = [f"{name} on {result.name}" for result in failed for name in result.failures]
        more = [f"and {len(names) - MAX_NAMES} more"] if len(names) > MAX_NAMES else []
        parts.append(f"failed: {_places(failed)} ({', '.join(names[:MAX_NAMES] + more) or 'no test was reported'})")
    reasons: dict[str, list[Result]] = {}
    for result in left_out:
        reasons.setdefault(result.left_out, []).append(result)
    places_and_reasons = "; ".join(f"{_places(places)}, because {reason}" for reason, places in reasons.items())
    parts.append(f"left out: {places_and_reasons}" if places_and_reasons else "no environment was left out")
    if skipped:
        parts.append(f"{skipped} tests were skipped for the reasons above")
    return f"{'FAILED' if failed or not ran else 'PASSED'}: {'; '.join(parts)}."


def _places(results: Sequence[Result]) -> str:
    kinds: dict[str, list[str]] = {}
    for result in results:
        kinds.setdefault(result.kind, []).append(result.name)
    return "; ".join(f"{kind} on {', '.join(names)}" for kind, names in kinds.items()) or "none"
