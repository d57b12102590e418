"""What both drivers have in common: where notes and lines go, and how long a request may take."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_wherobots.flows.effects import Send
from airflow_provider_wherobots.flows.log_records import LogRecord

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
