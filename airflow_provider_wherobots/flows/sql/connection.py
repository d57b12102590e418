"""Opening the WebSocket to a session, for the first time and after a loss."""

from __future__ import annotations

import logging

from airflow_provider_wherobots.api.errors import (
    AuthenticationError,
    NotWrittenError,
    PermissionDeniedError,
    ResponseError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.sql.models import SqlSession
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.effects import Flow, Note, Sleep, attempt_to_connect
from airflow_provider_wherobots.flows.retry import FIRST_DELAY_SECONDS, JITTER
from airflow_provider_wherobots.flows.sql.session import SessionFailedError, address_of
from airflow_provider_wherobots.flows.sql.steady import SteadyClock

CONNECT_BUDGET_SECONDS = 60.0
"""How long opening a WebSocket is tried."""
REFUSED_SECONDS = 60.0
"""How long the session's host may refuse connections: a session that is ready may be reached a moment later, and one
that has ended never."""
ATTEMPT_SECONDS = 20.0
MAX_DELAY_SECONDS = 10.0
"""The longest pause between two attempts: in two minutes the session cancels what nobody is attached to."""
LASTING_SECONDS = 30.0
"""How long a connection must have lasted for the next one to be opened at once, and not after a growing pause."""


class SessionRefusedError(SessionFailedError):
    """The session is ready, but its host refuses connections: the session has ended, or is not there yet."""


def connect(session: SqlSession, budget_seconds: float = CONNECT_BUDGET_SECONDS) -> Flow[None]:
    """Open a WebSocket to a session, in place of the driver's open one. Retries what may pass; a host that refuses
    connections for a minute is a ``SessionRefusedError``.
    """
    dialling, clock = Dialling(address_of(session), budget_seconds), SteadyClock()
    yield from clock.read()
    failure: WherobotsApiError | None = None
    try:
        while True:
            failure = yield from dialling.attempt(clock, failure)
            if failure is None:
                return
    except WherobotsApiError as error:
        if is_refusal(error):
            text = f"SQL session {words.short(session.id)} is {words.short(session.status)}, but refuses connections"
            raise SessionRefusedError(session.id, session.status, f"{text}: {words.quoted(str(error))}") from error
        raise


def is_refusal(error: WherobotsApiError) -> bool:
    """Whether the host has refused a connection for a reason that is not the API key."""
    is_of_the_key = isinstance(error, AuthenticationError | PermissionDeniedError)
    return isinstance(error, ResponseError) and not error.transient and not is_of_the_key


class Dialling:
    """Opens a WebSocket again and again: at once after a loss, then after growing pauses, for ``max_outage_seconds``
    without a connection.
    """

    def __init__(self, url: str, max_outage_seconds: float) -> None:
        self._url = url
        self._max_outage_seconds = max_outage_seconds
        self._lost_at: float | None = None
        self._opened_at = 0.0
        self._attempts = 0

    def heard(self, now: float) -> None:
        """The connection works."""
        self._lost_at = None
        if now - self._opened_at >= LASTING_SECONDS:
            self._attempts = 0

    def attempt(
        self, clock: SteadyClock, failure: WherobotsApiError | None, within: float = float("inf")
    ) -> Flow[WherobotsApiError | None]:
        """Make one attempt, after a pause if attempts have failed, and return its failure, which the caller passes to
        the next attempt. None if the WebSocket is open. Raises ``failure`` if it is permanent or the outage has lasted
        too long.
        """
        left, pause = self._max_outage_seconds, 0.0
        if failure is not None:
            left = yield from self._left(failure, clock.seconds)
            if self._attempts:
                pause = min(pause_after(self._attempts, failure), left, within)
        self._attempts += 1
        if pause:
            yield Sleep(pause, JITTER)
        seconds = max(1.0, min(ATTEMPT_SECONDS, left - pause, within - pause))
        failed: WherobotsApiError | None = None
        try:
            yield from attempt_to_connect(self._url, seconds)
        except WherobotsApiError as error:
            failed = error
        yield from clock.read(pause * (1 + JITTER) + seconds)
        self._opened_at = clock.seconds
        return failed

    def _left(self, failure: WherobotsApiError, now: float) -> Flow[float]:
        limit = self._limit(failure)
        if self._lost_at is None:
            self._lost_at = now
            if limit:
                # A connection that was never there is not lost.
                level = logging.DEBUG if isinstance(failure, NotWrittenError) else logging.WARNING
                text = f"{words.quoted(str(failure))}; connecting again for up to {words.duration(limit)}"
                yield Note(level, text)
        left = self._lost_at + limit - now
        if left <= 0:
            raise failure
        return left

    def _limit(self, failure: WherobotsApiError) -> float:
        if not self._url:
            return 0.0
        if failure.transient:
            return self._max_outage_seconds
        return min(REFUSED_SECONDS, self._max_outage_seconds) if is_refusal(failure) else 0.0


def pause_after(attempts: int, error: WherobotsApiError) -> float:
    """Seconds to wait before the next attempt. A ``Retry-After`` is obeyed up to the limit of the caller."""
    growing = min(MAX_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** min(attempts - 1, 10))
    return max(growing, error.retry_after or 0.0)
