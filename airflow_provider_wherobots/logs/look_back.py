"""A second look at recently left pages of a log, because lines of other nodes may be inserted late.

Source: the official provider, which reads a log by time (see ``cursor``), and waits a minute after a run's end because
"logs land slightly late" (its pull request 35). A line that lands late, by its time, stands before lines shown already.

The last page of a log is read in every round. Once a page is left for the next one, its late lines would be lost. So
the pages left last are remembered, by their cursors and by hashes of their lines, and are read a second time.

The open page's lines are remembered by hashes too. A hash is a number of 64 bits, and Python seeds those of texts
anew in each process, so two different lines of a log never have the same one in practice.
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
"""The most pages read again, and about how many lines. Bounds memory and calls, however fast a log grows."""

SPARE_LINES = 1000
"""How many more lines than expected are read before expected lines that have not come are given up."""

MAX_STANDSTILLS = 10
"""How many pages without a line or a next page are read before they are given up too."""

_NO_LINES: frozenset[int] = frozenset()


@dataclass(slots=True)
class Place:
    """The page that is being read. The lines it may hold are kept as hashes, because texts would stay in memory while
    the run is followed: ``shown`` were shown already, ``repeats`` are of the previous page, ``seen_ahead`` were shown
    by a second look since it left this page.
    """

    cursor: str | int
    shown: Counter[int] = field(default_factory=Counter)
    repeats: Counter[int] = field(default_factory=Counter)
    is_new: bool = True
    lines: list[int] = field(default_factory=list)
    seen_ahead: list[int] = field(default_factory=list)

    @classmethod
    def opened(cls, cursor: str | int, repeats: Counter[int]) -> Place:
        """Make the place of a page that has not been read yet."""
        return cls(cursor, repeats.copy(), repeats)

    def take_new(self, items: Sequence[Line]) -> Sequence[Line]:
        """Find the new lines of the page, and remember them as shown."""
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
            # Lines of the previous page count as repeated only if this one repeats them all (or is only a part of
            # them): after an exclusive cursor a line may merely equal one of them.
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
        # Lines shown before that this look still expects.
        self._known: Counter[int] = Counter()
        # The page that was being read when this look began; None when there is no second look.
        self._head: Place | None = None
        # Lines of the pages that this look or an earlier one reads a second time.
        self._seen_again = _NO_LINES
        # How many lines may still be read before expected lines that have not come are given up.
        self._patience = 0

    @property
    def expects(self) -> bool:
        """Whether lines shown before are still expected."""
        return bool(self._known)

    def remember(self, place: Place, there: Sequence[Line], moment: float) -> None:
        """Remember a page that is left.

        A line that was shown but is missing ``there`` was pushed onto the next page by lines inserted before it, and is
        left out there.
        """
        numbers = list(map(hash, there))
        if place.seen_ahead:
            # The second look was given up, and this page read again. The next look is to know them too.
            place.lines += (Counter(place.seen_ahead) & Counter(numbers)).elements()
        pushed = _pushed(place.lines, numbers)
        if pushed:
            self._known += pushed
            self._patience = max(self._patience, 2 * pushed.total() + SPARE_LINES)
        # In a second look pages may be cut elsewhere: a page that holds any other line is still to be read again.
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
        """Begin a second look, if one is due.

        Pages left before ``before`` are due, in epoch seconds. Returns the page to begin with; None when no page is
        due.
        """
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
        """Count a page that brought no line or names no next one.

        Either the newest page is reached again, or a replica lags behind. So known lines that have not come stay
        expected for some more such pages.
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
        """Give up a second look whose pages cannot be read.

        Returns the page that was being read when it began; None when there is no second look.
        """
        head = self._head
        if head is not None:
            self._expect_nothing()
            self._seen_again = _NO_LINES
            # Pages between these and the head were forgotten when the look began, so no look may begin with these.
            self._left.clear()
        return head


def count_lines(lines: Iterable[Line]) -> Counter[int]:
    """Count equal lines, by their hashes."""
    return Counter(map(hash, lines))


def _exceeds(some: Counter[int], others: Counter[int]) -> bool:
    """Whether any line occurs more often in the first than in the second."""
    return any(number > others.get(line, 0) for line, number in some.items())


def _pushed(shown: Sequence[int], there: Sequence[int]) -> Counter[int]:
    """The lines that were shown on a page and are not there now."""
    if there[len(there) - len(shown) :] == shown:
        return Counter()
    return Counter(shown) - Counter(there)
