"""The position in a run's log, and which lines of a page are new.

The API does not define a cursor, and its official clients disagree. A page must be read correctly under each reading:

=================  =====================================  ==============================================  ==============
A cursor is        ``next_page`` names                    the next page begins with                       source
=================  =====================================  ==============================================  ==============
a time, inclusive  the time of this page's last line, or  all lines of that time, those of this page too  the provider
                   of the next page's first
a time, exclusive  the time of this page's last line      the line after this page's last                 Task Runs API
a line offset      how many lines come before it          the line after this page's last                 the CLI
an opaque token    a place that only the service knows    the line after this page's last                 the SDK
=================  =====================================  ==============================================  ==============

The sources are ``airflow-providers-wherobots`` 1.8.1, which drops a first line whose time is the cursor;
``wherobots-cli``, which counts lines; and ``wherobots-python-sdk``, which sends ``next_page`` back as it is. The
service's API of Task Runs describes ``since`` as exclusive.

Under each of them a log's last page may name no next page (the CLI's issue BUG-1930), itself, or its own end. Lines may
land late (the provider's pull request 35): by its time, such a line stands before lines shown already. So:

* Cursors are sent back as the service issued them, of the same type. No other is sent.
* New and repeated lines are distinguished by counting equal lines, not by position or time.
* If a page names a next one, that is requested at once. But if the run is active and the page is so short that it may
  be the log's end, the next one is requested in the next round: else each request would bring only the few lines
  written since the one before.
* A page that names no next page stays open: it is read again in each round, and its new lines are forwarded. If it has
  as many lines as were requested, more are requested. If it names a next page later, and has no new line itself, that
  one is requested at once. Lines that late ones have pushed onto the next page are left out there.

A line may also land on a page that was left. So the pages left last are remembered, and once, at the end of the log,
they are read again by the same rules. Their lines that were shown are left out, in any order and on any page.

Lines are remembered as hashes of 64 bits, with another seed in each process, so two different lines of a log never have
the same one in practice.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, takewhile
from math import inf

from airflow_provider_wherobots.api.runs.models import LOG_START_CURSOR, Line, LogPage

PAGE_SIZE = 1000
"""Lines requested at once: the most that any known client of the service requests."""
GROWN_PAGE_SIZE = 4000
"""The most requested at once while catching up with a long log: each full page doubles the number."""
MIN_PAGE_SIZE = 100
"""The fewest requested at once, unless they have too many bytes. A page with as many is not the log's end."""
MAX_PAGE_SIZE = 16_000
MAX_PAGE_CHARS = 500_000
"""If lines are long, fewer are requested, so that reading a page does not block the event loop."""
LONG_PAGE_CHARS = 50_000
"""A page with as many characters is not the log's end either."""
LOOK_BACK_SECONDS = 60.0
"""While the run is active, a page that was left is remembered for so long."""
LOOK_BACK_LINES = 16_000
"""How many lines the remembered pages may have, unless there is only one."""


@dataclass(frozen=True, slots=True)
class _Left:
    """A page that was left ``at`` a moment: hashes of its ``lines``, and of those that it ``repeats``."""

    at: float
    cursor: str | int
    repeats: Counter[int]
    lines: array[int]


_NO_LINES: array[int] = array("q")


