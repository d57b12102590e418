"""A SQL session: requesting one, waiting until statements can be executed in it, and stopping it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.errors import ConflictError, NotFoundError, QuotaError, WherobotsApiError
from airflow_provider_wherobots.api.sql import sessions as calls
from airflow_provider_wherobots.api.sql.sessions import READY, RequestedSession, SessionRequest, SqlSession
from airflow_provider_wherobots.flows.quota import AwaitingQuota, QuotaRefusals, QuotaWait
from airflow_provider_wherobots.flows.retry import (
    CANCEL_BUDGET_SECONDS,
    DEFAULT_MAX_OUTAGE_SECONDS,
    JITTER,
    MIN_FAILED_POLLS,
    REFUSED_SECONDS,
    Outage,
    at_most,
    send,
)
from airflow_provider_wherobots.io.base import Io, Pause
from airflow_provider_wherobots.stored import StoredOptions

DEFAULT_SESSION_WAIT_TIMEOUT = 900.0
FIRST_LOOK_SECONDS = 1.0
"""The pause before the second look at a session: one that is shared may be ready at once."""
MAX_LOOK_SECONDS = 5.0
"""The longest pause between two looks: a session takes minutes to start."""
LOOK_GROWTH = 1.5
"""How much longer each of these pauses is than the one before."""
MIN_STOP_PAUSE_SECONDS = 0.5
"""A stop that has less time than this before its next attempt is given up."""
APPEARANCE_SECONDS = 60.0
"""How long a session that was just requested may be unknown to the service, or null."""
MAX_REQUESTS = 12
"""How often a session is requested while the one that is shared is being stopped."""
STOP_ATTEMPT_SECONDS = 10.0
POLL_TIMEOUT_SECONDS = 30.0
USED_OUTAGE_SECONDS = 60.0
"""How long the service may be unreachable if the session has executed statements already."""


@dataclass(frozen=True, slots=True)
class SessionWait(StoredOptions):
    """How long to wait for a session; JSON-able, so that a trigger can carry it.

    :param timeout: how long it may take to become ready, in seconds; default 900.
    :param max_outage_seconds: how long consecutive transient failures are tolerated, in seconds; default 600.
    :param deadline: when to give up in any case, in epoch seconds; default None, never.
    :param since: when the wait began, in epoch seconds; None begins it with the first poll.
    :param appearance_seconds: how long after its beginning the session may be unknown to the service; default 60. 0 is
        for one that was not just requested.
    """

    timeout: float = DEFAULT_SESSION_WAIT_TIMEOUT
    max_outage_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS
    deadline: float | None = None
    since: float | None = None
    appearance_seconds: float = APPEARANCE_SECONDS

    @classmethod
    def of_used(cls, moment: float) -> SessionWait:
        """The wait for a session that has executed statements already."""
        return cls(USED_OUTAGE_SECONDS, USED_OUTAGE_SECONDS, None, moment, 0.0)

    def begun(self, moment: float) -> SessionWait:
        """The same wait, begun at a moment, unless it has begun before."""
        return self if self.since is not None else replace(self, since=moment)

    def left(self, waited: float, moment: float) -> float:
        """Seconds that the wait may still take. ``waited`` is of the monotonic clock, ``moment`` of the wall clock."""
        left = self.timeout - waited
        return left if self.deadline is None else min(left, self.deadline - moment)

    def ends_at_deadline(self) -> bool:
        """Whether the deadline ends the wait, and not ``timeout``."""
        return self.deadline is not None and self.since is not None and self.deadline < self.since + self.timeout


class SessionFailedError(WherobotsApiError):
    """No statement can be executed in the session."""

    says_what_failed = True

    def __init__(self, text: str) -> None:
        super().__init__("getSqlSession", text)


class SessionEndedError(SessionFailedError):
    """The session has ended, could not be started, or is unknown to the service."""


class SessionWaitTimeoutError(SessionFailedError):
    """The session was not ready in time. It continues to start, and a later request may share it. ``at_deadline``: the
    deadline was reached, and not ``timeout``.
    """

    transient = True

    def __init__(self, text: str, at_deadline: bool) -> None:
        super().__init__(text)
        self.at_deadline = at_deadline


async def request_session(
    io: Io, request: SessionRequest, max_outage_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS
) -> RequestedSession:
    """Request a session: a new one, or a shared one that is equal. One that is being stopped is waited out. A request
    that makes a new session each time is repeated only if it is known to have had no effect.
    """
    for requests_left in reversed(range(MAX_REQUESTS)):
        asked = await send(io, calls.create_session(request), max_outage_seconds)
        session = f"SQL session {words.short(asked.id)}"
        # A request that makes a new one each time shares none.
        if not requests_left or not request.is_repeatable or not await _is_being_stopped(io, asked):
            break
        await io.note(logging.INFO, f"{session} is being stopped. Requesting a new one in {MAX_LOOK_SECONDS:g} s")
        await io.sleep(MAX_LOOK_SECONDS, JITTER)
    if asked.fallback:
        reason = words.short(asked.fallback)
        text = f"Using {session} of the same user, with its views and settings: no new one was started ({reason})"
        await io.note(logging.WARNING, text)
    else:
        await io.note(logging.INFO, f"Using {session}")
    return asked


async def _is_being_stopped(io: Io, asked: RequestedSession) -> bool:
    try:
        session = await io.send(calls.get_session(asked.id), POLL_TIMEOUT_SECONDS)
    except WherobotsApiError:
        # The wait for the session reports why.
        return False
    return session is not None and session.is_being_stopped


async def request_session_with_quota(
    io: Io, request: SessionRequest, wait: QuotaWait, max_outage_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS
) -> RequestedSession | AwaitingQuota:
    """Request a session, and wait while the organization's quota is used up. Returns the wait instead, if ``wait``
    hands it over.
    """
    refusals = QuotaRefusals(wait, "SQL session")
    while True:
        try:
            return await request_session(io, request, max_outage_seconds)
        except QuotaError as error:
            pause = await refusals.refused(io, error)
            if isinstance(pause, AwaitingQuota):
                return pause
            await io.sleep(*pause)


async def await_session(io: Io, session_id: str, options: SessionWait) -> SqlSession:
    """Poll a session until statements can be executed in it.

    Tolerates transient failures for ``max_outage_seconds``, and refusals for a minute; that of a key
    that has worked counts as transient.
    """
    moment, steady = io.now(), io.monotonic()
    wait = options.begun(moment)
    began = steady if options.since is None else steady - max(0.0, moment - options.since)
    outage, notes = Outage(wait.max_outage_seconds, REFUSED_SECONDS, MIN_FAILED_POLLS), _StatusNotes(session_id)
    delay, refusal = FIRST_LOOK_SECONDS, None
    while True:
        left = wait.left(steady - began, moment)
        seconds = max(1.0, min(left, POLL_TIMEOUT_SECONDS))
        pause, has_succeeded, session = Pause(delay, JITTER), True, None
        try:
            session = await io.send(calls.get_session(session_id), seconds)
        except NotFoundError:
            pass
        except WherobotsApiError as error:
            has_succeeded = False
            pause = await outage.pause(io, error, steady, "the session is not affected; polling continues")
            refusal = None if error.transient else error
        if has_succeeded:
            refusal = None
            await outage.succeeded(io, steady, "The service")
        if session is not None:
            await notes.seen(io, session)
            if session.is_ready:
                address_of(session)
                return session
            if session.has_ended:
                raise ended(session)
        elif has_succeeded:
            await notes.not_seen(io, wait.appearance_seconds + began - steady)
        moment, steady = io.now(), io.monotonic()
        left = wait.left(steady - began, moment)
        if left <= 0:
            raise refusal or _not_in_time(wait, notes)
        pause = at_most(left, pause)
        await io.sleep(*pause)
        moment, steady = io.now(), io.monotonic()
        delay = min(MAX_LOOK_SECONDS, delay * LOOK_GROWTH)


async def obtain_session(
    io: Io,
    request: SessionRequest,
    wait: SessionWait,
    kept: str | None = None,
    own: Callable[[str], None] | None = None,
) -> SqlSession:
    """Request a session, and wait until statements can be executed in it.

    ``kept`` is the id of a session that an earlier request made for itself alone. It is used as long as it lives.
    ``own`` takes the id of a session that nobody else can have, as soon as it is known.
    """
    if kept is not None:
        try:
            return await await_session(io, kept, replace(wait, appearance_seconds=0.0))
        except SessionEndedError:
            await io.note(logging.INFO, f"SQL session {words.short(kept)} has ended. Requesting a new one")
    asked = await request_session(io, request, wait.max_outage_seconds)
    if own is not None and not request.is_repeatable and not asked.fallback:
        own(asked.id)
    return await await_session(io, asked.id, wait)


async def stop_session(
    io: Io,
    session_id: str,
    budget_seconds: float = CANCEL_BUDGET_SECONDS,
    *,
    appearance_seconds: float = 0.0,
    own_key: str = "",
) -> bool:
    """Stop a session, with everything that is executed in it. True if it is being stopped, or need not be. Never
    raises a ``WherobotsApiError``.

    ``appearance_seconds``: how long the service may not know it yet, if it was just requested. ``own_key``: the key
    that it was requested with. If the service does not show this key, it may have ignored it, and others may use the
    session. Then it is not stopped.
    """
    session = f"SQL session {words.short(session_id)}"
    began, outage = io.monotonic(), Outage(budget_seconds, 0.0, key_worked=True)
    until = began + budget_seconds
    while True:
        longest = max(0.5, min(until - io.monotonic(), STOP_ATTEMPT_SECONDS))
        try:
            if own_key:
                found = await io.send(calls.get_session(session_id), longest)
                if found is None:
                    raise NotFoundError("getSqlSession", 404)
                if found.key != own_key:
                    text = "is not stopped, because the service does not show that only this task uses it"
                    await io.note(
                        logging.WARNING, f"{session} {text}. It ends by itself after its last client has left"
                    )
                    return True
                own_key = ""
            await io.send(calls.delete_session(session_id), longest)
        except (NotFoundError, ConflictError) as error:
            left = min(began + appearance_seconds, until) - io.monotonic()
            if isinstance(error, ConflictError) or left <= FIRST_LOOK_SECONDS:
                await io.note(logging.INFO, f"{session} need not be stopped: {error.reason}")
                return True
            await io.sleep(FIRST_LOOK_SECONDS)
        except WherobotsApiError as error:
            moment = io.monotonic()
            try:
                pause = min(outage.failed(error, moment), (until - moment) / 2)
            except WherobotsApiError:
                pause = 0.0
            if pause < MIN_STOP_PAUSE_SECONDS:
                await io.note(
                    logging.WARNING,
                    f"{session} could not be stopped ({error.reason}). It ends by itself some time after its last "
                    "client has "
                    f'disconnected. To stop it: WherobotsSqlHook().stop_session("{words.short(session_id)}")',
                )
                return False
            await io.sleep(pause)
        else:
            await io.note(logging.INFO, f"{session} is being stopped")
            return True


async def stop_requested_session(io: Io, request: SessionRequest, budget_seconds: float) -> bool:
    """Stop the session of a request whose response was lost. True if it is being stopped, or need not be. Never
    raises a ``WherobotsApiError``.
    """
    until = io.monotonic() + budget_seconds
    try:
        asked = await io.send(calls.create_session(request), budget_seconds / 2)
    except WherobotsApiError as error:
        await io.note(
            logging.WARNING,
            f"A SQL session may have been started, and could not be stopped ({error.reason}). A retry uses it; "
            "without one it ends some time after its start",
        )
        return False
    # A session of others is not this request's.
    if asked.fallback:
        return True
    left, own_key = until - io.monotonic(), request.session_key or ""
    return await stop_session(io, asked.id, left, appearance_seconds=APPEARANCE_SECONDS, own_key=own_key)


def _not_in_time(wait: SessionWait, notes: _StatusNotes) -> SessionWaitTimeoutError:
    at_deadline = wait.ends_at_deadline()
    limit = "the task's execution_timeout" if at_deadline else f"session_wait_timeout={wait.timeout:g}"
    text = f"{notes.session} was still {notes.last or 'unknown'} when {limit} was reached"
    return SessionWaitTimeoutError(text, at_deadline)


def ended(session: SqlSession) -> SessionEndedError:
    """The error about a session that has ended."""
    reason = f": {words.quoted(session.message)}" if session.message else ""
    return SessionEndedError(f"SQL session {words.short(session.id)} is {words.short(session.status)}{reason}")


def address_of(session: SqlSession) -> str:
    try:
        return session.socket_url
    except ValueError as error:
        raise SessionFailedError(words.quoted(str(error))) from None


class _StatusNotes:
    """Logs each change of status once. Ends the wait for an unknown session."""

    def __init__(self, session_id: str) -> None:
        self._unknown = 0
        self.session = f"SQL session {words.short(session_id)}"
        self.last = ""
        self._noted = ""

    async def not_seen(self, io: Io, left: float) -> None:
        """The service does not know it, which is tolerated for ``left`` more seconds."""
        self._unknown += 1
        if self._unknown == 1:
            limit = f"again for up to {words.duration(left)}" if left > 0 else "one more time"
            await io.note(logging.INFO, f"The service does not know {self.session}; polling {limit}")
        elif left <= 0:
            raise SessionEndedError(f"The service does not know {self.session}")

    async def seen(self, io: Io, session: SqlSession) -> None:
        self._unknown = 0
        self.last = words.short(session.status)
        status = "waiting for its address" if session.status == READY and not session.url else self.last
        if status != self._noted:
            self._noted = status
            version = f" (version {words.short(session.version)})" if session.is_ready and session.version else ""
            await io.note(logging.INFO, f"{self.session} is {status}{version}")
