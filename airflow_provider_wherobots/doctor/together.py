"""Runs flows concurrently on one driver: while one flow sleeps, the others continue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from airflow_provider_wherobots.flows.effects import Effect, Flow, Sleep, now, perform


def together(flows: Sequence[Flow[Any]], carry_out: Callable[[Effect[Any]], Flow[Any]] = perform) -> Flow[None]:
    """Run flows to their ends. An error of one ends them all. ``carry_out`` performs every effect except a sleep."""
    due = dict.fromkeys(flows, 0.0)
    try:
        while due:
            flow = min(due, key=lambda flow: due[flow])
            pause = due[flow] - (yield from now())
            if pause > 0:
                yield Sleep(pause)
            seconds = yield from _until_it_sleeps(flow, carry_out)
            if seconds is None:
                del due[flow]
            else:
                due[flow] = (yield from now()) + seconds
    finally:
        for flow in flows:
            flow.close()


def _until_it_sleeps(flow: Flow[Any], carry_out: Callable[[Effect[Any]], Flow[Any]]) -> Flow[float | None]:
    """Continue a flow until it sleeps, and return for how long; None if it has ended."""
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
            value, step = (yield from carry_out(effect)), flow.send
        except BaseException as error:
            value, step = error, flow.throw
