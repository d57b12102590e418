"""Where in a run's log we are, and which lines of a page are new.

The service's clients disagree on what a cursor is: a timestamp (inclusive), a line offset, an opaque token. This holds
under each reading: it sends back cursors the service issued, and tells new lines from repeated ones by counting them,
not by where they stand. A cursor is made up only where the service cuts a page and names no next one; such a guess is
kept if the answer fits it and taken back if not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from airflow_provider_wherobots.api.calls import LOG_START_CURSOR
from airflow_provider_wherobots.api.models import LogLine, LogPage

PAGE_SIZE = 1000
"""Lines asked for at once: the most that any client of the service is known to ask for."""
MIN_PAGE_SIZE = 100
MAX_PAGE_SIZE = 16_000
ROUND_SIZE = 50
"""A page that stopped growing at a multiple of this may have been cut by a limit of the service's own."""

_Key: TypeAlias = tuple[str | int, str]


@dataclass(frozen=True, slots=True)
class _Place:
    """A cursor, and the lines already shown of the page it opens."""

    cursor: str | int
    shown: Counter[_Key]


@dataclass(frozen=True, slots=True)
class _Guess:
    """A made-up cursor under trial.

    :param origin: where to return to if the answer does not fit.
    :param begins_with: the timestamp the answer must begin with; None if any lines but the known ones will do.
    :param others: cursors to try after this one.
    """

    origin: _Place
    begins_with: str | int | None
    others: tuple[tuple[str, str | int | None], ...]


class LogCursor:
    """Position in a run's log. Memory is bounded by a page, whatever the log's length."""

    def __init__(self) -> None:
        self.cursor: str | int = LOG_START_CURSOR
        self.size = PAGE_SIZE
        self._shown: Counter[_Key] = Counter()
        self._carried = False
        self._guess: _Guess | None = None
        self._tried_at: tuple[str | int, int] | None = None

    def accept(self, page: LogPage) -> tuple[Sequence[LogLine], bool]:
        """Take in the page fetched from the current cursor, and move on.

        :param page: what the service answered.
        :returns: the lines not seen before, in order; and whether another page should be fetched at once.
        """
        items = page.items
        if self._guess is not None and not self._settle(self._guess, items):
            return (), True
        fresh = self._new_lines(items)
        if page.next_page is not None and str(page.next_page) != str(self.cursor):
            self._move(page.next_page, items)
            return fresh, bool(fresh)
        if items and len(items) >= self.size and self.size < MAX_PAGE_SIZE:
            # The page may have been cut. Reading it again, larger, is right under every reading of the cursor.
            self.size *= 2
            return fresh, True
        if items and not fresh and len(items) % ROUND_SIZE == 0 and self._tried_at != (self.cursor, len(items)):
            return fresh, self._guess_next(items)
        return fresh, False

    def refuse(self) -> bool:
        """The service refused the request as invalid: take back a guess, or ask for smaller pages.

        :returns: whether something is left to try.
        """
        if self._guess is not None:
            self._take_back(self._guess)
            return True
        if self.size <= MIN_PAGE_SIZE:
            return False
        self.size = max(MIN_PAGE_SIZE, self.size // 2)
        return True

    def _new_lines(self, items: Sequence[LogLine]) -> list[LogLine]:
        keys = [(item.timestamp, item.raw) for item in items]
        if self._carried and items:
            # Lines carried over a page's border count as repeated only if the new page repeats them all (or is
            # itself only a part of them): after an exclusive cursor a line may merely equal one of them.
            self._carried = False
            there = Counter(keys)
            if self._shown - there and there - self._shown:
                self._shown.clear()
        if not self._shown:
            self._shown.update(keys)
            return list(items)
        left = self._shown.copy()
        fresh = []
        for key, item in zip(keys, items, strict=True):
            if left[key] > 0:
                left[key] -= 1
            else:
                fresh.append(item)
                self._shown[key] += 1
        return fresh

    def _move(self, cursor: str | int, items: Sequence[LogLine]) -> None:
        boundary = _boundary(cursor, items)
        self._shown = Counter({key: count for key, count in self._shown.items() if key[0] == boundary})
        self._carried = bool(self._shown)
        self.cursor = cursor
        self.size = min(self.size, PAGE_SIZE)

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
        self._try(_Place(self.cursor, self._shown.copy()), tuple(candidates))
        return True

    def _try(self, origin: _Place, candidates: tuple[tuple[str, str | int | None], ...]) -> None:
        (cursor, begins_with), *others = candidates
        self._guess = _Guess(origin, begins_with, tuple(others))
        self.cursor = cursor
        self._shown = Counter({key: n for key, n in origin.shown.items() if key[0] == begins_with})
        self._carried = bool(self._shown)

    def _settle(self, guess: _Guess, items: Sequence[LogLine]) -> bool:
        if guess.begins_with is None:
            # A service that does not know this cursor may answer with the page we come from.
            fits = bool(items) and bool(guess.origin.shown - Counter((item.timestamp, item.raw) for item in items))
        else:
            fits = bool(items) and items[0].timestamp == guess.begins_with
        if fits:
            self._guess = None
            return True
        self._take_back(guess)
        return False

    def _take_back(self, guess: _Guess) -> None:
        if guess.others:
            self._try(guess.origin, guess.others)
        else:
            self._guess = None
            self.cursor, self._shown, self._carried = guess.origin.cursor, guess.origin.shown, False


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
