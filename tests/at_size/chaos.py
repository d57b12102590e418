"""Disturbs an Airflow: what happens to which component and when is drawn from a seed, then done in a thread."""

import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.support.airflow_instance import AirflowInstance

Action = Literal["kill", "restart", "freeze"]
ACTIONS: tuple[Action, ...] = ("kill", "restart", "freeze")
FROZEN_SECONDS = 10.0


@dataclass(frozen=True)
class Disturbance:
    """One thing that happens to one component.

    :param at: seconds after the beginning.
    :param action: ``kill`` is SIGKILL and a start some seconds later, ``restart`` is SIGTERM and a start, ``freeze``
        is SIGSTOP for ten seconds.
    :param pause: seconds between the kill and the start.
    """

    at: float
    component: str
    number: int
    action: Action
    pause: float = 0.0

    def __str__(self) -> str:
        return f"{self.action} {self.component} {self.number}"


def plan(seed: int, seconds: float, components: Sequence[tuple[str, int]]) -> list[Disturbance]:
    """Draw one disturbance for every minute."""
    draw = random.Random(seed)
    return [
        Disturbance(
            60.0 * minute + draw.uniform(5, 25),
            *draw.choice(list(components)),
            draw.choice(ACTIONS),
            draw.uniform(1, 10),
        )
        for minute in range(int(seconds // 60))
    ]


def disturb(airflow: AirflowInstance, what: Disturbance) -> None:
    """Carry out a disturbance, and return when the component has been started again or continues."""
    if what.action == "freeze":
        with airflow.frozen(what.component, what.number):
            time.sleep(FROZEN_SECONDS)
        return
    airflow.kill_component(what.component, signal.SIGKILL if what.action == "kill" else signal.SIGTERM, what.number)
    time.sleep(what.pause if what.action == "kill" else 0.0)
    airflow.start_component(what.component, what.number)


class Chaos:
    """Carries out a plan in a thread, from :meth:`start` to :meth:`finish`."""

    def __init__(self, airflow: AirflowInstance, planned: Sequence[Disturbance], report: Callable[[str], None]) -> None:
        self._airflow = airflow
        self._planned = planned
        self._report = report
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._error: Exception | None = None
        self._stop = threading.Event()
        self.done: list[Disturbance] = []

    def start(self) -> None:
        """Start the plan. Its times count from now."""
        self._begun = time.monotonic()
        self._thread.start()

    def finish(self) -> None:
        """Start no further disturbance, wait for the present one, and raise its error."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            for one in self._planned:
                if self._stop.wait(max(0.0, self._begun + one.at - time.monotonic())):
                    return
                self._report(f"  {one}")
                disturb(self._airflow, one)
                self.done.append(one)
        except Exception as error:
            self._error = error
