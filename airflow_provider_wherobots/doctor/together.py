"""Running flows side by side on one driver: while one of them sleeps, the others go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_wherobots.flows.effects import Effect, Flow, Sleep, now, perform


def together(*flows: Flow[None]) -> Flow[None]:
    """Run flows to their ends. An error of one ends them all.

    :param flows: the flows, not started yet.
    """
    due = dict.fromkeys(flows, 0.0)
    try:
        while due:
            flow = min(due, key=lambda flow: due[flow])
            pause = due[flow] - (yield from now())
            if pause > 0:
                yield Sleep(pause)
            seconds = yield from _until_it_sleeps(flow)
            if seconds is None:
                del due[flow]
            else:
                due[flow] = (yield from now()) + seconds
    finally:
        for flow in flows:
            flow.close()


def _until_it_sleeps(flow: Flow[None]) -> Flow[float | None]:
    """Go on with a flow.

    :returns: how long it sleeps now; None if it has ended.
    """
    step: Callable[[Any], Effect[Any]] = flow.send
    value: Any = None
    while True:
        try:
            effect = step(value)
        except StopIteration:
            return None
        if isinstance(effect, Sleep):
            return effect.seconds
        try:
            value, step = (yield from perform(effect)), flow.send
        except BaseException as error:
            value, step = error, flow.throw
