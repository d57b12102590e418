"""The driver that runs flows on the calling thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_wherobots.api.response import read_response
from airflow_provider_wherobots.drivers.base import Clock, Gate, Outlets, timeouts
from airflow_provider_wherobots.flows.effects import (
    Effect,
    Flow,
    Forward,
    Note,
    Now,
    Prefetch,
    Publish,
    ReloadCredentials,
    Reloaded,
    Send,
    Sleep,
)
from airflow_provider_wherobots.flows.rate_limit import RateLimits
from airflow_provider_wherobots.logs.records import make_safe

if TYPE_CHECKING:
    from airflow_provider_wherobots.api.transports.requests import RequestsTransport

T = TypeVar("T")


class FlowStoppedError(Exception):
    """The driver was stopped, so the flow may no longer send or wait."""


class SyncDriver:
    """Perform a flow's effects one after the other.

    :param transport: sends the calls.
    :param outlets: where all other effects go.
    :param limits: the limits of API keys, shared with other drivers; default its own.
    :param clock: the source of time; default the system's.
    """

    def __init__(
        self,
        transport: RequestsTransport,
        outlets: Outlets[Reloaded, None],
        limits: RateLimits | None = None,
        clock: Clock[None] | None = None,
    ) -> None:
        self._transport = transport
        self._outlets = outlets
        self._clock = clock or Clock(time.sleep)
        self._gate = Gate(limits or RateLimits(), self._clock)
        self.stopped = False

    def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end.

        :param flow: the flow, not started yet.
        :returns: what the flow returns.
        :raises FlowStoppedError: when the flow sends or waits after :attr:`stopped` was set, as by a signal handler.
        """
        step: Callable[[Any], Effect[Any]] = flow.send
        value: Any = None
        try:
            while True:
                effect = step(value)
                # Only the flow may keep an answer: a reference here would keep it in memory while the flow sleeps.
                value = None
                try:
                    value, step = self._perform(effect), flow.send
                except BaseException as error:
                    # Any error, so that an interrupted flow can still write the lines it holds.
                    value, step = error, flow.throw
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            flow.close()

    def _perform(self, effect: Effect[Any]) -> Any:
        if self.stopped and isinstance(effect, Send | Sleep | Publish | ReloadCredentials):
            raise FlowStoppedError("the task is being stopped")
        match effect:
            case Send():
                with self._gate.passing(self._transport.endpoint.api_key, effect.call):
                    return self._send(effect)
            case Sleep():
                self._clock.sleep(self._clock.seconds(effect))
            case Now():
                return self._clock.now()
            case Note():
                self._outlets.note(effect.level, make_safe(effect.text))
            case Prefetch():
                # Nothing else can run meanwhile in this driver.
                pass
            case Forward():
                for record in effect.records:
                    self._outlets.write(record)
            case Publish():
                if self._outlets.publish is not None:
                    self._outlets.publish(effect.key, effect.value)
            case ReloadCredentials():
                return self._outlets.reload()
            case _:
                raise TypeError(f"{effect!r} is not an effect")
        return None

    def _send(self, effect: Send[Any]) -> Any:
        return read_response(effect.call, self._transport.send(effect.call, *timeouts(effect)))
