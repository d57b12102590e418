"""Opening the WebSocket to a session, for the first time and after a loss."""

from __future__ import annotations

import logging

from airflow_provider_wherobots.api import errors
from airflow_provider_wherobots.api.errors import NotFoundError, NotWrittenError, WherobotsApiError
from airflow_provider_wherobots.api.sql import sessions as calls
from airflow_provider_wherobots.api.sql.sessions import SqlSession
from airflow_provider_wherobots.flows.retry import JITTER, growing_delay
from airflow_provider_wherobots.flows.sql.session import SessionEndedError, SessionFailedError, address_of, ended
from airflow_provider_wherobots.io.base import Io
from airflow_provider_wherobots.messages import words

CONNECT_BUDGET_SECONDS = 60.0
"""How long opening a WebSocket is retried."""
REFUSED_SECONDS = 60.0
"""How long the session's host can refuse connections: a session that is ready may accept them a moment later, and one
that has ended never does."""
ATTEMPT_SECONDS, CANCEL_ATTEMPT_SECONDS = 20.0, 10.0
MAX_RECONNECT_SECONDS = 10.0
"""The longest pause between two attempts: after two minutes the session cancels what no connection is attached to."""
LASTING_SECONDS = 30.0
"""How long a connection must have lasted for the next one to be opened at once, and not after a growing pause."""


async def connect(io: Io, session: SqlSession, budget_seconds: float = CONNECT_BUDGET_SECONDS) -> None:
    """Open a WebSocket to a session, in place of the open one. Transient failures are retried, and a refused
    API key for a minute. A host that refuses connections for a minute is a ``SessionFailedError``.
    """
    connector = Connector(address_of(session), budget_seconds, session.id)
    failure = await connector.attempt(io, None)
    try:
        while failure is not None:
            failure = await connector.attempt(io, failure)
    except WherobotsApiError as error:
        if isinstance(error, SessionFailedError) or not is_refusal(error):
            raise
        text = f"SQL session {words.short(session.id)} is {words.short(session.status)}, but refuses connections"
        raise SessionFailedError(f"{text}: {words.quoted(str(error))}") from error


def is_refusal(error: WherobotsApiError) -> bool:
    """Whether the host has refused a connection for a reason that is not the API key."""
    is_of_the_key = isinstance(error, errors.AuthenticationError | errors.PermissionDeniedError)
    return isinstance(error, errors.ResponseError) and not error.transient and not is_of_the_key


class Connector:
    """Opens a WebSocket, and opens it again: at once after a loss, then after growing pauses, until there was no
    connection for ``max_outage_seconds``. With a ``session_id`` the service is asked each minute in which no attempt
    succeeds: the session may have ended, or have another address.
    """

    def __init__(self, url: str, max_outage_seconds: float, session_id: str = "") -> None:
        self._url = url
        self._max_outage_seconds = max_outage_seconds
        self._session_id = session_id
        self._ask_at = float("inf")
        self._lost_at: float | None = None
        self._opened_at = 0.0
        self._attempts = 0

    def works(self, now: float) -> None:
        """A message has come."""
        self._lost_at, self._ask_at = None, float("inf")
        if now - self._opened_at >= LASTING_SECONDS:
            self._attempts = 0

    async def attempt(
        self, io: Io, failure: WherobotsApiError | None, within: float = float("inf")
    ) -> WherobotsApiError | None:
        """Make one attempt, after a pause if attempts have failed, and return its failure, which the caller passes to
        the next attempt. None if the WebSocket is open. Raises ``failure`` if it is permanent or the outage has lasted
        too long, and a ``SessionFailedError`` if the session has ended.
        """
        left, pause = self._max_outage_seconds, 0.0
        if failure is not None:
            if io.monotonic() >= self._ask_at:
                await self._ask_service(io)
            left = await self._left(io, failure, io.monotonic())
            if self._attempts:
                growing = growing_delay(self._attempts, longest=MAX_RECONNECT_SECONDS)
                pause = min(max(growing, failure.retry_after or 0.0), left, within)
        self._attempts += 1
        if pause:
            await io.sleep(pause, JITTER)
        failed: WherobotsApiError | None = None
        try:
            seconds = max(1.0, min(ATTEMPT_SECONDS, left - pause, within - pause))
            await io.connect(self._url, seconds)
        except WherobotsApiError as error:
            failed = error
        self._opened_at = io.monotonic()
        return failed

    async def attempt_once(self, io: Io, failure: WherobotsApiError | None, within: float) -> None:
        """Make one attempt, by the WebSocket alone: a worker that is being stopped may use nothing else. Raises its
        failure, or ``failure`` without an address.
        """
        if not self._url and failure is not None:
            raise failure
        await io.connect_once(self._url, max(0.5, min(CANCEL_ATTEMPT_SECONDS, within * 0.6)))

    async def _ask_service(self, io: Io) -> None:
        session: SqlSession | None = None
        try:
            session = await io.send(calls.get_session(self._session_id), ATTEMPT_SECONDS)
        except NotFoundError:
            raise SessionEndedError(f"the service does not know SQL session {words.short(self._session_id)}") from None
        except WherobotsApiError:
            # The service does not tell, and the host may be back.
            pass
        self._ask_at = io.monotonic() + REFUSED_SECONDS
        if session is not None and session.has_ended:
            raise ended(session)
        if session is not None and session.is_ready:
            self._url = address_of(session)

    async def _left(self, io: Io, failure: WherobotsApiError, now: float) -> float:
        """How long attempts may go on after a failure. Raises it if that is over."""
        limit = self._max_outage_seconds
        if not failure.transient:
            is_tolerated = is_refusal(failure) or failure.key_may_change
            limit = min(REFUSED_SECONDS, limit) if is_tolerated else 0.0
        if not self._url:
            limit = 0.0
        if self._lost_at is None:
            self._lost_at = now
            self._ask_at = now + REFUSED_SECONDS if self._session_id else float("inf")
            if limit:
                # A connection that was never there is not lost.
                level = logging.DEBUG if isinstance(failure, NotWrittenError) else logging.WARNING
                text = f"{words.quoted(str(failure))}; connecting again for up to {words.duration(limit)}"
                await io.note(level, text)
        left = self._lost_at + limit - now
        if left <= 0:
            raise failure
        return left
