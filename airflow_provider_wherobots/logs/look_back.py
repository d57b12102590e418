"""Reading recently left pages of a log a second time, because lines of other nodes may be inserted late.

Source: the official provider, which reads a log by time (see ``cursor``), and waits a minute after a run's end because
"logs land slightly late" (its pull request 35). A line that lands late, by its time, stands before lines shown already.

The last page of a log is read in every round. Once a page is left for the next one, its late lines would be lost. So
the pages left last are remembered, by their cursors and by hashes of their lines, and are read a second time.

The open page's lines are remembered by hashes too. A hash has 64 bits, with another seed in each process, so two
different lines of a log never have the same one in practice.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import inf

from airflow_provider_wherobots.api.runs.models import Line

MAX_PAGES, MAX_LINES = 32, 32_000
"""The most pages read again, and about how many lines: limits memory and calls."""
SPARE_LINES = 1000
"""How many more lines than expected are read before expected lines that have not come are given up."""
MAX_STANDSTILLS = 10
"""How many pages without a line or a next page are read before they are given up too."""
_NO_LINES: frozenset[int] = frozenset()


@dataclass(slots=True)
class Place:
    """The page that is being read, with hashes of lines: ``shown`` were shown already, ``repeats`` are of the previous
    page, ``seen_ahead`` were shown by a second look since it left this page.
    """

    cursor: str | int
    shown: Counter[int] = field(default_factory=Counter)
    repeats: Counter[int] = field(default_factory=Counter)
    is_new: bool = True
    lines: list[int] = field(default_factory=list)
    seen_ahead: list[int] = field(default_factory=list)

    @classmethod
    def opened(cls, cursor: str | int, repeats: Counter[int]) -> Place:
        """The place of a page that has not been read yet."""
        return cls(cursor, repeats.copy(), repeats)

    def take_new(self, items: Sequence[Line]) -> Sequence[Line]:
        """The new lines of the page, which are now shown."""
        fresh = self._not_shown(items)
        if fresh:
            numbers = list(map(hash, fresh))
            self.shown.update(numbers)
            self.lines += numbers
        return fresh

    def _not_shown(self, items: Sequence[Line]) -> Sequence[Line]:
        is_new, self.is_new = self.is_new, self.is_new and not items
        # Usually a page begins with the lines shown before and ends with the new ones.
        count = self.shown.total()
        if not count or (count <= len(items) and count_lines(items[:count]) == self.shown):
            return items[count:]
        there = count_lines(items)
        if is_new and _exceeds(self.shown, there) and _exceeds(there, self.shown):
            # Lines of the previous page are repeated only if this one repeats them all, or is a part of them. Else the
            # cursor is exclusive, and a line only equals one of them.
            self.shown.clear()
            return items
        left = self.shown.copy()
        fresh = []
        for item in items:
            number = hash(item)
            if left[number] > 0:
                left[number] -= 1
            else:
                fresh.append(item)
        return fresh


@dataclass(frozen=True, slots=True)
class _Left:
    """A page that was left. Its moment, in epoch seconds, is infinite once it has been read again."""

    cursor: str | int
    repeats: Counter[int]
    lines: array[int]
    moment: float


class LookBack:
    """Which pages to read a second time, and which of their lines were shown before."""

    def __init__(self) -> None:
        # A list: an empty deque takes 760 bytes, and a triggerer follows thousands of logs.
        self._left: list[_Left] = []
        # Shown lines that this look still expects.
        self._known: Counter[int] = Counter()
        # The page at which this look began; None without a second look.
        self._head: Place | None = None
        # Lines of the pages that this look or an earlier one reads a second time.
        self._seen_again = _NO_LINES
        # How many lines are read before expected lines that have not come are given up.
        self._patience = 0

    @property
    def expects(self) -> bool:
        return bool(self._known)

    def remember(self, place: Place, there: Sequence[Line], moment: float) -> None:
        """Remember a page that is left. A line that was shown and is not ``there`` was pushed onto the next page by
        lines inserted before it, and is left out on that page.
        """
        numbers = list(map(hash, there))
        if place.seen_ahead:
            # The second look was given up, and this page read again. The next look must know them too.
            place.lines += (Counter(place.seen_ahead) & Counter(numbers)).elements()
        pushed = _pushed(place.lines, numbers)
        if pushed:
            self._known += pushed
            self._patience = max(self._patience, 2 * pushed.total() + SPARE_LINES)
        # In a second look pages may be cut elsewhere: a page with any other line must still be read again.
        is_seen_again = bool(self._seen_again) and self._seen_again.issuperset(place.lines)
        # A second look reads every page from the first remembered one on, so all after it are remembered too.
        if not is_seen_again or self._left:
            lines = (Counter(place.lines) - pushed).elements() if pushed else place.lines
            due_from = inf if is_seen_again else moment
            self._left.append(_Left(place.cursor, place.repeats, array("q", lines), due_from))
            del self._left[:-MAX_PAGES]
            while len(self._left) > 1 and sum(len(page.lines) for page in self._left) > MAX_LINES:
                del self._left[0]
        if not self._known:
            self._seen_again = _NO_LINES

    def begin(self, before: float, head: Place) -> Place | None:
        """Begin a second look if a page was left before ``before``, in epoch seconds. Returns its first page."""
        if self._known or not any(page.moment <= before for page in self._left):
            return None
        start = Place.opened(self._left[0].cursor, self._left[0].repeats)
        self._known = Counter(chain(head.lines, *(page.lines for page in self._left)))
        self._patience = 2 * self._known.total() + SPARE_LINES
        self._seen_again = frozenset(chain(*(page.lines for page in self._left if not before < page.moment < inf)))
        self._head = head
        self._left.clear()
        return start

    def leave_out_known(self, lines: Sequence[Line]) -> Sequence[Line]:
        """Leave out the lines that were shown before the second look."""
        if not self._known:
            return lines
        new = []
        for line in lines:
            number = hash(line)
            if self._known[number] > 0:
                self._known[number] -= 1
            else:
                new.append(line)
                if self._head is not None:
                    self._head.shown[number] += 1
                    self._head.seen_ahead.append(number)
        self._known = +self._known
        self._patience -= len(lines)
        if not self._known or self._patience <= 0:
            self._expect_nothing()
        return new

    def count_standstill(self) -> None:
        """Count a page that brought no line or names no next one: the newest page, or the one of a replica that lags
        behind. So expected lines that have not come are given up only after some such pages.
        """
        self._patience = min(self._patience, SPARE_LINES) - SPARE_LINES // MAX_STANDSTILLS
        if not self._known or self._patience <= 0:
            self._expect_nothing()
            self._seen_again = _NO_LINES

    def _expect_nothing(self) -> None:
        self._known.clear()
        self._head = None
        self._patience = 0

    def abandon(self) -> Place | None:
        """Give up a second look whose pages cannot be read. Returns the page at which it began; None without one."""
        head = self._head
        if head is not None:
            self._expect_nothing()
            self._seen_again = _NO_LINES
            # Pages between these and the head were forgotten when the look began, so no look can begin with these.
            self._left.clear()
        return head


def count_lines(lines: Iterable[Line]) -> Counter[int]:
    return Counter(map(hash, lines))


def _exceeds(some: Counter[int], others: Counter[int]) -> bool:
    """Whether any line occurs more often in the first than in the second."""
    return any(number > others.get(line, 0) for line, number in some.items())


def _pushed(shown: Sequence[int], there: Sequence[int]) -> Counter[int]:
    """The lines that were shown on a page and are not there now."""
    if there[len(there) - len(shown) :] == shown:
        return Counter()
    return Counter(shown) - Counter(there)
