"""A statement: executing it, following it to its end, and attaching to it from elsewhere.

A statement is sent once. If its connection is lost, the flow opens another one and attaches to the execution. Only a
statement of which nothing was written is sent again. ``follower`` decides; here it is performed.

A cancel is bounded in time, its result is logged, and it raises no ``WherobotsApiError``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api import errors
from airflow_provider_wherobots.api.errors import ConnectionLostError, NotFoundError, NotWrittenError, WherobotsApiError
from airflow_provider_wherobots.api.sql import sessions as calls
from airflow_provider_wherobots.api.sql.messages import CANCELLED, FAILED, ExecuteSql, ExecutionError, Store
from airflow_provider_wherobots.api.sql.sessions import SqlSession
from airflow_provider_wherobots.flows.retry import (
    CANCEL_BUDGET_SECONDS,
    DEFAULT_MAX_OUTAGE_SECONDS,
    JITTER,
    growing_delay,
)
from airflow_provider_wherobots.flows.sql.follower import (
    FORGOTTEN_SECONDS,
    NEVER,
    CancelAnswer,
    Do,
    ExecutionState,
    Follower,
)
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.session import SessionEndedError, SessionFailedError, address_of, ended
from airflow_provider_wherobots.io.base import Io
from airflow_provider_wherobots.stored import StoredOptions

MIN_WAIT_SECONDS = 0.001
"""The shortest single wait: less may not move the clock."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement to be executed. A stored result is never fetched, regardless of ``wants_result``."""

    execution_id: str
    text: str = field(repr=False)
    store: Store | None = None
    geometry: str = "ewkt"
    wants_result: bool = True


@dataclass(frozen=True, slots=True)
class StatementOptions(StoredOptions):
    """How a statement is followed; JSON-able, so that a trigger can carry it.

    :param url: address of the session's WebSocket, for opening it again; default empty, it is never opened again.
    :param deadline: when to cancel it, in epoch seconds; default None, never.
    :param limit_name: the argument that sets the deadline, for messages; default ``execution_timeout``.
    :param hand_over_after: seconds after which another process may follow it; default None, never.
    :param started_at: when it was sent, in epoch seconds; None if it is not sent yet.
    :param max_outage_seconds: how long a lost WebSocket may take to be replaced, in seconds; default 600.
    :param session_id: id of the session, to ask the service about it while its host cannot be reached; default empty,
        the service is not asked.
    :param forgotten_seconds: how long to wait for the end of a statement that the session no longer knows, after its
        last message, in seconds; default 600.
    """

    url: str = ""
    deadline: float | None = None
    limit_name: str = "execution_timeout"
    hand_over_after: float | None = None
    started_at: float | None = None
    max_outage_seconds: float = DEFAULT_MAX_OUTAGE_SECONDS
    session_id: str = ""
    forgotten_seconds: float = FORGOTTEN_SECONDS


async def execute(io: Io, statement: Statement, options: StatementOptions) -> StatementOutcome:
    """Execute a statement on the open WebSocket, and follow it to its end. Its id must be new. Failures of the
    connection are outcomes too; with ``hand_over_after`` the outcome may be ``RUNNING``.
    """
    message = ExecuteSql(statement.execution_id, statement.text, statement.store)
    wants_result = statement.wants_result and statement.store is None
    more = {"has_sent": True, "statement": message, "geometry": statement.geometry, "wants_result": wants_result}
    return await _follow(io, statement.execution_id, ExecutionState.SENDING, options, **more)


async def attach(
    io: Io, execution_id: str, options: StatementOptions, *, geometry: str = "ewkt", wants_result: bool = True
) -> StatementOutcome:
    """Follow an execution that another connection has begun. Never executes anything. Opens a WebSocket to
    ``options.url`` if none is open, before it asks the service about the session.
    """
    more = {"geometry": geometry, "wants_result": wants_result}
    return await _follow(io, execution_id, ExecutionState.RUNNING, options, **more)


async def fetch(io: Io, execution_id: str, options: StatementOptions, *, geometry: str = "ewkt") -> StatementOutcome:
    """Fetch the result of an execution that is known to have succeeded, such as one that a trigger has followed. Opens
    a WebSocket to ``options.url`` if none is open. The outcome is ``SUCCEEDED`` with the result, or says why there is
    none.
    """
    return await _follow(io, execution_id, ExecutionState.FETCHING, options, geometry=geometry, wants_result=True)


async def _follow(
    io: Io, execution_id: str, state: ExecutionState, options: StatementOptions, **more: Any
) -> StatementOutcome:
    moment, begun = io.now(), io.monotonic()
    started_at = moment if options.started_at is None else options.started_at
    follower = Follower(
        execution_id,
        state,
        begun,
        deadline=NEVER if options.deadline is None else begun + options.deadline - moment,
        limit_name=options.limit_name,
        hand_over_at=NEVER if options.hand_over_after is None else begun + options.hand_over_after,
        forgotten_seconds=options.forgotten_seconds,
        **more,
    )
    outcome = await follow(io, follower, Connector(options.url, options.max_outage_seconds, options.session_id))
    seconds = max(0.0, moment - started_at) + follower.now - begun
    return replace(outcome, seconds=round(seconds, 3), started_at=started_at)


