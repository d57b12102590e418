"""How long transient failures are borne, and how long to wait between them: one rule for every call."""

from __future__ import annotations

import logging
from typing import TypeVar

from airflow_provider_wherobots.api.call import Call
from airflow_provider_wherobots.api.errors import Arrival, WherobotsApiError
from airflow_provider_wherobots.flows.effects import Flow, Note, Sleep, attempt, now

T = TypeVar("T")

DEFAULT_MAX_OUTAGE_SECONDS = 600.0
"""An outage this long is survived unless the user says otherwise."""
FIRST_DELAY_SECONDS = 1.0
MAX_DELAY_SECONDS = 30.0
JITTER = 0.2


class Outage:
    """A row of transient failures, from the first of them on.

    :param max_seconds: how long the row may last.
    """

    def __init__(self, max_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS) -> None:
        self._max_seconds = max_seconds
        self._since: float | None = None
        self._failures = 0

    def failed(self, error: WherobotsApiError, moment: float) -> float:
        """Count a failure.

        :param error: how the attempt ended.
        :param moment: when, in epoch seconds.
        :returns: seconds to wait before the next attempt: what the service asked for, if that is a second or more,
            else growing delays; and never so long that the last attempt would come after the row's limit.
        :raises WherobotsApiError: the error itself when waiting is no use: it is permanent, or the row is too long.
        """
        if not error.transient:
            raise error
        if self._since is None:
            self._since = moment
        left = self._since + self._max_seconds - moment
        if left <= 0:
            raise error
        self._failures += 1
        delay = error.retry_after
        # "Retry-After: 0", obeyed to the letter, would hammer the service for the whole row.
        if delay is None or delay < FIRST_DELAY_SECONDS:
            delay = min(MAX_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** min(self._failures - 1, 10))
        return min(delay, left)

    def over(self) -> int:
        """End the row.

        :returns: how many failures it had.
        """
        failures, self._failures, self._since = self._failures, 0, None
        return failures

    @property
    def is_first_failure(self) -> bool:
        """Whether the failure counted last opened the row."""
        return self._failures == 1


def send(call: Call[T], max_outage_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS) -> Flow[T]:
    """Send a call, and again while it fails transiently and repeating it is safe.

    :param call: what to send. One that is not repeatable is sent again only if it surely did not arrive.
    :param max_outage_seconds: how long failures in a row are borne; default 600.
    :raises WherobotsApiError: the last failure.
    """
    outage = Outage(max_outage_seconds)
    while True:
        try:
            return (yield from attempt(call))
        except WherobotsApiError as error:
            if not call.repeatable and error.arrival is not Arrival.NOT_ARRIVED:
                raise
            yield from wait_out(outage, error)


def wait_out(outage: Outage, error: WherobotsApiError) -> Flow[None]:
    """Count a failure, say so, and sleep until the next attempt is due.

    :param outage: the row the failure belongs to.
    :param error: how the attempt ended.
    :raises WherobotsApiError: the error itself when waiting is no use.
    """
    delay = outage.failed(error, (yield from now()))
    yield Note(logging.WARNING, f"{error}; trying again in {delay:.1f} s")
    yield Sleep(delay, JITTER)
