"""Which ended runs are removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wherobots_local.runs.run import LocalRun

DEFAULT_KEEP_RUNS = 200
DEFAULT_KEEP_DAYS = 14.0

SPARED_SECONDS = 3600.0
"""Every run is kept for this long after its end, so that clients see how it ended."""

_DAY_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Retention:
    """How many ended runs are kept, the newest, and for how many days after their end."""

    runs: int = DEFAULT_KEEP_RUNS
    days: float = DEFAULT_KEEP_DAYS

    @property
    def seconds(self) -> float:
        """How long something unused is kept."""
        return max(self.days * _DAY_SECONDS, SPARED_SECONDS)

    def expired(self, runs: Sequence[LocalRun], now: float) -> list[LocalRun]:
        """Find the runs to remove, of all runs, oldest first. Active runs are never among them."""
        ended = [run for run in runs if run.ended and run.completed_at is not None]
        newest = {run.id for run in ended[len(ended) - min(self.runs, len(ended)) :]}
        return [
            run
            for run in ended
            if run.completed_at is not None
            and now - run.completed_at.timestamp() > (self.seconds if run.id in newest else SPARED_SECONDS)
        ]
