"""Seconds that a change of the wall clock does not move."""

from __future__ import annotations

from airflow_provider_wherobots.flows.effects import Flow, now

SLACK_SECONDS = 10.0


class SteadyClock:
    """Counts seconds from its first reading. Between two readings it counts at most what the steps can have taken."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._moment: float | None = None

    def read(self, longest: float = 0.0) -> Flow[float]:
        """Count the seconds since the last reading, at most ``longest`` and 10 s, and return the wall-clock time."""
        moment = yield from now()
        if self._moment is not None:
            self.seconds += min(max(0.0, moment - self._moment), longest + SLACK_SECONDS)
        self._moment = moment
        return moment
