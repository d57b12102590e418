"""How much is measured: the full form, and the quick one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    :param name: what the form is called.
    :param times: measurements of each side.
    :param spread: for followers that start one after the other: seconds until they are measured, and seconds that are
        measured.
    :param at_once: the same for followers that start at the same time. They poll in bursts, and the measurement may
        neither begin nor end in a burst.
    :param few: runs of a triggerer with little to do; 0 leaves it out.
    :param many: runs of a busy triggerer.
    :param status_only: whether followers of the status alone are measured too.
    :param many_events: whether memory is also measured with runs that have many events.
    :param lines: lines of a long log.
    :param latencies: seconds until an answer of the service, while the long log is forwarded.
    :param gap: seconds between the starts of two real tasks.
    :param lengths: seconds that the runs of real tasks take.
    :param counted_length: the length whose worker time and calls are shown.
    :param task_lines: lines of a long log in a real task; 0 leaves it out.
    :param official_log: whether the official provider's log forwarding is measured: its task ends more than a minute
        after its run.
    """

    name: str
    times: int
    spread: tuple[float, float]
    at_once: tuple[float, float]
    few: int
    many: int
    status_only: bool
    many_events: bool
    lines: int
    latencies: tuple[float, ...]
    gap: float
    lengths: tuple[int, ...]
    counted_length: int
    task_lines: int
    official_log: bool


QUICK = Scale(
    name="quick",
    times=1,
    spread=(5.5, 5.0),
    at_once=(8.25, 5.25),
    few=0,
    many=500,
    status_only=False,
    many_events=False,
    lines=20_000,
    latencies=(0.0,),
    gap=3.0,
    lengths=(10,),
    counted_length=10,
    task_lines=0,
    official_log=False,
)
FULL = Scale(
    name="full",
    times=3,
    spread=(10.0, 10.0),
    at_once=(15.0, 15.0),
    few=50,
    many=5000,
    status_only=True,
    many_events=True,
    lines=100_000,
    latencies=(0.0, 0.03),
    gap=6.0,
    lengths=(10, 60, 600),
    counted_length=60,
    task_lines=5_000,
    official_log=True,
)
