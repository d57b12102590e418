"""The position in a run's log, and which lines of a page are new.

The API does not say what a cursor is, and its clients disagree. A page must be read correctly under each reading:

=================  =====================================  ====================================================
A cursor is        ``next_page`` names                    the next page begins with
=================  =====================================  ====================================================
a time, inclusive  the time of this page's last line, or  all lines of that time, those of this page among them
                   of the next page's first
a time, exclusive  the time of this page's last line      the line after this page's last
a line offset      how many lines come before it          the line after this page's last
an opaque token    a place that only the service knows    the line after this page's last, or lines repeated
=================  =====================================  ====================================================

Under each of them a log's last page may name no next page, itself, or its own end; lines may be inserted late; and a
replica that lags behind may answer with an earlier state. Four rules follow:

* Cursors are sent back as the service issued them, of the same type.
* New and repeated lines are distinguished by counting equal lines, not by position or time.
* If a page names a next one, that is requested at once. Only if the run is active and the page is so short that it may
  be the log's end, the next one is requested in the next round.
* A page that names no next page stays open: it is read again in each round, and its new lines are forwarded. If it
  names one later, and has no new line itself, that one is requested at once.

A service may cut a page at its own limit (50, 100, ...) and name no next page. Only then is a cursor made up: first the
last line's time, then a count of lines. Such a guess is followed if it brings a line that the page has not shown, and
if the page is unchanged when it is read again: then it was cut there. Otherwise the page stays open.

For example, a log of 99 lines with times t1 to t99, cut at 50:

========  ============  ==========================================  ==============================
request   answer        conclusion                                  state after it
========  ============  ==========================================  ==============================
0         lines 1-50    50 lines are new; a round number: cut?      trying t50
t50       lines 50-99   51 is new, so there is more                 confirming: the page is unchanged?
0         lines 1-50    it is, so it was cut at 50                  reading t50
t50       lines 50-99   50 was repeated, 51-99 are new; cut?        trying t99
t99       line 99       nothing new, so the log ends here for now   reading t50, no guess in this round
========  ============  ==========================================  ==============================

The states and what moves between them:

* reading -> reading: the page names a next one, which is opened; or it names none and is read again.
* reading -> trying: the page may have been cut; its first candidate is requested.
* trying -> trying: the answer brings nothing new, or is an error; the next candidate is requested.
* trying -> reading: no candidate is left (the same page), or the service is known to cut at this length (the next one).
* confirming -> reading: the page is unchanged (the next one is opened) or is not (it stays open).
* trying -> confirming: the answer brings something new.

Looking back (``look_back``) is not a fourth state: recently left pages are read again by the same moves, from the
oldest of them to the current one, and lines shown before are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from airflow_provider_wherobots.api.runs.models import LOG_START_CURSOR, Line, LogPage
from airflow_provider_wherobots.logs.look_back import LookBack, Place, count_lines

PAGE_SIZE = 1000
"""Lines requested at once: the most that any known client of the service requests."""
GROWN_PAGE_SIZE = 4000
"""The most requested at once while catching up with a long log: each full page doubles the number."""
MIN_PAGE_SIZE = 100
MAX_PAGE_SIZE = 16_000
MAX_PAGE_CHARS = 500_000
"""Where lines are long, fewer are requested, so that reading a page does not hold up the event loop."""
LONG_PAGE_CHARS = 50_000
"""A page with as many characters may have been cut at a limit of the service, however few lines it has."""
ROUND_SIZE = 50
"""A page whose length is a multiple of this may have been cut at a limit of the service."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A made-up cursor.

    :param cursor: the cursor.
    :param begins_with: the timestamp that the answer begins with if cursors are times; None for a cursor that must lead
        beyond the page.
    """

    cursor: str
    begins_with: str | int | None


@dataclass(frozen=True, slots=True)
class _Reading:
    """A page is open. Its cursor is the service's, or a guess that was confirmed.

    :param place: the page.
    """

    place: Place

    @property
    def cursor(self) -> str | int:
        return self.place.cursor


@dataclass(frozen=True, slots=True)
class _Guess:
    """A guess that is being tried or confirmed.

    :param origin: the page that may have been cut.
    :param items: its lines.
    :param candidates: the cursors left to try, the current one first.
    """

    origin: Place
    items: Sequence[Line]
    candidates: tuple[_Candidate, ...]

    def next_place(self) -> Place:
        """The page that the current candidate leads to."""
        first = self.candidates[0]
        return Place.opened(first.cursor, _of_moment(first.begins_with, self.items))

    @property
    def lacks_lines(self) -> bool:
        """Whether a line shown before is missing: pushed off the page, or unknown to a replica that lags behind."""
        return bool(self.origin.shown - count_lines(self.items))


@dataclass(frozen=True, slots=True)
class _Trying:
    """The page of a made-up cursor is requested; nothing of it is forwarded yet."""

    guess: _Guess

    @property
    def cursor(self) -> str | int:
        return self.guess.candidates[0].cursor


@dataclass(frozen=True, slots=True)
class _Confirming:
    """A made-up cursor has brought new lines; the page it was made from is requested again."""

    guess: _Guess

    @property
    def cursor(self) -> str | int:
        return self.guess.origin.cursor


class _NamedPages:
    """Decides whether the next page that a page names is requested at once, while the run is active.

    It is if the page is long. A short page may be the log's end: then each request would bring the few lines that were
    written since the one before, for as long as the run writes. A service that cuts its pages after a small number of
    lines makes them equally long, and none longer: then short pages are followed too. If it cuts after a small number
    of bytes, short pages are read one in a round, and the rest after the run's end.
    """

    __slots__ = ("_cut_at", "_longest", "_not_cut_at", "_tried")

    def __init__(self) -> None:
        self._longest = self._tried = self._cut_at = self._not_cut_at = 0

    def lead_on(self, items: Sequence[Line], size: int, *, has_new: bool) -> bool:
        """Say whether the page may have been cut: it has many lines or bytes, or as many lines as the longest page.

        :param items: its lines.
        :param size: how many lines were requested.
        :param has_new: whether any of them is new; if not, it may be a page that was counted before.
        """
        count, longest = len(items), self._longest
        self._longest = max(count, longest)
        if count >= min(size, MIN_PAGE_SIZE) or count % ROUND_SIZE == 0:
            return True
        if sum([len(raw) for _, raw in items]) >= LONG_PAGE_CHARS:
            return True
        if count == longest and has_new and count not in (self._cut_at, self._not_cut_at):
            # Two pages of one length: this may be the service's limit. The next page will show it.
            self._tried = count
            return True
        return count == longest == self._cut_at

    def end(self, *, has_new: bool) -> None:
        """Learn from the page that was requested next.

        :param has_new: whether it brought anything.
        """
        if self._tried and has_new:
            self._cut_at = self._tried
        elif self._tried:
            self._not_cut_at = self._tried
        self._tried = 0


class LogCursor:
    """Position in a run's log. Memory is bounded by a few pages, whatever the log's length."""

    def __init__(self) -> None:
        self.size = PAGE_SIZE
        self._largest = self._accepted = MAX_PAGE_SIZE
        self._fewest = MIN_PAGE_SIZE
        self._fitting = self._usual = PAGE_SIZE
        self._grown = GROWN_PAGE_SIZE
        self._state: _Reading | _Trying | _Confirming = _Reading(Place(LOG_START_CURSOR))
        self._look_back = LookBack()
        # Whether guesses have led nowhere in this round.
        self._guesses_failed = False
        # The number of lines at which the service is known to cut pages.
        self._cut_at = 0
        self._named = _NamedPages()

    @property
    def cursor(self) -> str | int:
        """The cursor to send next."""
        return self._state.cursor

    @property
    def is_guess(self) -> bool:
        """Whether that cursor is made up."""
        return isinstance(self._state, _Trying)

    def accept(self, page: LogPage, moment: float = 0.0, *, is_ending: bool = False) -> tuple[Sequence[Line], bool]:
        """Take the page fetched from the current cursor, and move the position.

        :param page: what the service answered.
        :param moment: the time in epoch seconds.
        :param is_ending: whether the run has ended or is no longer followed, so that there is no next round. Default
            False.
        :returns: the lines not seen before, in order; and whether another page should be fetched at once.
        """
        place = self._place_to_read(page, moment)
        if place is None:
            return (), not isinstance(self._state, _Reading) or not self._guesses_failed
        items = page.lines
        # A page that was full when it was opened: lines come faster than they are read.
        is_behind = place.is_new and len(items) >= self.size >= PAGE_SIZE
        was_open = not place.is_new
        fresh = place.take_new(items)
        new = self._look_back.leave_out_known(fresh)
        self._named.end(has_new=bool(fresh))
        if page.next_page is not None and self._leads_on(page.next_page, items):
            if not fresh:
                self._look_back.count_standstill()
            self._usual = min(2 * self.size, self._grown) if is_behind and new else PAGE_SIZE
            # An open page that has no new line and yet names a next one is full: the new lines are there.
            has_more = was_open
            if fresh:
                has_more = is_ending or self._named.lead_on(items, self.size, has_new=bool(new))
            self._open_named(page.next_page, place, items, moment)
            return new, has_more or (bool(items) and self._look_back.expects)
        if self._can_ask_for_more(items):
            # The page may have been cut. Requesting more of it is right under every reading of the cursor.
            self.size = min(2 * self.size, self._largest)
            return new, True
        if (fresh or not self._guesses_failed) and self._try_to_guess(place, items):
            return new, True
        self._look_back.count_standstill()
        return new, False

    def begin_round(self, before: float) -> None:
        """Begin a round of reading: guesses that led nowhere may be tried again.

        If a page left before the given moment has not been read again yet, this round begins there.

        :param before: the moment in epoch seconds.
        """
        if isinstance(self._state, _Reading):
            self._guesses_failed = False
            start = self._look_back.begin(before, self._state.place)
            if start is not None:
                self._open(start)

    def abandon(self) -> bool:
        """End a guess or a second look whose page cannot be read, and return to the page where it began.

        :returns: whether there was a second look.
        """
        if not isinstance(self._state, _Reading):
            self._state = _Reading(self._state.guess.origin)
        place = self._look_back.abandon()
        if place is not None:
            self._open(place)
        return place is not None

    def refuse(self, *, too_large: bool = False) -> bool:
        """Handle a request that the service refused as invalid: drop a guess, or request smaller pages.

        :param too_large: whether the answer had too many bytes instead: then smaller pages come first, down to a single
            line, and the next page may be larger again. Default False.
        :returns: whether something is left to try.
        """
        if too_large and self.size > 1:
            self.size = self._largest = self._fewest = min(self._fewest, self.size // 2)
            return True
        if not isinstance(self._state, _Reading):
            self._try_next(self._state.guess)
            return True
        if self.request_fewer():
            return True
        if self.abandon():
            return True
        if self.size <= MIN_PAGE_SIZE:
            return False
        self.size = self._largest = self._accepted = max(MIN_PAGE_SIZE, self.size // 2)
        return True

    def request_fewer(self) -> bool:
        """Handle a failure that a large page may have caused: from now on request no more than any known client does.

        :returns: whether fewer lines are requested now. A page that has been read keeps its size, or it would be cut at
            another line.
        """
        if not isinstance(self._state, _Reading) or not self._state.place.is_new or self.size <= PAGE_SIZE:
            return False
        self.size = self._usual = self._grown = PAGE_SIZE
        return True

    # Reading.

    def _leads_on(self, cursor: str | int, items: Sequence[Line]) -> bool:
        if not items and (here := _number(self.cursor)) is not None and (there := _number(cursor)) is not None:
            # No lines, and an earlier time: a replica that lags behind.
            return there > here
        return str(cursor) != str(self.cursor)

    def _open_named(self, cursor: str | int, left: Place, items: Sequence[Line], moment: float) -> None:
        """Open the page that this one names."""
        self._look_back.remember(left, items, moment)
        repeats = _of_moment(_boundary(cursor, items), items)
        if items:
            fitting = MAX_PAGE_CHARS * len(items) // (1 + sum([len(raw) for _, raw in items]))
            self._fitting = max(self._fewest, fitting)
        self._open(Place.opened(cursor, repeats))

    def _open(self, place: Place) -> None:
        self._state = _Reading(place)
        self._largest = self._accepted
        self.size = min(self._usual, self._largest, self._fitting)

    def _can_ask_for_more(self, items: Sequence[Line]) -> bool:
        return 0 < self.size <= len(items) and self.size < self._largest

    # Trying and confirming.

    def _place_to_read(self, page: LogPage, moment: float) -> Place | None:
        """The page that the answer belongs to; None if it only decides about a guess."""
        match self._state:
            case _Reading(place):
                return place
            case _Trying(guess):
                return self._judge(guess, page.lines, moment)
            case _Confirming(guess):
                return self._confirm(guess, page, moment)

    def _try_to_guess(self, place: Place, items: Sequence[Line]) -> bool:
        """Make a guess, if the page may have been cut and its timestamps and cursor are numbers."""
        if not items or (len(items) < self.size and len(items) % ROUND_SIZE != 0):
            return False
        last, here = _number(items[-1][0]), _number(place.cursor)
        if last is None or here is None:
            return False
        # If the cursor is the last line's time, the guess is one later: all lines of the page may have that time.
        candidates = [_Candidate(str(here + (1 if last == here else len(items))), None)]
        if last > here:
            candidates.insert(0, _Candidate(str(last), items[-1][0]))
        self._state = _Trying(_Guess(place, items, tuple(candidates)))
        return True

    def _judge(self, guess: _Guess, items: Sequence[Line], moment: float) -> Place | None:
        """Judge the answer to a made-up cursor."""
        candidate, there = guess.candidates[0], count_lines(items)
        if candidate.begins_with is None:
            # A service that does not know this cursor may answer with the page we come from.
            brings_new = bool(items) and bool(guess.origin.shown - there) and _is_beyond(items[0], guess.items[-1])
        elif items and items[0][0] == candidate.begins_with:
            # Cursors are times.
            brings_new = bool(there - guess.origin.shown)
            is_full = len(items) >= len(guess.items)
            after = (_Candidate(str(int(candidate.begins_with) + 1), None),) if is_full else ()
            guess = replace(guess, candidates=(candidate, *after))
        else:
            brings_new = False
        if not brings_new:
            self._try_next(guess)
            return None
        # If the service's limit is known, only a page that a lagging replica may have sent needs confirming.
        if len(guess.items) == self._cut_at and not guess.lacks_lines:
            return self._follow(guess, moment)
        self._state = _Confirming(guess)
        return None

    def _confirm(self, guess: _Guess, page: LogPage, moment: float) -> Place | None:
        """Judge the page that a guess was made from, read again after the guess has brought new lines."""
        # Not compared with all lines ever seen on it: one of the two answers may come from a lagging replica.
        has_changed = count_lines(page.lines) != count_lines(guess.items)
        if has_changed or (page.next_page is not None and self._leads_on(page.next_page, page.lines)):
            self._state, self._guesses_failed = _Reading(guess.origin), True
            return guess.origin
        self._cut_at = len(page.lines)
        self._follow(guess, moment)
        return None

    def _follow(self, guess: _Guess, moment: float) -> Place:
        """Open the page that a guess leads to."""
        self._look_back.remember(guess.origin, guess.items, moment)
        place = guess.next_place()
        self._state, self._guesses_failed = _Reading(place), False
        return place

    def _try_next(self, guess: _Guess) -> None:
        """Try the next candidate; without one, the page stays open."""
        if len(guess.candidates) > 1:
            self._state = _Trying(replace(guess, candidates=guess.candidates[1:]))
        else:
            self._state, self._guesses_failed = _Reading(guess.origin), True
            self._look_back.count_standstill()


def _is_beyond(line: Line, last: Line) -> bool:
    here, there = _number(last[0]), _number(line[0])
    return here is not None and there is not None and there >= here


def _of_moment(timestamp: str | int | None, items: Sequence[Line]) -> Counter[int]:
    return count_lines([item for item in items if item[0] == timestamp])


def _boundary(cursor: str | int, items: Sequence[Line]) -> str | int | None:
    """The timestamp whose lines the page at ``cursor`` repeats if the cursor is an inclusive time."""
    if not items:
        return None
    number = _number(cursor)
    if number is None:
        return items[-1][0]
    timestamps = [timestamp for timestamp, _ in items]
    return next((same for same in (cursor, str(number), number) if same in timestamps), None)


def _number(value: str | int) -> int | None:
    try:
        return int(value)
    except ValueError:
        return None
