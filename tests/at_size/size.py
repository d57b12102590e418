"""How big the tests at size are."""

import random
from dataclasses import dataclass

SPREAD = 0.25


@dataclass(frozen=True)
class Size:
    """How big the tests are.

    :param seconds: how long each of them takes, on average, apart from the wait until all are deferred.
    :param sample: how many logs are checked line by line.
    """

    runs: int
    seconds: float
    soak_minutes: float
    soak_runs: int
    sample: int
    concurrency: int
    seed: int

    @property
    def lengths(self) -> list[float]:
        """The seconds of each run, up to a quarter more or less than the average.

        Jobs are processes on this machine. If all ended in the same second, Airflow would get the CPU too late.
        """
        draw = random.Random(self.seed)
        return [self.seconds * draw.uniform(1 - SPREAD, 1 + SPREAD) for _ in range(self.runs)]

    @property
    def patience(self) -> float:
        """Seconds after which a phase fails: long, because a slow machine is no failure."""
        return 600 + 10.0 * max(self.runs, self.soak_runs)
