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

Under each of them a log's last page may name no next page (the CLI's issue BUG-1930), itself, or its own end; lines may
be inserted late (see ``look_back``); and a replica that lags behind may respond with an earlier state. So:

* Cursors are sent back as the service issued them, of the same type. No other is sent.
* New and repeated lines are distinguished by counting equal lines, not by position or time.
* If a page names a next one, that is requested at once. But if the run is active and the page is so short that it may
  be the log's end, the next one is requested in the next round: else each request would bring only the few lines
  written since the one before.
* A page that names no next page stays open: it is read again in each round, and its new lines are forwarded. If it has
  as many lines as were requested, more are requested. If it names a next page later, and has no new line itself, that
  one is requested at once.

``look_back`` reads recently left pages again by the same rules, from the oldest of them to the current one, and leaves
out lines shown before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from airflow_provider_wherobots.api.runs.models import LOG_START_CURSOR, Line, LogPage
from airflow_provider_wherobots.logs.look_back import LookBack, Place, count_lines

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


class LogCursor:
    """Position in a run's log. Memory is bounded by a few pages, regardless of the log's length."""

    def __init__(self) -> None:
        self.size = PAGE_SIZE
        self._largest = self._accepted = MAX_PAGE_SIZE
        self._fewest = MIN_PAGE_SIZE
        self._fitting = self._usual = PAGE_SIZE
        self._grown = GROWN_PAGE_SIZE
        self._place = Place(LOG_START_CURSOR)
        self._look_back = LookBack()

    @property
    def cursor(self) -> str | int:
        return self._place.cursor

    def accept(self, page: LogPage, moment: float = 0.0, *, is_ending: bool = False) -> tuple[Sequence[Line], bool]:
        """Read the page of the current cursor, and move the position.

        ``is_ending``: there is no next round, because the run has ended or is no longer followed. Returns the new
        lines, in order, and whether another page should be fetched at once.
        """
        place, items = self._place, page.lines
        # A page that was full when it was opened: lines come faster than they are read.
        is_behind = place.is_new and len(items) >= self.size >= PAGE_SIZE
        was_open = not place.is_new
        fresh = place.take_new(items)
        new = self._look_back.leave_out_known(fresh)
        if page.next_page is not None and self._leads_on(page.next_page, items):
            if not fresh:
                self._look_back.count_standstill()
            self._usual = min(2 * self.size, self._grown) if is_behind and new else PAGE_SIZE
            # An open page without a new line that names a next one is full: the new lines are on the next one.
            has_more = is_ending or self._is_long(items) if fresh else was_open
            self._open_named(page.next_page, place, items, moment)
            return new, has_more or (bool(items) and self._look_back.expects)
        if 0 < self.size <= len(items) and self.size < self._largest:
            # Requesting more of a full page is right under every reading of the cursor.
            self.size = min(2 * self.size, self._largest)
            return new, True
        self._look_back.count_standstill()
        return new, False

    def begin_round(self, before: float) -> None:
        """Begin a round of reading: with the second look, if pages left before ``before`` have not been read again."""
        start = self._look_back.begin(before, self._place)
        if start is not None:
            self._open(start)

    def abandon(self) -> bool:
        """End a second look whose page cannot be read. Returns whether there was one."""
        place = self._look_back.abandon()
        if place is not None:
            self._open(place)
        return place is not None

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
        if self.abandon():
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
        if not self._place.is_new or self.size <= PAGE_SIZE:
            return False
        self.size = self._usual = self._grown = PAGE_SIZE
        return True

    def _is_long(self, items: Sequence[Line]) -> bool:
        return len(items) >= min(self.size, MIN_PAGE_SIZE) or sum([len(raw) for _, raw in items]) >= LONG_PAGE_CHARS

    def _leads_on(self, cursor: str | int, items: Sequence[Line]) -> bool:
        if not items and (here := _number(self.cursor)) is not None and (there := _number(cursor)) is not None:
            # No lines, and an earlier time: a replica that lags behind.
            return there > here
        return str(cursor) != str(self.cursor)

    def _open_named(self, cursor: str | int, left: Place, items: Sequence[Line], moment: float) -> None:
        self._look_back.remember(left, items, moment)
        repeats = _of_moment(_boundary(cursor, items), items)
        if items:
            fitting = MAX_PAGE_CHARS * len(items) // (1 + sum([len(raw) for _, raw in items]))
            self._fitting = max(self._fewest, fitting)
        self._open(Place.opened(cursor, repeats))

    def _open(self, place: Place) -> None:
        self._place = place
        self._largest = self._accepted
        self.size = min(self._usual, self._largest, self._fitting)


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
