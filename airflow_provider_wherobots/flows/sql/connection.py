"""Opening the WebSocket to a session."""

from __future__ import annotations

import logging

from airflow_provider_wherobots.api.errors import WherobotsApiError
from airflow_provider_wherobots.api.sql.models import SqlSession
from airflow_provider_wherobots.flows.effects import Flow, Note, Sleep, attempt_to_connect
from airflow_provider_wherobots.flows.retry import FIRST_DELAY_SECONDS, JITTER
from airflow_provider_wherobots.flows.sql.session import address_of
from airflow_provider_wherobots.flows.sql.steady import SteadyClock

CONNECT_BUDGET_SECONDS = 60.0
"""How long opening a WebSocket is tried."""
ATTEMPT_SECONDS = 20.0
MAX_DELAY_SECONDS = 10.0


def connect(session: SqlSession, budget_seconds: float = CONNECT_BUDGET_SECONDS) -> Flow[None]:
    """Open a WebSocket to a session, in place of the driver's open one. A transient failure is tried again.

    :param session: the session, ready.
    :param budget_seconds: how long to try, in seconds; default 60.
    :raises SessionAddressError: if the session's address cannot be used.
    :raises WherobotsApiError: the failure, if it is permanent, or the last one.
    """
    url = address_of(session)
    clock, failures, longest = SteadyClock(), 0, 0.0
    while True:
        yield from clock.read(longest)
        left = budget_seconds - clock.seconds
        longest = max(1.0, min(ATTEMPT_SECONDS, left))
        try:
            return (yield from attempt_to_connect(url, longest))
        except WherobotsApiError as error:
            failures += 1
            yield from clock.read(longest)
            left = budget_seconds - clock.seconds
            if not error.transient or left <= 0:
                raise
            pause = min(pause_after(failures, error), left)
            longest = pause * (1 + JITTER)
            yield Note(logging.WARNING, f"{error}; trying again in {pause:.1f} s")
            yield Sleep(pause, JITTER)


def pause_after(failures: int, error: WherobotsApiError) -> float:
    """Seconds to wait before the next attempt.

    :param failures: how many attempts have failed in a row, 1 or more.
    :param error: the last failure; its ``Retry-After`` is obeyed up to the budget of the caller.
    """
    growing = min(MAX_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** min(failures - 1, 10))
    return max(growing, error.retry_after or 0.0)
