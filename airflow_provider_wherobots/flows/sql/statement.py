"""A statement: executing it, following it to its end, and attaching to it from elsewhere.

A statement is sent once. If its connection is lost, the flow opens another one and attaches to the execution. Only a
statement of which certainly nothing was written is sent again. ``follower`` decides; here it is performed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_wherobots.api.errors import ConnectionLostError, NotWrittenError, WherobotsApiError
from airflow_provider_wherobots.api.sql.messages import ExecuteSql, Store
from airflow_provider_wherobots.flows.retry import DEFAULT_MAX_OUTAGE_SECONDS
from airflow_provider_wherobots.flows.sql.connection import Connector
from airflow_provider_wherobots.flows.sql.follower import FORGOTTEN_SECONDS, NEVER, Do, ExecutionState, Follower
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.io.base import Io
from airflow_provider_wherobots.messages import words
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
    a WebSocket to ``options.url`` if none is open. The outcome is ``SUCCEEDED`` with the result, or ``GAVE_UP``.
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
        follower.given_up(words.quoted(str(error)))
    else:
        if failure is None:
            follower.replaced()
        else:
            follower.lost(failure, was_written=False)
