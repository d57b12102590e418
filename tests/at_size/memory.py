"""The memory of long-lived processes over time, and whether it grows."""

import contextlib
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil

from tests.support.airflow_instance import AirflowInstance
from tests.support.processes import tree

WARM_UP_SECONDS = 120.0
"""A new process imports and fills caches for this long, so its memory is expected to grow."""
LONG_SECONDS = 180.0
"""How long a process must live after the warm-up, so that its memory can be judged."""
FLAT_RATIO = 1.2
FLAT_BYTES = 20 * 2**20
MIB = 2**20

Sample = tuple[float, int]
"""Seconds since the process was first seen, and bytes."""


@dataclass(frozen=True)
class Growth:
    """How a component's memory changed between two restarts.

    :param seconds: how long it lived after the warm-up.
    :param first: median bytes of the first third of that time.
    :param last: median bytes of the last third.
    """

    component: str
    seconds: float
    first: float
    last: float

    @property
    def is_flat(self) -> bool:
        """Whether it grew by less than a fifth, or by less than 20 MiB."""
        return self.last <= max(self.first * FLAT_RATIO, self.first + FLAT_BYTES)

    def __str__(self) -> str:
        return (
            f"{self.component}: {self.first / MIB:.0f} MiB, {self.last / MIB:.0f} MiB {self.seconds / 60:.0f} min later"
        )


def growth(component: str, samples: Sequence[Sample]) -> Growth | None:
    """Compare the ends of a process's life, without its warm-up; None if it was too short."""
    warm = [(at, size) for at, size in samples if at >= WARM_UP_SECONDS]
    if not warm or warm[-1][0] - warm[0][0] < LONG_SECONDS or len(warm) < 6:
        return None
    third = len(warm) // 3
    first, last = (statistics.median(size for _, size in part) for part in (warm[:third], warm[-third:]))
    return Growth(component, warm[-1][0] - warm[0][0], first, last)


@dataclass
class MemoryWatch:
    """Samples the memory of components. A component that is started again is a new process."""

    airflow: AirflowInstance
    components: tuple[str, ...] = ("triggerer", "celery-worker")
    lives: dict[tuple[str, int], list[Sample]] = field(default_factory=lambda: defaultdict(list))
    _since: dict[tuple[str, int], float] = field(default_factory=dict)

    def sample(self) -> None:
        """Take one sample of each component that runs."""
        for name, n in self.airflow.all_components():
            if name not in self.components or not self.airflow.is_running(name, n):
                continue
            key = (f"{name} {n}", self.airflow.pid(name, n))
            since = self._since.setdefault(key, time.monotonic())
            if size := private_bytes(key[1]):
                self.lives[key].append((time.monotonic() - since, size))

    def growths(self) -> list[Growth]:
        """The growth of each process that lived long enough."""
        found = [growth(name, samples) for (name, _), samples in self.lives.items()]
        return [one for one in found if one is not None]


def private_bytes(pid: int, *, older_than: float = 60.0) -> int:
    """The private memory of a process and of its long-lived descendants.

    :param older_than: seconds that a descendant must have lived to count, so that a worker's tasks do not. Default 60.
    """
    total = 0
    for process in tree(pid):
        with contextlib.suppress(psutil.Error):
            if process.pid == pid or time.time() - process.create_time() > older_than:
                total += process.memory_full_info().uss
    return total
