"""Exact accounting of a forwarded log: which numbered lines are lost, doubled or out of order."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

_NUMBER = re.compile(r"line (\d{6}) of the log")


def numbered(number: int) -> str:
    """The text of a line."""
    return f"line {number:06d} of the log"


@dataclass(frozen=True)
class Account:
    """What became of the lines.

    :param out_of_order: those that came after a later one.
    """

    lines: int
    lost: tuple[int, ...]
    doubled: tuple[int, ...]
    out_of_order: tuple[int, ...]


def clean(lines: int) -> Account:
    """The account of a log that came whole, once and in order."""
    return Account(lines, (), (), ())


def account(lines: int, texts: Iterable[str]) -> Account:
    """Account for a log."""
    found = [int(match[1]) for text in texts if (match := _NUMBER.search(text))]
    counts = Counter(found)
    latest, late = -1, []
    for number in found:
        if number < latest:
            late.append(number)
        latest = max(latest, number)
    return Account(
        lines,
        tuple(number for number in range(lines) if number not in counts),
        tuple(sorted(number for number, count in counts.items() if count > 1)),
        tuple(late),
    )
