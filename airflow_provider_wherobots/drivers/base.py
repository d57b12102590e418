"""What both drivers have in common: where notes and lines go, how long a request may take, and when it may go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import RateLimitedError
from airflow_provider_wherobots.flows.effects import Send
from airflow_provider_wherobots.flows.rate_limit import RateLimit
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


@contextmanager
def within(limit: RateLimit, call: Call[Any]) -> Iterator[None]:
    """Send a call in here: not while its key is limited, and a limit it meets is kept.

    :param limit: the limit of the key it is sent with.
    :param call: what is to be sent.
    :raises KeyLimitedError: when it may not be sent yet.
    """
    limit.check(call, time.monotonic())
    try:
        yield
    except RateLimitedError as error:
        limit.refused(error, time.monotonic())
        raise
