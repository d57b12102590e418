"""Runs flows in an event loop that belongs to others too."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from airflow_provider_wherobots.api.response import read_response
from airflow_provider_wherobots.api.transports.aiohttp import AiohttpTransport
from airflow_provider_wherobots.drivers.base import Gate, WriteNote, WriteRecord, timeouts
from airflow_provider_wherobots.flows.effects import (
    Effect,
    Flow,
    Forward,
    Note,
    Now,
    Publish,
    ReloadCredentials,
    Reloaded,
    Send,
    Sleep,
)
from airflow_provider_wherobots.flows.rate_limit import RateLimits
from airflow_provider_wherobots.logs.records import make_safe

T = TypeVar("T")


async def nowhere(key: str, value: str) -> None:
    """Publishes nothing."""


SLICE_SECONDS = 0.005
"""A flow steps and writes this long at most before the event loop is given back."""
LARGE_BODY_BYTES = 250_000
"""A larger answer is read by a thread, so that the event loop has its turns meanwhile."""


class AsyncDriver:
    """Performs a flow's effects one after the other, never blocking the loop for long.

    :param transport: sends the calls.
    :param note: takes what the flow has to say.
    :param write: takes the lines of the run's log.
    :param reload: reads the connection again, and tells whether it changed.
    :param publish: takes what is to be made known, key and value, and must not raise; default nowhere.
    :param limits: the limits of API keys, shared with other drivers; default none yet.
    """

    def __init__(
        self,
        transport: AiohttpTransport,
        note: WriteNote,
        write: WriteRecord,
        reload: Callable[[], Awaitable[Reloaded]],
        publish: Callable[[str, str], Awaitable[None]] = nowhere,
        limits: RateLimits | None = None,
    ) -> None:
        self._transport = transport
        self._note = note
        self._write = write
        self._reload = reload
        self._publish = publish
        self._gate = Gate(limits or RateLimits())
        self._since = 0.0

    async def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end.

        :param flow: the flow, not started yet.
        :returns: what the flow returns.
        """
        step: Callable[[Any], Effect] = flow.send
        value: Any = None
        self._since = time.monotonic()
        try:
            while True:
                effect = step(value)
                # An answer is the flow's alone: it must not live on here while the flow sleeps.
                value = None
                try:
                    await self._share()
                    value, step = await self._perform(effect), flow.send
                except BaseException as error:
                    # Any error, a cancellation too, so that a flow that is interrupted can still write what it holds.
                    value, step = error, flow.throw
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            flow.close()

    async def _perform(self, effect: Effect) -> Any:
        match effect:
            case Send():
                return await self._send(effect)
            case Sleep():
                await asyncio.sleep(effect.seconds * (1 + effect.jitter * random.random()))  # noqa: S311 - spreads load
                self._since = time.monotonic()
            case Now():
                return time.time()
            case Note():
                self._note(effect.level, make_safe(effect.text))
            case Forward():
                for record in effect.records:
                    self._write(record)
                    await self._share()
            case Publish():
                await self._publish(effect.key, effect.value)
            case ReloadCredentials():
                return await self._reload()
        return None

    async def _send(self, effect: Send[Any]) -> Any:
        with self._gate.passing(self._transport.endpoint.api_key, effect.call):
            response = await self._transport.send(effect.call, *timeouts(effect))
            self._since = time.monotonic()
            if len(response.body) <= LARGE_BODY_BYTES:
                return read_response(effect.call, response)
            return await asyncio.to_thread(read_response, effect.call, response)

    async def _share(self) -> None:
        if time.monotonic() - self._since > SLICE_SECONDS:
            await asyncio.sleep(0)
            self._since = time.monotonic()
