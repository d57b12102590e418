"""Where in a run's log we are, and which lines of a page are new.

The service's clients disagree on what a cursor is: a timestamp (inclusive), a line offset, an opaque token. This holds
under each reading: it sends back cursors the service issued, and tells new lines from repeated ones by counting them,
not by where they stand. Pages left a moment ago are looked at once more (``log_look_back``).

A cursor is made up only where a page may have been cut and names no next one: its last line's time, then a count of
its lines. Such a guess is followed if it brings a line the page has not shown, and if the page, read again after that,
still ends where it did: so it was cut there. Else reading stays on the page, and guesses again in the next round.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from airflow_provider_wherobots.api.runs.models import LOG_START_CURSOR, LogLine, LogPage
from airflow_provider_wherobots.logs.look_back import LineKey, LookBack, Place, hash_line

PAGE_SIZE = 1000
"""Lines asked for at once: the most that any client of the service is known to ask for."""
MIN_PAGE_SIZE = 100
MAX_PAGE_SIZE = 16_000
MAX_PAGE_CHARS = 500_000
"""Where lines are long, fewer are asked for, so that reading a page does not hold the event loop up."""
ROUND_SIZE = 50
"""A page of a multiple of this may have been cut by a limit of the service's own."""


@dataclass(frozen=True, slots=True)
class _Guess:
    """Made-up cursors under trial.

    :param origin: the page that may have been cut.
    :param items: its lines.
    :param candidates: the cursors left to try, the present one first. Each with the timestamp that the answer must
        begin with, were cursors times; None for one that must lead beyond the page.
    :param leads_on: whether the present one does, so that only the page is left to be read again.
    """

    origin: Place
    items: Sequence[LogLine]
    candidates: tuple[tuple[str, str | int | None], ...]
    leads_on: bool = False


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
        # No guess leads on from the page, in this round.
        self._is_whole = False
        # The number of lines at which the service is known to cut pages.
        self._cut_at = 0

    @property
    def cursor(self) -> str | int:
        """What to ask the next page with."""
        return self._place.cursor

    @property
    def is_guess(self) -> bool:
        """Whether that is a cursor the service did not issue."""
        return self._guess is not None and not self._guess.leads_on

    def accept(self, page: LogPage, moment: float = 0.0) -> tuple[Sequence[LogLine], bool]:
        """Take in the page fetched from the current cursor, and move on.

        :param page: what the service answered.
        :param moment: the time in epoch seconds.
        :returns: the lines not seen before, in order; and whether another page should be fetched at once.
        """
        items = page.items
        if self._guess is not None and not self._settle(self._guess, page, moment):
            return (), self._guess is not None or not self._is_whole
        fresh = self._new_lines(items)
        self._place.lines.extend(map(hash_line, fresh))
        new = self._look_back.sift(fresh)
        if page.next_page is not None and self._leads_on(page.next_page, items):
            if not fresh:
                self._look_back.stall()
            self._move(page.next_page, items, moment)
            return new, bool(fresh) or (bool(items) and self._look_back.expects)
        if items and len(items) >= self.size and self.size < self._largest:
            # The page may have been cut. Reading it again, larger, is right under every reading of the cursor.
            self.size = min(2 * self.size, self._largest)
            return new, True
        may_be_cut = len(items) >= self.size or len(items) % ROUND_SIZE == 0
        if items and may_be_cut and (fresh or not self._is_whole) and self._guess_next(items):
            return new, True
        self._look_back.stall()
        return new, False

    def begin_round(self, before: float) -> None:
        """Begin to read what has come since the last round: guesses that led nowhere may be tried again.

        Pages left before a moment are gone back to, each of them once; reading then comes to the present place again.

        :param before: the moment in epoch seconds.
        """
        if self._guess is None:
            self._is_whole = False
            start = self._look_back.begin(before, self._place)
            if start is not None:
                self._go(start)

    def abandon(self) -> bool:
        """Return to where a guess and a second look began, as what they ask for cannot be read.

        :returns: whether there was a second look.
        """
        if self._guess is not None:
            self._place, self._guess = self._guess.origin, None
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
            self._try_next(self._guess)
            return True
        if self.abandon():
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
        repeats = _of_moment(_boundary(cursor, items), items)
        if items:
            fitting = MAX_PAGE_CHARS * len(items) // (1 + sum(len(item.raw) for item in items))
            self._fitting = max(self._fewest, fitting)
        self._go(Place.opened(cursor, repeats))

    def _go(self, place: Place) -> None:
        self._place = place
        self._largest = self._accepted
        self.size = min(PAGE_SIZE, self._largest, self._fitting)

    def _guess_next(self, items: Sequence[LogLine]) -> bool:
        last, here = _number(items[-1].timestamp), _number(self.cursor)
        if last is None or here is None:
            return False
        candidates: list[tuple[str, str | int | None]] = []
        if last > here:
            candidates.append((str(last), items[-1].timestamp))
        # Where the cursor is the last line's time, a page full of one moment is stepped over.
        candidates.append((str(here + (1 if last == here else len(items))), None))
        self._try(_Guess(self._place, items, tuple(candidates)))
        return True

    def _try(self, guess: _Guess) -> None:
        self._guess = guess
        cursor, begins_with = guess.candidates[0]
        self._place = Place.opened(cursor, _of_moment(begins_with, guess.items))

    def _settle(self, guess: _Guess, page: LogPage, moment: float) -> bool:
        """Take in an answer to a guess.

        :returns: whether the page is one to be read from the place where reading is now.
        """
        if guess.leads_on:
            return self._compare(guess, page, moment)
        _, begins_with = guess.candidates[0]
        there, items = _count(page.items), page.items
        if begins_with is None:
            # A service that does not know this cursor may answer with the page we come from.
            fits = bool(items) and bool(guess.origin.shown - there) and _is_beyond(items[0], guess.items[-1])
        elif items and items[0].timestamp == begins_with:
            # So cursors are times.
            fits = bool(there - guess.origin.shown)
            is_full = len(items) >= len(guess.items)
            after = ((str(int(begins_with) + 1), None),) if is_full else ()
            guess = replace(guess, candidates=(*guess.candidates[:1], *after))
        else:
            fits = False
        if not fits:
            self._try_next(guess)
            return False
        # A page that lacks a line shown before is read again all the same: it may be a lagging replica's.
        if len(guess.items) == self._cut_at and not guess.origin.shown - _count(guess.items):
            self._follow(guess, moment)
            return True
        self._guess, self._place = replace(guess, leads_on=True), guess.origin
        return False

    def _compare(self, guess: _Guess, page: LogPage, moment: float) -> bool:
        """Take in the page a guess was made from, read again after the guess has led on."""
        # Not with all lines ever seen on it: a replica that lags behind may answer the one time and not the other.
        has_changed = _count(page.items) != _count(guess.items)
        if has_changed or (page.next_page is not None and self._leads_on(page.next_page, page.items)):
            self._guess, self._is_whole = None, True
            return True
        self._cut_at = len(page.items)
        self._follow(guess, moment)
        return False

    def _follow(self, guess: _Guess, moment: float) -> None:
        self._look_back.leave(guess.origin, map(hash_line, guess.items), moment)
        self._try(guess)
        self._guess, self._is_whole = None, False

    def _try_next(self, guess: _Guess) -> None:
        if len(guess.candidates) > 1:
            self._try(replace(guess, candidates=guess.candidates[1:], leads_on=False))
        else:
            self._take_back(guess)

    def _take_back(self, guess: _Guess) -> None:
        self._guess, self._place, self._is_whole = None, guess.origin, True
        self._look_back.stall()


def _is_beyond(line: LogLine, last: LogLine) -> bool:
    here, there = _number(last.timestamp), _number(line.timestamp)
    return here is not None and there is not None and there >= here


def _count(items: Sequence[LogLine]) -> Counter[LineKey]:
    return Counter((item.timestamp, item.raw) for item in items)


def _of_moment(timestamp: str | int | None, items: Sequence[LogLine]) -> Counter[LineKey]:
    return Counter((item.timestamp, item.raw) for item in items if item.timestamp == timestamp)


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
