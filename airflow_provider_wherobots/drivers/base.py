"""What both drivers have in common: where notes and lines go, how long a request may take, and when it may go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import RateLimitedError
from airflow_provider_wherobots.flows.effects import Send
from airflow_provider_wherobots.flows.rate_limit import Places, RateLimits
from airflow_provider_wherobots.logs.records import LogRecord

CONNECT_TIMEOUT_SECONDS = 10.0
READ_TIMEOUT_SECONDS = 60.0

WriteNote = Callable[[int, str], None]
"""Takes a ``logging`` level and a text."""
WriteRecord = Callable[[LogRecord], None]
"""Writes one line of the run's log into the task log."""


def timeouts(effect: Send[object]) -> tuple[float, float]:
    """Seconds a request may take to connect, and to answer: always set.

    :param effect: what is to be sent.
    """
    if effect.timeout is None:
        return CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS
    connect = min(CONNECT_TIMEOUT_SECONDS, effect.timeout / 3)
    return connect, effect.timeout - connect


class Gate:
    """Where a driver's calls wait while their API key is limited.

    :param limits: the limits of API keys, shared with other drivers.
    :param clock: the time in seconds; never jumps.
    """

    def __init__(self, limits: RateLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._api_key = ""
        self._places: Places = {}

    @contextmanager
    def passing(self, api_key: str, call: Call[Any]) -> Iterator[None]:
        """Send a call within this context: not while its key is limited; a limit that the call meets is recorded.

        :param api_key: the key it is sent with.
        :param call: the call to be sent.
        :raises KeyLimitedError: when it may not be sent yet.
        """
        if api_key != self._api_key:
            self._api_key, self._places = api_key, {}
        limit, places = self._limits.of(api_key), self._places
        limit.check(call, places, self._clock())
        is_refused = False
        try:
            yield
        except RateLimitedError as error:
            is_refused = True
            limit.refused(call, places, error, self._clock())
            raise
        finally:
            if not is_refused:
                places.pop(call.operation, None)
