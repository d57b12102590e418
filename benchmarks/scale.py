"""How much is measured: the full form, and the quick one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    :param name: what the form is called.
    :param times: measurements of each side.
    :param settle: seconds until followers are measured.
    :param seconds: how long followers are measured.
    :param few: runs of a triggerer with little to do.
    :param many: runs of a busy triggerer.
    :param lines: lines of a long log.
    :param lengths: seconds that the runs of real tasks take.
    :param counted_length: the one whose worker-seconds and calls are shown.
    :param task_lines: lines of a long log in a real task; 0 leaves it out.
    :param official_log: whether the official provider's log forwarding is measured: its task ends more than a minute
        after its run.
    """

    name: str
    times: int
    settle: float
    seconds: float
    few: int
    many: int
    lines: int
    lengths: tuple[int, ...]
    counted_length: int
    task_lines: int
    official_log: bool


QUICK = Scale("quick", 1, 6.0, 4.0, 50, 500, 20_000, (10,), 10, 0, False)
FULL = Scale("full", 3, 12.0, 12.0, 50, 5000, 100_000, (600, 60, 10), 60, 5_000, True)