class LogCursor:
    """Position in a run's log. Memory is bounded by a few pages, regardless of the log's length."""

    def __init__(self) -> None:
        self.size = PAGE_SIZE
        self._largest = self._accepted = MAX_PAGE_SIZE
        self._fewest = MIN_PAGE_SIZE
        self._fitting = self._usual = PAGE_SIZE
        self._grown = GROWN_PAGE_SIZE
        self.cursor: str | int = LOG_START_CURSOR
        # Whether the page has had no lines yet.
        self._is_new = True
        # Lines of the page that were shown, those included that it repeats of the page before.
        self._shown: Counter[int] = Counter()
        self._repeats: Counter[int] = Counter()
        # Lines that were shown, and are on a later page now.
        self._pushed: Counter[int] = Counter()
        # A list: an empty deque takes 760 bytes, and a triggerer follows thousands of logs.
        self._left: list[_Left] = []
        # Lines of the page before those. Late lines may have pushed them onto one of those.
        self._before = _NO_LINES
        self._looks_back = False

    def accept(self, page: LogPage, moment: float = 0.0, *, is_ending: bool = False) -> tuple[Sequence[Line], bool]:
        """Read the page of the current cursor, which came at a moment, and move the position.

        ``is_ending``: there is no next round, because the run has ended or is no longer followed. Returns the new
        lines, in order, and whether another page should be fetched at once.
        """
        items, was_open = page.lines, not self._is_new
        fresh = self._not_shown(items)
        new = self._leave_out_pushed(fresh) if self._pushed else fresh
        if page.next_page is not None and self._leads_on(page.next_page, items):
            # A page that was full when it was opened: lines come faster than they are read.
            is_behind = not was_open and len(items) >= self.size >= PAGE_SIZE
            self._usual = min(2 * self.size, self._grown) if is_behind and new else PAGE_SIZE
            # An open page without a new line that names a next one is full: the new lines are on the next one.
            has_more = is_ending or self._is_long(items) if fresh else was_open
            there = (_count(items) - self._repeats).elements() if was_open else map(hash, fresh)
            self._left.append(_Left(moment, self.cursor, self._repeats, array("q", there)))
            self._forget(-inf if is_ending else moment - LOOK_BACK_SECONDS)
            if was_open:
                self._remember_pushed(items)
            self._open(page.next_page, items)
            return new, has_more
        if not is_ending:
            self._forget(moment - LOOK_BACK_SECONDS)
        self._shown.update(map(hash, fresh))
        if 0 < self.size <= len(items) and self.size < self._largest:
            # Requesting more of a full page is right under every reading of the cursor.
            self.size = min(2 * self.size, self._largest)
            return new, True
        return new, False

    def look_back(self, before: float) -> float | None:
        """Return to the first of the pages that were left in the last while. This is done once.

        Returns when it was left; None if that was not ``before`` a moment, so that there is nothing to read again.
        """
        if self._looks_back or not self._left or self._left[0].at >= before:
            return None
        first = self._left[0]
        self._pushed += Counter(chain(self._before, *(page.lines for page in self._left)))
        self._pushed += self._shown - self._repeats
        self._left, self._before, self._looks_back = [], _NO_LINES, True
        self._usual = PAGE_SIZE
        self._go_to(first.cursor, first.repeats)
        return first.at

    def refuse(self, *, too_large: bool = False) -> bool:
        """Request smaller pages, because the service refused a request as invalid. Returns whether that is possible.

        ``too_large``: the response had too many bytes instead. Then pages get smaller down to a single line, and the
        next page may be larger again.
        """
        if too_large and self.size > 1:
            self.size = self._largest = self._fewest = min(self._fewest, self.size // 2)
            return True
        if self.request_fewer():
            return True
        if self.size <= MIN_PAGE_SIZE:
            return False
        self.size = self._largest = self._accepted = max(MIN_PAGE_SIZE, self.size // 2)
        return True

    def request_fewer(self) -> bool:
        """After a failure that a large page may have caused, request no more than any known client does.

        Returns whether fewer lines are requested now. A page that has been read keeps its size, or it would be cut at
        another line.
        """
        if not self._is_new or self.size <= PAGE_SIZE:
            return False
        self.size = self._usual = self._grown = PAGE_SIZE
        return True

    def _is_long(self, items: Sequence[Line]) -> bool:
        return len(items) >= min(self.size, MIN_PAGE_SIZE) or sum([len(raw) for _, raw in items]) >= LONG_PAGE_CHARS

    def _leads_on(self, cursor: str | int, items: Sequence[Line]) -> bool:
        if not items and (here := _number(self.cursor)) is not None and (there := _number(cursor)) is not None:
            # No lines, and an earlier time: a replica that lags behind.
            return there > here
        # Nor a page that was left a moment ago: a service that leads round in a circle would be followed for long.
        return str(cursor) not in (str(self.cursor), *(str(page.cursor) for page in self._left))

    def _open(self, cursor: str | int, left: Sequence[Line]) -> None:
        if left:
            fitting = MAX_PAGE_CHARS * len(left) // (1 + sum([len(raw) for _, raw in left]))
            self._fitting = max(self._fewest, fitting)
        self._go_to(cursor, _count(_boundary(cursor, left)))

    def _go_to(self, cursor: str | int, repeats: Counter[int]) -> None:
        self.cursor, self._is_new = cursor, True
        self._repeats, self._shown = repeats, repeats.copy()
        self._largest = self._accepted
        self.size = min(self._usual, self._largest, self._fitting)

    def _not_shown(self, items: Sequence[Line]) -> Sequence[Line]:
        is_new, self._is_new = self._is_new, self._is_new and not items
        # Usually a page begins with the lines shown before and ends with the new ones.
        count = self._shown.total()
        if not count or (count <= len(items) and _count(items[:count]) == self._shown):
            return items[count:]
        there = _count(items)
        if is_new and self._shown - there and there - self._shown:
            # Lines of the previous page are repeated only if this one repeats them all, or is a part of them. Else the
            # cursor is exclusive, and a line only equals one of them.
            self._repeats, self._shown = Counter(), Counter()
            return items
        return _without(items, self._shown.copy())

    def _leave_out_pushed(self, lines: Sequence[Line]) -> Sequence[Line]:
        new = _without(lines, self._pushed)
        self._pushed = +self._pushed
        return new

    def _remember_pushed(self, items: Sequence[Line]) -> None:
        self._pushed += self._shown - _count(items)
        if self._pushed.total() > MAX_PAGE_SIZE and not self._looks_back:
            self._pushed.clear()

    def _forget(self, before: float) -> None:
        left = self._left
        while left and (left[0].at < before or (len(left) > 1 and sum(len(p.lines) for p in left) > LOOK_BACK_LINES)):
            self._before = left.pop(0).lines
        if not left:
            self._before = _NO_LINES


def _count(lines: Iterable[Line]) -> Counter[int]:
    return Counter(map(hash, lines))


def _without(lines: Sequence[Line], known: Counter[int]) -> Sequence[Line]:
    """Leave out known lines, each as often as it is known. What has been met is no longer known."""
    new = []
    for line in lines:
        number = hash(line)
        if known[number] > 0:
            known[number] -= 1
        else:
            new.append(line)
    return new


def _boundary(cursor: str | int, items: Sequence[Line]) -> list[Line]:
    """The last lines of a page, which the page at ``cursor`` repeats if the cursor is an inclusive time."""
    if not items:
        return []
    last, number = items[-1][0], _number(cursor)
    if number is not None and last not in (cursor, str(number), number):
        return []
    return list(takewhile(lambda line: line[0] == last, reversed(items)))


def _number(value: str | int) -> int | None:
    try:
        return int(value)
    except ValueError:
        return None
