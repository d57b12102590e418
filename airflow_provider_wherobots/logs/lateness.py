"""How late the lines of a log come: the time at which a line is first seen minus its own time.

The time at which it is first seen depends on how often the log is read. So of each round that had new lines, two are
measured. The oldest was not there in the round before: it is at least as late as the time from its own to that round.
The newest has come since: it is at most as late as the time from its own to this round. The larger counts.

Without a round before, a line may have been there for long. Then it counts only if it was written near the end of a
run that has just ended.
Times of lines are the service's, and moments are this machine's: a response's ``Date`` shows how the clocks differ.
"""

from __future__ import annotations

from airflow_provider_wherobots.api.runs.models import Line, LogPage
from airflow_provider_wherobots.logs.records import read_time_ns

NEAR_END_SECONDS = 10.0
"""How long before a run's end a line near the end was written at most."""
JUST_ENDED_SECONDS = 60.0
"""How long ago a run ended at most that has just ended."""


class Lateness:
    """Measures the lateness of a log's lines. ``largest`` is in seconds, None before the first measurement."""

    __slots__ = ("_ahead", "largest")

    def __init__(self) -> None:
        self.largest: float | None = None
        # How many seconds the service's clock is ahead of this machine's.
        self._ahead: float | None = None

    @property
    def seconds(self) -> float | None:
        """The largest, rounded to a tenth of a second."""
        return None if self.largest is None else round(self.largest, 1)

    def compare_clocks(self, page: LogPage, moment: float) -> None:
        """Compare the clocks once. ``moment``: when the page came."""
        if self._ahead is None and page.responded_at is not None:
            self._ahead = page.responded_at - moment

    def measure(self, first: Line, last: Line, moment: float, before: float | None, ended: float | None) -> None:
        """Take in the first and the last new line of a round.

        :param moment: when the round ended.
        :param before: when the round before had read the log to its present end, or None.
        :param ended: when the run ended; None while it is active.
        """
        oldest, newest = self._moment_of(first), self._moment_of(last)
        if oldest is None or newest is None:
            return
        at_least, at_most = 0.0 if before is None else before - oldest, moment - newest
        if before is None and (
            ended is None or newest < ended - NEAR_END_SECONDS or ended < moment - JUST_ENDED_SECONDS
        ):
            return
        if ended is not None and before is not None and before < ended and self.largest is not None:
            # The newest line is as old as the time since the run's end, however soon it came.
            at_most = 0.0
        self.largest = max(self.largest or 0.0, at_least, at_most)

    def _moment_of(self, line: Line) -> float | None:
        time_ns = read_time_ns(line[0])
        return None if time_ns is None else time_ns / 1e9 - (self._ahead or 0.0)
