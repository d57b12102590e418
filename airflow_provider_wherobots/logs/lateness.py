"""How late the lines of a log come: the time at which the service shows a line minus its own time.

Nobody sees when the service shows a line, only that it is there in one round and was not there in the round before. So
a round that has new lines shows two bounds:

* The oldest of them was not there in the round before: it is *at least* as late as the time from its own to that round.
* The newest of them is *at most* as late as the time from its own to this round. The first round shows that, too.

The lateness is taken for the larger of the greatest lower bound and the smallest upper bound. It is unknown without
an upper bound: lines may be much later than a lower one. How long the reader was away makes an upper bound useless, and
never counts as lateness.

Times of lines are the service's, and moments are this machine's. A response's ``Date`` shows how the clocks differ. The
response that took least time shows it best.
"""

from __future__ import annotations

from math import inf

from airflow_provider_wherobots.api.runs.models import Line, LogPage
from airflow_provider_wherobots.logs.records import read_time_ns

USEFUL_SECONDS = 30.0
"""A larger upper bound says nothing: the line may have been there for long."""


class Lateness:
    """Measures the lateness of a log's lines."""

    __slots__ = ("_ahead", "_at_least", "_at_most", "_took")

    def __init__(self) -> None:
        self._at_least: float | None = None
        self._at_most = USEFUL_SECONDS
        # How many seconds the service's clock is ahead of this machine's, and how long the response took that says so.
        self._ahead, self._took = 0.0, inf

    @property
    def seconds(self) -> float | None:
        """How late a line was at least, rounded to a tenth of a second; None before two rounds had lines."""
        return None if self._at_least is None else round(self._at_least, 1)

    @property
    def bound(self) -> float | None:
        """How late lines come, in seconds; None while that is unknown."""
        return max(self._at_least or 0.0, self._at_most) if self._at_most < USEFUL_SECONDS else None

    def compare_clocks(self, page: LogPage, sent: float, moment: float) -> None:
        """Compare the clocks by a page that was requested and came at these moments."""
        if page.responded_at is not None and moment - sent < self._took:
            self._ahead, self._took = page.responded_at - moment, moment - sent

    def measure(self, first: Line, last: Line, moment: float, before: float | None) -> None:
        """Take in the first and the last new line of a round.

        :param moment: when the round ended.
        :param before: when the round before had read the log to its present end, or None.
        """
        oldest, newest = self._moment_of(first), self._moment_of(last)
        if oldest is None or newest is None:
            return
        self._at_most = min(self._at_most, max(0.0, moment - newest))
        if before is not None:
            self._at_least = max(self._at_least or 0.0, before - oldest)

    def _moment_of(self, line: Line) -> float | None:
        time_ns = read_time_ns(line[0])
        return None if time_ns is None else time_ns / 1e9 - self._ahead
