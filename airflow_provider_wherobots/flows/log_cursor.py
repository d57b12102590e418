"""Where in a run's log we are, and which lines of a page are new.

The service's clients disagree on what a cursor is: a timestamp (inclusive), a line offset, an opaque token. This holds
under each reading: it sends back cursors the service issued, and tells new lines from repeated ones by counting them,
not by where they stand. A cursor is made up only where the service cuts a page and names no next one; such a guess is
kept if the answer fits it and taken back if not. Pages left a moment ago are looked at once more (``log_look_back``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_provider_wherobots.api.calls import LOG_START_CURSOR
from airflow_provider_wherobots.api.models import LogLine, LogPage
from airflow_provider_wherobots.flows.log_look_back import LookBack, Place, hash_line

PAGE_SIZE = 1000
"""Lines asked for at once: the most that any client of the service is known to ask for."""
MIN_PAGE_SIZE = 100
MAX_PAGE_SIZE = 16_000
MAX_PAGE_CHARS = 500_000
"""Where lines are long, fewer are asked for, so that reading a page does not hold the event loop up."""
ROUND_SIZE = 50
"""A page that stopped growing at a multiple of this may have been cut by a limit of the service's own."""


@dataclass(frozen=True, slots=True)
class _Guess:
    """A made-up cursor under trial.

    :param origin: where to return to if the answer does not fit.
    :param begins_with: the timestamp the answer must begin with; None if any lines but the known ones will do.
    :param others: cursors to try after this one.
    """

    origin: Place
    begins_with: str | int | None
    others: tuple[tuple[str, str | int | None], ...]


