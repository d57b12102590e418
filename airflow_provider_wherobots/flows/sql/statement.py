"""A statement: executing it, following it to its end, attaching to it from elsewhere, and cancelling it.

A statement is sent once. If its connection is lost, the flow opens another one and attaches to the execution. Only a
statement of which certainly nothing was written is sent again.
"""

from __future__ import annotations

from airflow_provider_wherobots.api.errors import ConnectionLostError
from airflow_provider_wherobots.api.sql.messages import ExecutionError, ExecutionResult, RetrieveResults, StateUpdated
from airflow_provider_wherobots.flows.effects import Flow, Receive, Transmit, perform
from airflow_provider_wherobots.flows.sql.cancel import CANCEL_BUDGET_SECONDS, cancel
from airflow_provider_wherobots.flows.sql.connection import connect
from airflow_provider_wherobots.flows.sql.execution import Statement, StatementExecution, StatementOptions
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.steady import SteadyClock

__all__ = [
    "CANCEL_BUDGET_SECONDS",
    "Statement",
    "StatementOptions",
    "StatementOutcome",
    "StatementState",
    "attach",
    "can_be_attached",
    "cancel",
    "connect",
    "execute",
    "fetch",
    "is_running",
]

PROBE_SECONDS = 10.0


def execute(statement: Statement, options: StatementOptions) -> Flow[StatementOutcome]:
    """Execute a statement on the open WebSocket, and follow it to its end.

    :param statement: the statement; its id must be new.
    :param options: how to follow it. With ``hand_over_after`` the outcome may be ``RUNNING``.
    :returns: the outcome. Failures of the connection are outcomes too.
    """
    return (yield from StatementExecution(statement, options).execute())


def attach(
    execution_id: str, options: StatementOptions, *, geometry: str = "ewkt", wants_result: bool = True
) -> Flow[StatementOutcome]:
    """Follow an execution that another connection has begun. Never executes anything.

    :param execution_id: its id.
    :param options: how to follow it. Without an open WebSocket, one is opened to ``options.url``.
    :param geometry: how geometries are written; default ``ewkt``.
    :param wants_result: whether its result is fetched; default True.
    :returns: the outcome.
    """
    statement = Statement(execution_id, "", geometry=geometry, wants_result=wants_result)
    return (yield from StatementExecution(statement, options).attach())


def fetch(execution_id: str, options: StatementOptions, *, geometry: str = "ewkt") -> Flow[StatementOutcome]:
    """Fetch the result of an execution that is known to have succeeded, such as one that a trigger has followed.

    :param execution_id: its id.
    :param options: how to follow it. Without an open WebSocket, one is opened to ``options.url``.
    :param geometry: how geometries are written; default ``ewkt``.
    :returns: the outcome: ``SUCCEEDED`` with the result, or ``GAVE_UP``.
    """
    return (yield from StatementExecution(Statement(execution_id, "", geometry=geometry), options).fetch())


def can_be_attached(execution_id: str) -> Flow[bool]:
    """Ask on the open WebSocket whether another connection could take over an execution.

    :func:`execute` asks this itself before it hands over: its outcome ``RUNNING`` says yes. Messages of the execution
    that come meanwhile are dropped, so afterwards only :func:`attach` finds out how it ended.

    :param execution_id: its id.
    """
    try:
        answer = yield from _probe(RetrieveResults(execution_id, attach=True))
    except ConnectionLostError:
        return False
    return isinstance(answer, ExecutionResult) and answer.attached and not answer.is_final


def is_running(execution_id: str) -> Flow[bool]:
    """Attach to an execution on the open WebSocket, and say whether it has not ended, as far as the session knows.

    :param execution_id: its id.
    :returns: the answer; True if there is none.
    :raises ConnectionLostError: when the connection is lost.
    """
    answer = yield from _probe(RetrieveResults(execution_id, attach=True))
    return answer is None or (isinstance(answer, ExecutionResult) and not answer.is_final)


def _probe(question: RetrieveResults) -> Flow[ExecutionResult | StateUpdated | ExecutionError | None]:
    """The answer to a question, or the execution's end if that comes first."""
    clock, longest = SteadyClock(), 0.0
    yield from perform(Transmit(question))
    while True:
        yield from clock.read(longest)
        longest = PROBE_SECONDS - clock.seconds
        if longest <= 0:
            return None
        message = yield from perform(Receive(longest))
        match message:
            case ExecutionResult() | ExecutionError() if message.execution_id == question.execution_id:
                return message
            case StateUpdated() if message.execution_id == question.execution_id and message.is_final:
                return message
