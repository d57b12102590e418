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
* A page that names no next page stays open: it is read again in each round, and its new lines are forwarded.
* If a page names a next one, that is requested at once. But if the run is active and the page is so short that it may
  be the log's end, the next one is requested in the next round: else each request would bring only the few lines
  written since the one before.
* A late line may push lines that were shown from the open page onto the next one. They are left out there.
* A late line may land on a page that was left. So the last of these pages are read again, once, at the end of the log,
  without the lines that were shown.

Lines are remembered as hashes of 64 bits, with another seed in each process, so two different lines of a log never have
the same one in practice.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, takewhile
from typing import NamedTuple

from airflow_provider_wherobots.api.runs.models import LOG_START_CURSOR, Line, LogPage

PAGE_SIZE = 1000
"""Lines requested at once: the most that any known client of the service requests."""
MIN_PAGE_SIZE = 100
"""The fewest requested at once, unless they have too many bytes. A page with as many is not the log's end."""
MAX_PAGE_SIZE = 16_000
"""The most requested if a page is full and leads nowhere: more lines have one time than fit on a page."""
LAST_PAGES, LAST_LINES = 8, 2 * PAGE_SIZE
"""How many of the pages that were left are read again, and how many lines they may have, unless it is only one."""


class _Left(NamedTuple):
    """A page that was left: hashes of its ``lines``, without those that it ``repeats`` of the page before."""

    cursor: str | int
    repeats: Counter[int]
    lines: array[int]


class LogCursor:
    """Position in a run's log. Memory is bounded by a few pages, regardless of the log's length."""

    def __init__(self) -> None:
        self.cursor: str | int = LOG_START_CURSOR
        self.size = PAGE_SIZE
        # The most lines that this page can be requested with, and any page.
        self._largest = self._accepted = MAX_PAGE_SIZE
        self.looks_back = False
        """Whether pages are read again."""
        # Whether the page has had no lines yet.
        self._is_new = True
        # Lines of the page that were shown, those included that it repeats of the page before.
        self._shown: Counter[int] = Counter()
        self._repeats: Counter[int] = Counter()
        # Lines that were shown, and may come again on this page or a later one.
        self._pushed: Counter[int] = Counter()
        # A list: an empty deque takes 760 bytes, and a triggerer follows thousands of logs.
        self._left: list[_Left] = []
        self._has_forgotten = False

    def accept(self, page: LogPage, *, is_ending: bool = False) -> tuple[Sequence[Line], bool]:
        """Read the page of the current cursor, and move the position.

        ``is_ending``: there is no next round, because the run has ended or is no longer followed. Returns the new
        lines, in order, and whether another page should be fetched at once.
        """
        items, was_open = page.lines, not self._is_new
        fresh = self._not_shown(items)
        new = _without(fresh, self._pushed) if self._pushed else fresh
        if page.next_page is not None and self._leads_on(page.next_page, items):
            # An open page without a new line that names a next one is full: the new lines are on the next one.
            has_more = is_ending or len(items) >= min(self.size, MIN_PAGE_SIZE) if fresh else was_open
            self._leave(items)
            self._go_to(page.next_page, _count(_boundary(page.next_page, items)))
            return new, has_more
        self._shown.update(map(hash, fresh))
        if self.size <= len(items) and self.size < self._largest:
            # Requesting more of a full page is right under every reading of the cursor.
            self.size = min(2 * self.size, self._largest)
            return new, True
        return new, False

    @property
    def has_left_pages(self) -> bool:
        """Whether there may be a page to look back to."""
        return bool(self._left)

    def look_back(self) -> bool:
        """Return to the first of the last pages that were left. This is done once. Returns whether there is one."""
        # Late lines may have pushed lines of the first page onto the second, as they did from a forgotten page.
        pages = self._left[self._has_forgotten :]
        if self.looks_back or not pages:
            return False
        first, self.looks_back = pages[0], True
        self._pushed += Counter(chain(*(page.lines for page in self._left)))
        self._pushed += self._shown - self._repeats
        self._left = []
        self._go_to(first.cursor, first.repeats)
        return True

    def refuse(self, *, too_large: bool = False) -> bool:
        """Request half as many lines, because the service refused a request as invalid. Returns whether that is
        possible.

        ``too_large``: the response had too many bytes instead. Then a page may have a single line, and later pages have
        more lines again.
        """
        if self.size // 2 < (1 if too_large else MIN_PAGE_SIZE):
            return False
        self.size = self._largest = self.size // 2
        if not too_large:
            self._accepted = self.size
        return True

    def _leads_on(self, cursor: str | int, items: Sequence[Line]) -> bool:
        if not items and (here := _number(self.cursor)) is not None and (there := _number(cursor)) is not None:
            # No lines, and an earlier time: a replica that lags behind.
            return there > here
        # Nor a page that was left a moment ago: a service that leads round in a circle would be followed for long.
        return str(cursor) not in (str(self.cursor), *(str(page.cursor) for page in self._left))

    def _leave(self, items: Sequence[Line]) -> None:
        there = _count(items)
        self._pushed += self._shown - there
        if self._pushed.total() > MAX_PAGE_SIZE and not self.looks_back:
            self._pushed.clear()
        self._left.append(_Left(self.cursor, self._repeats, array("q", (there - self._repeats).elements())))
        # One more than is read again: see `look_back`.
        while len(self._left) > LAST_PAGES + 1 or (
            len(self._left) > 2 and sum(len(page.lines) for page in self._left[1:]) > LAST_LINES
        ):
            del self._left[0]
            self._has_forgotten = True

    def _go_to(self, cursor: str | int, repeats: Counter[int]) -> None:
        self.cursor, self._is_new, self._largest = cursor, True, self._accepted
        self.size = min(2 * self.size, PAGE_SIZE, self._accepted)
        self._repeats, self._shown = repeats, repeats.copy()

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