async def follow(io: Io, follower: Follower, connector: Connector) -> StatementOutcome:
    """Do what a follower says, until there is an outcome."""
    while True:
        do = follower.next(io.monotonic())
        while follower.notes:
            await io.note(*follower.notes.pop(0))
        if follower.outcome is not None:
            break
        await (_connect(io, follower, connector) if do is Do.CONNECT else _talk(io, follower, connector, do))
    if follower.open_requests and follower.outcome.state is not StatementState.RUNNING:
        # A late response must not be taken for one about the next statement.
        await io.disconnect()
    return follower.outcome


async def _talk(io: Io, follower: Follower, connector: Connector, do: Do) -> None:
    try:
        if do is Do.WRITE:
            for each in follower.messages:
                await io.transmit(each)
            return follower.written()
        wait = min(follower.due, follower.deadline) - follower.now
        message = await io.receive(max(MIN_WAIT_SECONDS, wait))
    except ConnectionLostError as error:
        return follower.lost(error, was_written=not isinstance(error, NotWrittenError))
    moment = io.monotonic()
    if message is not None:
        if message.execution_id == follower.id:
            connector.works(moment)
        follower.received(message, moment)


async def _connect(io: Io, follower: Follower, connector: Connector) -> None:
    within, failure = follower.deadline - follower.now, follower.loss
    try:
        if follower.state is ExecutionState.CANCELLING:
            await connector.attempt_once(io, failure, within)
            failure = None
        else:
            failure = await connector.attempt(io, failure, within)
    except WherobotsApiError as error:
        follower.given_up(error.reason)
    else:
        if failure is None:
            follower.replaced()
        else:
            follower.lost(failure, was_written=False)


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
        raise SessionFailedError(f"{text}: {error.reason}") from error


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
            raise SessionEndedError(f"The service does not know SQL session {words.short(self._session_id)}") from None
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
                text = f"{failure}; connecting again for up to {words.duration(limit)}"
                await io.note(level, text)
        left = self._lost_at + limit - now
        if left <= 0:
            raise failure
        return left


MIN_SECONDS = 0.5
"""How long a cancel takes at least: it is written though no time is left."""


async def end_earlier(io: Io, execution_ids: Sequence[str], url: str) -> str:
    """After a clear: cancel the executions of earlier rounds that still run. Returns the id of one that may still run;
    empty if none does.

    The trigger of a cleared task cancels its statement too. That may come later than the new try, and never comes if no
    triggerer runs at that moment. Then the same write would be executed twice at the same time.
    """
    for execution_id in execution_ids:
        last = await last_word_after_cancel(io, execution_id, CANCEL_BUDGET_SECONDS, url, least_level=logging.WARNING)
        if last is None:
            return execution_id
        if not isinstance(last, ExecutionError) and last.state == CANCELLED:
            await io.note(logging.INFO, f"Cancelled statement {words.short(execution_id)} from before the clear")
    return ""


async def last_word_after_cancel(
    io: Io,
    execution_id: str,
    budget_seconds: float = CANCEL_BUDGET_SECONDS,
    url: str = "",
    *,
    has_sent: bool = False,
    least_level: int = logging.INFO,
) -> CancelAnswer | None:
    """Cancel an execution on the open WebSocket, or at ``url`` if none is open, and log its final state. None if it is
    not known to have ended.

    ``has_sent``: the open WebSocket has sent the statement. Another one attaches to it first.
    """
    moment = io.monotonic()
    deadline = moment + max(MIN_SECONDS, budget_seconds)
    follower = Follower(
        execution_id, ExecutionState.CANCELLING, moment, has_sent, deadline=deadline, least_level=least_level
    )
    await follow(io, follower, Connector(url, budget_seconds))
    return follower.last


async def cancel_in_session(io: Io, session_id: str, execution_id: str, budget_seconds: float) -> None:
    """Cancel an execution in a session that this process is not connected to."""
    deadline, url, why = io.monotonic() + budget_seconds, "", "its session is not ready"
    try:
        session = await io.send(calls.get_session(session_id).at_once(), budget_seconds / 2)
        if session is not None and session.is_ready:
            url = address_of(session)
    except WherobotsApiError as error:
        why = error.reason
    if url:
        await last_word_after_cancel(io, execution_id, deadline - io.monotonic(), url)
        return
    await io.note(
        logging.WARNING,
        f"Statement {words.short(execution_id)} was not cancelled ({why}). The session cancels it by itself, usually "
        "two minutes after its connection was lost",
    )


def wrote_nothing(last: CancelAnswer | None, *, was_in_contact: bool) -> bool:
    """Whether a statement is known to have written nothing, by its last word after its cancel.

    One that was cancelled has not if the connection that has sent it has also asked for the cancel, and
    ``was_in_contact`` all the time: Spark stops it before its commit. Otherwise the session or somebody else may have
    cancelled it, and part of it may have taken effect.
    """
    if last is None or isinstance(last, ExecutionError):
        return False
    return last.state == FAILED or (last.state == CANCELLED and was_in_contact)
