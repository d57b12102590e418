"""How much is measured: the full form, and the quick one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """Runs that one triggerer follows.

    :param pause: seconds between two polls of a run.
    :param settle: seconds until they are measured.
    :param seconds: seconds that are measured.
    :param at_once: whether all start at the same time. Default False: one after the other, during one pause. Those that
        start at the same time poll in bursts, and the measurement may neither begin nor end in a burst.
    """

    runs: int
    pause: float
    settle: float
    seconds: float
    at_once: bool = False


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    :param few: a triggerer with little to do; None leaves it out.
    :param at_once: one whose runs all start at the same time.
    :param resuming: one whose runs all have a log of an earlier triggerer that has died.
    :param status_only: whether followers of the status alone are measured too.
    :param many_events: whether memory is also measured with runs that have many events.
    :param latencies: seconds until a response of the service, while the long log is forwarded.
    :param gap: seconds between the starts of two real tasks.
    :param lengths: seconds that the runs of real tasks take.
    :param counted_length: the length whose worker time and calls are shown.
    :param task_lines: lines of a long log in a real task; 0 leaves it out.
    :param official_log: whether the official provider's log forwarding is measured: its task ends more than a minute
        after its run.
    """

    name: str
    times: int
    few: Load | None
    many: Load
    at_once: Load
    resuming: Load
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
    few=None,
    many=Load(500, pause=5.0, settle=5.5, seconds=5.0),
    at_once=Load(500, pause=5.0, settle=8.25, seconds=5.25, at_once=True),
    resuming=Load(200, pause=5.0, settle=10.0, seconds=5.25, at_once=True),
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
    few=Load(50, pause=5.0, settle=7.5, seconds=10.0),
    many=Load(5_000, pause=10.0, settle=13.0, seconds=10.5),
    at_once=Load(5_000, pause=10.0, settle=17.5, seconds=10.5, at_once=True),
    resuming=Load(1_000, pause=10.0, settle=60.0, seconds=10.5, at_once=True),
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
