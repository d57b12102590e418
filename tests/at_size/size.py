"""How big the tests at size are."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """How big the tests are.

    :param runs: how many runs at once.
    :param seconds: how long each of them goes on once all are deferred.
    :param soak_minutes: how long the soak disturbs.
    :param soak_runs: how many runs it has.
    :param sample: how many logs are accounted for.
    :param concurrency: how many tasks each worker runs at a time.
    :param seed: what all drawing begins with.
    """

    runs: int
    seconds: float
    soak_minutes: float
    soak_runs: int
    sample: int
    concurrency: int
    seed: int

    @property
    def patience(self) -> float:
        """Seconds after which a phase is given up: a slow machine is no failure."""
        return 600 + 10.0 * max(self.runs, self.soak_runs)