class LogCursor:
    """Position in a run's log. Memory is bounded by a few pages, whatever the log's length."""

    def __init__(self) -> None:
        self.size = PAGE_SIZE
        self._largest = self._accepted = MAX_PAGE_SIZE
        self._fewest = MIN_PAGE_SIZE
        self._fitting = PAGE_SIZE
        self._place = Place(LOG_START_CURSOR)
        self._look_back = LookBack()
        self._guess: _Guess | None = None
        self._tried_at: tuple[str | int, int] | None = None

    @property
    def cursor(self) -> str | int:
        """What to ask the next page with."""
        return self._place.cursor

    def accept(self, page: LogPage, moment: float = 0.0) -> tuple[Sequence[LogLine], bool]:
        """Take in the page fetched from the current cursor, and move on.

        :param page: what the service answered.
        :param moment: the time in epoch seconds.
        :returns: the lines not seen before, in order; and whether another page should be fetched at once.
        """
        items = page.items
        if self._guess is not None and not self._settle(self._guess, items):
            return (), True
        fresh = self._new_lines(items)
        self._place.lines.extend(map(hash_line, fresh))
        new = self._look_back.sift(fresh)
        if not fresh:
            self._look_back.stall()
        if page.next_page is not None and self._leads_on(page.next_page, items):
            self._move(page.next_page, items, moment)
            return new, bool(fresh) or (bool(items) and self._look_back.expects)
        if items and len(items) >= self.size and self.size < self._largest:
            # The page may have been cut. Reading it again, larger, is right under every reading of the cursor.
            self.size = min(2 * self.size, self._largest)
            return new, True
        if fresh:
            self._look_back.stall()
        may_be_cut = len(items) >= self.size or len(items) % ROUND_SIZE == 0
        if items and not fresh and may_be_cut and self._tried_at != (self.cursor, len(items)):
            return new, self._guess_next(items)
        return new, False

    def look_back(self, before: float) -> None:
        """Go back to the pages left before a moment, each of them once; reading then comes to the present place again.

        :param before: the moment in epoch seconds.
        """
        if self._guess is None:
            start = self._look_back.begin(before, self._place)
            if start is not None:
                self._go(start)

    def abandon_look_back(self) -> bool:
        """Return to where a second look began, as its pages cannot be read.

        :returns: whether there was one.
        """
        place = self._look_back.abandon()
        if place is not None:
            self._go(place)
        return place is not None

    def refuse(self, *, too_large: bool = False) -> bool:
        """The service refused the request as invalid: take back a guess, or ask for smaller pages.

        :param too_large: whether it is the answer that has too many bytes; then smaller pages come first, down to a
            single line, and with the next page the size may grow again. Default False.
        :returns: whether something is left to try.
        """
        if too_large and self.size > 1:
            self.size = self._largest = self._fewest = min(self._fewest, self.size // 2)
            return True
        if self._guess is not None:
            self._take_back(self._guess)
            return True
        if self.abandon_look_back():
            return True
        if self.size <= MIN_PAGE_SIZE:
            return False
        self.size = self._largest = self._accepted = max(MIN_PAGE_SIZE, self.size // 2)
        return True

    def _leads_on(self, cursor: str | int, items: Sequence[LogLine]) -> bool:
        if not items and (here := _number(self.cursor)) is not None and (there := _number(cursor)) is not None:
            # No lines, and back to a time before: a replica that lags behind.
            return there > here
        return str(cursor) != str(self.cursor)

    def _new_lines(self, items: Sequence[LogLine]) -> list[LogLine]:
        keys = [(item.timestamp, item.raw) for item in items]
        shown = self._place.shown
        if self._place.is_new and items:
            # Lines of the page before count as repeated only if this one repeats them all (or is itself only a part
            # of them): after an exclusive cursor a line may merely equal one of them.
            self._place.is_new = False
            there = Counter(keys) if shown else shown
            if shown - there and there - shown:
                shown.clear()
        if not shown:
            shown.update(keys)
            return list(items)
        left = shown.copy()
        fresh = []
        for key, item in zip(keys, items, strict=True):
            if left[key] > 0:
                left[key] -= 1
            else:
                fresh.append(item)
                shown[key] += 1
        return fresh

    def _move(self, cursor: str | int, items: Sequence[LogLine], moment: float) -> None:
        self._look_back.leave(self._place, map(hash_line, items), moment)
        boundary = _boundary(cursor, items)
        repeats = Counter((item.timestamp, item.raw) for item in items if item.timestamp == boundary)
        if items:
            fitting = MAX_PAGE_CHARS * len(items) // (1 + sum(len(item.raw) for item in items))
            self._fitting = max(self._fewest, fitting)
        self._go(Place.opened(cursor, repeats))

    def _go(self, place: Place) -> None:
        self._place = place
        self._largest = self._accepted
        self.size = min(PAGE_SIZE, self._largest, self._fitting)

    def _guess_next(self, items: Sequence[LogLine]) -> bool:
        self._tried_at = (self.cursor, len(items))
        last, here = _number(items[-1].timestamp), _number(self.cursor)
        candidates: list[tuple[str, str | int | None]] = []
        if last is not None and here is not None:
            if last > here:
                candidates.append((str(last), items[-1].timestamp))
            elif last == here:
                candidates.append((str(here + 1), None))
            candidates.append((str(here + len(items)), None))
        if not candidates:
            return False
        self._try(self._place, tuple(candidates))
        return True

    def _try(self, origin: Place, candidates: tuple[tuple[str, str | int | None], ...]) -> None:
        (cursor, begins_with), *others = candidates
        self._guess = _Guess(origin, begins_with, tuple(others))
        shown = origin.shown.items()
        self._place = Place.opened(cursor, Counter({key: n for key, n in shown if key[0] == begins_with}))

    def _settle(self, guess: _Guess, items: Sequence[LogLine]) -> bool:
        if guess.begins_with is None:
            # A service that does not know this cursor may answer with the page we come from.
            fits = bool(items) and bool(guess.origin.shown - Counter((item.timestamp, item.raw) for item in items))
        else:
            fits = bool(items) and items[0].timestamp == guess.begins_with
        if fits:
            self._guess = None
            self._look_back.forget()
            return True
        self._take_back(guess)
        return False

    def _take_back(self, guess: _Guess) -> None:
        if guess.others:
            self._try(guess.origin, guess.others)
        else:
            self._guess, self._place = None, guess.origin


def _boundary(cursor: str | int, items: Sequence[LogLine]) -> str | int | None:
    """The timestamp whose lines the page after ``cursor`` would repeat, were the cursor inclusive."""
    if not items:
        return None
    number = _number(cursor)
    if number is None:
        return items[-1].timestamp
    for item in reversed(items):
        if _number(item.timestamp) == number:
            return item.timestamp
    return None


def _number(value: str | int) -> int | None:
    try:
        return int(value)
    except ValueError:
        return None
